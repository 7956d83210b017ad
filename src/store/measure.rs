//! How much room things take on the disk: their blocks, a file with several names once.

use std::collections::HashSet;

use nix::errno::Errno;

use super::Store;
use super::staging::{Item, Staging};
use super::sweep::Freed;
use crate::error::{Context, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::SysResult;

/// The unit of `st_blocks`, whatever the file system's own is.
const BLOCK: u64 = 512;

/// A sum of blocks.
#[derive(Debug, Default)]
pub struct Measure {
    bytes: u64,
    /// Files that have other names.
    linked: HashSet<(u64, u64)>,
}

impl Measure {
    /// The sum so far, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a name with everything below it. What is not there any more counts nothing.
    pub fn add(&mut self, dir: &Dir, name: &[u8]) -> SysResult<()> {
        let gone = |errno| matches!(errno, Errno::ENOENT | Errno::ESTALE);
        let stat = match dir.stat(name) {
            Err(error) if gone(error.errno()) => return Ok(()),
            result => result?,
        };
        let is_directory = stat.st_mode & 0o170_000 == 0o040_000;
        if !is_directory && stat.st_nlink > 1 && !self.linked.insert((stat.st_dev, stat.st_ino)) {
            return Ok(());
        }
        self.bytes += u64::try_from(stat.st_blocks).unwrap_or_default() * BLOCK;
        if !is_directory {
            return Ok(());
        }
        let below = match dir.open_dir(name) {
            Err(error) if gone(error.errno()) => return Ok(()),
            result => result?,
        };
        below.entries()?.iter().try_for_each(|entry| self.add(&below, &entry.name))
    }
}

impl Store {
    /// The bytes that something takes on the disk; none if it is not there.
    pub fn disk_usage(&self, item: &Item) -> Result<u64> {
        let mut measure = Measure::default();
        let (shelf, digest) = self.place(item);
        let tried = || format!("measure {item}");
        match shelf.open_dir(digest.algorithm().as_str().as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => {}
            result => measure.add(&result.context(tried)?, digest.hex().as_bytes()).context(tried)?,
        }
        Ok(measure.bytes())
    }

    /// Whether something is there, whatever it is worth.
    pub fn is_here(&self, item: &Item) -> Result<bool> {
        let (shelf, digest) = self.place(item);
        match shelf.open_path(format!("{}/{}", digest.algorithm().as_str(), digest.hex()).as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(false),
            result => result.map(|_| true).context(|| format!("look for {item}")),
        }
    }

    /// Those of these items that are there.
    pub(super) fn existing(&self, freed: Freed) -> Result<Freed> {
        let mut there = std::collections::BTreeSet::new();
        for item in freed.into_items() {
            let (shelf, digest) = self.place(&item);
            let path = format!("{}/{}", digest.algorithm().as_str(), digest.hex());
            match shelf.open_path(path.as_bytes()) {
                Err(error) if error.errno() == Errno::ENOENT => continue,
                result => drop(result?),
            }
            there.insert(item);
        }
        Ok(Freed::from(there))
    }
}

impl Staging<'_> {
    /// The bytes that what was taken away takes on the disk until this is dropped.
    pub fn taken_bytes(&self) -> Result<u64> {
        let mut measure = Measure::default();
        for entry in self.dir().entries()?.iter().filter(|entry| entry.name.starts_with(super::shelf::TAKEN.as_bytes()))
        {
            measure.add(self.dir(), &entry.name)?;
        }
        Ok(measure.bytes())
    }
}
