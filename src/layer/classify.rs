//! From a tar entry to a record: names, marks and metadata are checked here, without touching a disk.

use super::diff_tree::Raw;
use super::metadata::{Metadata, device, is_storable, stored_xattrs};
use super::name::{CleanPath, Meaning, NAME_MAX, has_literal_prefix, meaning};
use super::paths::{PathId, PathTable};
use super::records::{Records, What};
use super::tar;
use crate::error::{Context, Error, Result};
use crate::sys::xattr::Xattrs;

/// Longest target of a symlink on Linux (`PATH_MAX` less the final NUL).
const TARGET_MAX: usize = 4095;

/// A checked entry.
#[derive(Debug)]
pub struct Classified {
    /// Its paths.
    pub raw: Raw,
    /// What it is; sizes and hashes of files are not known yet.
    pub what: What,
    /// Mode, owner, time.
    pub metadata: Metadata,
    /// Attributes as they are stored.
    pub xattrs: Xattrs,
    /// Something to warn about.
    pub oddity: Option<&'static str>,
}

/// Checks entries; keeps its buffers.
#[derive(Debug)]
pub struct Classifier {
    path: CleanPath,
    target: CleanPath,
    max_depth: usize,
}

impl Classifier {
    /// Refuses paths with more than `max_depth` components.
    pub fn new(max_depth: usize) -> Self {
        Self { path: CleanPath::default(), target: CleanPath::default(), max_depth }
    }

    /// Checks one entry. `None`: it is skipped without a trace.
    pub fn classify(
        &mut self,
        entry: &mut tar::Entry,
        paths: &mut PathTable,
        records: &mut Records,
    ) -> Result<Option<Classified>> {
        if entry.path.is_empty() {
            return Err(Error::refused("empty name"));
        }
        self.path.set(&entry.path, self.max_depth)?;
        if entry.file_with_slash {
            // Old tars write directories as files with a slash (row 84).
            if entry.size > 0 {
                return Err(Error::refused("file with data whose name ends in a slash"));
            }
            entry.kind = tar::Kind::Directory;
        }
        let mark = |path: PathId, what: What, odd: bool| {
            Ok(Some(Classified {
                raw: Raw { path, target: None },
                what,
                metadata: Metadata::IMPLIED,
                xattrs: Xattrs::new(),
                oddity: odd.then_some("whiteout that is not an empty regular file"),
            }))
        };
        let odd_mark = entry.kind != tar::Kind::File || entry.size > 0;
        match meaning(&self.path)? {
            Meaning::Aufs { plink } if plink && entry.kind == tar::Kind::File => {
                let path = self.intern(paths, self.path.depth())?;
                Self::with_metadata(entry, path, What::Plink { size: 0, hash: 0 }, None)
            }
            Meaning::Aufs { .. } => Ok(None),
            Meaning::Opaque => mark(self.intern(paths, self.path.depth() - 1)?, What::Opaque, odd_mark),
            // A name that no file can have is in no layer below (row 17).
            Meaning::Whiteout(name) if name.len() > NAME_MAX => Ok(None),
            Meaning::Whiteout(name) => {
                let directory = self.intern(paths, self.path.depth() - 1)?;
                mark(paths.child(directory, name)?, What::Whiteout, odd_mark)
            }
            Meaning::Entry => self.entry(entry, paths, records),
        }
    }

    /// The first `depth` components as a path.
    fn intern(&self, paths: &mut PathTable, depth: usize) -> Result<PathId> {
        for component in self.path.components().take(depth) {
            check_length(component)?;
        }
        paths.below(PathId::ROOT, self.path.components().take(depth))
    }

    fn entry(
        &mut self,
        entry: &mut tar::Entry,
        paths: &mut PathTable,
        records: &mut Records,
    ) -> Result<Option<Classified>> {
        if self.path.is_root() && entry.kind != tar::Kind::Directory {
            return Err(Error::refused("the root of the layer is not a directory"));
        }
        let literal = has_literal_prefix(&self.path).then_some("`.wh.` inside a path is taken literally");
        let path = self.intern(paths, self.path.depth())?;
        let what = match entry.kind {
            tar::Kind::Directory => What::Directory,
            tar::Kind::File => What::File { size: 0, hash: 0 },
            tar::Kind::Fifo => What::Fifo,
            tar::Kind::CharDevice | tar::Kind::BlockDevice => {
                let block = entry.kind == tar::Kind::BlockDevice;
                match device(entry.device)? {
                    (0, 0) if !block => {
                        return Ok(Some(Classified {
                            raw: Raw { path, target: None },
                            what: What::NullDevice,
                            metadata: Metadata::IMPLIED,
                            xattrs: Xattrs::new(),
                            oddity: Some("character device 0:0 is not created: overlayfs takes it for a whiteout"),
                        }));
                    }
                    (major, minor) => What::Device { block, major, minor },
                }
            }
            tar::Kind::Symlink => {
                match entry.link.len() {
                    0 => return Err(Error::refused("symlink with an empty target")),
                    1..=TARGET_MAX => {}
                    long => {
                        return Err(Error::refused(format!(
                            "symlink target of {long} bytes, expected at most {TARGET_MAX}"
                        )));
                    }
                }
                What::Symlink(records.add_text(&entry.link)?)
            }
            tar::Kind::Link => {
                if entry.link.is_empty() {
                    return Err(Error::refused("hard link with an empty target"));
                }
                self.target.set(&entry.link, self.max_depth).context(|| "hard link target".to_owned())?;
                for component in self.target.components() {
                    check_length(component)?;
                }
                let target = paths.below(PathId::ROOT, self.target.components())?;
                // The inode has its own metadata; the link's is no business of ours (row 65).
                return Ok(Some(Classified {
                    raw: Raw { path, target: Some(target) },
                    what: What::Link(target),
                    metadata: Metadata::IMPLIED,
                    xattrs: Xattrs::new(),
                    oddity: literal,
                }));
            }
        };
        Self::with_metadata(entry, path, what, literal)
    }

    fn with_metadata(
        entry: &mut tar::Entry,
        path: PathId,
        what: What,
        oddity: Option<&'static str>,
    ) -> Result<Option<Classified>> {
        let foreign = !entry.xattrs.iter().all(|(name, _)| is_storable(name));
        let oddity = oddity.or(foreign.then_some("extended attributes that Linux does not know are dropped"));
        Ok(Some(Classified {
            raw: Raw { path, target: None },
            what,
            metadata: Metadata::of(entry)?,
            xattrs: stored_xattrs(entry)?,
            oddity,
        }))
    }
}

/// Refuses a name that is longer than any file name may be (row 82).
fn check_length(component: &[u8]) -> Result<()> {
    if component.len() > NAME_MAX {
        return Err(Error::refused(format!("file name of {} bytes, expected at most {NAME_MAX}", component.len())));
    }
    Ok(())
}
