//! Several small files to be created at once, by whichever thread has time.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use super::files::Files;
use super::metadata::Metadata;
use super::tar::Time;
use crate::chunks::Chunk;
use crate::error::{Error, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::SysError;

/// How many files there are in a batch, and how many directories it holds open.
const FILES: usize = 32;
const DIRS: usize = 8;

/// Small files whose content lies in one chunk. None of them has attributes, and nothing is at their paths.
#[derive(Debug, Default)]
pub struct Batch {
    chunk: Option<Chunk>,
    dirs: Vec<Arc<Dir>>,
    names: Vec<u8>,
    files: Vec<SmallFile>,
}

#[derive(Debug)]
struct SmallFile {
    record: u32,
    dir: usize,
    name: Range<usize>,
    data: Range<usize>,
    metadata: Metadata,
    atime: Option<Time>,
}

/// One file for a [`Batch`].
#[derive(Debug)]
pub struct NewFile<'a> {
    /// Its record.
    pub record: u32,
    /// Where it goes.
    pub dir: &'a Arc<Dir>,
    /// What it is called there.
    pub name: &'a [u8],
    /// Mode, owner and time.
    pub metadata: Metadata,
    /// Access time, if it has one of its own.
    pub atime: Option<Time>,
    /// What is in it; nothing for an empty file.
    pub data: Option<(&'a Chunk, Range<usize>)>,
}

impl Batch {
    /// Whether the file has to wait for the next batch: this one is full, or its content lies in another chunk.
    pub fn is_full_for(&self, file: &NewFile<'_>) -> bool {
        let other_chunk = match (&self.chunk, &file.data) {
            (Some(chunk), Some((other, _))) => !chunk.shares_with(other),
            _ => false,
        };
        let new_dir = self.dirs.last().is_none_or(|dir| !Arc::ptr_eq(dir, file.dir));
        other_chunk || self.files.len() >= FILES || new_dir && self.dirs.len() >= DIRS
    }

    /// Adds a file, in the order of the records.
    pub fn add(&mut self, file: NewFile<'_>) {
        let NewFile { record, dir, name, metadata, atime, data } = file;
        if self.dirs.last().is_none_or(|last| !Arc::ptr_eq(last, dir)) {
            self.dirs.push(Arc::clone(dir));
        }
        let start = self.names.len();
        self.names.extend_from_slice(name);
        let data = data.map_or(0..0, |(chunk, range)| {
            self.chunk.get_or_insert_with(|| chunk.clone());
            range
        });
        let dir = self.dirs.len() - 1;
        self.files.push(SmallFile { record, dir, name: start..self.names.len(), data, metadata, atime });
    }

    /// The record of its first file.
    pub fn first(&self) -> Option<u32> {
        self.files.first().map(|file| file.record)
    }

    /// Creates the files.
    ///
    /// # Errors
    /// With the record of the file that could not be created.
    pub fn create(&self, files: Files<'_>) -> Result<(), (u32, Error)> {
        self.files.iter().try_for_each(|file| self.create_one(files, file).map_err(|error| (file.record, error)))
    }

    fn create_one(&self, files: Files<'_>, file: &SmallFile) -> Result<()> {
        let name = &self.names[file.name.clone()];
        let mut new = files.create(&self.dirs[file.dir], name, &file.metadata)?;
        let data = self.chunk.as_ref().map_or(&[][..], |chunk| &chunk[file.data.clone()]);
        if !data.is_empty() {
            new.write_all(data).map_err(|error| SysError::from_io("write", name, &error))?;
        }
        files.finish(&new, &file.metadata, &[], file.atime)
    }
}
