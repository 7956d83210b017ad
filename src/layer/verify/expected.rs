//! What a directory of ours has to hold: a pure function of the indexes of layers.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::content_hash::Rule;
use super::super::diff_tree::{DiffTree, Raw, Slot};
use super::super::difference::{Change, Changes};
use super::super::flat::Origin;
use super::super::metadata::Metadata;
use super::super::paths::{PathId, PathTable};
use super::super::records::{Record, Records, What};
use super::super::stack::Stack;
use super::super::writer::XattrSlice;
use crate::error::{Error, Result};

/// What is at one path.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its kind, and what only that kind has.
    pub shape: Shape<'a>,
    /// Mode, owner and time; without meaning for whiteouts.
    pub metadata: Metadata,
    /// The attributes of the image.
    pub xattrs: XattrSlice<'a>,
    /// Names of one inode have the same origin.
    pub origin: Option<Origin>,
}

/// The kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<'a> {
    /// A directory, with what it is to overlayfs.
    Directory {
        /// It hides what is below.
        opaque: bool,
        /// A whiteout is directly in it.
        has_whiteouts: bool,
    },
    /// A regular file.
    File {
        /// Bytes, holes included.
        size: u64,
        /// XXH3 of its data, or of the pieces of it that this rule takes.
        hash: (u64, Rule),
    },
    /// A symlink with its target.
    Symlink(&'a [u8]),
    /// A device.
    Device {
        /// A block device, else a character device.
        block: bool,
        /// Major and minor number.
        number: (u32, u32),
    },
    /// A named pipe.
    Fifo,
    /// A whiteout.
    Whiteout,
}

/// A tree over a table of paths.
#[derive(Debug, Default)]
pub struct Expected<'a> {
    nodes: Vec<Option<Node<'a>>>,
    children: HashMap<PathId, Vec<PathId>>,
    /// How many names an inode has, where it is more than one.
    names: HashMap<Origin, u64>,
}

/// What a layer has to hold.
#[derive(Debug, Default)]
pub struct ExpectedLayer<'a> {
    /// Its diff directory.
    pub diff: Expected<'a>,
    /// Records whose content is kept beside it.
    pub kept: BTreeSet<u32>,
    /// What its summary has to say: the root hides everything below.
    pub opaque_root: bool,
    /// The diff directory is empty and hides nothing.
    pub empty: bool,
}

impl<'a> Expected<'a> {
    /// The node at a path.
    pub fn get(&self, path: PathId) -> Option<&Node<'a>> {
        self.nodes.get(path.index())?.as_ref()
    }

    /// What is directly in a directory.
    pub fn children(&self, path: PathId) -> &[PathId] {
        self.children.get(&path).map_or(&[], Vec::as_slice)
    }

    /// How many names the inode of a node has.
    pub fn names(&self, node: &Node<'_>) -> u64 {
        node.origin.and_then(|origin| self.names.get(&origin)).copied().unwrap_or(1)
    }

    fn set(&mut self, paths: &PathTable, path: PathId, node: Node<'a>) {
        if self.nodes.len() <= path.index() {
            self.nodes.resize(path.index() + 1, None);
        }
        self.nodes[path.index()] = Some(node);
        if path != PathId::ROOT {
            self.children.entry(paths.parent(path)).or_default().push(path);
        }
    }

    /// Counts the names of each inode.
    fn count_names(&mut self) {
        let mut first = HashSet::new();
        for origin in self.nodes.iter().flatten().filter_map(|node| node.origin) {
            if !first.insert(origin) {
                *self.names.entry(origin).or_insert(1) += 1;
            }
        }
    }

    /// What one of the computed layers has to hold, whose root has the metadata of `root`.
    pub fn of_changes(stack: &Stack<'a>, changes: &Changes, root: Origin) -> Result<Self> {
        let Stack { paths, layers, .. } = stack;
        let whiteouts = changes.iter().filter(|(_, change)| matches!(change, Change::Whiteout));
        let parents: HashSet<PathId> = whiteouts.map(|(path, _)| paths.parent(*path)).collect();
        let directory = |path: PathId, origin: Origin| Node {
            shape: Shape::Directory { opaque: false, has_whiteouts: parents.contains(&path) },
            metadata: origin.metadata(layers),
            xattrs: origin.xattrs(layers),
            origin: None,
        };
        let mut expected = Self::default();
        expected.set(paths, PathId::ROOT, directory(PathId::ROOT, root));
        for (&path, change) in changes {
            let node = match change {
                Change::Directory(node) => directory(path, node.origin),
                Change::Whiteout => WHITEOUT,
                Change::Content(node) => {
                    let origin = node.origin;
                    let records = layers.get(usize::from(origin.layer)).copied();
                    let record = origin.record(layers).zip(records);
                    let (record, records) = record.ok_or_else(|| Error::refused("content without an entry"))?;
                    content(records, &record, origin)?
                }
            };
            expected.set(paths, path, node);
        }
        expected.count_names();
        Ok(expected)
    }
}

