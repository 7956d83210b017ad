//! The blobs: their sizes, and with `Deep` their digests. Documents are read in any case.

use std::io::Read;

use super::finding::{Found, Subject, blob_place};
use super::scope::Blob;
use super::{Depth, Inspection};
use crate::error::{Context, ErrorKind, Result};
use crate::oci::{Digest, MAX_DOCUMENT};
use crate::ops::parallel::{self, Check};
use crate::ops::views::innermost;
use crate::progress::{Phase, Task};
use crate::sys::errno::SysError;

/// How much is read at once.
const BUFFER: usize = 256 * 1024;

impl Inspection<'_> {
    /// Looks at each blob that a record names.
    pub fn check_blobs(&self) -> Result<()> {
        let jobs: Vec<(&Digest, &Blob)> = self.scope.blobs.iter().collect();
        parallel::each(&jobs, self.workers, &self.rootlay.cancel, |&(digest, blob), check| {
            self.add(self.blob(digest, blob, check)?);
            Ok(())
        })
    }

    fn blob(&self, digest: &Digest, blob: &Blob, check: Check<'_>) -> Result<Option<Found>> {
        let wrong = |problem: String| Ok(Some(Subject::Blob(digest.clone()).wrong(blob_place(digest), problem)));
        let content = self.rootlay.store.content();
        let size = match content.size_of(digest) {
            Ok(Some(size)) => size,
            Ok(None) if blob.document => return wrong("missing".to_owned()),
            // What is unpacked is not fetched for its blob alone.
            Ok(None) => return Ok(None),
            Err(error) => return wrong(innermost(&error)),
        };
        if let Some(expected) = blob.size.filter(|&expected| expected != size) {
            return wrong(format!("size: expected {expected}, got {size}"));
        }
        if blob.document {
            return match content.read(digest, MAX_DOCUMENT) {
                Ok(_) => Ok(None),
                Err(error) if error.kind() == ErrorKind::Refused => wrong(other_content(digest)),
                Err(error) => wrong(innermost(&error)),
            };
        }
        if self.depth == Depth::Quick {
            return Ok(None);
        }
        let task = self.task(digest.short(), Some(size));
        self.rootlay.progress.phase(&task, Phase::Checking);
        let found = match self.digest_of(digest, &task, check) {
            Ok(got) if got == *digest => Ok(None),
            Ok(_) => wrong(other_content(digest)),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_)) => Err(error),
            Err(error) => wrong(innermost(&error)),
        };
        self.rootlay.progress.phase(&task, Phase::Checked);
        found
    }

    fn digest_of(&self, digest: &Digest, task: &Task, check: Check<'_>) -> Result<Digest> {
        let mut file = self.rootlay.store.content().open(digest)?;
        let mut hasher = digest.algorithm().hasher();
        let mut buffer = vec![0; BUFFER];
        loop {
            check()?;
            let got = match file.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                result => result
                    .map_err(|error| SysError::from_io("read", digest.hex().as_bytes(), &error))
                    .context(|| format!("blob {digest}"))?,
            };
            if got == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(&buffer[..got]);
            self.rootlay.progress.advance(task, got as u64);
        }
    }
}

fn other_content(digest: &Digest) -> String {
    format!("content: expected the digest {}, got another one", digest.short())
}
