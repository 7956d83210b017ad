//! What `/proc` tells about processes, threads, open files and the boot.
//!
//! A process may vanish at any moment: whatever is gone is skipped or `None`, never an error. Nothing here
//! waits for a file system that does not answer.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;

use super::errno::{SysError, SysResult};

/// A place in a mount, as far as the kernel tells it without asking the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Device number of the file system.
    pub device: (u32, u32),
    /// Inode number.
    pub inode: u64,
    /// The mount through which it was reached; `None` before Linux 5.8.
    pub mount: Option<u64>,
}

/// Where a link of `/proc` (`cwd`, `root`, `exe`, `ns/mnt`) leads. The link is followed, a symlink behind it is not
/// possible, and attributes that are not cached are not asked for.
pub fn place(link: &Path) -> io::Result<Place> {
    const MOUNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x1000);
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let found = rustix::fs::statx(rustix::fs::CWD, link, flags, StatxFlags::INO | MOUNT_ID)?;
    let mount = (found.stx_mask & MOUNT_ID.bits() != 0).then_some(found.stx_mnt_id);
    Ok(Place { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino, mount })
}

/// All process IDs that `/proc` shows, in ascending order.
pub fn processes() -> SysResult<Vec<i32>> {
    numbers(Path::new("/proc")).map_err(|error| SysError::from_io("getdents64", b"/proc", &error))
}

/// All thread IDs of a process, its own ID first; empty when it is gone.
pub fn threads(pid: i32) -> Vec<i32> {
    numbers(Path::new(&format!("/proc/{pid}/task"))).unwrap_or_default()
}

/// All descriptor numbers of a process; empty when it is gone or may not be looked at.
pub fn descriptors(pid: i32) -> Vec<i32> {
    numbers(Path::new(&format!("/proc/{pid}/fdinfo"))).unwrap_or_default()
}

fn numbers(dir: &Path) -> io::Result<Vec<i32>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        all.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    all.sort_unstable();
    Ok(all)
}

/// The mount through which a descriptor of a process was opened.
pub fn mount_of_descriptor(pid: i32, descriptor: i32) -> Option<u64> {
    mount_id_line(&std::fs::read(format!("/proc/{pid}/fdinfo/{descriptor}")).ok()?)
}

/// The mount through which a descriptor of ours was opened.
pub fn mount_of(file: impl AsFd) -> SysResult<u64> {
    let path = format!("/proc/self/fdinfo/{}", file.as_fd().as_raw_fd());
    let text = std::fs::read(&path).map_err(|error| SysError::from_io("read", path.as_bytes(), &error))?;
    mount_id_line(&text).ok_or_else(|| SysError::new("read", path.as_bytes(), Errno::NOSYS))
}

fn mount_id_line(text: &[u8]) -> Option<u64> {
    let line = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"mnt_id:"))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// The devices of all files that a process has mapped into its memory.
pub fn mapped_devices(pid: i32) -> BTreeSet<(u32, u32)> {
    let text = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    text.split(|&byte| byte == b'\n').filter_map(device_of_mapping).collect()
}

/// The device in one line of `/proc/<pid>/maps`: the fourth field, in hexadecimal; 00:00 is no file.
fn device_of_mapping(line: &[u8]) -> Option<(u32, u32)> {
    let field = line.split(|&byte| byte == b' ').nth(3)?;
    let (major, minor) = std::str::from_utf8(field).ok()?.split_once(':')?;
    let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    (device != (0, 0)).then_some(device)
}

/// The command name of a process (at most 15 bytes, as the kernel keeps it).
pub fn command(pid: i32) -> Option<Vec<u8>> {
    let mut name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    if name.last() == Some(&b'\n') {
        name.pop();
    }
    Some(name)
}

/// Reads a file of `/proc` or `/sys` whole.
pub fn read_whole(path: &str) -> SysResult<Vec<u8>> {
    let mut content = Vec::with_capacity(64 * 1024);
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut content))
        .map_err(|error| SysError::from_io("read", path.as_bytes(), &error))?;
    Ok(content)
}

/// The random ID that the kernel drew at this boot.
pub fn boot_id() -> SysResult<String> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(PATH).map_err(|error| SysError::from_io("read", PATH.as_bytes(), &error))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_mount_id_and_the_mapped_device() {
        assert_eq!(mount_id_line(b"pos:\t0\nflags:\t0100000\nmnt_id:\t29\nino:\t2\n"), Some(29));
        assert_eq!(mount_id_line(b"pos:\t0\n"), None);
        let line = b"7f00-7f01 r-xp 00000000 00:2f 1234   /merged/bin/sh";
        assert_eq!(device_of_mapping(line), Some((0, 0x2f)));
        assert_eq!(device_of_mapping(b"7ffc-7ffd rw-p 00000000 00:00 0   [stack]"), None);
        assert_eq!(device_of_mapping(b""), None);
    }

    #[test]
    fn finds_this_thread_and_what_it_holds() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(processes().unwrap().contains(&pid));
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        assert!(threads(pid).contains(&thread));
        let root = std::fs::File::open("/").unwrap();
        let mount = mount_of(&root).unwrap();
        assert_eq!(mount_of_descriptor(pid, root.as_raw_fd()), Some(mount));
        assert!(descriptors(pid).contains(&root.as_raw_fd()));
        assert!(command(pid).is_some());
        assert!(place(Path::new("/proc/self/ns/mnt")).unwrap().inode > 0);
        assert!(place(Path::new("/proc/self/ns/none")).is_err());
    }

    #[test]
    fn the_boot_has_one_id() {
        let id = boot_id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id, boot_id().unwrap());
    }
}
