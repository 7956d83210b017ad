//! Owner, mode and times of files, by descriptor or by directory and name.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid};
use rustix::io::retry_on_intr;

use super::dir::Dir;
use super::errno::{SysError, SysResult};
use crate::error::{Error, Result};

/// Whether the process acts as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a file gets by being created: the process's owner and the mode less the umask.
#[derive(Debug, Clone, Copy)]
pub struct Creation {
    uid: u32,
    gid: u32,
    umask: u32,
}

impl Creation {
    /// Reads the credentials and the umask of this process.
    pub fn of_process() -> Result<Self> {
        let path = "/proc/self/status";
        let status = std::fs::read_to_string(path).map_err(|error| Error::io(format!("read {path}"), error))?;
        let umask = status
            .lines()
            .find_map(|line| line.strip_prefix("Umask:"))
            .and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok())
            // Without the line (Linux before 4.7) nothing is left to the creation.
            .unwrap_or(0o777);
        Ok(Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw(), umask })
    }

    /// Whether a new file has this owner already.
    pub fn is_owner(self, uid: u32, gid: u32) -> bool {
        (uid, gid) == (self.uid, self.gid)
    }

    /// Whether a file that is created with `mode` has it in the end, or needs a change of mode: the umask takes bits
    /// away, set-id bits do not survive a change of owner.
    pub fn keeps_mode(self, mode: u16, uid: u32, gid: u32) -> bool {
        let mode = u32::from(mode);
        mode & self.umask == 0 && (mode & 0o6000 == 0 || self.is_owner(uid, gid))
    }

    /// The mode to create a file with that shall have `mode` in the end: never more open than that.
    pub fn mode(self, mode: u16, uid: u32, gid: u32) -> u32 {
        let open = if self.keeps_mode(mode, uid, gid) { 0o7777 } else { 0o700 };
        u32::from(mode) & open
    }
}

fn owner(uid: u32, gid: u32) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

fn times((seconds, nanos): (i64, u32), (mseconds, mnanos): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
        last_modification: Timespec { tv_sec: mseconds, tv_nsec: mnanos.into() },
    }
}

/// Changes the owner of an open file.
pub fn set_owner(file: BorrowedFd<'_>, uid: u32, gid: u32) -> SysResult<()> {
    let (uid, gid) = owner(uid, gid);
    retry_on_intr(|| rustix::fs::fchown(file, uid, gid)).map_err(|errno| SysError::new("fchown", b"", errno))
}

/// Changes the owner of a name; a symlink is changed itself.
pub fn set_owner_at(dir: BorrowedFd<'_>, name: &[u8], uid: u32, gid: u32) -> SysResult<()> {
    let (uid, gid) = owner(uid, gid);
    retry_on_intr(|| rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW))
        .map_err(|errno| SysError::new("fchownat", name, errno))
}

/// Changes the mode of an open file.
pub fn set_mode(file: BorrowedFd<'_>, mode: u32) -> SysResult<()> {
    retry_on_intr(|| rustix::fs::fchmod(file, Mode::from_raw_mode(mode)))
        .map_err(|errno| SysError::new("fchmod", b"", errno))
}

/// Changes the mode of a device or pipe without opening it. The name must still be of this type: `fchmodat` follows
/// symlinks, so the file is held by an `O_PATH` descriptor and changed through that.
pub fn set_mode_of_special(dir: &Dir, name: &[u8], kind: FileType, mode: u32) -> SysResult<()> {
    let fail = |errno| SysError::new("fchmodat", name, errno);
    let place = dir.open_path(name)?;
    let found = rustix::fs::fstat(&place).map_err(fail)?;
    if FileType::from_raw_mode(found.st_mode) != kind {
        return Err(fail(rustix::io::Errno::LOOP));
    }
    let link = format!("/proc/self/fd/{}", place.as_fd().as_raw_fd());
    retry_on_intr(|| rustix::fs::chmod(&link, Mode::from_raw_mode(mode))).map_err(fail)
}

/// What became of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// It is stored.
    AsGiven,
    /// The file system cannot hold it and stored the nearest one that it can.
    Clamped,
}

/// Times that every file system can store: those of 32-bit seconds.
const EVERYWHERE: std::ops::RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;

fn stored(given: i64, stat: impl FnOnce() -> rustix::io::Result<rustix::fs::Stat>) -> Stored {
    if EVERYWHERE.contains(&given) || stat().is_ok_and(|stat| stat.st_mtime == given) {
        Stored::AsGiven
    } else {
        Stored::Clamped
    }
}

/// Sets access and modification time, each in seconds and nanoseconds, of an open file.
pub fn set_times(file: BorrowedFd<'_>, accessed: (i64, u32), modified: (i64, u32)) -> SysResult<Stored> {
    retry_on_intr(|| rustix::fs::futimens(file, &times(accessed, modified)))
        .map_err(|errno| SysError::new("utimensat", b"", errno))?;
    Ok(stored(modified.0, || rustix::fs::fstat(file)))
}

/// The same for a name; a symlink is changed itself.
pub fn set_times_at(dir: BorrowedFd<'_>, name: &[u8], accessed: (i64, u32), modified: (i64, u32)) -> SysResult<Stored> {
    retry_on_intr(|| rustix::fs::utimensat(dir, name, &times(accessed, modified), AtFlags::SYMLINK_NOFOLLOW))
        .map_err(|errno| SysError::new("utimensat", name, errno))?;
    Ok(stored(modified.0, || rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)))
}
