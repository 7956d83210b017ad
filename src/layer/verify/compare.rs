//! How what is on disk differs from what has to be there: no system calls.

use std::fmt;

use rustix::fs::{FileType, Stat};

use super::expected::{Node, Shape};
use crate::sys::errno::escape;
use crate::sys::xattr::Xattrs;

/// What is at a path on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its type.
    pub kind: FileType,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Modification time: seconds and nanoseconds.
    pub mtime: (i64, u64),
    /// Major and minor number of a device.
    pub number: (u32, u32),
    /// How many names it has.
    pub links: u64,
    /// The target of a symlink.
    pub target: Option<Vec<u8>>,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Seen {
    /// What `stat` says; target and attributes are to be added.
    pub fn of(stat: &Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            number: (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)),
            #[expect(clippy::useless_conversion, reason = "the field's type differs by architecture")]
            links: u64::from(stat.st_nlink),
            target: None,
            xattrs: Xattrs::new(),
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub what: Aspect,
    /// What has to be there.
    pub expected: String,
    /// What is there.
    pub got: String,
}

/// What can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// Directory, file and so on.
    Type,
    /// Permission, set-id and sticky bits.
    Mode,
    /// User and group.
    Owner,
    /// Bytes.
    Size,
    /// Modification time.
    Time,
    /// Extended attributes.
    Attributes,
    /// The target of a symlink.
    Target,
    /// The number of a device.
    Device,
    /// The number of names.
    Links,
}

impl Aspect {
    /// Whether a file system may store something else than it is given: it clamps times, and makes modes of ACLs.
    pub fn is_up_to_the_file_system(self) -> bool {
        matches!(self, Self::Mode | Self::Time | Self::Attributes)
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type => "type",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Size => "size",
            Self::Time => "mtime",
            Self::Attributes => "attributes",
            Self::Target => "target",
            Self::Device => "device",
            Self::Links => "hard links",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.what, self.expected, self.got)
    }
}

/// The prefix of what overlayfs takes for its own.
const OVERLAY: &[u8] = b"trusted.overlay.";
/// The attribute of a whiteout that is a file.
const WHITEOUT: &[u8] = b"trusted.overlay.whiteout";

/// Whether it can be a whiteout: a character device 0:0, or an empty file with an attribute.
pub fn is_whiteout(seen: &Seen) -> bool {
    match seen.kind {
        FileType::CharacterDevice => seen.number == (0, 0),
        FileType::RegularFile => seen.size == 0 && seen.xattrs.iter().any(|(name, _)| name == WHITEOUT),
        _ => false,
    }
}

/// How `seen` differs from `node`, which has so many names. `whiteout_files` says whether the whiteouts of a directory
/// are files: it needs another mark then.
pub fn differences(node: &Node<'_>, seen: &Seen, names: u64, whiteout_files: bool) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut check = |what: Aspect, expected: String, got: String| {
        if expected != got {
            all.push(Difference { what, expected, got });
        }
    };
    if node.shape == Shape::Whiteout {
        if !is_whiteout(seen) {
            check(Aspect::Type, "a whiteout".to_owned(), word(seen.kind).to_owned());
        }
        return all;
    }
    let kind = kind(&node.shape);
    if kind != seen.kind {
        check(Aspect::Type, word(kind).to_owned(), word(seen.kind).to_owned());
        return all;
    }
    let metadata = &node.metadata;
    if kind != FileType::Symlink {
        check(Aspect::Mode, format!("{:o}", metadata.mode), format!("{:o}", seen.mode));
    }
    check(Aspect::Owner, format!("{}:{}", metadata.uid, metadata.gid), format!("{}:{}", seen.uid, seen.gid));
    let expected = (metadata.mtime.seconds, metadata.mtime.nanos.into());
    let whole = expected.1 == 0 && seen.mtime.1 == 0;
    let time = |(seconds, nanos): (i64, u64)| if whole { seconds.to_string() } else { format!("{seconds}.{nanos:09}") };
    check(Aspect::Time, time(expected), time(seen.mtime));
    match node.shape {
        Shape::File { size, .. } => check(Aspect::Size, size.to_string(), seen.size.to_string()),
        Shape::Symlink(target) => {
            check(Aspect::Target, escape(target), seen.target.as_deref().map_or_else(String::new, escape));
        }
        Shape::Device { number, .. } => {
            let text = |(major, minor): (u32, u32)| format!("{major}:{minor}");
            check(Aspect::Device, text(number), text(seen.number));
        }
        Shape::Directory { .. } | Shape::Fifo | Shape::Whiteout => {}
    }
    if kind != FileType::Directory {
        check(Aspect::Links, names.to_string(), seen.links.to_string());
    }
    let (missing, extra) = attributes(node, seen, whiteout_files);
    if !missing.is_empty() || !extra.is_empty() {
        all.push(Difference { what: Aspect::Attributes, expected: list(&missing), got: list(&extra) });
    }
    all
}

