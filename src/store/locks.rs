//! The lock files: the store lock, and one lock per layer that is being unpacked.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::errno::Errno;

use super::Store;
use crate::error::{Context, Result};
use crate::oci::DiffId;
use crate::sys::dir::Dir;
use crate::sys::lock::{self, Mode};

/// How long a waiter sleeps between two looks at the lock and at its cancellation.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// The store lock as somebody holds it. It goes with this value.
#[derive(Debug)]
#[must_use]
pub struct StoreLock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

/// The right to unpack one layer. It goes with this value, and with the process.
#[derive(Debug)]
#[must_use]
pub struct LayerLock {
    locks: Dir,
    name: String,
    _file: File,
}

impl Drop for LayerLock {
    fn drop(&mut self) {
        // Still locked here: a waiter that gets the lock of a file without a name opens the name again.
        let _ = self.locks.remove_file(self.name.as_bytes());
    }
}

impl Store {
    fn store_lock_file(&self) -> Result<File> {
        let opened = match self.locks.open_or_create_file(b"store", 0o600) {
            // Who only reads waits for those who change the store through another mount.
            Err(error) if error.errno() == Errno::EROFS => self.locks.open_file(b"store"),
            result => result,
        };
        opened.context(|| "open the store lock".to_owned())
    }

    /// Waits for the shared lock: for those who write a lease.
    pub(super) fn lock_shared(&self) -> Result<StoreLock> {
        let file = self.store_lock_file()?;
        lock::lock(&file, Mode::Shared, "locks/store")?;
        Ok(StoreLock(file))
    }

    /// Waits for the exclusive lock: for those who change records or take content away.
    pub(super) fn lock_exclusive(&self) -> Result<StoreLock> {
        let file = self.store_lock_file()?;
        lock::lock(&file, Mode::Exclusive, "locks/store")?;
        Ok(StoreLock(file))
    }

    /// Takes the exclusive lock if nobody holds it.
    pub(super) fn try_lock_exclusive(&self) -> Result<Option<StoreLock>> {
        let file = self.store_lock_file()?;
        Ok(lock::try_lock(&file, Mode::Exclusive, "locks/store")?.then_some(StoreLock(file)))
    }

    /// Removes the lock files of layers that nobody unpacks any more.
    pub fn clear_layer_locks(&self) -> Result<()> {
        for entry in self.locks.entries()?.iter().filter(|entry| entry.name.starts_with(b"layer-")) {
            let name = String::from_utf8_lossy(&entry.name);
            let file = match self.locks.open_file(&entry.name) {
                Err(error) if error.errno() == Errno::ENOENT => continue,
                Err(error) if error.is_not_a_file() => {
                    self.locks.remove_tree(&entry.name)?;
                    continue;
                }
                result => result?,
            };
            if lock::try_lock(&file, Mode::Exclusive, &name)? && is_named(&self.locks, &name, &file)? {
                self.locks.remove_file(&entry.name)?;
            }
        }
        Ok(())
    }

    /// Waits until nobody else unpacks this layer.
    ///
    /// A thread holds one such lock at a time. After waiting, the layer may be there: look again.
    ///
    /// # Errors
    /// What `check` says: it is asked while this waits.
    pub fn lock_layer(&self, layer: &DiffId, check: &dyn Fn() -> Result<()>) -> Result<LayerLock> {
        let name = format!("layer-{}", layer.0.hex());
        loop {
            check()?;
            let file = self.locks.open_or_create_file(name.as_bytes(), 0o600)?;
            if !lock::try_lock(&file, Mode::Exclusive, &name)? {
                drop(file);
                std::thread::sleep(POLL);
                continue;
            }
            if is_named(&self.locks, &name, &file)? {
                return Ok(LayerLock { locks: self.locks.try_clone()?, name, _file: file });
            }
        }
    }
}

/// Whether the open file is still the one that has this name.
pub(super) fn is_named(dir: &Dir, name: &str, file: &File) -> Result<bool> {
    match dir.stat(name.as_bytes()) {
        Ok(stat) => {
            let open = file.metadata()?;
            Ok(stat.st_ino == open.ino() && stat.st_dev == open.dev())
        }
        Err(error) if error.errno() == Errno::ENOENT => Ok(false),
        Err(error) => Err(error.into()),
    }
}
