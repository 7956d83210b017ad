//! What this file system makes of the metadata that it is given.

use rustix::fs::{FileType, makedev};

use super::compare::Seen;
use super::expected::{Node, Shape};
use super::look;
use crate::error::Result;
use crate::layer::metadata::Metadata;
use crate::layer::paths::{PathId, PathTable};
use crate::layer::tar::Time;
use crate::layer::writer::{DirectoryMarks, Writer};
use crate::sys::dir::Dir;
use crate::sys::xattr::{self, Xattrs};

/// A place where files are made to be looked at.
#[derive(Debug)]
pub struct Scratch<'a>(&'a Dir);

/// What became of a node.
#[derive(Debug)]
pub struct Stored {
    metadata: Metadata,
    xattrs: Xattrs,
}

/// The name of what is made.
const NAME: &[u8] = b"made";

impl<'a> Scratch<'a> {
    /// In this directory, which is of the same file system.
    pub fn new(dir: &'a Dir) -> Self {
        Self(dir)
    }

    /// Makes a file with the metadata of `node`, as a layer's are made, and looks at it.
    pub fn stored(&self, node: &Node<'_>) -> Result<Stored> {
        // Several threads have the same directory.
        let name = format!("probe-{:?}", std::thread::current().id());
        self.0.remove_tree(name.as_bytes())?;
        self.0.create_dir(name.as_bytes(), 0o700)?;
        let dir = self.0.open_dir(name.as_bytes())?;
        make(&dir, node)?;
        let seen = match node.shape {
            Shape::Directory { .. } => {
                let made = dir.open_dir(NAME)?;
                let mut seen = Seen::of(&made.stat(b".")?);
                seen.xattrs = xattr::all_fd(&made)?;
                seen
            }
            _ => look(&dir, NAME, &dir.stat(NAME)?)?,
        };
        self.0.remove_tree(name.as_bytes())?;
        let nanos = u32::try_from(seen.mtime.1).unwrap_or_default();
        let metadata = Metadata {
            mode: u16::try_from(seen.mode).unwrap_or_default(),
            mtime: Time { seconds: seen.mtime.0, nanos },
            ..node.metadata
        };
        // Security modules label what they like.
        let mut xattrs = seen.xattrs;
        xattrs.retain(|(name, _)| node.xattrs.iter().any(|(wanted, _)| wanted == name));
        Ok(Stored { metadata, xattrs })
    }
}

fn make(dir: &Dir, node: &Node<'_>) -> Result<()> {
    let mut paths = PathTable::new(2);
    let path = paths.child(PathId::ROOT, NAME)?;
    let mut writer = Writer::new(dir, &|_| {})?;
    let Node { metadata, xattrs, .. } = node;
    match node.shape {
        Shape::Directory { .. } => {
            writer.directory(&paths, path)?;
            writer.finish_directory(&paths, path, metadata, xattrs, DirectoryMarks::default(), None)
        }
        Shape::File { .. } => {
            let file = writer.file(&paths, path, metadata)?;
            writer.files().finish(&file, metadata, xattrs, None)
        }
        Shape::Symlink(_) => writer.symlink(&paths, path, b"x", metadata, xattrs, None),
        Shape::Device { block, number: (major, minor) } => {
            let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
            writer.node(&paths, path, (kind, makedev(major, minor)), metadata, xattrs, None)
        }
        Shape::Fifo => writer.node(&paths, path, (FileType::Fifo, 0), metadata, xattrs, None),
        Shape::Whiteout => Ok(()),
    }
}

impl Stored {
    /// The node as this file system has it.
    pub fn as_node<'s>(&'s self, node: &Node<'s>) -> Node<'s> {
        Node { metadata: self.metadata, xattrs: &self.xattrs, ..*node }
    }
}
