//! A decoder that is read from, with a window of its own.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use super::{Decoder, WINDOW};

/// How many bytes are decoded at a time.
const CHUNK: usize = 128 * 1024;

/// A [`Decoder`] with a buffer of its own.
#[derive(Debug)]
pub struct DecoderReader<R> {
    decoder: Decoder<R>,
    /// The window and what comes behind it.
    buffer: Box<[u8]>,
    /// What was decoded and not read.
    unread: Range<usize>,
}

impl<R: BufRead> DecoderReader<R> {
    /// Reads what this decoder gives.
    pub fn new(decoder: Decoder<R>) -> Self {
        Self { decoder, buffer: vec![0; WINDOW + CHUNK].into_boxed_slice(), unread: 0..0 }
    }
}

impl<R: BufRead> Read for DecoderReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.unread.is_empty() {
            let end = self.unread.end;
            let at = end.min(WINDOW);
            self.buffer.copy_within(end - at..end, 0);
            self.unread = at..at;
            let len = self.decoder.decode(&mut self.buffer, at)?;
            self.unread = at..at + len;
        }
        let len = out.len().min(self.unread.len());
        out[..len].copy_from_slice(&self.buffer[self.unread.start..self.unread.start + len]);
        self.unread.start += len;
        Ok(len)
    }
}
