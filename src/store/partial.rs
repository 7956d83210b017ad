//! Downloads that can be resumed: `partial/<alg>/<hex>`, named by the digest of the whole blob.
//!
//! Whoever writes to one holds an exclusive lock on the file. Complete and verified, it stays until it is on the disk, and
//! is then renamed into the content store. What somebody else left is read back from the disk, whoever that was and however
//! it ended: the digest tells whether it is there, and if not, it is begun anew.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};

use nix::errno::Errno;

use super::Store;
use super::layout;
use super::locks::{POLL, is_named};
use super::measure::Measure;
use super::staging::{Item, Staging};
use crate::content::{FileState, PartialFile, Place, Ready};
use crate::error::{Context, Result};
use crate::oci::Digest;
use crate::sys::dir::Dir;
use crate::sys::lock::{self, Mode};
use crate::sys::memory;

impl Store {
    /// The download of a blob of this size, begun or not, for nobody else until it is dropped. What is read of it comes
    /// from the disk.
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
            if kept > size || kept > 0 && !memory::forget(&file, kept) {
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

    /// Removes a download unless somebody goes on with it or relies on it; `false` if it stays.
    pub fn drop_partial(&self, own: &Staging<'_>, blob: &Digest) -> Result<bool> {
        let _lock = self.lock_exclusive()?;
        if self.leases_but(own)?.items.contains(&Item::Blob(blob.clone())) {
            return Ok(false);
        }
        self.cut_partial(blob, 0)?;
        let (dir, name) = self.partial_name(blob)?;
        Ok(!dir.exists(name.as_bytes())?)
    }

    /// Gives a verified blob that is on the disk its name; `staging` is where it was begun. `false` if it is not what it was:
    /// somebody else took it over, and gives it its name, or removed it.
    pub fn name_blob(&self, staging: &Staging<'_>, blob: &Ready) -> Result<bool> {
        let Ready { digest, size, place } = blob;
        let seen = match place {
            Place::Staged(name) => {
                return self.content.adopt(staging.dir(), name.as_bytes(), digest, *size).map(|()| true);
            }
            Place::Download(seen) => seen,
        };
        let (dir, name) = self.partial_name(digest)?;
        let file = match dir.open_file(name.as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => return Ok(false),
            result => result.context(|| format!("download of {digest}"))?,
        };
        // Who has it may write to it, but does not need it for long.
        if !lock::try_lock(&file, Mode::Exclusive, &name)? || !is_named(&dir, &name, &file)? {
            return Ok(false);
        }
        if FileState::of(&file)? != *seen {
            return Ok(false);
        }
        self.content.adopt(&dir, name.as_bytes(), digest, *size).map(|()| true)
    }

    /// What the leases of others say: their downloads may be complete and wait for their names.
    pub fn leased_by_others(&self, own: &Staging<'_>) -> Result<BTreeSet<Item>> {
        let _lock = self.lock_exclusive()?;
        Ok(self.leases_but(own)?.items)
    }

    /// The downloads that nobody goes on with or relies on, and the bytes that they take on the disk.
    pub fn idle_partials(&self) -> Result<Vec<(Digest, u64)>> {
        let leased = {
            let _lock = self.lock_exclusive()?;
            self.leases()?.items
        };
        let mut found = Vec::new();
        for algorithm in layout::algorithms() {
            let dir = layout::private_dir(&self.partial, algorithm)?;
            for entry in dir.entries()? {
                let name = String::from_utf8_lossy(&entry.name);
                let Ok(blob) = format!("{algorithm}:{name}").parse::<Digest>() else { continue };
                if leased.contains(&Item::Blob(blob.clone())) {
                    continue;
                }
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
