//! Unfinished work: one directory per owner, with the lease that keeps what the owner relies on.
//!
//! A lease is a file of lines such as `layer sha256:…`. Its owner holds an exclusive lock on it; a lease that can
//! be locked by somebody else has no owner any more, and everything beside it is debris.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;

use super::Store;
use super::layout;
use super::shelf::Kind;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::Digest;
use crate::sys::dir::Dir;
use crate::sys::errno::{SysResult, escape};
use crate::sys::lock::{self, Mode};

const LEASE: &[u8] = b"lease";

/// Something that garbage collection may take away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A directory that is named by a digest.
    Dir(Kind, Digest),
    /// A blob.
    Blob(Digest),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(kind, digest) => write!(f, "{} {digest}", kind.word()),
            Self::Blob(digest) => write!(f, "blob {digest}"),
        }
    }
}

impl FromStr for Item {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let bad = || Error::new(ErrorKind::Failed, format!("bad line in a lease: `{}`", line.escape_debug()));
        let (word, digest) = line.split_once(' ').ok_or_else(bad)?;
        let digest: Digest = digest.parse()?;
        let kind = [Kind::Layer, Kind::Correction, Kind::Merged].into_iter().find(|kind| kind.word() == word);
        match kind {
            Some(kind) => Ok(Self::Dir(kind, digest)),
            None if word == "blob" => Ok(Self::Blob(digest)),
            None => Err(bad()),
        }
    }
}

/// A private directory in staging. Dropping it removes the directory and ends the lease.
#[derive(Debug)]
pub struct Staging<'s> {
    store: &'s Store,
    name: String,
    dir: Dir,
    era: Option<String>,
    lease: Mutex<File>,
    counter: AtomicU64,
}

/// What the leases of the living say.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// What they rely on.
    pub items: BTreeSet<Item>,
    /// Names of staging directories whose owner is gone, with their locked lease.
    dead: Vec<(Vec<u8>, Option<File>)>,
}

