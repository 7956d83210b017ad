//! Files, directories and marks on disk: the only part of this module that changes a diff directory.
//!
//! | kind | created by | owner | mode | attributes | times |
//! |---|---|---|---|---|---|
//! | file | `openat` | `fchown`, if it is not ours | `openat`, `fchmod` where that cannot do it | `fsetxattr` | `utimensat` on the descriptor |
//! | symlink | `symlinkat` | `fchownat` | none | `lsetxattr` | `utimensat` without following |
//! | device, pipe | `mknodat` | `fchownat` | `mknodat`, or through an `O_PATH` descriptor | `lsetxattr` | `utimensat` without following |
//! | directory | `mkdirat` 0755 | what differs at the end: a default ACL or a setgid bit must not reach the children (row 39) ||| `utimensat` at the end: times must outlast the children (row 37) |
//! | hard link | `linkat` | the target's own (row 65) ||||
//!
//! The order is data, owner, mode, attributes, times: the kernel drops set-id bits and capabilities on a change of
//! owner (rows 47, 48), and a change of mode rewrites an ACL (row 55).

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;
use rustix::fs::FileType;

use super::dir_cache::DirCache;
use super::files::Files;
use super::metadata::Metadata;
use super::paths::{PathId, PathTable};
use super::tar::Time;
use super::whiteout::Whiteouts;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::{SysError, escape};
use crate::sys::owner::{self, Creation};
use crate::sys::xattr;

/// Name and value of each attribute.
pub type XattrSlice<'a> = &'a [(Vec<u8>, Vec<u8>)];

/// The mode of most directories.
const USUAL_MODE: u16 = 0o755;

/// The mark of an opaque directory.
const OPAQUE: (&[u8], &[u8]) = (b"trusted.overlay.opaque", b"y");
/// An empty origin makes the kernel filter whiteouts of a directory that merges with nothing (row 9).
const ORIGIN: (&[u8], &[u8]) = (b"trusted.overlay.origin", b"");

/// What a directory is to overlayfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirectoryMarks {
    /// It hides what is below.
    pub opaque: bool,
    /// A whiteout is directly in it.
    pub has_whiteouts: bool,
}

/// Writes one diff directory.
pub struct Writer<'a> {
    dirs: DirCache,
    files: Files<'a>,
    whiteouts: Whiteouts,
}

impl<'a> Writer<'a> {
    /// Writes below `root`, an empty directory. What the state root passed on to it (a setgid bit, ACLs) is removed.
    pub fn new(root: &Dir, warn: &'a (dyn Fn(&str) + Sync)) -> Result<Self> {
        let creation = Creation::of_process()?;
        for name in [&b"system.posix_acl_default"[..], b"system.posix_acl_access"] {
            xattr::remove_fd(root, name)?;
        }
        owner::set_owner(root.as_fd(), 0, 0)?;
        owner::set_mode(root.as_fd(), 0o755)?;
        Ok(Self { dirs: DirCache::new(root)?, files: Files { creation, warn }, whiteouts: Whiteouts::default() })
    }

