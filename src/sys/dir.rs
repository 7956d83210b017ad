//! Directory handles: every file of the store is reached from one, and no lookup leaves it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::errno::{SysError, SysResult};
use super::proc::mount_of;

/// Policy of every lookup below a handle: nothing above it, no symlink anywhere (`openat2(2)`).
pub(super) const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// An open directory.
///
/// Names and relative paths are bytes. A path may have several components, all of them below the handle and
/// none a symlink; the calls that create or change something take one single name.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Dir {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, never `.` or `..`.
    pub name: Vec<u8>,
    /// The type as the directory tells it; `Unknown` where the file system does not.
    pub file_type: FileType,
}

impl Dir {
    /// Opens a directory by its path from the top. The only call here that follows symlinks: the path is the caller's.
    pub fn open(path: &Path) -> SysResult<Self> {
        retry_on_intr(|| rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()))
            .map(Self)
            .map_err(|errno| SysError::new("open", path.as_os_str().as_bytes(), errno))
    }

    /// Opens a directory below this one.
    pub fn open_dir(&self, path: &[u8]) -> SysResult<Self> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY, BENEATH).map(Self)
    }

    /// Opens a file or directory below this one as a mere place (`O_PATH`).
    pub fn open_path(&self, path: &[u8]) -> SysResult<OwnedFd> {
        self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW, BENEATH)
    }

    /// Opens a regular file below this one for reading. Anything else is refused: a pipe would block whoever reads it, and
    /// a device has no end.
    pub fn open_file(&self, path: &[u8]) -> SysResult<File> {
        regular(self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, BENEATH)?, path)
    }

    /// Creates a regular file that must not exist yet and opens it for reading and writing.
    pub fn create_file(&self, name: &[u8], mode: u32) -> SysResult<File> {
        retry_on_intr(|| {
            rustix::fs::openat(
                &self.0,
                name,
                OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::from_raw_mode(mode),
            )
        })
        .map(File::from)
        .map_err(|errno| SysError::new("openat", name, errno))
    }

    /// Opens a regular file for reading and writing and creates it where it is missing: for lock files.
    pub fn open_or_create_file(&self, name: &[u8], mode: u32) -> SysResult<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(mode)));
        regular(opened.map_err(|errno| SysError::new("openat", name, errno))?, name)
    }

    /// Whether the kernel has `openat2(2)`, and no sandbox hides it.
    pub fn has_openat2(&self) -> bool {
        rustix::fs::openat2(&self.0, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), BENEATH).is_ok()
    }

    /// Opens what is at a path, under a policy that has [`BENEATH`].
    pub(super) fn open_at(&self, path: &[u8], flags: OFlags, policy: ResolveFlags) -> SysResult<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        loop {
            match rustix::fs::openat2(&self.0, path, flags, Mode::empty(), policy) {
                // EAGAIN: a rename elsewhere raced with the lookup; the manual page says to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS) => return self.open_step_by_step(path, flags, policy),
                result => return result.map_err(|errno| SysError::new("openat2", path, errno)),
            }
        }
    }

    /// What `openat2` does, for kernels before 5.6 and for sandboxes that deny it.
    pub(super) fn open_step_by_step(&self, path: &[u8], flags: OFlags, policy: ResolveFlags) -> SysResult<OwnedFd> {
        let fail = |errno| SysError::new("openat", path, errno);
        let mut here: Option<OwnedFd> = None;
        let mut names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".").peekable();
        if path.starts_with(b"/") || path.split(|&byte| byte == b'/').any(|name| name == b"..") {
            return Err(fail(Errno::XDEV));
        }
        let Some(_) = names.peek() else {
            return retry_on_intr(|| rustix::fs::openat(&self.0, c".", flags, Mode::empty())).map_err(fail);
        };
        while let Some(name) = names.next() {
            let at = here.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
            let flags = if names.peek().is_some() {
                OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
            } else {
                flags | OFlags::NOFOLLOW
            };
            here = Some(retry_on_intr(|| rustix::fs::openat(at, name, flags, Mode::empty())).map_err(fail)?);
        }
        let opened = here.ok_or_else(|| fail(Errno::NOENT))?;
        if policy.contains(ResolveFlags::NO_XDEV) && !same_mount(self.as_fd(), opened.as_fd()).map_err(fail)? {
            return Err(fail(Errno::XDEV));
        }
        Ok(opened)
    }

    /// Creates a directory that must not exist yet. The umask applies.
    pub fn create_dir(&self, name: &[u8], mode: u32) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode)))
            .map_err(|errno| SysError::new("mkdirat", name, errno))
    }

    /// Creates each missing directory of `path` with `mode` and opens the last one.
    pub fn create_dirs(&self, path: &[u8], mode: u32) -> SysResult<Self> {
        let mut here = self.open_dir(b".")?;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            match here.create_dir(name, mode) {
                Err(error) if error.errno() != nix::errno::Errno::EEXIST => return Err(error),
                _ => here = here.open_dir(name)?,
            }
        }
        Ok(here)
    }

    /// Creates a symlink with this exact target.
    pub fn symlink(&self, target: &[u8], name: &[u8]) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::symlinkat(target, &self.0, name))
            .map_err(|errno| SysError::new("symlinkat", name, errno))
    }

    /// Gives `name` in this directory a second name in another one; a symlink is linked itself.
    pub fn link(&self, name: &[u8], to: &Self, new_name: &[u8]) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::linkat(&self.0, name, &to.0, new_name, AtFlags::empty()))
            .map_err(|errno| SysError::new("linkat", new_name, errno))
    }

    /// Creates a device, pipe or socket node.
    pub fn make_node(&self, name: &[u8], kind: FileType, mode: u32, device: u64) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::mknodat(&self.0, name, kind, Mode::from_raw_mode(mode), device))
            .map_err(|errno| SysError::new("mknodat", name, errno))
    }

    /// Removes a name that is not a directory.
    pub fn remove_file(&self, name: &[u8]) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::unlinkat(&self.0, name, AtFlags::empty()))
            .map_err(|errno| SysError::new("unlinkat", name, errno))
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, name: &[u8]) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR))
            .map_err(|errno| SysError::new("unlinkat", name, errno))
    }

    /// Renames; an existing file at the new name is replaced (an existing directory only if it is empty).
    pub fn rename(&self, name: &[u8], to: &Self, new_name: &[u8]) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::renameat(&self.0, name, &to.0, new_name))
            .map_err(|errno| SysError::new("renameat", new_name, errno))
    }

    /// Renames and fails with `EEXIST` when the new name is taken.
    pub fn rename_new(&self, name: &[u8], to: &Self, new_name: &[u8]) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::renameat_with(&self.0, name, &to.0, new_name, RenameFlags::NOREPLACE))
            .map_err(|errno| SysError::new("renameat2", new_name, errno))
    }

    /// Exchanges two names, both of which exist: at every moment there is something under each.
    pub fn exchange(&self, name: &[u8], to: &Self, new_name: &[u8]) -> SysResult<()> {
        rustix::fs::renameat_with(&self.0, name, &to.0, new_name, RenameFlags::EXCHANGE)
            .map_err(|errno| SysError::new("renameat2", new_name, errno))
    }

    /// What the name is; a symlink is not followed.
    pub fn stat(&self, name: &[u8]) -> SysResult<Stat> {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| SysError::new("newfstatat", name, errno))
    }

    /// The target of a symlink.
    pub fn read_link(&self, name: &[u8]) -> SysResult<Vec<u8>> {
        rustix::fs::readlinkat(&self.0, name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|errno| SysError::new("readlinkat", name, errno))
    }

    /// Whether the name exists.
    pub fn exists(&self, name: &[u8]) -> SysResult<bool> {
        match self.stat(name) {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == nix::errno::Errno::ENOENT => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All entries, in the order of the file system.
    pub fn entries(&self) -> SysResult<Vec<DirEntry>> {
        let fail = |errno| SysError::new("getdents64", b".", errno);
        let mut all = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                all.push(DirEntry { name: name.to_vec(), file_type: entry.file_type() });
            }
        }
        Ok(all)
    }

    /// The whole content of a regular file, refused above `limit` bytes with `EFBIG`.
    pub fn read(&self, path: &[u8], limit: u64) -> SysResult<Vec<u8>> {
        let fail = |error: std::io::Error| SysError::from_io("read", path, &error);
        let file = self.open_file(path)?;
        // Thousands of records are read for a listing: room for all of one at once, without asking for its size.
        let mut content = Vec::with_capacity(1 << 14);
        file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(fail)?;
        if content.len() as u64 > limit {
            return Err(SysError::new("read", path, Errno::FBIG));
        }
        Ok(content)
    }

    /// Creates a new file with this content. Nothing is synced.
    pub fn write_new(&self, name: &[u8], mode: u32, content: &[u8]) -> SysResult<File> {
        let mut file = self.create_file(name, mode)?;
        file.write_all(content).map_err(|error| SysError::from_io("write", name, &error))?;
        Ok(file)
    }

    /// Makes renames and creations in this directory durable (`fsync` of the directory).
    pub fn sync(&self) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::fsync(&self.0)).map_err(|errno| SysError::new("fsync", b".", errno))
    }

    /// Writes everything of the file system that holds this directory (`syncfs`), and reports errors of
    /// write-back since this handle was opened.
    pub fn sync_file_system(&self) -> SysResult<()> {
        retry_on_intr(|| rustix::fs::syncfs(&self.0)).map_err(|errno| SysError::new("syncfs", b".", errno))
    }

    /// The path of this directory as the kernel knows it now: for messages and for reports, not for lookups.
    pub fn current_path(&self) -> SysResult<PathBuf> {
        let link = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        std::fs::read_link(&link).map_err(|error| SysError::from_io("readlink", link.as_bytes(), &error))
    }

    /// A second handle of the same directory.
    pub fn try_clone(&self) -> SysResult<Self> {
        self.0.try_clone().map(Self).map_err(|error| SysError::from_io("fcntl", b".", &error))
    }
}

