//! Compression, told by the bytes and never by the media type (layer-semantics rows 110 to 116).

mod decoder;
mod inflate;
mod reader;
#[cfg(test)]
mod tests;
mod unzstd;

use std::io::{self, BufReader, Read};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use reader::DecoderReader;

pub use decoder::Decoder;
pub use inflate::{Gunzip, WINDOW};

/// Input buffer of a decoder.
const BUFFER: usize = 128 * 1024;

/// The largest zstd window that is decoded unless a caller wants more: 128 MiB.
pub const ZSTD_WINDOW_LOG: u32 = 27;

/// How many bytes [`Compression::detect`] looks at.
pub const MAGIC: usize = 6;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
}

impl Compression {
    /// Tells it from the first bytes; what is nothing else is a tar.
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// What a layer's media type ends in after a `+`.
    pub fn suffix(self) -> Option<&'static str> {
        (self != Self::None).then_some(self.as_str())
    }

    /// Whether a layer's media type says the same (image-spec, layer.md; Docker's types end in `.gzip`).
    pub fn fits(self, media_type: &str) -> bool {
        match media_type.rsplit(['+', '.']).next() {
            Some("tar") => self == Self::None,
            Some(suffix) => suffix == self.as_str(),
            None => false,
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The uncompressed bytes of a blob, and how it was compressed. Errors of the format are of kind
/// [`ErrorKind::Refused`](crate::error::ErrorKind::Refused), carried through `io::Error`.
pub fn decompress<'a>(
    blob: Box<dyn Read + Send + 'a>,
    zstd_window_log: u32,
) -> Result<(Box<dyn Read + Send + 'a>, Compression)> {
    let mut blob = BufReader::with_capacity(BUFFER, blob);
    let mut start = [0; MAGIC];
    let have = peek(&mut blob, &mut start)?;
    let blob = io::Cursor::new(start).take(have as u64).chain(blob);
    let decoder = Decoder::new(blob, zstd_window_log)?;
    let compression = decoder.compression();
    Ok((Box::new(DecoderReader::new(decoder)), compression))
}

/// Reads the first bytes; fewer at the end of the input.
fn peek(input: &mut impl Read, start: &mut [u8]) -> Result<usize> {
    let mut have = 0;
    while have < start.len() {
        match input.read(&mut start[have..]) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(have)
}