    /// What creates files.
    pub fn files(&self) -> Files<'a> {
        self.files
    }

    /// The directory that the path is in.
    pub fn parent(&mut self, paths: &PathTable, path: PathId) -> Result<&Arc<Dir>> {
        Ok(self.dirs.get(paths, paths.parent(path))?)
    }

    /// Makes a directory, to be given to [`Writer::finish_directory`]. Its mode is the usual one until then: nobody else
    /// comes into the staging directory.
    pub fn directory(&mut self, paths: &PathTable, path: PathId) -> Result<()> {
        Ok(self.parent(paths, path)?.create_dir(paths.name(path), USUAL_MODE.into())?)
    }

    /// Moves a file out of the tree.
    pub fn move_aside(&mut self, paths: &PathTable, path: PathId, aside: &Dir, name: &[u8]) -> Result<()> {
        Ok(self.parent(paths, path)?.rename(paths.name(path), aside, name)?)
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove_file(&mut self, paths: &PathTable, path: PathId) -> Result<()> {
        match self.parent(paths, path)?.remove_file(paths.name(path)) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(()),
            result => Ok(result?),
        }
    }

    /// Removes a directory with everything in it.
    pub fn remove_tree(&mut self, paths: &PathTable, path: PathId) -> Result<()> {
        self.dirs.clear();
        Ok(self.parent(paths, path)?.remove_tree(paths.name(path))?)
    }

    /// Creates an empty regular file, to be filled and then given to [`Files::finish`].
    pub fn file(&mut self, paths: &PathTable, path: PathId, metadata: &Metadata) -> Result<File> {
        let files = self.files;
        files.create(self.parent(paths, path)?, paths.name(path), metadata)
    }

    /// Creates a symlink with this exact target.
    pub fn symlink(
        &mut self,
        paths: &PathTable,
        path: PathId,
        target: &[u8],
        metadata: &Metadata,
        xattrs: XattrSlice<'_>,
        atime: Option<Time>,
    ) -> Result<()> {
        self.parent(paths, path)?.symlink(target, paths.name(path))?;
        self.finish_special(paths, path, metadata, xattrs, None, atime)
    }

    /// Creates a device or pipe.
    pub fn node(
        &mut self,
        paths: &PathTable,
        path: PathId,
        (kind, device): (FileType, u64),
        metadata: &Metadata,
        xattrs: XattrSlice<'_>,
        atime: Option<Time>,
    ) -> Result<()> {
        let mode = self.files.creation.mode(metadata.mode, metadata.uid, metadata.gid);
        let exact = self.files.creation.keeps_mode(metadata.mode, metadata.uid, metadata.gid);
        self.parent(paths, path)?.make_node(paths.name(path), kind, mode, device)?;
        self.finish_special(paths, path, metadata, xattrs, (!exact).then_some(kind), atime)
    }

    /// Owner, attributes and times of what cannot be opened; also the mode, of a node of this type.
    fn finish_special(
        &mut self,
        paths: &PathTable,
        path: PathId,
        metadata: &Metadata,
        xattrs: XattrSlice<'_>,
        set_mode: Option<FileType>,
        atime: Option<Time>,
    ) -> Result<()> {
        let name = paths.name(path);
        let owned = self.files.creation.is_owner(metadata.uid, metadata.gid);
        let warn = self.files.warn;
        let parent = self.parent(paths, path)?;
        if !owned {
            owner::set_owner_at(parent.as_fd(), name, metadata.uid, metadata.gid)?;
        }
        if let Some(kind) = set_mode {
            owner::set_mode_of_special(parent, name, kind, u32::from(metadata.mode))?;
        }
        for (attribute, value) in xattrs {
            match xattr::set_at(parent, name, attribute, value) {
                // The kernel allows user attributes on files and directories only (xattr(7), row 53).
                Err(error) if error.errno() == Errno::EPERM && attribute.starts_with(b"user.") => {
                    warn(&format!("`{}`: attribute `{}` dropped: {error}", escape(name), escape(attribute)));
                }
                result => result.map_err(|error| payload(error, attribute))?,
            }
        }
        let stored =
            owner::set_times_at(parent.as_fd(), name, time(atime.unwrap_or(metadata.mtime)), time(metadata.mtime))?;
        self.files.check_time(stored, metadata.mtime);
        Ok(())
    }

    /// Gives the file at `from` a second name.
    pub fn link(&mut self, paths: &PathTable, from: PathId, to: PathId) -> Result<()> {
        let source = Arc::clone(self.parent(paths, from)?);
        let parent = self.parent(paths, to)?;
        link(&source, paths.name(from), parent, paths.name(to))
    }

    /// Gives a file of another directory a name in this tree.
    pub fn link_from(&mut self, source: &Dir, name: &[u8], paths: &PathTable, to: PathId) -> Result<()> {
        link(source, name, self.parent(paths, to)?, paths.name(to))
    }

    /// Makes a whiteout. Its directory needs [`DirectoryMarks::has_whiteouts`].
    pub fn whiteout(&mut self, paths: &PathTable, path: PathId) -> Result<()> {
        let parent = self.dirs.get(paths, paths.parent(path))?;
        self.whiteouts.create(parent, paths.name(path))
    }

    /// Gives a directory its owner, mode, attributes, marks and times. Nothing may change in it afterwards.
    pub fn finish_directory(
        &mut self,
        paths: &PathTable,
        path: PathId,
        metadata: &Metadata,
        xattrs: XattrSlice<'_>,
        marks: DirectoryMarks,
        atime: Option<Time>,
    ) -> Result<()> {
        let opaque = self.whiteouts.mark_of_parent().filter(|_| marks.has_whiteouts && !marks.opaque);
        let Self { files: Files { creation, .. }, .. } = *self;
        let Metadata { mode, uid, gid, mtime } = *metadata;
        let times = (time(atime.unwrap_or(mtime)), time(mtime));
        let as_made = mode == USUAL_MODE && creation.keeps_mode(mode, uid, gid) && creation.is_owner(uid, gid);
        if as_made && xattrs.is_empty() && marks == DirectoryMarks::default() && path != PathId::ROOT {
            // The usual directory need not be opened for that.
            let parent = self.parent(paths, path)?;
            let stored = owner::set_times_at(parent.as_fd(), paths.name(path), times.0, times.1)?;
            self.files.check_time(stored, mtime);
            return Ok(());
        }
        let dir = self.dirs.get(paths, path)?;
        if !creation.is_owner(uid, gid) {
            owner::set_owner(dir.as_fd(), uid, gid)?;
        }
        owner::set_mode(dir.as_fd(), u32::from(mode))?;
        for (name, value) in xattrs {
            xattr::set_fd(dir, name, value).map_err(|error| payload(error, name))?;
        }
        let own = [
            marks.opaque.then_some(OPAQUE),
            marks.has_whiteouts.then_some(ORIGIN),
            opaque.map(|value| (OPAQUE.0, value)),
        ];
        for (name, value) in own.into_iter().flatten() {
            xattr::set_fd(dir, name, value).map_err(|error| {
                let why = "the file system cannot store overlay marks (trusted extended attributes)";
                if error.errno() == Errno::EOPNOTSUPP {
                    Error::with_source(ErrorKind::Unsupported, why, error)
                } else {
                    error.into()
                }
            })?;
        }
        let stored = owner::set_times(dir.as_fd(), times.0, times.1)?;
        self.files.check_time(stored, mtime);
        Ok(())
    }
}

fn link(from: &Dir, name: &[u8], to: &Dir, new_name: &[u8]) -> Result<()> {
    Ok(from.link(name, to, new_name)?)
}

/// A time as the system calls have it.
pub fn time(time: Time) -> (i64, u32) {
    (time.seconds, time.nanos)
}

/// An attribute of the image that cannot be stored is an error: the tree would be wrong (row 54). Some the kernel finds
/// wrong in themselves: a value that is no ACL or no capability, a default ACL on what is no directory.
pub fn payload(error: SysError, name: &[u8]) -> Error {
    let why = format!("cannot store extended attribute `{}`", escape(name));
    let errno = error.errno();
    let error = Error::from(error);
    let kind = match errno {
        Errno::EINVAL => ErrorKind::Refused,
        // Of any other attribute it is a security module that says so.
        Errno::EACCES if name.starts_with(b"system.posix_acl_") => ErrorKind::Refused,
        // The limits of all file systems are kept: these are those of this one.
        Errno::E2BIG | Errno::ERANGE => ErrorKind::Unsupported,
        _ => error.kind(),
    };
    Error::with_source(kind, why, error)
}
