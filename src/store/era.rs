//! How long what is in memory can be believed.
//!
//! An error of write-back is told once, to whoever asks first (`syncfs(2)`), and in memory everything still looks right.
//! So it concerns everything that no record names, whoever made it: another era begins. What was committed in another
//! era is made again, and whoever found something in it gives up instead of recording it.
//!
//! An era ends when the disk failed, when nobody can tell whether it did, and when the file system was unmounted, because
//! it may have given up before. That it did must be known even if nothing can be written any more, so everything is
//! written down before:
//!
//! - `era` is a symlink, whose target stands for the era. It appears by one rename, and takes no room of its own.
//! - `next-era` is there while somebody asks the kernel, who holds the lock of `sync` meanwhile. A good answer removes it; a
//!   bad one renames it to `era`. Without that lock it is what somebody left who was killed, or could not even rename: then
//!   the era is over too.
//! - `sync` has a mark in memory alone ([`memory`]). Every open store keeps it there, and so does every mounted view, whose
//!   directory has the same mark. Where it is missing, the file system may be another one than it was.

use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;

use super::Store;
use super::locks::POLL;
use super::shelf::Kind;
use super::views::View;
use crate::cancel::Cancel;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::ChainId;
use crate::sys::dir::Dir;
use crate::sys::lock::{self, Mode};
use crate::sys::memory;

/// Their names in the directory of the locks.
pub(super) const FILES: [&[u8]; 3] = [LOCK, FILE, NEXT];
const LOCK: &[u8] = b"sync";
const FILE: &[u8] = b"era";
const NEXT: &[u8] = b"next-era";

impl Store {
    /// What stands for the time in which everything that is found in memory is on the disk, or will be, unless the next
    /// one who asks is told otherwise. `None` where such a time has not begun: nothing counts then that no record names.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub(super) fn era(&self) -> Result<Option<String>> {
        if !self.remembers() {
            return Ok(None);
        }
        let tried = || format!("state root {}: read locks/era", self.path.display());
        // Who asks is alive, or its bad answer counts.
        if self.locks.exists(NEXT).context(tried)?
            && let Some(_lock) = self.try_lock_sync().context(tried)?
            && let Err(error) = self.end_era()
        {
            tracing::debug!(%error, "no other era begins");
            return Ok(None);
        }
        match self.locks.read_link(FILE) {
            // None of ours: a file of an older version.
            Err(error) if matches!(error.errno(), Errno::ENOENT | Errno::EINVAL) => Ok(None),
            result => Ok(Some(String::from_utf8_lossy(&result.context(tried)?).into_owned())),
        }
    }

    /// Fails unless it is still this era: what was found in it may not be on the disk.
    ///
    /// # Errors
    /// `Failed` in that case, and what keeps it from being found out.
    pub(super) fn is_still(&self, era: Option<&str>) -> Result<()> {
        if era.is_some() && self.era()?.as_deref() == era {
            return Ok(());
        }
        if self.memory.get().is_none() {
            self.recall()?;
        }
        let message = format!("state root {}: a sync failed meanwhile, or was cut off: try again", self.path.display());
        Err(Error::new(ErrorKind::Failed, message))
    }

    /// Whether an era has begun that the kernel remembers as long as the store is open.
    pub(super) fn remembers(&self) -> bool {
        if self.memory.get().is_none() {
            match self.recall() {
                Ok(file) => drop(self.memory.set(file)),
                // Most commands do not need it, and the others will say so.
                Err(error) => tracing::debug!(%error, "nothing counts that no record names"),
            }
        }
        self.memory.get().is_some()
    }

    /// Begins another era if the kernel may have forgotten what it had in memory in this one. The file that is returned has
    /// to stay open.
    fn recall(&self) -> Result<File> {
        let tried = || format!("state root {}: begin another era", self.path.display());
        let file = self.open_sync().context(tried)?;
        let goes_on = || memory::is_marked(&file).unwrap_or(true) && self.locks.read_link(FILE).is_ok();
        if goes_on() {
            return Ok(file);
        }
        let _lock = self.lock_sync().context(tried)?;
        if goes_on() {
            return Ok(file);
        }
        // Where there can be no mark, the boot has to do.
        let can_tell = memory::unmark(&file).is_ok();
        let has_era = self.locks.read_link(FILE).is_ok();
        if !(has_era && (!can_tell || self.is_shown()?)) {
            self.begin_era().context(tried)?;
        }
        let _ = memory::mark(&file);
        Ok(file)
    }

    /// Notes that the file system cannot be unmounted as long as a directory of the store is mounted: `diff` of the
    /// correction layer of a view.
    pub fn note_mounted(&self, diff: &Dir) {
        if self.memory.get().is_some() {
            let _ = memory::mark(diff);
        }
    }

    /// Whether a view has kept the file system mounted since this era began.
    fn is_shown(&self) -> Result<bool> {
        let views = self.views()?;
        for view in views.iter().filter_map(View::record) {
            let Some(chain) = ChainId::of(&view.stack).filter(|_| view.boot == self.boot) else { continue };
            if self.open_diff(Kind::Correction, &chain.0)?.is_some_and(|diff| memory::is_marked(diff).unwrap_or(false))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Calls `ask`, which asks the kernel whether everything is on the disk. Another era begins unless it says so. `cancel`
    /// ends only the waiting for others who ask.
    pub(super) fn asking(&self, cancel: &Cancel, ask: impl FnOnce() -> Result<()>) -> Result<()> {
        let tried = || format!("sync the state root {}", self.path.display());
        // One after the other: the next one must know what this one is told.
        let lock = self.open_sync().context(tried)?;
        while !lock::try_lock(&lock, Mode::Exclusive, "locks/sync").context(tried)? {
            cancel.check()?;
            std::thread::sleep(POLL);
        }
        let _held = cancel.hold();
        self.end_era().context(tried)?;
        self.draft_era().context(tried)?;
        ask().inspect_err(|_| {
            if let Err(error) = self.end_era() {
                // What is left says the same.
                tracing::debug!(%error, "no other era begins yet");
            }
        })?;
        self.locks.remove_file(NEXT).context(tried)
    }

    /// Begins another era. The caller holds the lock of `sync`.
    fn begin_era(&self) -> Result<()> {
        self.end_era()?;
        self.draft_era()?;
        self.end_era()
    }

    fn draft_era(&self) -> Result<()> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Ok(self.locks.symlink(format!("{}-{nanos:x}", std::process::id()).as_bytes(), NEXT)?)
    }

    /// The next era begins, if it was drafted. The caller holds the lock of `sync`.
    fn end_era(&self) -> Result<()> {
        match self.locks.rename(NEXT, &self.locks, FILE) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(()),
            result => Ok(result?),
        }
    }

    fn open_sync(&self) -> Result<File> {
        match self.locks.open_or_create_file(LOCK, 0o600) {
            Err(error) if error.errno() == Errno::EROFS => Ok(self.locks.open_file(LOCK)?),
            result => Ok(result?),
        }
    }

    fn lock_sync(&self) -> Result<File> {
        let file = self.open_sync()?;
        lock::lock(&file, Mode::Exclusive, "locks/sync")?;
        Ok(file)
    }

    fn try_lock_sync(&self) -> Result<Option<File>> {
        let file = self.open_sync()?;
        Ok(lock::try_lock(&file, Mode::Exclusive, "locks/sync")?.then_some(file))
    }
}
