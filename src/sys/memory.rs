//! What the kernel has of a file in memory.
#![expect(unsafe_code, reason = "no crate that we use has mincore(2) and fcntl(2) with hints")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

use rustix::fs::Advice;

use super::errno::{SysError, SysResult};
use super::file_system::Kind;

/// `F_LINUX_SPECIFIC_BASE + 11` and `+ 12` (fcntl(2), "File read/write hints"): libc does not have them.
const F_GET_RW_HINT: libc::c_int = 1035;
const F_SET_RW_HINT: libc::c_int = 1036;
/// What every inode has that was just read from the disk.
const RWH_WRITE_LIFE_NOT_SET: u64 = 0;
/// "No hints about write life time": it changes nothing but that it was set.
const RWH_WRITE_LIFE_NONE: u64 = 1;

/// So much of a file is looked at at once.
const WINDOW: usize = 1 << 30;

/// Sets a mark on a file or directory that is never written to the disk: it "persists until either it is explicitly
/// modified or the underlying filesystem is unmounted" (fcntl(2), `F_SET_RW_HINT`). The kernel may also forget it with a
/// file that nobody has open.
///
/// # Errors
/// Those of `fcntl`: `EINVAL` before Linux 4.13.
pub fn mark(file: impl AsFd) -> SysResult<()> {
    set(file.as_fd(), RWH_WRITE_LIFE_NONE)
}

/// Takes the mark away.
///
/// # Errors
/// As [`mark`].
pub fn unmark(file: impl AsFd) -> SysResult<()> {
    set(file.as_fd(), RWH_WRITE_LIFE_NOT_SET)
}

/// Whether the file was marked and has been in memory ever since.
///
/// # Errors
/// As [`mark`].
pub fn is_marked(file: impl AsFd) -> SysResult<bool> {
    let mut hint = RWH_WRITE_LIFE_NOT_SET;
    // SAFETY: the descriptor is open for the whole call, which writes 64 bits to a place of that size.
    let result = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), F_GET_RW_HINT, ptr::from_mut(&mut hint)) };
    answer("fcntl", result)?;
    Ok(hint != RWH_WRITE_LIFE_NOT_SET)
}

fn set(file: BorrowedFd<'_>, hint: u64) -> SysResult<()> {
    // SAFETY: the descriptor is open for the whole call, which reads 64 bits from a place of that size.
    answer("fcntl", unsafe { libc::fcntl(file.as_raw_fd(), F_SET_RW_HINT, ptr::from_ref(&hint)) })
}

fn answer(call: &'static str, result: libc::c_int) -> SysResult<()> {
    if result == -1 { Err(SysError::from_io(call, b".", &std::io::Error::last_os_error())) } else { Ok(()) }
}

/// Writes a file of `len` bytes to the disk and lets the kernel forget its content, so that what is read next comes from
/// the disk. `false` where that cannot be had: something else uses the file, or its file system keeps all in memory.
///
/// An error of write-back is no error here: what is read then is not what was written.
pub fn forget(file: &File, len: u64) -> bool {
    let _ = file.sync_all();
    // Nothing of these has ever been anywhere else.
    if Kind::of(file).is_ok_and(|kind| matches!(kind, Kind::TMPFS | Kind::RAMFS)) {
        return true;
    }
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed).is_ok() && matches!(is_cached(file, len), Ok(false))
}

/// Whether any of the first `len` bytes of a file are in the page cache.
fn is_cached(file: &File, len: u64) -> std::io::Result<bool> {
    let page = rustix::param::page_size();
    let mut offset = 0;
    while offset < len {
        let size = usize::try_from(len - offset).map_or(WINDOW, |left| left.min(WINDOW));
        let mut pages = vec![0_u8; size.div_ceil(page)];
        let at = libc::off_t::try_from(offset).map_err(std::io::Error::other)?;
        // SAFETY: a new mapping where the kernel wants it, which nobody accesses.
        let map = unsafe { libc::mmap(ptr::null_mut(), size, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), at) };
        if map == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the mapping has `size` bytes, and the vector a byte for each page of it.
        let result = unsafe { libc::mincore(map, size, pages.as_mut_ptr()) };
        let error = std::io::Error::last_os_error();
        // SAFETY: it was mapped above with this size, and is not used any more.
        unsafe { libc::munmap(map, size) };
        if result == -1 {
            return Err(error);
        }
        if pages.iter().any(|page| page & 1 != 0) {
            return Ok(true);
        }
        offset += size as u64;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::sys::dir::Dir;

    #[test]
    fn a_mark_is_on_the_inode() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        let file = File::create(&path).unwrap();
        assert!(!is_marked(&file).unwrap());
        mark(&file).unwrap();
        assert!(is_marked(File::open(&path).unwrap()).unwrap());
        unmark(&file).unwrap();
        assert!(!is_marked(File::open(&path).unwrap()).unwrap());
        let dir = Dir::open(temp.path()).unwrap();
        mark(&dir).unwrap();
        assert!(is_marked(Dir::open(temp.path()).unwrap()).unwrap());
    }

    #[test]
    fn what_is_forgotten_is_not_in_the_page_cache() {
        let temp = tempfile::tempdir().unwrap();
        let mut options = File::options();
        let mut file = options.read(true).write(true).create_new(true).open(temp.path().join("file")).unwrap();
        file.write_all(&vec![7; 100_000]).unwrap();
        assert!(is_cached(&file, 100_000).unwrap());
        assert!(forget(&file, 100_000));
        let in_memory = matches!(Kind::of(&file).unwrap(), Kind::TMPFS | Kind::RAMFS);
        assert_eq!(is_cached(&file, 100_000).unwrap(), in_memory);
        assert!(!is_cached(&file, 0).unwrap());
    }
}
