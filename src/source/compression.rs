//! The compression of an outer archive, told by its first bytes.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use crate::error::{Error, Result};
use crate::oci::media_type::{OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD};

/// How many bytes [`Compression::of`] looks at.
pub(super) const MAGIC: usize = 6;

/// The most memory that an xz stream may ask for; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// A compression that `docker load` accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    /// Tells it by the first bytes.
    pub(super) fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable frame in front of one (RFC 8878, section 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The media type of a layer in this compression.
    pub(super) fn layer_media_type(self) -> String {
        match self {
            Self::None => OCI_LAYER.to_owned(),
            Self::Gzip => OCI_LAYER_GZIP.to_owned(),
            Self::Zstd => OCI_LAYER_ZSTD.to_owned(),
            Self::Xz => format!("{OCI_LAYER}+xz"),
            Self::Bzip2 => format!("{OCI_LAYER}+bzip2"),
        }
    }

    /// A reader of the plain bytes: all members or frames, checksums checked.
    pub(super) fn decoder(self, input: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>> {
        let input = BufReader::with_capacity(1 << 17, input);
        let fail = |error: io::Error| Error::io("start decompression", error);
        Ok(match self {
            Self::None => Box::new(input),
            Self::Gzip => Box::new(Gzip(Some(GzDecoder::new(input)))),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input).map_err(fail)?),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)
                    .map_err(|error| fail(error.into()))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        })
    }
}

/// All members of a gzip file; nothing is left of it at the end.
struct Gzip<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.0 {
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let rest = self.0.take().map(GzDecoder::into_inner);
            self.0 = rest.map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The next member of a gzip file. NUL bytes after the last one are padding, as for `gzip` itself.
fn next_member<R: BufRead>(mut input: R) -> io::Result<Option<GzDecoder<R>>> {
    let mut padded = false;
    loop {
        let buffer = input.fill_buf()?;
        match buffer.iter().position(|&byte| byte != 0) {
            _ if buffer.is_empty() => return Ok(None),
            Some(0) if !padded => return Ok(Some(GzDecoder::new(input))),
            Some(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "garbage after the gzip stream"));
            }
            None => {
                let length = buffer.len();
                input.consume(length);
                padded = true;
            }
        }
    }
}
