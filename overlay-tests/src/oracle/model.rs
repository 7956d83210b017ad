//! The state: inodes, and the paths that name them.

use std::collections::BTreeMap;
use std::fmt;

use super::names::Path;
use crate::fixture::{Entry, sha256_hex};
use crate::tree::{Node, NodeKind, Tree};

/// Why a stack has no tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The rules refuse it.
    Refused(String),
    /// The rules do not say.
    Open(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Open(why) => write!(f, "open: {why}"),
        }
    }
}

/// What an inode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File(Vec<u8>),
    Dir,
    Symlink(Vec<u8>),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    /// A hard link that waits for its target.
    Pending,
}

#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: (i64, u32),
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// A layer above removed one of its names: overlayfs still counts it.
    pub nlink_open: bool,
}

impl Inode {
    /// A directory that nobody described: row 30.
    pub fn implied_dir() -> Self {
        let xattrs = BTreeMap::new();
        Self { kind: Kind::Dir, mode: 0o755, uid: 0, gid: 0, mtime: (0, 0), xattrs, nlink_open: false }
    }
}

/// A path's inode, and the layer that put it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub inode: usize,
    pub layer: usize,
    /// A hard link to an inode of a lower layer: the layer itself does not tell what it is.
    pub linked_below: bool,
    /// An entry that a symlink led to another place than its name says.
    pub moved: bool,
}

/// The tree of the layers so far.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) inodes: Vec<Inode>,
    pub(super) paths: BTreeMap<Path, Slot>,
    pub(super) layer: usize,
}

impl Model {
    /// An empty directory, 0755 0:0, of 1970.
    pub fn empty() -> Self {
        let root = Slot { inode: 0, layer: 0, linked_below: false, moved: false };
        Self { inodes: vec![Inode::implied_dir()], paths: BTreeMap::from([(Path::root(), root)]), layer: 0 }
    }

    pub(super) fn get(&self, path: &Path) -> Option<(Slot, &Inode)> {
        self.paths.get(path).map(|slot| (*slot, &self.inodes[slot.inode]))
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        self.get(path).is_some_and(|(_, inode)| inode.kind == Kind::Dir)
    }

    /// Puts a new inode at a path whose parent is a directory; what was there is gone.
    pub(super) fn place(&mut self, path: &Path, inode: Inode) {
        self.inodes.push(inode);
        self.name(path, self.inodes.len() - 1);
    }

    /// Puts an inode that exists at a path.
    pub(super) fn name(&mut self, path: &Path, inode: usize) {
        self.remove(path);
        self.paths.insert(path.clone(), Slot { inode, layer: self.layer, linked_below: false, moved: false });
    }

    /// Removes a path and all below it.
    pub(super) fn remove(&mut self, path: &Path) {
        let gone: Vec<Path> = self.paths.keys().filter(|other| other.is_in(path)).cloned().collect();
        for path in gone {
            let slot = self.paths.remove(&path).unwrap();
            // Also within one layer: a layer's diff is not rewritten by the layers above it.
            if slot.layer < self.layer {
                self.inodes[slot.inode].nlink_open = true;
            }
        }
    }

    /// Removes all that is in a directory.
    pub(super) fn empty_dir(&mut self, path: &Path) {
        let children: Vec<Path> = self.paths.keys().filter(|other| other.is_below(path)).cloned().collect();
        for child in &children {
            self.remove(child);
        }
    }

    /// What a reader would find.
    pub fn tree(&self) -> Tree {
        let names = |inode: usize| self.paths.iter().filter(move |(_, slot)| slot.inode == inode);
        let node = |(path, slot): (&Path, &Slot)| {
            let inode = &self.inodes[slot.inode];
            let dir = inode.kind == Kind::Dir;
            let count = names(slot.inode).count();
            let group = names(slot.inode).map(|(path, _)| path.shown()).min().filter(|_| count > 1);
            let node = Node {
                kind: shown_kind(&inode.kind),
                mode: inode.mode,
                uid: inode.uid,
                gid: inode.gid,
                mtime: inode.mtime,
                xattrs: inode.xattrs.clone(),
                nlink: (!dir && !inode.nlink_open).then_some(count as u64),
                group,
            };
            (path.shown(), node)
        };
        self.paths.iter().map(node).collect()
    }
}

fn shown_kind(kind: &Kind) -> NodeKind {
    match kind {
        Kind::File(content) => NodeKind::File(content.len() as u64, sha256_hex(content)),
        Kind::Dir => NodeKind::Dir,
        Kind::Symlink(target) => NodeKind::Symlink(target.clone()),
        Kind::Char(major, minor) => NodeKind::Char(*major, *minor),
        Kind::Block(major, minor) => NodeKind::Block(*major, *minor),
        Kind::Fifo => NodeKind::Fifo,
        Kind::Pending => unreachable!("a link without a target is refused at the end of its layer"),
    }
}

/// An inode with the metadata of an entry.
pub(super) fn described(entry: &Entry, kind: Kind) -> Inode {
    let holds_user_xattrs = matches!(kind, Kind::File(_) | Kind::Dir);
    let xattrs = entry
        .xattrs
        .iter()
        .filter(|(name, _)| name != b"security.selinux") // row 50
        .filter(|(name, _)| holds_user_xattrs || !name.starts_with(b"user.")) // row 53
        .cloned()
        .collect();
    let permissions = u32::try_from(entry.mode & 0o7777).unwrap();
    Inode {
        // The kernel has no modes for symbolic links.
        mode: if matches!(kind, Kind::Symlink(_)) { 0o777 } else { permissions },
        kind,
        uid: u32::try_from(entry.uid).unwrap(),
        gid: u32::try_from(entry.gid).unwrap(),
        mtime: entry.mtime,
        xattrs,
        nlink_open: false,
    }
}
