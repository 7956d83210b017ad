//! Copying file content inside one file system or between two: shared extents, else in the kernel, holes kept.

use std::fs::File;

use rustix::fs::SeekFrom;
use rustix::io::{Errno, retry_on_intr};

use super::errno::{SysError, SysResult};

/// Copies a file so that both share their blocks, or not at all (`FICLONE`).
pub fn shares(from: &File, to: &File) -> SysResult<()> {
    rustix::fs::ioctl_ficlone(to, from).map_err(|errno| SysError::new("ioctl", b"FICLONE", errno))
}

/// Copies all of `from` into the empty file `to`.
pub fn copy(from: &File, to: &File) -> SysResult<()> {
    if shares(from, to).is_ok() {
        return Ok(());
    }
    let size = rustix::fs::fstat(from).map_err(|errno| SysError::new("fstat", b"", errno))?.st_size;
    let size = u64::try_from(size).unwrap_or(0);
    retry_on_intr(|| rustix::fs::ftruncate(to, size)).map_err(|errno| SysError::new("ftruncate", b"", errno))?;
    let mut at = 0;
    while let Some((start, end)) = next_data(from, at, size)? {
        copy_run(from, to, start, end)?;
        at = end;
    }
    Ok(())
}

/// The next run of data at or after `at`; everything else up to `size` is holes.
pub fn next_data(file: &File, at: u64, size: u64) -> SysResult<Option<(u64, u64)>> {
    let seek = || {
        let start = rustix::fs::seek(file, SeekFrom::Data(at))?;
        let end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
        Ok((start.min(size), end.min(size)))
    };
    match seek() {
        _ if at >= size => Ok(None),
        Ok((start, end)) => Ok((start < end).then_some((start, end))),
        Err(Errno::NXIO) => Ok(None),
        // A file system that knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((at, size))),
        Err(errno) => Err(SysError::new("lseek", b"", errno)),
    }
}

fn copy_run(from: &File, to: &File, start: u64, end: u64) -> SysResult<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let len = usize::try_from(end - read_at).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), len) {
            Ok(0) => return by_hand(from, to, read_at, end),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return by_hand(from, to, read_at, end);
            }
            Err(errno) => return Err(SysError::new("copy_file_range", b"", errno)),
        }
    }
    Ok(())
}

fn by_hand(from: &File, to: &File, mut at: u64, end: u64) -> SysResult<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; 128 * 1024];
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read_at(&mut buffer[..len], at).map_err(|error| SysError::from_io("pread64", b"", &error))?;
        if read == 0 {
            return Ok(());
        }
        to.write_all_at(&buffer[..read], at).map_err(|error| SysError::from_io("pwrite64", b"", &error))?;
        at += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn content_and_holes_are_kept() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("from");
        let mut from = File::create_new(&path).unwrap();
        from.write_all(b"begin").unwrap();
        from.seek(std::io::SeekFrom::Start(1 << 20)).unwrap();
        from.write_all(b"end").unwrap();
        from.set_len(3 << 20).unwrap();
        let from = File::open(&path).unwrap();
        let to_path = temp.path().join("to");
        let to = File::create_new(&to_path).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&to_path).unwrap());
        assert!(to.metadata().unwrap().blocks() <= from.metadata().unwrap().blocks() + 16);
        let by_hand_path = temp.path().join("by-hand");
        let to = File::create_new(&by_hand_path).unwrap();
        by_hand(&from, &to, 0, 3 << 20).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&by_hand_path).unwrap());
    }
}
