//! The tar format, as Go's `archive/tar` reads it: Docker and containerd are written in Go, so its reading decides
//! what a layer means (layer-semantics rows 90 to 105). Two rows differ on purpose: a PAX path wins over a GNU long
//! name, and a global header between a PAX header and its entry changes nothing.
//!
//! [`Reader`] turns a stream of bytes into entries. It knows nothing of layers, directories or policy.

mod header;
mod pax;
mod reader;
mod sparse;
#[cfg(test)]
mod tests;

pub use reader::{MAX_TRAILER, Notice, Reader};
pub use sparse::Segment;

/// What an entry is. Types that carry no data have none, whatever their size field says (row 96).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, sparse ones among them.
    File,
    /// A hard link.
    Link,
    /// A symlink.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A point in time: seconds since the epoch, rounded down, and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Whole seconds; negative before 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// One entry of an archive, with all extension headers applied.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name as it stands there.
    pub path: Vec<u8>,
    /// The target of a symlink or hard link.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Whether the header called it a regular file, although its name ends in `/` (row 84).
    pub file_with_slash: bool,
    /// Permission bits, `07777` at most.
    pub mode: u32,
    /// Owner, as written.
    pub uid: i64,
    /// Group, as written.
    pub gid: i64,
    /// Modification time.
    pub mtime: Time,
    /// Access time, where the archive has one.
    pub atime: Option<Time>,
    /// Bytes of content, holes included.
    pub size: u64,
    /// Device numbers, as written.
    pub device: (i64, i64),
    /// Extended attributes (`SCHILY.xattr.`, else `LIBARCHIVE.xattr.`).
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the data of a sparse file lies; `None` for a plain file.
    pub sparse: Option<Vec<Segment>>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            path: Vec::new(),
            link: Vec::new(),
            kind: Kind::File,
            file_with_slash: false,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            atime: None,
            size: 0,
            device: (0, 0),
            xattrs: Vec::new(),
            sparse: None,
        }
    }
}
