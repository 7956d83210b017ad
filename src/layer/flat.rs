//! A tree made of several layers: what the image specification wants, or what the kernel shows.

use super::contents::Contents;
use super::metadata::Metadata;
use super::paths::{PathId, PathTable};
use super::records::{Record, Records, What};

/// What a node of a [`FlatTree`] is, as far as paths go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// A file, device or pipe.
    Other,
    /// A hard link whose target did not come yet.
    Pending,
}

/// One file or directory. Two non-directories with one origin are one inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The layer that put it at its path, counted from the base.
    pub placed: u16,
    /// Where its metadata and content come from.
    pub origin: Origin,
}

/// A record of a layer of the stack; `record` is `u32::MAX` for a directory that no entry describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The layer, counted from the base.
    pub layer: u16,
    /// The record.
    pub record: u32,
}

impl Origin {
    /// A directory that no entry describes.
    pub const IMPLIED: Self = Self { layer: u16::MAX, record: u32::MAX };

    /// The record, unless the directory is implied.
    pub fn record(self, layers: &[&Records]) -> Option<Record> {
        let records = layers.get(usize::from(self.layer))?;
        (self != Self::IMPLIED).then(|| *records.get(self.record))
    }

    /// Mode, owner and time of the node.
    pub fn metadata(self, layers: &[&Records]) -> Metadata {
        self.record(layers).map_or(Metadata::IMPLIED, |record| record.metadata)
    }

    /// The attributes of the node, as they are stored.
    pub fn xattrs<'a>(self, layers: &[&'a Records]) -> &'a [(Vec<u8>, Vec<u8>)] {
        match (layers.get(usize::from(self.layer)), self.record(layers)) {
            (Some(records), Some(record)) => records.xattrs(&record),
            _ => &[],
        }
    }
}

impl Node {
    /// A directory that layer `placed` implies.
    pub fn implied(placed: u16) -> Self {
        Self { kind: Kind::Directory, placed, origin: Origin::IMPLIED }
    }

    /// The node that record `record` of `layer` makes.
    pub fn of(layer: u16, record: u32, what: What) -> Self {
        let kind = match what {
            What::Directory => Kind::Directory,
            What::Symlink(_) => Kind::Symlink,
            _ => Kind::Other,
        };
        Self { kind, placed: layer, origin: Origin { layer, record } }
    }

    /// Whether it is a directory.
    pub fn is_directory(self) -> bool {
        self.kind == Kind::Directory
    }
}

/// Nodes by path. The root is always a directory.
#[derive(Debug, Clone)]
pub struct FlatTree {
    nodes: Vec<Option<Node>>,
    contents: Contents,
    /// Where the root's metadata comes from.
    pub root: Origin,
}

impl FlatTree {
    /// The empty directory that layers are applied to.
    pub fn new() -> Self {
        Self { nodes: Vec::new(), contents: Contents::default(), root: Origin::IMPLIED }
    }

    /// The node at a path.
    pub fn get(&self, path: PathId) -> Option<Node> {
        if path == PathId::ROOT {
            return Some(Node { kind: Kind::Directory, placed: 0, origin: self.root });
        }
        self.nodes.get(path.index()).copied().flatten()
    }

    /// Puts a node at a path, whatever was there; what was below stays.
    pub fn set(&mut self, paths: &PathTable, path: PathId, node: Node) {
        if self.nodes.len() <= path.index() {
            self.nodes.resize(path.index() + 1, None);
        }
        if self.nodes[path.index()].replace(node).is_none() {
            self.contents.add(paths, path);
        }
    }

    /// Removes a path with everything below it.
    pub fn remove(&mut self, path: PathId) {
        self.clear(path);
        if let Some(slot) = self.nodes.get_mut(path.index()) {
            *slot = None;
        }
    }

    /// Removes everything below a path.
    pub fn clear(&mut self, path: PathId) {
        let mut todo = Vec::new();
        self.contents.take(path, &mut todo);
        while let Some(path) = todo.pop() {
            if let Some(slot) = self.nodes.get_mut(path.index())
                && slot.take().is_some()
            {
                self.contents.take(path, &mut todo);
            }
        }
    }
}
