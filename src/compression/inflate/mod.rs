//! gzip (RFC 1952) and DEFLATE (RFC 1951), decoded.
//!
//! It decodes straight into the buffer of its caller, with tables whose entries need one shift for a symbol and its
//! extra bits, and it keeps no copy of the window. What is accepted is what zlib accepts.

#![expect(clippy::cast_possible_truncation, reason = "bits are cut out of words, and what is cut off is masked")]

mod bits;
mod fast;
mod header;
mod symbols;
mod tables;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use crc32fast::Hasher;

use bits::{Bits, invalid, truncated};
use tables::Tables;

/// How far back a match of DEFLATE may reach (RFC 1951, section 2).
pub const WINDOW: usize = 32 * 1024;

/// How many bytes are decoded before they are summed, while they are still in a near cache.
const SUMMED: usize = 64 * 1024;

/// All members of a gzip stream (RFC 1952). Zeros after the last one are padding, anything else is refused.
pub struct Gunzip<R> {
    input: Bits<R>,
    state: State,
    /// The codes of the last block that had its own.
    tables: Box<Tables>,
    /// Whether the current block is the last one of its member.
    last: bool,
    /// Bytes of the current member that are in its sum.
    produced: u64,
    hasher: Hasher,
    /// Zeros followed the last member.
    padded: bool,
}

/// What comes next in the input.
#[derive(Clone, Copy)]
enum State {
    /// The header of a member.
    Member,
    /// The header of a block.
    Block,
    /// So many bytes, as they are.
    Stored(usize),
    /// Symbols.
    Symbols { fixed: bool },
    /// Symbols, after so much of a match is copied.
    Match { fixed: bool, distance: usize, length: usize },
    /// The sums after a member.
    Trailer,
    /// Another member, padding, or the end.
    Between,
    /// Nothing.
    End,
    /// Nothing, after an error.
    Failed,
}

/// The output of one call.
struct Output<'a> {
    out: &'a mut [u8],
    /// Where the next byte goes.
    at: usize,
    /// Bytes up to here are in the sum of their member.
    summed: usize,
}

impl<R> std::fmt::Debug for Gunzip<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gunzip").field("produced", &self.produced).finish_non_exhaustive()
    }
}

impl<R: BufRead> Gunzip<R> {
    /// Decodes this input.
    pub fn new(input: R) -> Self {
        Self {
            input: Bits::new(input),
            state: State::Member,
            tables: Tables::new(),
            last: false,
            produced: 0,
            hasher: Hasher::new(),
            padded: false,
        }
    }

    /// Whether zeros followed the last member; known at the end.
    pub fn is_padded(&self) -> bool {
        self.padded
    }

    /// Decodes into `out[at..]`, up to its end or the end of the stream; gives the number of bytes, 0 at the end.
    ///
    /// `out[at - min(at, WINDOW)..at]` has to hold the bytes that were decoded last before, as many of those as there
    /// were: the caller copies them when it changes buffers. What is in `out` behind the decoded bytes may change.
    /// After an error nothing more can be decoded.
    pub fn decode(&mut self, out: &mut [u8], at: usize) -> io::Result<usize> {
        let mut output = Output { out, at, summed: at };
        while output.at < output.out.len() && !matches!(self.state, State::End) {
            if let Err(error) = self.step(&mut output) {
                self.state = State::Failed;
                return Err(error);
            }
            if output.at - output.summed >= SUMMED {
                self.sum(&mut output);
            }
        }
        self.sum(&mut output);
        Ok(output.at - at)
    }

    /// Decodes some of what comes next.
    fn step(&mut self, output: &mut Output<'_>) -> io::Result<()> {
        match self.state {
            State::Member => {
                header::member(&mut self.input)?;
                self.hasher.reset();
                self.produced = 0;
                self.state = State::Block;
            }
            State::Block => self.block()?,
            State::Stored(0) => self.end_block(),
            State::Stored(left) => self.stored(output, left)?,
            State::Symbols { fixed } => self.symbols(output, fixed)?,
            State::Match { fixed, distance, length } => self.copy(output, fixed, distance, length),
            State::Trailer => {
                self.sum(output);
                self.trailer()?;
            }
            State::Between => match self.input.peek()? {
                None => self.state = State::End,
                Some(0) => self.padding()?,
                Some(_) => self.state = State::Member,
            },
            State::End => {}
            State::Failed => return Err(invalid("the stream is broken before here")),
        }
        Ok(())
    }

    /// Reads the header of a block (RFC 1951, section 3.2.3).
    fn block(&mut self) -> io::Result<()> {
        self.last = self.input.take(1)? == 1;
        self.state = match self.input.take(2)? {
            0 => {
                self.input.align();
                let (len, check) = (self.input.take(16)?, self.input.take(16)?);
                if len ^ check != 0xffff {
                    return Err(invalid("invalid length of a stored block"));
                }
                State::Stored(len as usize)
            }
            1 => State::Symbols { fixed: true },
            2 => {
                header::codes(&mut self.input, &mut self.tables)?;
                State::Symbols { fixed: false }
            }
            _ => return Err(invalid("invalid block type")),
        };
        Ok(())
    }

    fn end_block(&mut self) {
        self.state = if self.last { State::Trailer } else { State::Block };
    }

    fn stored(&mut self, output: &mut Output<'_>, left: usize) -> io::Result<()> {
        let end = output.out.len().min(output.at + left);
        let bytes = self.input.bytes(&mut output.out[output.at..end])?;
        if bytes == 0 {
            return Err(truncated());
        }
        output.at += bytes;
        self.state = State::Stored(left - bytes);
        Ok(())
    }

    /// Adds what was decoded to the sum of the member.
    fn sum(&mut self, output: &mut Output<'_>) {
        let bytes = &output.out[output.summed..output.at];
        self.hasher.update(bytes);
        self.produced += bytes.len() as u64;
        output.summed = output.at;
    }

    /// Compares the sums at the end of a member.
    fn trailer(&mut self) -> io::Result<()> {
        self.input.align();
        let (sum, len) = (self.input.take(32)?, self.input.take(32)?);
        if sum != self.hasher.clone().finalize() {
            return Err(invalid("wrong checksum"));
        }
        // The length is given modulo 2^32.
        if u64::from(len) != self.produced & 0xffff_ffff {
            return Err(invalid("wrong length"));
        }
        self.state = State::Between;
        Ok(())
    }

    /// Reads zeros up to the end.
    fn padding(&mut self) -> io::Result<()> {
        loop {
            let mut bytes = [0; 512];
            match self.input.bytes(&mut bytes)? {
                0 => break,
                len if bytes[..len].iter().any(|&byte| byte != 0) => {
                    return Err(invalid("garbage after the last member"));
                }
                _ => {}
            }
        }
        self.padded = true;
        self.state = State::End;
        Ok(())
    }
}
