//! What kind of file system a directory lies on.

use std::os::fd::AsFd;

use rustix::fs::FallocateFlags;

use super::errno::{SysError, SysResult};

/// The bytes that may still be written to the file system that holds this file or directory.
pub fn free_bytes(file: impl AsFd) -> SysResult<u64> {
    let statvfs = rustix::fs::fstatvfs(file).map_err(|errno| SysError::new("fstatvfs", b".", errno))?;
    Ok(statvfs.f_bavail.saturating_mul(statvfs.f_frsize))
}

/// Whether nothing can be written where this file or directory was found: the mount or the file system is read-only.
pub fn is_read_only(file: impl AsFd) -> SysResult<bool> {
    let found = rustix::fs::fstatvfs(file).map_err(|errno| SysError::new("fstatvfs", b".", errno))?;
    Ok(found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// What is left of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that may still be written.
    pub bytes: u64,
    /// Files that may still be made.
    pub inodes: u64,
    /// How many files there may be in all; 0 where that has no limit of its own.
    pub all_inodes: u64,
}

/// What is left of the file system that holds this file or directory.
pub fn room(file: impl AsFd) -> SysResult<Room> {
    let found = rustix::fs::fstatvfs(&file).map_err(|errno| SysError::new("fstatvfs", b".", errno))?;
    Ok(Room { bytes: free_bytes(file)?, inodes: found.f_favail, all_inodes: found.f_files })
}

/// The device number of what holds this file or directory, as `mountinfo` shows it where it is the top of a mount.
pub fn device_of(file: impl AsFd) -> SysResult<(u32, u32)> {
    let stat = rustix::fs::fstat(file).map_err(|errno| SysError::new("fstat", b".", errno))?;
    Ok((rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev)))
}

/// The device and the number of an inode: the same for two handles of one file.
pub fn inode_of(file: impl AsFd) -> SysResult<(u64, u64)> {
    let stat = rustix::fs::fstat(file).map_err(|errno| SysError::new("fstat", b".", errno))?;
    Ok((stat.st_dev, stat.st_ino))
}

/// The kind of a file system, from its magic number (`statfs(2)`).
///
/// The number does not tell all kinds apart: ext2, ext3 and ext4 share theirs, and so do all FUSE file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(u64);

impl Kind {
    /// Overlay itself.
    pub const OVERLAY: Self = Self(0x794c_7630);
    /// Everything in memory, and perhaps in swap space.
    pub const TMPFS: Self = Self(0x0102_1994);
    /// Everything in memory.
    pub const RAMFS: Self = Self(0x8584_58f6);
    const EXT4: Self = Self(0xef53);
    const XFS: Self = Self(0x5846_5342);

    /// The kind of the file system that holds this file or directory.
    pub fn of(file: impl AsFd) -> SysResult<Self> {
        let statfs = rustix::fs::fstatfs(file).map_err(|errno| SysError::new("fstatfs", b".", errno))?;
        // The type of the field differs by architecture; the magic numbers have 32 bits on all of them.
        #[expect(clippy::cast_sign_loss, reason = "the field's type differs by architecture")]
        let magic = (statfs.f_type as u64) & 0xffff_ffff;
        Ok(Self(magic))
    }

    /// The usual name; a number for a kind that is not in the table.
    pub fn name(self) -> String {
        let name = match self.0 {
            0x794c_7630 => "overlay",
            0xef53 => "ext4",
            0x5846_5342 => "xfs",
            0x9123_683e => "btrfs",
            0x0102_1994 => "tmpfs",
            0x8584_58f6 => "ramfs",
            0x2fc1_2fc1 => "zfs",
            0xf2f5_2010 => "f2fs",
            0xca45_1a4e => "bcachefs",
            0x6573_5546 => "fuse",
            0x6969 => "nfs",
            0xff53_4d42 | 0xfe53_4d42 => "cifs",
            0x0102_1997 => "9p",
            0x00c3_6400 => "ceph",
            0x4d44 => "vfat",
            0x2011_bab0 => "exfat",
            0x7366_746e => "ntfs3",
            0xe0f5_e1e2 => "erofs",
            0x7371_7368 => "squashfs",
            0x5265_4973 => "reiserfs",
            0x3153_464a => "jfs",
            other => return format!("0x{other:x}"),
        };
        name.to_owned()
    }
}

/// Sizes that are worth setting room aside for. Who lies about more than that shall not fill the disk by it.
const WORTH_ROOM: std::ops::RangeInclusive<u64> = 4 << 20..=1 << 30;

/// Sets room aside for a new file that will be written from its beginning up to this size, where files are written
/// faster for that (`fallocate(2)`). Nothing depends on it.
pub fn set_room_aside(file: impl AsFd, size: u64) {
    if WORTH_ROOM.contains(&size) && Kind::of(&file).is_ok_and(|kind| matches!(kind, Kind::EXT4 | Kind::XFS)) {
        let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size);
    }
}

/// Whether names in this directory ignore case (`FS_CASEFOLD_FL`). A file system without such flags says no.
pub fn folds_case(dir: impl AsFd) -> bool {
    const CASEFOLD: u32 = 0x4000_0000;
    rustix::fs::ioctl_getflags(dir).is_ok_and(|flags| flags.bits() & CASEFOLD != 0)
}