const WHITEOUT: Node<'static> = Node { shape: Shape::Whiteout, metadata: Metadata::IMPLIED, xattrs: &[], origin: None };

/// The file, device or symlink that a record makes.
pub fn content<'a>(records: &'a Records, record: &Record, origin: Origin) -> Result<Node<'a>> {
    let shape = match record.what {
        What::File { size, hash } | What::Plink { size, hash } => Shape::File { size, hash: (hash, records.sparse()) },
        What::Symlink(text) => Shape::Symlink(records.text(text)),
        What::Device { block, major, minor } => Shape::Device { block, number: (major, minor) },
        What::Fifo => Shape::Fifo,
        What::Directory | What::Link(_) | What::Whiteout | What::Opaque | What::NullDevice => {
            return Err(Error::refused("entry without content"));
        }
    };
    Ok(Node { shape, metadata: record.metadata, xattrs: records.xattrs(record), origin: Some(origin) })
}

impl<'a> ExpectedLayer<'a> {
    /// Folds the records of a layer, as unpacking it did.
    pub fn of(paths: &mut PathTable, records: &'a Records) -> Result<Self> {
        let mut tree = DiffTree::default();
        let mut kept = BTreeSet::new();
        for (number, record) in records.iter() {
            let target = if let What::Link(target) = record.what { Some(target) } else { None };
            let placed = tree.place(paths, records, number, Raw { path: record.path, target })?;
            kept.extend(placed.into_iter().flat_map(|placed| placed.displaced).map(|(_, number)| number));
            kept.extend(matches!(record.what, What::Plink { .. }).then_some(number));
        }
        tree.finish(paths, records)?;
        let paths = &*paths;
        let whiteouts = tree.paths(paths).filter(|(_, slot)| *slot == Slot::Whiteout);
        let parents: HashSet<PathId> = whiteouts.map(|(path, _)| paths.parent(path)).collect();
        let directory = |path: PathId, number: Option<u32>| {
            let record = number.map(|number| records.get(number));
            Node {
                shape: Shape::Directory { opaque: tree.is_opaque(path), has_whiteouts: parents.contains(&path) },
                metadata: record.map_or(Metadata::IMPLIED, |record| record.metadata),
                xattrs: record.map_or(&[], |record| records.xattrs(record)),
                origin: None,
            }
        };
        let mut diff = Expected::default();
        let mut empty = !tree.is_opaque(PathId::ROOT);
        diff.set(paths, PathId::ROOT, directory(PathId::ROOT, tree.root()));
        for (path, slot) in tree.paths(paths) {
            empty = false;
            let node = match slot {
                Slot::Absent | Slot::Pending(_) => continue,
                Slot::Implied => directory(path, None),
                Slot::Directory(number) => directory(path, Some(number)),
                Slot::Whiteout => WHITEOUT,
                Slot::Content(number) | Slot::Symlink(number) => {
                    kept.remove(&number);
                    content(records, records.get(number), Origin { layer: 0, record: number })?
                }
            };
            diff.set(paths, path, node);
        }
        diff.count_names();
        Ok(Self { diff, kept, opaque_root: tree.is_opaque(PathId::ROOT), empty })
    }
}