/// Whether two files were reached through one mount; where `/proc` cannot be read, whether they are on one device.
fn same_mount(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<bool, Errno> {
    if let (Ok(one), Ok(other)) = (mount_of(one), mount_of(other)) {
        return Ok(one == other);
    }
    Ok(rustix::fs::fstat(one)?.st_dev == rustix::fs::fstat(other)?.st_dev)
}

/// What was opened, if it is a regular file.
fn regular(opened: OwnedFd, path: &[u8]) -> SysResult<File> {
    let stat = retry_on_intr(|| rustix::fs::fstat(&opened)).map_err(|errno| SysError::new("fstat", path, errno))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(File::from(opened)),
        _ => Err(SysError::not_a_file(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn lookups_stay_beneath_and_refuse_symlinks() {
        let (_temp, dir) = scratch();
        dir.create_dir(b"a", 0o755).unwrap();
        dir.symlink(b"a", b"link").unwrap();
        for path in [&b"link"[..], b"../etc", b"/etc", b"a/../../etc", b"link/x"] {
            let one = dir.open_dir(path).unwrap_err().errno();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let two = dir.open_step_by_step(path, flags, BENEATH).unwrap_err().errno();
            for errno in [one, two] {
                use nix::errno::Errno as E;
                assert!(matches!(errno, E::ELOOP | E::EXDEV | E::ENOTDIR), "{path:?}: {errno}");
            }
        }
        dir.open_dir(b"a").unwrap();
    }

    #[test]
    fn only_regular_files_are_opened() {
        let (_temp, dir) = scratch();
        dir.create_dir(b"dir", 0o755).unwrap();
        dir.make_node(b"pipe", FileType::Fifo, 0o600, 0).unwrap();
        for name in [&b"dir"[..], b"pipe"] {
            assert!(dir.open_file(name).unwrap_err().is_not_a_file());
            assert!(dir.open_or_create_file(name, 0o600).is_err());
        }
    }
}
