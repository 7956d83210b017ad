//! How a blob gets in: written aside, verified, renamed.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use super::store::ContentStore;
use crate::error::{Error, Result};
use crate::oci::{Digest, Hasher};
use crate::sys::dir::Dir;
use crate::sys::errno::SysError;

/// A blob that is being written. Dropped before its commit, it leaves nothing behind.
#[derive(Debug)]
pub struct Ingest {
    staging: Dir,
    name: String,
    file: File,
    expected: Digest,
    size: u64,
    written: u64,
    hasher: Option<Hasher>,
    committed: bool,
}

impl Ingest {
    /// Begins a blob in `staging`, a directory of ours on the file system of the store.
    pub fn new(staging: &Dir, expected: &Digest, size: u64) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let staging = staging.try_clone()?;
        loop {
            let name = format!("blob-{}-{}", expected.short(), NEXT.fetch_add(1, Ordering::Relaxed));
            match staging.create_file(name.as_bytes(), 0o644) {
                Ok(file) => {
                    let hasher = Some(expected.algorithm().hasher());
                    let expected = expected.clone();
                    return Ok(Self { staging, name, file, expected, size, written: 0, hasher, committed: false });
                }
                // Another process uses the same directory.
                Err(error) if error.errno() == Errno::EEXIST => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Checks that everything arrived: first the size, then the digest. May be called more than once.
    ///
    /// # Errors
    /// Refused, with what was expected and what came.
    pub fn verify(&mut self) -> Result<()> {
        let Self { expected, size, written, .. } = self;
        if written != size {
            return Err(Error::refused(format!("blob {expected}: expected {size} bytes, got {written}")));
        }
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let got = hasher.clone().finish();
        if got != *expected {
            self.hasher = Some(hasher);
            return Err(Error::refused(format!("expected blob {expected}, got {got}")));
        }
        Ok(())
    }

    /// Verifies and gives the blob its name. A blob that is here already is success.
    ///
    /// Nothing is synced: the commit of the image does that.
    pub fn commit(mut self, store: &ContentStore) -> Result<()> {
        self.verify()?;
        store.adopt(&self.staging, self.name.as_bytes(), &self.expected, self.size)?;
        self.committed = true;
        Ok(())
    }
}

impl Write for Ingest {
    /// Fails as soon as one byte more than expected comes (an [`Error`] of kind `Refused` inside).
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let Self { expected, size, written, .. } = self;
        if bytes.len() as u64 > *size - *written {
            let message = format!("blob {expected}: expected {size} bytes, got more");
            return Err(Error::refused(message).into_io());
        }
        let count = match self.file.write(bytes) {
            // Callers try that again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                return Err(Error::from(SysError::from_io("write", self.name.as_bytes(), &error)).into_io());
            }
            Ok(count) => count,
        };
        self.written += count as u64;
        // Written after a successful check: cannot happen, since then the size was reached.
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes[..count]);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if !self.committed {
            // A file that cannot be removed is debris of the staging directory, which is swept.
            let _ = self.staging.remove_file(self.name.as_bytes());
        }
    }
}
