//! A fixed number of buffers, which one thread fills and others read.

use std::ops::{Deref, Range};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::SIZE;

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
    /// How many wait for one.
    waiting: usize,
}

impl Pool {
    /// At most `count` buffers, each with `headroom` bytes in front of its content.
    pub fn new(count: usize, headroom: usize) -> Self {
        let state = Mutex::new(State { free: Vec::new(), left: count, waiting: 0 });
        Self(Arc::new(Shelf { headroom, state, given_back: Condvar::new() }))
    }

    /// A buffer that nobody else has; waits for one.
    pub fn take(&self) -> Buffer {
        let mut state = self.0.lock();
        loop {
            if let Some(bytes) = state.free.pop() {
                return Buffer { bytes, shelf: Arc::clone(&self.0) };
            }
            if state.left > 0 {
                state.left -= 1;
                drop(state);
                return Buffer { bytes: vec![0; self.0.headroom + SIZE], shelf: Arc::clone(&self.0) };
            }
            state.waiting += 1;
            state = self.0.given_back.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut state = self.shelf.lock();
        state.free.push(std::mem::take(&mut self.bytes));
        let waiting = state.waiting;
        drop(state);
        // A system call even if nobody is there.
        if waiting > 0 {
            self.shelf.given_back.notify_one();
        }
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

    /// The same without its first bytes, of which there have to be so many.
    pub fn without_first(self, count: usize) -> Self {
        Self { range: self.range.start + count..self.range.end, buffer: self.buffer }
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

#[cfg(test)]
mod tests {
    use super::super::test_chunk;
    use super::*;

    #[test]
    fn a_pool_waits_for_what_it_gave() {
        let pool = Pool::new(2, 3);
        let (one, two) = (test_chunk(&pool, b"one"), test_chunk(&pool, b"two"));
        let other = one.clone();
        let waiting = pool.clone();
        let third = std::thread::spawn(move || test_chunk(&waiting, b"three").to_vec());
        drop(one);
        assert!(!third.is_finished());
        assert_eq!((&*other, &*two, two.with_headroom().len()), (&b"one"[..], &b"two"[..], 6));
        assert!(!other.shares_with(&two) && other.shares_with(&other.clone()));
        drop(other);
        assert_eq!(third.join().unwrap(), b"three");
    }
}
