//! A reader that keeps what passes through it.

use std::io::{self, Read, Write};

use crate::content::Ingest;
use crate::error::{Error, Result};

const BUFFER: usize = 128 * 1024;

/// What happens to a blob that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many more bytes passed.
    Passed(u64),
    /// That was the last one; size and digest are compared now.
    Whole,
    /// They are right.
    Verified,
}

/// Is told each step; its error ends the reading.
pub(super) type Watch<'a> = &'a (dyn Fn(Step) -> Result<()> + Sync);

/// Reads a blob and writes every byte of it into the content store as well.
pub(super) struct Tee<'a> {
    blob: Box<dyn Read + Send + 'a>,
    ingest: Ingest,
    watch: Watch<'a>,
    ended: bool,
}

impl<'a> Tee<'a> {
    pub fn new(blob: Box<dyn Read + Send + 'a>, ingest: Ingest, watch: Watch<'a>) -> Self {
        Self { blob, ingest, watch, ended: false }
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
        Ok(self.ingest)
    }

    /// At the end of the blob: has it the size and the digest that it should have?
    fn end(&mut self) -> Result<()> {
        if !self.ended {
            (self.watch)(Step::Whole)?;
            self.ingest.verify()?;
            (self.watch)(Step::Verified)?;
            self.ended = true;
        }
        Ok(())
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.end().map_err(Error::into_io)?;
        }
        self.ingest.write_all(&buffer[..count])?;
        (self.watch)(Step::Passed(count as u64)).map_err(Error::into_io)?;
        Ok(count)
    }
}
