//! Compression, told by the bytes and never by the media type (layer-semantics rows 110 to 116).

mod gunzip_reader;
mod inflate;
#[cfg(test)]
mod tests;
mod zstd_window;

use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use gunzip_reader::GunzipReader;
use zstd_window::Turn;

pub use inflate::{Gunzip, WINDOW};

/// Input buffer of a decoder.
const BUFFER: usize = 128 * 1024;

/// The largest zstd window that is decoded unless a caller wants more: 128 MiB.
pub const ZSTD_WINDOW_LOG: u32 = 27;

/// How many bytes [`Compression::detect`] looks at.
pub const MAGIC: usize = 6;

/// Most memory that an xz stream may ask for.
const XZ_MEMORY: u64 = 256 << 20;

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
/// [`ErrorKind::Refused`], carried through `io::Error`.
pub fn decompress<'a>(
    blob: Box<dyn Read + Send + 'a>,
    zstd_window_log: u32,
) -> Result<(Box<dyn Read + Send + 'a>, Compression)> {
    let mut blob = BufReader::with_capacity(BUFFER, blob);
    let mut start = [0; 18];
    let have = peek(&mut blob, &mut start)?;
    let compression = Compression::detect(&start[..have]);
    let blob = io::Cursor::new(start).take(have as u64).chain(blob);
    let mut turn = None;
    let decoder: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => return Ok((Box::new(blob), compression)),
        Compression::Gzip => Box::new(GunzipReader::new(blob)),
        Compression::Zstd => {
            turn = Turn::wait(&start[..have]);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(blob).map_err(format_error)?;
            decoder.window_log_max(zstd_window_log).map_err(format_error)?;
            Box::new(decoder)
        }
        Compression::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                .map_err(|error| Error::refused(format!("xz: {error}")))?;
            Box::new(XzDecoder::new_stream(blob, stream))
        }
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(blob)),
    };
    Ok((Box::new(Named { decoder, compression, _turn: turn }), compression))
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

/// Tells errors of the format from errors of the input below.
struct Named<'a> {
    decoder: Box<dyn Read + Send + 'a>,
    compression: Compression,
    _turn: Option<Turn>,
}

impl Read for Named<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            format_error(error).context(self.compression.as_str()).into_io()
        })
    }
}

fn format_error(error: io::Error) -> Error {
    let from_below = error.raw_os_error().is_some()
        || error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>);
    if from_below { Error::from(error) } else { Error::new(ErrorKind::Refused, error.to_string()) }
}
