//! How a blob gets in: written aside, verified, made durable, renamed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use super::store::ContentStore;
use crate::chunks::Chunk;
use crate::error::{Error, ErrorKind, Result};
use crate::hashing::Stream;
use crate::oci::{Digest, Hasher};
use crate::sys::dir::Dir;
use crate::sys::errno::SysError;
use crate::sys::file_system::set_room_aside;
use crate::sys::write_back::WriteBack;

/// A blob that is being written. What becomes of it when it is dropped before its commit, its target says.
///
/// Writing and hashing can go on in two threads: [`Ingest::split`].
#[derive(Debug)]
pub struct Ingest {
    writing: Writing,
    hashing: Hashing,
}

/// The bytes of an [`Ingest`] on their way to disk.
#[derive(Debug)]
pub struct Writing {
    dir: Dir,
    name: String,
    target: Target,
    expected: Digest,
    size: u64,
    written: u64,
    write_back: WriteBack,
    committed: bool,
}

/// The digest of an [`Ingest`]. It has to be given every byte that is written, in order.
#[derive(Debug)]
pub struct Hashing {
    hasher: Hasher,
    hashed: u64,
    /// They were found to be right.
    verified: bool,
}

/// A [`Hashing`] that other threads go on with.
#[derive(Debug)]
pub struct Running {
    stream: Stream,
    hashed: u64,
}

/// Where the bytes go.
#[derive(Debug)]
enum Target {
    /// Into a new file, which goes when the ingest is dropped.
    Staged(File),
    /// Behind the bytes that an earlier attempt left; what was written stays for the next one.
    Partial {
        /// The file.
        file: File,
        /// How many bytes are in it already: they are only looked at.
        kept: u64,
    },
    /// Nowhere: the blob is in the store, and is looked at again.
    Stored,
}

/// A file that an earlier attempt may have begun. Nobody else has it.
#[derive(Debug)]
pub struct PartialFile {
    /// Its directory.
    pub dir: Dir,
    /// Its name there.
    pub name: String,
    /// The file, locked; it is written behind its end.
    pub file: File,
    /// How many bytes it has.
    pub kept: u64,
}

impl PartialFile {
    /// The bytes that it has.
    ///
    /// # Errors
    /// What keeps it from being opened. Where the disk cannot read it any more, reading fails as if the digest was wrong.
    pub fn kept_bytes(&self) -> Result<impl Read + Send + use<>> {
        Ok(Kept(self.dir.open_file(self.name.as_bytes())?.take(self.kept)))
    }
}

/// What is kept of a download. It has to be begun anew where it cannot be read.
#[derive(Debug)]
pub(super) struct Kept<R>(pub R);

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
            // The last two are what file systems say whose checksums do not fit.
            Some(Errno::EIO | Errno::EUCLEAN | Errno::EBADMSG) => {
                let message = "what was kept of a download cannot be read";
                Error::with_source(ErrorKind::DigestMismatch, message, error).into_io()
            }
            _ => error,
        })
    }
}

/// A verified blob that gets its name when it is on the disk.
///
/// Nothing of it is open or locked, so that any number of them can wait, and nobody for them.
#[derive(Debug)]
pub struct Ready {
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// Where it is.
    pub place: Place,
}

/// Where a blob waits for its name.
#[derive(Debug)]
pub enum Place {
    /// In the directory in which it was begun, under this name.
    Staged(String),
    /// Among the downloads, where others may find it: it is the same as long as the file has this state.
    Download(FileState),
}

/// By what a file that somebody wrote to, or another one of the same name, is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileState {
    /// The state of an open file.
    ///
    /// # Errors
    /// Those of `fstat`.
    pub fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { inode: found.ino(), size: found.len(), modified: (found.mtime(), found.mtime_nsec()) })
    }
}

