//! The content of files, from the archive to the disk.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use xxhash_rust::xxh3::Xxh3;

use super::content_hash::hash_of_runs;
use super::tar;
use crate::chunks::ChunkReader;
use crate::error::{Error, Result};
use crate::sys::errno::SysError;
use crate::sys::file_system::set_room_aside;
use crate::sys::write_back::WriteBack;

/// Most bytes of a file that another thread creates.
const SMALL: u64 = 64 * 1024;

/// The archive.
pub type Input<'a> = tar::Reader<&'a mut ChunkReader>;

/// Whether all data of an entry lies in the chunk that is being read, and is little.
pub fn is_whole(entry: &tar::Entry, reader: &mut Input<'_>) -> Result<bool> {
    Ok(entry.sparse.is_none() && entry.size <= SMALL && reader.data()?.len() as u64 == entry.size)
}

/// Writes the data of an entry into its file; gives the size and the hash of the data.
pub fn fill(file: &mut File, entry: &tar::Entry, reader: &mut Input<'_>) -> Result<(u64, u64)> {
    let fail = |error: std::io::Error| SysError::from_io("write", &entry.path, &error);
    let mut hash = Xxh3::new();
    let Some(map) = &entry.sparse else {
        set_room_aside(&*file, entry.size);
        let (mut written, mut write_back) = (0, WriteBack::default());
        loop {
            let data = reader.data()?;
            if data.is_empty() {
                return Ok((entry.size, hash.digest()));
            }
            file.write_all(data).map_err(fail)?;
            hash.update(data);
            let len = data.len();
            reader.consume(len);
            written += len as u64;
            write_back.written(file.as_fd(), written);
        }
    };
    for segment in map {
        let (mut at, end) = (segment.offset, segment.offset + segment.len);
        while at < end {
            let data = reader.data()?;
            let len = data.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            if len == 0 {
                return Err(Error::refused("sparse file: data ends early"));
            }
            file.write_all_at(&data[..len], at).map_err(fail)?;
            reader.consume(len);
            at += len as u64;
        }
    }
    file.set_len(entry.size).map_err(fail)?;
    let runs = map.iter().map(|segment| (segment.offset, segment.offset + segment.len));
    Ok((entry.size, hash_of_runs(file, runs, entry.size, &|| Ok(()))?))
}
