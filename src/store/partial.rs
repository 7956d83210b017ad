//! Downloads that can be resumed: `partial/<alg>/<hex>`, named by the digest of the whole blob.
//!
//! Whoever writes to one holds an exclusive lock on the file. Complete and verified, it is renamed into the content
//! store. What a power cut left of one may be wrong: the digest tells, and it is begun anew.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use nix::errno::Errno;

use super::Store;
use super::layout;
use super::locks::{POLL, is_named};
use super::measure::Measure;
use crate::content::PartialFile;
use crate::error::{Context, Result};
use crate::oci::Digest;
use crate::sys::dir::Dir;
use crate::sys::lock::{self, Mode};

impl Store {
    /// The download of a blob of this size, begun or not, for nobody else until it is dropped.
    ///
    /// # Errors
    /// What `check` says: it is asked while this waits for another process.
    pub fn partial(&self, blob: &Digest, size: u64, check: &dyn Fn() -> Result<()>) -> Result<PartialFile> {
        let (dir, name) = self.partial_name(blob)?;
        let tried = || format!("partial download of {blob}");
        loop {
            check()?;
            let mut file = dir.open_or_create_file(name.as_bytes(), 0o600).context(tried)?;
            if !lock::try_lock(&file, Mode::Exclusive, &name)? {
                drop(file);
                std::thread::sleep(POLL);
                continue;
            }
            if !is_named(&dir, &name, &file)? {
                continue;
            }
            let mut kept = file.metadata().context(tried)?.len();
            if kept > size {
                file.set_len(0).context(tried)?;
                kept = 0;
            }
            file.seek(SeekFrom::Start(kept)).context(tried)?;
            return Ok(PartialFile { dir, name, file, kept });
        }
    }

    /// How many bytes of a blob are here from an earlier attempt.
    pub fn kept_of(&self, blob: &Digest) -> Result<u64> {
        let (dir, name) = self.partial_name(blob)?;
        match dir.stat(name.as_bytes()) {
            Ok(stat) => Ok(u64::try_from(stat.st_size).unwrap_or_default()),
            Err(error) if error.errno() == Errno::ENOENT => Ok(0),
            Err(error) => Err(error).context(|| format!("partial download of {blob}")),
        }
    }

    /// Makes a download as short as it was, and removes it if that was nothing. One that another process goes on
    /// with, or that is complete, stays.
    pub fn cut_partial(&self, blob: &Digest, kept: u64) -> Result<()> {
        let (dir, name) = self.partial_name(blob)?;
        let tried = || format!("partial download of {blob}");
        if !dir.exists(name.as_bytes())? {
            return Ok(());
        }
        let file: File = dir.open_or_create_file(name.as_bytes(), 0o600).context(tried)?;
        if !lock::try_lock(&file, Mode::Exclusive, &name)? || !is_named(&dir, &name, &file)? {
            return Ok(());
        }
        match file.metadata().context(tried)?.len() {
            len if kept == 0 || len == 0 => dir.remove_file(name.as_bytes()).context(tried),
            len if len > kept => file.set_len(kept).context(tried),
            _ => Ok(()),
        }
    }

    /// The downloads that nobody goes on with, and the bytes that they take on the disk.
    pub fn idle_partials(&self) -> Result<Vec<(Digest, u64)>> {
        let mut found = Vec::new();
        for algorithm in layout::algorithms() {
            let dir = layout::private_dir(&self.partial, algorithm)?;
            for entry in dir.entries()? {
                let name = String::from_utf8_lossy(&entry.name);
                let Ok(blob) = format!("{algorithm}:{name}").parse::<Digest>() else { continue };
                let file = match dir.open_file(&entry.name) {
                    // What is no file is no download.
                    Err(error) if error.errno() == Errno::ENOENT || error.is_not_a_file() => continue,
                    result => result?,
                };
                // Whoever begins to go on with it in this moment waits and looks again.
                if lock::try_lock(&file, Mode::Exclusive, &name)? && is_named(&dir, &name, &file)? {
                    let mut measure = Measure::default();
                    measure.add(&dir, &entry.name)?;
                    found.push((blob, measure.bytes()));
                }
            }
        }
        Ok(found)
    }

    fn partial_name(&self, blob: &Digest) -> Result<(Dir, String)> {
        let dir = layout::private_dir(&self.partial, blob.algorithm().as_str());
        Ok((dir.context(|| format!("partial download of {blob}"))?, blob.hex().to_owned()))
    }
}