impl Store {
    /// A new private directory in staging, with an empty lease.
    pub fn stage(&self) -> Result<Staging<'_>> {
        let _lock = self.lock_shared()?;
        self.stage_locked()
    }

    /// The same for a caller that holds the store lock.
    pub(super) fn stage_locked(&self) -> Result<Staging<'_>> {
        let (name, dir, lease) = self.new_staging()?;
        let era = self.era()?;
        Ok(Staging { store: self, name, dir, era, lease: Mutex::new(lease), counter: AtomicU64::new(0) })
    }

    fn new_staging(&self) -> Result<(String, Dir, File)> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let tried = || "create a staging directory".to_owned();
        loop {
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            let name = format!("{}-{nanos:x}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
            match self.staging.create_dir(name.as_bytes(), 0o700) {
                Err(error) if error.errno() == Errno::EEXIST => continue,
                result => result.context(tried)?,
            }
            let dir = self.staging.open_dir(name.as_bytes()).context(tried)?;
            layout::set_mode(&dir, 0o700).context(tried)?;
            let lease = dir.create_file(LEASE, 0o600).context(tried)?;
            // Nobody can have it: those who look for the dead hold the exclusive store lock.
            lock::lock(&lease, Mode::Exclusive, "lease")?;
            return Ok((name, dir, lease));
        }
    }

    /// Reads all leases, and tells the living from the dead. The caller holds the exclusive store lock.
    pub(super) fn leases(&self) -> Result<Leases> {
        self.leases_without(None)
    }

    /// The same without that of `own`.
    pub(super) fn leases_but(&self, own: &Staging<'_>) -> Result<Leases> {
        self.leases_without(Some(own.name.as_bytes()))
    }

    fn leases_without(&self, own: Option<&[u8]>) -> Result<Leases> {
        let mut leases = Leases::default();
        for entry in self.staging.entries()?.into_iter().filter(|entry| Some(&entry.name[..]) != own) {
            let lease = match self.staging.open_dir(&entry.name).and_then(|dir| dir.open_file(LEASE)) {
                Ok(file) => file,
                // Killed before it had a lease, or no staging directory at all. The deleters remove the lease last.
                Err(error)
                    if matches!(error.errno(), Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EISDIR) =>
                {
                    leases.dead.push((entry.name, None));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if lock::try_lock(&lease, Mode::Exclusive, "lease")? {
                leases.dead.push((entry.name, Some(lease)));
                continue;
            }
            let text =
                std::io::read_to_string(&lease).context(|| format!("read the lease of {}", escape(&entry.name)))?;
            for line in text.lines() {
                leases.items.insert(line.parse()?);
            }
        }
        Ok(leases)
    }

    /// Removes the staging directories of dead owners, unless somebody uses the store right now.
    ///
    /// What cannot be removed is left for the next command: debris is no reason to fail.
    pub fn reap(&self) {
        if let Err(error) = self.try_reap() {
            tracing::debug!(%error, "debris stays in staging");
        }
    }

    pub(super) fn try_reap(&self) -> Result<()> {
        let Some(lock) = self.try_lock_exclusive()? else {
            return Ok(());
        };
        if self.images.exists(b"change.json")? {
            self.finish_change(&self.stage_locked()?)?;
        }
        self.repair_index()?;
        let dead = self.leases()?.dead;
        for (name, lease) in &dead {
            if lease.is_some() {
                // Its lock is ours from here on, so it would count as a living lease.
                self.staging.open_dir(name)?.open_or_create_file(LEASE, 0o600)?.set_len(0)?;
            }
        }
        drop(lock);
        let mut removed = Ok(());
        for (name, lease) in dead {
            // The lease stays locked meanwhile, so that nobody else removes the same.
            let result = self.remove_staging(&name).context(|| format!("remove staging/{}", escape(&name)));
            // One that stays does not keep the others.
            removed = removed.and(result);
            drop(lease);
        }
        removed
    }

    /// Removes a staging directory, its lease last. Another process may be doing the same.
    fn remove_staging(&self, name: &[u8]) -> Result<()> {
        let gone = |result: SysResult<()>| match result {
            Err(error) if error.errno() == Errno::ENOENT => Ok(()),
            result => result,
        };
        match self.staging.open_dir_to_empty(name) {
            Ok(dir) => {
                for entry in dir.entries()? {
                    if entry.name != LEASE {
                        gone(dir.remove_tree(&entry.name))?;
                    }
                }
            }
            Err(error) if error.errno() == Errno::ENOENT => return Ok(()),
            // Not a directory at all.
            Err(_) => {}
        }
        Ok(gone(self.staging.remove_tree(name))?)
    }
}

impl Staging<'_> {
    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The era in which its owner began to write, if one had begun.
    pub fn era(&self) -> Option<&str> {
        self.era.as_deref()
    }

    /// Fails if the disk has failed since its owner began: what the owner wrote or found may not be on the disk.
    ///
    /// # Errors
    /// `Failed` in that case, and what keeps it from being found out.
    pub fn is_trusted(&self) -> Result<()> {
        self.store.is_still(self.era())
    }

    /// A name in the directory that nothing has yet.
    pub fn fresh_name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// A new directory with exactly this mode, and its name.
    pub fn new_dir(&self, prefix: &str, mode: u32) -> Result<(String, Dir)> {
        let name = self.fresh_name(prefix);
        let dir = layout::create_dir(&self.dir, name.as_bytes(), mode)
            .context(|| format!("create the staging directory {name}"))?;
        Ok((name, dir))
    }

    /// Writes into the lease that the owner relies on these. Look for them only afterwards.
    pub fn rely_on(&self, items: impl IntoIterator<Item = Item>) -> Result<()> {
        let mut lines = String::new();
        for item in items {
            use fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{item}");
        }
        let _lock = self.store.lock_shared()?;
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lease.stream_position()?;
        lease.write_all(lines.as_bytes()).or_else(|error| {
            // Half a line would make the lease unreadable for everybody.
            lease.set_len(before)?;
            lease.seek(SeekFrom::Start(before))?;
            Err(Error::from(error).context("write the lease"))
        })
    }

    /// Forgets what the lease says; the caller holds the exclusive store lock.
    pub(super) fn end_lease(&self) -> Result<()> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.set_len(0)?;
        Ok(lease.rewind()?)
    }
}

/// A private directory in staging that belongs to nobody's work: for trying things. Dropping it removes it.
#[derive(Debug)]
pub struct Scratchpad {
    store: Store,
    name: String,
    dir: Dir,
    _lease: File,
}

impl Store {
    /// Turns the store into a private directory in its staging area, with an empty lease.
    pub fn scratchpad(self) -> Result<Scratchpad> {
        let (name, dir, lease) = {
            let _lock = self.lock_shared()?;
            self.new_staging()?
        };
        Ok(Scratchpad { store: self, name, dir, _lease: lease })
    }
}

impl Scratchpad {
    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }
}

impl Drop for Scratchpad {
    fn drop(&mut self) {
        // As for any staging directory: the next command removes what is left.
        let _ = self.store.remove_staging(self.name.as_bytes());
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next command: the lease ends here in any case.
        let _ = self.store.remove_staging(self.name.as_bytes());
    }
}
