//! One decoder for all formats.

use std::io::{self, BufRead, Read as _};

use bzip2::bufread::MultiBzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use super::unzstd::Unzstd;
use super::{Compression, Gunzip};
use crate::error::{Error, ErrorKind, Result};

/// Most memory that an xz stream may ask for.
const XZ_MEMORY: u64 = 256 << 20;

/// The uncompressed bytes of an input. Errors of the format are of kind [`ErrorKind::Refused`], carried through
/// `io::Error`.
pub enum Decoder<R> {
    /// The input itself.
    Plain(R),
    /// gzip.
    Gzip(Gunzip<R>),
    /// zstd.
    Zstd(Unzstd<R>),
    /// xz.
    Xz(XzDecoder<R>),
    /// bzip2.
    Bzip2(MultiBzDecoder<R>),
}

impl<R> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Decoder").field(&self.compression()).finish()
    }
}

impl<R> Decoder<R> {
    /// How the input is compressed.
    pub fn compression(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
            Self::Xz(_) => Compression::Xz,
            Self::Bzip2(_) => Compression::Bzip2,
        }
    }
}

impl<R: BufRead> Decoder<R> {
    /// Whether zeros followed a gzip stream, which are no part of it (row 111); known at the end.
    pub fn is_padded(&self) -> bool {
        matches!(self, Self::Gzip(decoder) if decoder.is_padded())
    }

    /// Chooses by the first bytes: what the input gives first has to be [`MAGIC`](super::MAGIC) bytes or more, unless it is
    /// shorter.
    pub fn new(mut input: R, zstd_window_log: u32) -> Result<Self> {
        let start = input.fill_buf().map_err(Error::from)?;
        Ok(match Compression::detect(start) {
            Compression::None => Self::Plain(input),
            Compression::Gzip => Self::Gzip(Gunzip::new(input)),
            Compression::Zstd => Self::Zstd(Unzstd::new(input, zstd_window_log).map_err(format_error)?),
            Compression::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                    .map_err(|error| Error::refused(format!("xz: {error}")))?;
                Self::Xz(XzDecoder::new_stream(input, stream))
            }
            Compression::Bzip2 => Self::Bzip2(MultiBzDecoder::new(input)),
        })
    }

    /// Decodes into `out[at..]`; gives the number of bytes, 0 at the end. The bytes in front of `at` have to be those
    /// that it gave last, up to [`WINDOW`](super::WINDOW) of them. What is behind the bytes that it gives is undefined.
    pub fn decode(&mut self, out: &mut [u8], at: usize) -> io::Result<usize> {
        let compression = self.compression();
        loop {
            let result = match self {
                Self::Plain(input) => return input.read(&mut out[at..]),
                Self::Gzip(decoder) => decoder.decode(out, at),
                Self::Zstd(decoder) => decoder.decode(&mut out[at..]),
                Self::Xz(decoder) => decoder.read(&mut out[at..]),
                Self::Bzip2(decoder) => decoder.read(&mut out[at..]),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|error| format_error(error).context(compression.as_str()).into_io()),
            }
        }
    }
}

/// Tells errors of the format from errors of the input below.
fn format_error(error: io::Error) -> Error {
    let from_below = error.raw_os_error().is_some()
        || error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>);
    if from_below { Error::from(error) } else { Error::new(ErrorKind::Refused, error.to_string()) }
}
