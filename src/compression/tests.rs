//! Compressed streams, sound and broken. The decoders are libraries; what is tested is which streams we accept.

use std::io::{Cursor, Read, Write};

use flate2::write::GzEncoder;

use super::{Compression, ZSTD_WINDOW_LOG, decompress};
use crate::error::{Error, ErrorKind, Result};

fn plain(blob: &[u8]) -> Result<(Vec<u8>, Compression)> {
    let (mut input, compression) = decompress(Box::new(Cursor::new(blob.to_vec())), ZSTD_WINDOW_LOG)?;
    let mut out = Vec::new();
    input.read_to_end(&mut out).map_err(Error::from)?;
    Ok((out, compression))
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}

fn refused(blob: &[u8]) {
    assert_eq!(plain(blob).unwrap_err().kind(), ErrorKind::Refused);
}

/// Content that takes more than one buffer and does not shrink to nothing.
fn content() -> Vec<u8> {
    (0..600_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn row_110_all_members_of_a_gzip_stream() {
    let blob = [gzip(b"one "), gzip(b""), gzip(b"two "), gzip(&content())].concat();
    assert_eq!(plain(&blob).unwrap(), ([b"one two ".to_vec(), content()].concat(), Compression::Gzip));
}

#[test]
fn row_111_padding_is_accepted_and_garbage_refused() {
    assert_eq!(plain(&[gzip(b"x"), vec![0; 1000]].concat()).unwrap().0, b"x");
    refused(&[gzip(b"x"), b"garbage".to_vec()].concat());
    refused(&[gzip(b"x"), vec![0; 10], gzip(b"y")].concat());
}

#[test]
fn row_112_headers_and_checks_of_gzip() {
    let mut encoder =
        flate2::GzBuilder::new().filename("n").comment("c").extra("e").write(Vec::new(), flate2::Compression::none());
    encoder.write_all(b"stored").unwrap();
    assert_eq!(plain(&encoder.finish().unwrap()).unwrap().0, b"stored");
    let good = gzip(b"content");
    for at in [good.len() - 8, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        refused(&bad);
    }
}

#[test]
fn row_113_truncated_streams_are_refused() {
    for blob in [gzip(&content()), zstd(&content())] {
        for cut in (1..blob.len()).step_by(blob.len() / 7) {
            if cut > 18 {
                refused(&blob[..cut]);
            }
        }
    }
}

#[test]
fn row_114_frames_of_zstd() {
    let skippable = [&[0x51, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"meta"].concat();
    let blob = [skippable.clone(), zstd(b"one "), skippable.clone(), zstd(b"two"), skippable].concat();
    assert_eq!(plain(&blob).unwrap(), (b"one two".to_vec(), Compression::Zstd));
    refused(&[zstd(b"x"), b"garbage".to_vec()].concat());
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(28).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(&content()).unwrap();
    refused(&encoder.finish().unwrap());
}

#[test]
fn row_116_xz_bzip2_and_nothing() {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(b"content").unwrap();
    let xz = xz.finish().unwrap();
    assert_eq!(plain(&xz).unwrap(), (b"content".to_vec(), Compression::Xz));
    refused(&xz[..xz.len() - 4]);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(b"content").unwrap();
    let bzip2 = bzip2.finish().unwrap();
    let twice = [bzip2.clone(), bzip2.clone()].concat();
    assert_eq!(plain(&twice).unwrap(), (b"contentcontent".to_vec(), Compression::Bzip2));
    refused(&bzip2[..bzip2.len() - 4]);
    assert_eq!(plain(b"plain").unwrap(), (b"plain".to_vec(), Compression::None));
    assert_eq!(plain(b"").unwrap(), (Vec::new(), Compression::None));
}
