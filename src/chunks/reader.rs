//! Chunks as bytes to be read.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::channel::{Receiver, Sender, channel};
use super::pool::Chunk;
#[cfg(any(test, fuzzing))]
use super::{Pool, SIZE};
use crate::error::{Error, Result};

/// Where chunks, or the error that ends them, go in.
pub type Outlet = Sender<Result<Chunk>>;

/// A way for chunks from one thread to another.
pub fn pipe() -> (Outlet, ChunkReader) {
    let (sender, from) = channel();
    (
        sender,
        ChunkReader { from: Some(from), chunk: None, at: 0, bound: None, failed: false, of_no_use: Arc::default() },
    )
}

/// Bytes that are here already, as a reader of chunks.
#[cfg(any(test, fuzzing))]
pub fn reader_of(content: &[u8]) -> ChunkReader {
    let parts = content.chunks(SIZE);
    let pool = Pool::new(parts.len(), 0);
    let (sender, reader) = pipe();
    for part in parts {
        let mut buffer = pool.take();
        buffer.content()[..part.len()].copy_from_slice(part);
        let _ = sender.send(Ok(buffer.share(part.len())));
    }
    reader
}

/// The bytes of the chunks that come, in their order.
#[derive(Debug)]
pub struct ChunkReader {
    from: Option<Receiver<Result<Chunk>>>,
    chunk: Option<Chunk>,
    at: usize,
    bound: Option<Bound>,
    /// An error came, which is no end.
    failed: bool,
    of_no_use: Arc<AtomicBool>,
}

/// How many more bytes may come, of how many.
#[derive(Debug)]
struct Bound {
    left: u64,
    most: u64,
    error: fn(u64) -> Error,
}

impl Bound {
    fn take(&mut self, chunk: &Chunk) -> Result<()> {
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(|| (self.error)(self.most))?;
        Ok(())
    }
}

impl ChunkReader {
    /// Is set by whoever reads when nothing more has to come, not even to explain an error: for the one that sends.
    pub fn of_no_use(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.of_no_use)
    }

    /// Lets at most so many bytes come, those of a chunk that came already included.
    ///
    /// # Errors
    /// What `error` makes of `most` when there are more: now, or later for whoever reads.
    pub fn bounded(mut self, most: u64, error: fn(u64) -> Error) -> Result<Self> {
        let mut bound = Bound { left: most, most, error };
        self.chunk.as_ref().map_or(Ok(()), |chunk| bound.take(chunk))?;
        self.bound = Some(bound);
        Ok(self)
    }

    /// The chunk that is being read, and how many bytes of it were.
    pub fn current(&self) -> Option<(&Chunk, usize)> {
        self.chunk.as_ref().map(|chunk| (chunk, self.at))
    }

    /// Takes what is left of the chunk that is being read, or the next one. Nothing at the end.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        if self.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let at = std::mem::take(&mut self.at);
        Ok(self.chunk.take().map(|chunk| chunk.without_first(at)))
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let len = have.len().min(buffer.len());
        buffer[..len].copy_from_slice(&have[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.as_ref().is_none_or(|chunk| self.at >= chunk.len()) {
            self.chunk = None;
            self.at = 0;
            if self.failed {
                return Err(io::Error::other("reading failed before"));
            }
            let Some(from) = &mut self.from else { return Ok(&[]) };
            let next = from.next().transpose().and_then(|next| match (&next, &mut self.bound) {
                (Some(chunk), Some(bound)) => bound.take(chunk).map(|()| next),
                _ => Ok(next),
            });
            match next {
                Ok(Some(chunk)) => self.chunk = Some(chunk),
                // The other end is done.
                Ok(None) => {
                    self.from = None;
                    return Ok(&[]);
                }
                Err(error) => {
                    (self.from, self.failed) = (None, true);
                    return Err(error.into_io());
                }
            }
        }
        Ok(self.chunk.as_ref().map_or(&[], |chunk| &chunk[self.at..]))
    }

    fn consume(&mut self, len: usize) {
        self.at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_chunk;
    use super::*;

    #[test]
    fn what_is_sent_is_read_in_order_up_to_the_error() {
        let pool = Pool::new(4, 0);
        let (sender, mut reader) = pipe();
        for part in [&b"ab"[..], b"", b"cd"] {
            sender.send(Ok(test_chunk(&pool, part))).unwrap();
        }
        sender.send(Err(Error::refused("broken"))).unwrap();
        let mut two = [0; 3];
        reader.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"abc");
        assert_eq!(&*reader.next_chunk().unwrap().unwrap(), b"d");
        assert_eq!(Error::from(reader.fill_buf().unwrap_err()).to_string(), "broken");
        assert!(reader.next_chunk().is_err(), "no end");
    }

    #[test]
    fn more_than_the_bound_is_an_error() {
        let of = |most| {
            let mut reader = reader_of(&vec![7; SIZE + 1]);
            assert_eq!(reader.fill_buf().unwrap().len(), SIZE);
            let mut reader =
                reader.bounded(most, |most| Error::refused(format!("more than {most}"))).map_err(Error::into_io)?;
            io::copy(&mut reader, &mut io::sink())
        };
        let size = SIZE as u64;
        assert_eq!(of(size + 1).unwrap(), size + 1);
        for most in [size, size - 1, 0] {
            assert_eq!(Error::from(of(most).unwrap_err()).to_string(), format!("more than {most}"));
        }
    }
}