/// Whether a difference may come of storing the file, as far as that is known of file systems: for where it cannot be
/// tried.
pub fn is_known_of_file_systems(what: Aspect, node: &Node<'_>, seen: &Seen, whiteout_files: bool) -> bool {
    let is_acl = |(name, _): &(Vec<u8>, Vec<u8>)| name.starts_with(b"system.posix_acl_");
    match what {
        // The mode is part of the list, and a list that says no more than a mode is not stored.
        Aspect::Mode => node.xattrs.iter().any(is_acl),
        Aspect::Attributes => {
            let (missing, extra) = attributes(node, seen, whiteout_files);
            missing.iter().chain(&extra).all(is_acl)
        }
        // Some have 32 bits for the seconds, and nothing for their parts.
        Aspect::Time => {
            let seconds = node.metadata.mtime.seconds;
            i32::try_from(seconds).is_err() || seen.mtime == (seconds, 0)
        }
        _ => false,
    }
}

/// The attributes that are expected and not there, and those that are there and not expected.
fn attributes(node: &Node<'_>, seen: &Seen, whiteout_files: bool) -> (Xattrs, Xattrs) {
    let mut expected: Xattrs = node.xattrs.to_vec();
    if let Shape::Directory { opaque, has_whiteouts } = node.shape {
        let mut mark = |name: &[u8], value: &[u8]| expected.push(([OVERLAY, name].concat(), value.to_vec()));
        if opaque {
            mark(b"opaque", b"y");
        } else if has_whiteouts && whiteout_files {
            mark(b"opaque", b"x");
        }
        if has_whiteouts {
            mark(b"origin", b"");
        }
    }
    let plain = matches!(node.shape, Shape::Directory { .. } | Shape::File { .. });
    // The kernel allows user attributes on files and directories only; the writer leaves them out elsewhere.
    let may_lack = |name: &[u8]| !plain && name.starts_with(b"user.");
    let missing = expected.iter().filter(|pair| !seen.xattrs.contains(pair) && !may_lack(&pair.0)).cloned().collect();
    let extra = seen.xattrs.iter().filter(|pair| !expected.contains(pair) && counts(&pair.0)).cloned().collect();
    (missing, extra)
}

/// Whether an attribute that nobody set is a difference: security modules and file systems add their own.
fn counts(name: &[u8]) -> bool {
    let labels =
        [&b"security.selinux"[..], b"security.SMACK64", b"security.ima", b"security.evm", b"security.apparmor"];
    let ours = [&b"user."[..], b"trusted.", b"security.", b"system.posix_acl_"];
    // XFS lists its ACLs a second time, under this name.
    let of_xfs = name.starts_with(b"trusted.SGI_");
    !of_xfs && ours.iter().any(|space| name.starts_with(space)) && !labels.iter().any(|label| name.starts_with(label))
}

fn list(pairs: &Xattrs) -> String {
    if pairs.is_empty() {
        return "none".to_owned();
    }
    let pair = |(name, value): &(Vec<u8>, Vec<u8>)| {
        // A capability or an ACL is no text, and may be long.
        let value = if value.len() > 32 { format!("({} bytes)", value.len()) } else { escape(value) };
        format!("{}={value}", escape(name))
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join(" ")
}

fn kind(shape: &Shape<'_>) -> FileType {
    match shape {
        Shape::Directory { .. } => FileType::Directory,
        Shape::File { .. } => FileType::RegularFile,
        Shape::Symlink(_) => FileType::Symlink,
        Shape::Device { block: true, .. } => FileType::BlockDevice,
        Shape::Device { block: false, .. } | Shape::Whiteout => FileType::CharacterDevice,
        Shape::Fifo => FileType::Fifo,
    }
}

fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::RegularFile => "a file",
        FileType::Symlink => "a symlink",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::Unknown => "something unknown",
    }
}
