//! The input as bits, lowest first (RFC 1951, section 3.1.1), whatever the pieces that it comes in.

use std::io::{self, BufRead};

/// An input and the bits of it that were not used yet.
pub(super) struct Bits<R> {
    input: R,
    /// The next bits; those above `count` are zero.
    pub(super) word: u64,
    /// How many there are.
    pub(super) count: u32,
}

impl<R: BufRead> Bits<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, word: 0, count: 0 }
    }

    /// The bytes of the input at hand, behind the bits; none at its end.
    pub(super) fn slice(&mut self) -> io::Result<&[u8]> {
        // Asked twice, because a loop cannot give back what it borrows only sometimes.
        loop {
            match self.input.fill_buf() {
                Ok([]) => return Ok(&[]),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.input.fill_buf()
    }

    /// Drops bytes of the slice.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
    }

    /// Makes at least 56 bits ready, or all that are left.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        while self.count < 56 {
            let (word, count) = (self.word, self.count);
            let slice = self.slice()?;
            if slice.is_empty() {
                return Ok(());
            }
            let bytes = slice.len().min(((63 - count) / 8) as usize);
            let mut next = [0; 8];
            next[..bytes].copy_from_slice(&slice[..bytes]);
            self.word = word | u64::from_le_bytes(next) << count;
            self.count = count + 8 * bytes as u32;
            self.consume(bytes);
        }
        Ok(())
    }

    /// Makes `count` bits ready, at most 56.
    pub(super) fn need(&mut self, count: u32) -> io::Result<()> {
        if self.count < count {
            self.fill()?;
            if self.count < count {
                return Err(truncated());
            }
        }
        Ok(())
    }

    /// Drops bits that were made ready.
    pub(super) fn drop(&mut self, count: u32) {
        self.word >>= count;
        self.count -= count;
    }

    /// Takes up to 32 bits.
    pub(super) fn take(&mut self, count: u32) -> io::Result<u32> {
        self.need(count)?;
        let taken = self.word & ((1 << count) - 1);
        self.drop(count);
        Ok(taken as u32)
    }

    /// Drops bits up to the next byte of the input.
    pub(super) fn align(&mut self) {
        self.drop(self.count % 8);
    }

    /// The next byte, which stays; nothing at the end of the input. The bits must be aligned.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.count == 0 {
            self.fill()?;
        }
        Ok((self.count > 0).then_some(self.word as u8))
    }

    /// Takes as many bytes as there are at hand, up to the length of `out`; 0 at the end. The bits must be aligned.
    pub(super) fn bytes(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = out.len().min((self.count / 8) as usize);
        if ready > 0 {
            for byte in &mut out[..ready] {
                *byte = self.word as u8;
                self.drop(8);
            }
            return Ok(ready);
        }
        let slice = self.slice()?;
        let len = slice.len().min(out.len());
        out[..len].copy_from_slice(&slice[..len]);
        self.consume(len);
        Ok(len)
    }
}

/// The input ends too early.
pub(super) fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected end of the stream")
}

/// The input breaks the format.
pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
