//! A directory tree as a value: everything that an image says about a path, and nothing else.

mod compare;
mod listing;
mod read;

use std::collections::BTreeMap;

pub use compare::{Nlink, differences};
pub use listing::listing;
pub use read::{read_tree, read_tree_with};

/// What a path is, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file: its size and the hexadecimal SHA-256 of its content.
    File(u64, String),
    /// A directory.
    Dir,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Permission, setuid, setgid and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time: seconds, and nanoseconds forward from there.
    pub mtime: (i64, u32),
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The link count, of all but directories; absent where it is not known.
    pub nlink: Option<u64>,
    /// The first path that is the same inode, where another path is.
    pub group: Option<Vec<u8>>,
}

/// Paths from the root of the tree (`/`, `/a/b`) to what is there.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// The paths below the root in a short form for assertions: `a/` is a directory, `l -> t` a symbolic link.
pub fn names(tree: &Tree) -> Vec<String> {
    let name = |(path, node): (&Vec<u8>, &Node)| {
        let path = path[1..].escape_ascii().to_string();
        match &node.kind {
            NodeKind::Dir => format!("{path}/"),
            NodeKind::Symlink(target) => format!("{path} -> {}", target.escape_ascii()),
            _ => path,
        }
    };
    tree.iter().filter(|(path, _)| path.len() > 1).map(name).collect()
}
