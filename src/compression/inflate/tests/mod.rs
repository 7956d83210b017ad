//! Our decoder against another one, on sound streams, broken ones and changed ones.

mod broken;
mod changed;
mod sound;

use std::io::{self, BufRead, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{Gunzip, WINDOW};

fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// An input that comes in pieces, and is interrupted before each small one.
struct Pieces<'a> {
    left: &'a [u8],
    size: usize,
    at_hand: usize,
    interrupted: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("the decoder takes slices");
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at_hand == 0 {
            self.interrupted = !self.interrupted;
            if self.interrupted && self.size < 4096 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.at_hand = self.size.min(self.left.len());
        }
        Ok(&self.left[..self.at_hand])
    }

    fn consume(&mut self, bytes: usize) {
        self.left = &self.left[bytes..];
        self.at_hand -= bytes;
    }
}

/// Decodes with input and output in pieces of these sizes. The bytes behind the output and what the window no longer
/// holds are overwritten each time: the decoder must not need them.
fn decode(blob: &[u8], input: usize, output: usize) -> io::Result<Vec<u8>> {
    let mut gunzip = Gunzip::new(Pieces { left: blob, size: input, at_hand: 0, interrupted: false });
    let mut buffer = Vec::new();
    let mut plain = Vec::new();
    loop {
        let window = &plain[plain.len().saturating_sub(WINDOW)..];
        let at = window.len();
        buffer.clear();
        buffer.extend_from_slice(window);
        buffer.resize(at + output, 0xa5);
        let len = gunzip.decode(&mut buffer, at)?;
        if len == 0 {
            assert_eq!(gunzip.decode(&mut buffer, at)?, 0);
            return Ok(plain);
        }
        assert!(len == output || gunzip.decode(&mut [0; 1], 0)? == 0, "the output was not filled");
        plain.extend_from_slice(&buffer[at..at + len]);
    }
}

/// What a decoder of zlib's family makes of it, under the rules of rows 110 and 111.
fn reference(blob: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut left = blob;
    loop {
        let mut decoder = GzDecoder::new(left);
        decoder.read_to_end(&mut plain)?;
        left = decoder.into_inner();
        match left {
            [] => return Ok(plain),
            [0, ..] if left.iter().all(|&byte| byte == 0) => return Ok(plain),
            [0, ..] => return Err(io::ErrorKind::InvalidData.into()),
            _ => {}
        }
    }
}

/// The error that all ways to feed the decoder give.
fn refused(blob: &[u8]) -> io::Error {
    assert!(reference(blob).is_err(), "the other decoder accepts it");
    decode(blob, 1, 1).unwrap_err();
    decode(blob, 7, 4096).unwrap_err();
    decode(blob, 1 << 20, 1).unwrap_err();
    decode(blob, 1 << 20, 4096).unwrap_err()
}
