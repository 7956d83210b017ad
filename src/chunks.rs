//! Bytes on their way between threads: buffers of one size, a fixed number of them, shared while they are used and
//! then used again. Memory is bounded whatever passes.
//!
//! Nobody may wait for a chunk to come while it keeps more than a few of one pool: a pool that is empty makes the
//! producer wait for chunks to be given back.

use std::io::{self, BufRead, Read};
use std::ops::{Deref, Range};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

/// Most bytes of one chunk: large enough that handing it over costs nothing beside its use, small enough that several
/// stay in a core's cache.
pub const SIZE: usize = 256 * 1024;

/// Buffers that go round.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    /// Bytes in front of the content of each buffer.
    headroom: usize,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug)]
struct State {
    free: Vec<Vec<u8>>,
    /// How many more buffers may be made.
    left: usize,
}

impl Pool {
    /// At most `count` buffers, each with `headroom` bytes in front of its content.
    pub fn new(count: usize, headroom: usize) -> Self {
        let state = Mutex::new(State { free: Vec::new(), left: count });
        Self(Arc::new(Shelf { headroom, state, given_back: Condvar::new() }))
    }

    /// A buffer that nobody else has; waits for one.
    pub fn take(&self) -> Buffer {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(bytes) = state.free.pop() {
                return Buffer { bytes, shelf: Arc::clone(&self.0) };
            }
            if state.left > 0 {
                state.left -= 1;
                drop(state);
                return Buffer { bytes: vec![0; self.0.headroom + SIZE], shelf: Arc::clone(&self.0) };
            }
            state = self.0.given_back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A buffer that is being filled. Its content is whatever it was used for before.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    shelf: Arc<Shelf>,
}

impl Buffer {
    /// All of it, the headroom in front.
    pub fn all(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The place of the content.
    pub fn content(&mut self) -> &mut [u8] {
        &mut self.bytes[self.shelf.headroom..]
    }

    /// Shares the first `len` bytes of the content.
    pub fn share(self, len: usize) -> Chunk {
        let start = self.shelf.headroom;
        Chunk { buffer: Arc::new(self), range: start..start + len }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut state = self.shelf.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free.push(std::mem::take(&mut self.bytes));
        drop(state);
        self.shelf.given_back.notify_one();
    }
}

/// Bytes that several threads read. The last one to let go gives the buffer back to its pool.
#[derive(Debug, Clone)]
pub struct Chunk {
    buffer: Arc<Buffer>,
    range: Range<usize>,
}

impl Chunk {
    /// Whether both lie in the same buffer.
    pub fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.buffer, &other.buffer)
    }

    /// The buffer up to the last of these bytes, headroom and all.
    pub fn with_headroom(&self) -> &[u8] {
        &self.buffer.bytes[..self.range.end]
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer.bytes[self.range.clone()]
    }
}

/// Where chunks, or the error that ends them, go in.
pub type Sender = SyncSender<Result<Chunk>>;

/// A way for chunks from one thread to another; at most `queue` of them wait.
pub fn channel(queue: usize) -> (Sender, ChunkReader) {
    let (sender, from) = sync_channel(queue);
    (sender, ChunkReader { from: Some(from), chunk: None, at: 0, of_no_use: Arc::default() })
}

/// Starts a thread for one part of the way.
///
/// # Errors
/// The system allows no more threads.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).map_err(|error| Error::io("start a thread", error))
}

/// Bytes that are here already, as a reader of chunks.
#[cfg(any(test, fuzzing))]
pub fn reader_of(content: &[u8]) -> ChunkReader {
    let parts = content.chunks(SIZE);
    let pool = Pool::new(parts.len(), 0);
    let (sender, reader) = channel(parts.len());
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
    of_no_use: Arc<AtomicBool>,
}

impl ChunkReader {
    /// Is set by whoever reads when nothing more has to come, not even to explain an error: for the one that sends.
    pub fn of_no_use(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.of_no_use)
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
        Ok(self.chunk.take().map(|Chunk { buffer, range }| Chunk { buffer, range: range.start + at..range.end }))
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
            let Some(from) = &self.from else { return Ok(&[]) };
            match from.recv() {
                Ok(Ok(chunk)) => self.chunk = Some(chunk),
                Ok(Err(error)) => {
                    self.from = None;
                    return Err(error.into_io());
                }
                // The other end is done.
                Err(_) => {
                    self.from = None;
                    return Ok(&[]);
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
    use super::*;

    fn chunk(pool: &Pool, content: &[u8]) -> Chunk {
        let mut buffer = pool.take();
        buffer.content()[..content.len()].copy_from_slice(content);
        buffer.share(content.len())
    }

    #[test]
    fn a_pool_waits_for_what_it_gave() {
        let pool = Pool::new(2, 3);
        let (one, two) = (chunk(&pool, b"one"), chunk(&pool, b"two"));
        let other = one.clone();
        let waiting = pool.clone();
        let third = std::thread::spawn(move || chunk(&waiting, b"three").to_vec());
        drop(one);
        assert!(!third.is_finished());
        assert_eq!((&*other, &*two, two.with_headroom().len()), (&b"one"[..], &b"two"[..], 6));
        assert!(!other.shares_with(&two) && other.shares_with(&other.clone()));
        drop(other);
        assert_eq!(third.join().unwrap(), b"three");
    }

    #[test]
    fn what_is_sent_is_read_in_order_up_to_the_error() {
        let pool = Pool::new(4, 0);
        let (sender, mut reader) = channel(4);
        for part in [&b"ab"[..], b"", b"cd"] {
            sender.send(Ok(chunk(&pool, part))).unwrap();
        }
        sender.send(Err(Error::refused("broken"))).unwrap();
        let mut two = [0; 3];
        reader.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"abc");
        assert_eq!(&*reader.next_chunk().unwrap().unwrap(), b"d");
        assert_eq!(Error::from(reader.fill_buf().unwrap_err()).to_string(), "broken");
        assert!(reader.next_chunk().unwrap().is_none());
    }
}
