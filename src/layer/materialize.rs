//! Writing a computed layer: the correction of a stack, or its lowest layers merged into one.
//!
//! Content is copied from the diff directories of the stack (shared extents where the file system can), never hard
//! linked: `st_nlink` would show it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::File;

use rustix::fs::FileType;

use super::correction::{Places, StackLayer};
use super::difference::{Change, Changes};
use super::dir_cache::DirCache;
use super::flat::{FlatTree, Node, Origin};
use super::paths::PathId;
use super::records::What;
use super::stack::Stack;
use super::unpack::kept_name;
use super::writer::{DirectoryMarks, Writer};
use crate::cancel::Cancel;
use crate::error::{Context, Error, Result};
use crate::sys::copy;
use crate::sys::dir::Dir;
use crate::sys::errno::escape;

/// Layers that are open at one time, each with the directories of its cache.
const MAX_SOURCES: usize = 8;

/// Writes `changes` into the empty directory `out`, whose root gets the metadata of `tree`'s.
pub fn materialize(
    stack: &Stack<'_>,
    sources: &[StackLayer<'_>],
    tree: &FlatTree,
    changes: &Changes,
    out: &Dir,
    cancel: &Cancel,
) -> Result<()> {
    let warn = |_: &str| {};
    let mut work =
        Work { stack, sources, opened: HashMap::new(), writer: Writer::new(out, &warn)?, written: HashMap::new() };
    let mut whiteout_parents = HashSet::new();
    let mut directories = vec![(PathId::ROOT, tree.root)];
    let mut todo = vec![PathId::ROOT];
    while let Some(directory) = todo.pop() {
        cancel.check()?;
        for path in stack.paths.children(directory) {
            let Some(change) = changes.get(&path) else { continue };
            work.one(path, change).context(|| format!("`{}`", escape(&stack.paths.text(path))))?;
            match change {
                Change::Directory(node) => {
                    directories.push((path, node.origin));
                    todo.push(path);
                }
                Change::Whiteout => {
                    whiteout_parents.insert(directory);
                }
                Change::Content(_) => {}
            }
        }
    }
    // Deepest last in this list: a parent comes before its children, and is finished after them.
    for (path, origin) in directories.into_iter().rev() {
        let marks = DirectoryMarks { opaque: false, has_whiteouts: whiteout_parents.contains(&path) };
        let (metadata, xattrs) = (origin.metadata(&stack.layers), origin.xattrs(&stack.layers));
        work.writer.finish_directory(&stack.paths, path, &metadata, xattrs, marks, None)?;
    }
    Ok(())
}

struct Work<'a, 'w> {
    stack: &'a Stack<'a>,
    sources: &'a [StackLayer<'a>],
    opened: HashMap<usize, (DirCache, Dir)>,
    writer: Writer<'w>,
    /// The first name of each content that was written.
    written: HashMap<Origin, PathId>,
}

impl Work<'_, '_> {
    fn one(&mut self, path: PathId, change: &Change) -> Result<()> {
        match change {
            Change::Directory(_) => self.writer.directory(&self.stack.paths, path),
            Change::Whiteout => self.writer.whiteout(&self.stack.paths, path),
            Change::Content(node) => {
                if let Some(&first) = self.written.get(&node.origin) {
                    return self.writer.link(&self.stack.paths, first, path);
                }
                self.written.insert(node.origin, path);
                self.content(path, *node)
            }
        }
    }

    /// Opens the content of a record where its layer has it.
    fn open(&mut self, layer: usize, origin: Origin) -> Result<File> {
        let Stack { paths, .. } = self.stack;
        if self.opened.len() >= MAX_SOURCES && !self.opened.contains_key(&layer) {
            self.opened.clear();
        }
        let (diff, aside) = match self.opened.entry(layer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let Places { diff, aside } = (self.sources[layer].open)()?;
                place.insert((DirCache::new(&diff)?, aside))
            }
        };
        Ok(match self.stack.place(origin) {
            Some(place) => diff.get(paths, paths.parent(place))?.open_file(paths.name(place))?,
            None => aside.open_file(kept_name(origin.record).as_bytes())?,
        })
    }

    fn content(&mut self, path: PathId, node: Node) -> Result<()> {
        let Stack { paths, layers, .. } = self.stack;
        let origin = node.origin;
        let Some(record) = origin.record(layers) else {
            return Err(Error::refused("content without an entry"));
        };
        let xattrs = origin.xattrs(layers);
        let metadata = record.metadata;
        match record.what {
            What::Symlink(text) => {
                let target = layers[usize::from(origin.layer)].text(text);
                self.writer.symlink(paths, path, target, &metadata, xattrs, None)
            }
            What::Device { block, major, minor } => {
                let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
                let device = rustix::fs::makedev(major, minor);
                self.writer.node(paths, path, (kind, device), &metadata, xattrs, None)
            }
            What::Fifo => self.writer.node(paths, path, (FileType::Fifo, 0), &metadata, xattrs, None),
            What::File { .. } | What::Plink { .. } => {
                let layer = usize::from(origin.layer);
                let source = self.open(layer, origin)?;
                let file = self.writer.file(paths, path, &metadata)?;
                copy::copy(&source, &file).context(|| "copy".to_owned())?;
                self.writer.files().finish(&file, &metadata, xattrs, None)
            }
            What::Directory | What::Link(_) | What::Whiteout | What::Opaque | What::NullDevice => {
                Err(Error::refused("entry without content"))
            }
        }
    }
}
