//! A reader that keeps what passes through it.

use std::io::{self, Read, Write};

use crate::content::Ingest;
use crate::error::{Error, Result};

const BUFFER: usize = 128 * 1024;

/// Reads a blob and writes every byte of it into the content store as well.
pub(super) struct Tee<'a> {
    blob: Box<dyn Read + Send>,
    ingest: Ingest,
    /// Called with the number of bytes after each read; its error ends the reading.
    passed: &'a (dyn Fn(u64) -> Result<()> + Sync),
}

impl<'a> Tee<'a> {
    pub fn new(blob: Box<dyn Read + Send>, ingest: Ingest, passed: &'a (dyn Fn(u64) -> Result<()> + Sync)) -> Self {
        Self { blob, ingest, passed }
    }

    /// Reads what is left, and checks that the whole blob has its size and digest.
    pub fn finish(mut self) -> Result<Ingest> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::from(error)),
            }
        }
        self.ingest.verify()?;
        Ok(self.ingest)
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read(buffer)?;
        self.ingest.write_all(&buffer[..count])?;
        (self.passed)(count as u64).map_err(Error::into_io)?;
        Ok(count)
    }
}