impl Ingest {
    /// Begins a blob in `staging`, a directory of ours on the file system of the store.
    pub fn new(staging: &Dir, expected: &Digest, size: u64) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let staging = staging.try_clone()?;
        loop {
            let name = format!("blob-{}-{}", expected.short(), NEXT.fetch_add(1, Ordering::Relaxed));
            match staging.create_file(name.as_bytes(), 0o600) {
                Ok(file) => {
                    set_room_aside(&file, size);
                    return Ok(Self::begin(staging, name, Target::Staged(file), expected, size));
                }
                // Another process uses the same directory.
                Err(error) if error.errno() == Errno::EEXIST => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Goes on with a blob. Its first bytes, those that are kept, have to be written once more: they are hashed.
    pub fn resume(partial: PartialFile, expected: &Digest, size: u64) -> Self {
        let PartialFile { dir, name, file, kept } = partial;
        Self::begin(dir, name, Target::Partial { file, kept }, expected, size)
    }

    /// Looks again at a blob that is in the store already.
    pub fn stored(staging: &Dir, expected: &Digest, size: u64) -> Result<Self> {
        Ok(Self::begin(staging.try_clone()?, String::new(), Target::Stored, expected, size))
    }

    fn begin(dir: Dir, name: String, target: Target, expected: &Digest, size: u64) -> Self {
        let hashing = Hashing { hasher: expected.algorithm().hasher(), hashed: 0, verified: false };
        Self {
            writing: Writing {
                dir,
                name,
                target,
                expected: expected.clone(),
                size,
                written: 0,
                write_back: WriteBack::default(),
                committed: false,
            },
            hashing,
        }
    }

    /// The two halves, for two threads.
    pub fn split(self) -> (Writing, Hashing) {
        (self.writing, self.hashing)
    }

    /// The whole again. Halves that did not get the same bytes do not pass [`Ingest::verify`].
    pub fn join(writing: Writing, hashing: Hashing) -> Self {
        Self { writing, hashing }
    }

    /// Checks that everything arrived: first the size, then the digest. May be called more than once.
    ///
    /// # Errors
    /// With what was expected and what came: refused, or a mismatch where the bytes came over a network.
    pub fn verify(&mut self) -> Result<()> {
        let Self { writing, hashing } = self;
        let Writing { expected, size, written, .. } = &*writing;
        if written != size {
            return Err(writing.mismatch(format!("blob {expected}: expected {size} bytes, got {written}")));
        }
        if hashing.hashed != *written {
            let message = format!("blob {expected}: {} of {written} bytes were hashed", hashing.hashed);
            return Err(Error::new(ErrorKind::Failed, message));
        }
        if !hashing.verified {
            let got = hashing.hasher.clone().finish();
            if got != *expected {
                return Err(writing.mismatch(format!("expected blob {expected}, got {got}")));
            }
            hashing.verified = true;
        }
        Ok(())
    }

    /// Makes the bytes durable: a blob must not get its name before.
    ///
    /// # Errors
    /// What the kernel says of anything that was not written.
    pub fn sync(&self) -> Result<()> {
        match &self.writing.target {
            Target::Staged(file) | Target::Partial { file, .. } => {
                file.sync_all().map_err(|error| SysError::from_io("fsync", self.writing.name.as_bytes(), &error).into())
            }
            Target::Stored => Ok(()),
        }
    }

    /// Verifies; the blob waits for its name from here on. `None` if it has it.
    ///
    /// # Errors
    /// Those of [`Ingest::verify`].
    pub fn ready(mut self) -> Result<Option<Ready>> {
        self.verify()?;
        let Writing { name, target, expected, size, committed, .. } = &mut self.writing;
        let place = match target {
            Target::Stored => return Ok(None),
            Target::Staged(_) => Place::Staged(mem::take(name)),
            Target::Partial { file, .. } => Place::Download(FileState::of(file)?),
        };
        *committed = true;
        Ok(Some(Ready { digest: expected.clone(), size: *size, place }))
    }

    /// Verifies and gives the blob its name; it is durable ([`Ingest::sync`]). A blob that is here already is success.
    pub fn commit(mut self, store: &ContentStore) -> Result<()> {
        self.verify()?;
        let Writing { dir, name, target, expected, size, committed, .. } = &mut self.writing;
        match target {
            Target::Stored => {}
            _ => store.adopt(dir, name.as_bytes(), expected, *size)?,
        }
        *committed = true;
        Ok(())
    }
}

impl Ingest {
    /// Verifies, makes it durable, and gives the blob its name instead of a damaged one, in one step.
    pub fn replace(mut self, store: &ContentStore) -> Result<()> {
        self.verify()?;
        let Writing { dir, name, target, expected, committed, .. } = &mut self.writing;
        if let Target::Staged(file) | Target::Partial { file, .. } = target {
            file.sync_all().map_err(|error| SysError::from_io("fsync", name.as_bytes(), &error))?;
            store.put(dir, name.as_bytes(), expected)?;
        }
        *committed = true;
        Ok(())
    }
}

impl Hashing {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.hashed += bytes.len() as u64;
        self.verified = false;
    }

    /// Has the next bytes hashed by the threads that do it for all.
    pub fn start(self) -> Running {
        Running { stream: Stream::new(self.hasher), hashed: self.hashed }
    }
}

impl Running {
    /// Takes the next bytes.
    pub fn send(&mut self, chunk: Chunk) {
        self.hashed += chunk.len() as u64;
        self.stream.send(chunk);
    }

    /// Waits until all that came is hashed.
    ///
    /// # Errors
    /// A thread died.
    pub fn finish(self) -> Result<Hashing> {
        Ok(Hashing { hasher: self.stream.finish()?, hashed: self.hashed, verified: false })
    }
}

impl Writing {
    fn mismatch(&self, message: String) -> Error {
        let kind = match self.target {
            Target::Staged(_) => ErrorKind::Refused,
            Target::Partial { .. } | Target::Stored => ErrorKind::DigestMismatch,
        };
        Error::new(kind, message)
    }
}

impl Write for Ingest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.writing.write(bytes)?;
        self.hashing.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writing.flush()
    }
}

impl Write for Writing {
    /// Fails as soon as one byte more than expected comes (with an [`Error`] inside).
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let Self { expected, size, written, .. } = self;
        if bytes.len() as u64 > *size - *written {
            let message = format!("blob {expected}: expected {size} bytes, got more");
            return Err(self.mismatch(message).into_io());
        }
        let result = match &mut self.target {
            Target::Stored => Ok(bytes.len()),
            Target::Partial { kept, .. } if *written < *kept => {
                Ok(usize::try_from(*kept - *written).map_or(bytes.len(), |left| left.min(bytes.len())))
            }
            Target::Staged(file) | Target::Partial { file, .. } => file.write(bytes),
        };
        let count = match result {
            // Callers try that again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                return Err(Error::from(SysError::from_io("write", self.name.as_bytes(), &error)).into_io());
            }
            Ok(count) => count,
        };
        self.written += count as u64;
        if let Target::Staged(file) | Target::Partial { file, .. } = &self.target {
            self.write_back.written(file.as_fd(), self.written);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Staged(file) | Target::Partial { file, .. } => file.flush(),
            Target::Stored => Ok(()),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let goes = match &self.target {
            Target::Staged(_) => !self.committed,
            // Nothing came, so there is nothing to go on with.
            Target::Partial { kept, .. } => !self.committed && self.written == 0 && *kept == 0,
            Target::Stored => false,
        };
        if goes {
            // A file that cannot be removed is debris of the staging directory, which is swept.
            let _ = self.dir.remove_file(self.name.as_bytes());
        }
    }
}
