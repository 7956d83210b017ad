//! The tar that is written: the same members always give the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};

use tar::{Builder, EntryType, Header};

use super::{damaged, documents};
use crate::cancel::Cancel;
use crate::error::{Context, Error, Result};
use crate::oci::{Descriptor, Hasher};
use crate::progress::{Phase, Progress, Task};

const BUFFER: usize = 1 << 18;

/// An archive under construction. One that is not finished has no end: nobody takes it for complete.
pub(super) struct Tarball<'a> {
    builder: Builder<Guard<'a>>,
    time: u64,
    cancel: &'a Cancel,
    progress: &'a dyn Progress,
}

impl<'a> Tarball<'a> {
    pub(super) fn new(to: &'a mut dyn Write, time: u64, cancel: &'a Cancel, progress: &'a dyn Progress) -> Self {
        let guard = Guard { to: BufWriter::with_capacity(BUFFER, to), closed: false };
        Self { builder: Builder::new(guard), time, cancel, progress }
    }

    /// Adds a directory.
    pub(super) fn folder(&mut self, path: &str) -> Result<()> {
        self.member(EntryType::Directory, 0o755, &format!("{path}/"), 0, io::empty())
    }

    /// Adds a document that was made here.
    pub(super) fn document(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.member(EntryType::Regular, 0o644, path, content.len() as u64, content)
    }

    /// Copies a blob, and verifies it.
    pub(super) fn blob(&mut self, file: File, descriptor: &Descriptor, task: Option<&Task>) -> Result<()> {
        let Self { cancel, progress, .. } = *self;
        let hasher = Some(descriptor.digest.algorithm().hasher());
        let content = Verified { file, descriptor, left: descriptor.size, hasher, cancel, progress, task };
        if let Some(task) = task {
            progress.phase(task, Phase::Saving);
        }
        self.member(EntryType::Regular, 0o644, &documents::path(&descriptor.digest), descriptor.size, content)?;
        if let Some(task) = task {
            progress.phase(task, Phase::Saved);
        }
        Ok(())
    }

    fn member(&mut self, kind: EntryType, mode: u32, path: &str, size: u64, content: impl Read) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.time);
        header.set_size(size);
        Ok(self.builder.append_data(&mut header, path, content)?)
    }

    /// Writes the end of the archive.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.builder.finish()?;
        Ok(self.builder.get_mut().flush()?)
    }
}

impl Drop for Tarball<'_> {
    fn drop(&mut self) {
        // The builder would write an end of the archive now, whatever happened before.
        self.builder.get_mut().closed = true;
    }
}

/// What the builder writes to, until it is closed.
struct Guard<'a> {
    to: BufWriter<&'a mut dyn Write>,
    closed: bool,
}

impl Write for Guard<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A blob of the store. Its last bytes are only given out when all have the right digest.
struct Verified<'a> {
    file: File,
    descriptor: &'a Descriptor,
    left: u64,
    /// `None` at the end.
    hasher: Option<Hasher>,
    cancel: &'a Cancel,
    progress: &'a dyn Progress,
    task: Option<&'a Task>,
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(Error::into_io)?;
        let Descriptor { digest, size, .. } = self.descriptor;
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = match self.file.read(&mut buffer[..limit]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            result => result.context(|| format!("read blob {digest}")).map_err(Error::into_io)?,
        };
        self.left -= count as u64;
        if count == 0 && self.left > 0 {
            let got = size - self.left;
            return Err(damaged(digest, &format!("expected {size} bytes, got {got}")).into_io());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        if self.left == 0
            && let Some(got) = self.hasher.take().map(Hasher::finish)
            && got != *digest
        {
            return Err(damaged(digest, &format!("its content has the digest {got}")).into_io());
        }
        if let Some(task) = self.task {
            self.progress.advance(task, count as u64);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;
    use crate::error::ErrorKind;
    use crate::oci::Digest;
    use crate::progress::Silent;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    /// A tar of one document and one blob that is said to be `promised`.
    fn write(content: &[u8], promised: &[u8], cancel: &Cancel) -> (Result<()>, Vec<u8>) {
        let mut bytes = Vec::new();
        let mut tarball = Tarball::new(&mut bytes, 77, cancel, &Silent);
        let descriptor = Descriptor::new("", Digest::of(promised), promised.len() as u64);
        let written = tarball.document("index.json", b"{}").and_then(|()| {
            tarball.folder("blobs")?;
            tarball.blob(file(content), &descriptor, None)?;
            tarball.finish()
        });
        drop(tarball);
        (written, bytes)
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let blob = vec![b'x'; 70_000];
        let (written, bytes) = write(&blob, &blob, &Cancel::new());
        written.unwrap();
        assert_eq!(bytes, write(&blob, &blob, &Cancel::new()).1);
        let mut archive = tar::Archive::new(&bytes[..]);
        let members: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let header = entry.header();
                assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (77, 0, 0));
                (entry.path().unwrap().display().to_string(), header.mode().unwrap(), content)
            })
            .collect();
        assert_eq!(members[0], ("index.json".to_owned(), 0o644, b"{}".to_vec()));
        assert_eq!(members[1], ("blobs/".to_owned(), 0o755, Vec::new()));
        assert_eq!(members[2], (documents::path(&Digest::of(&blob)), 0o644, blob));
        assert_eq!(members.len(), 3);
        assert!(bytes.ends_with(&[0; 1024]));
    }

    #[test]
    fn what_fails_has_no_end() {
        let blob = vec![b'x'; 70_000];
        let mut other = blob.clone();
        other[69_999] = b'y';
        for content in [&blob[..69_999], &other] {
            let (written, bytes) = write(content, &blob, &Cancel::new());
            let error = written.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(error.to_string().contains("is damaged"), "{error}");
            assert!(bytes.len() < 3 * 512 + 512 + 70_000, "{}", bytes.len());
        }
        let cancel = Cancel::new();
        cancel.raise(2);
        assert_eq!(write(&blob, &blob, &cancel).0.unwrap_err().kind(), ErrorKind::Interrupted(2));
    }

    #[test]
    fn long_names_and_empty_blobs_are_fine() {
        let mut bytes = Vec::new();
        let cancel = Cancel::new();
        let mut tarball = Tarball::new(&mut bytes, 0, &cancel, &Silent);
        let digest: Digest = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        tarball.document(&documents::path(&digest), b"long").unwrap();
        tarball.blob(file(b""), &Descriptor::new("", Digest::of(b""), 0), None).unwrap();
        tarball.finish().unwrap();
        drop(tarball);
        let mut archive = tar::Archive::new(&bytes[..]);
        let names: Vec<_> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, [documents::path(&digest), documents::path(&Digest::of(b""))].map(std::path::PathBuf::from));
    }
}
