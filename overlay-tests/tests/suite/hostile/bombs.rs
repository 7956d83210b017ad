//! Streams that become much larger than they are, or need much memory to be read.

use overlay_tests::cases;
use overlay_tests::fixture::{
    Compression, Header, Image, Layer, bzip2, file, gzip, media, sha256, xz, zstd_frame, zstd_skippable,
};
use overlay_tests::harness::{Case, Context, Need, StoreListing};
use overlay_tests::tree::names;

use super::{MEMORY, load_bounded, write};

pub fn cases() -> Vec<Case> {
    cases![
        bomb_gzip;
        bomb_zstd;
        bomb_xz => Need::Tool("xz");
        bomb_bzip2 => Need::Tool("bzip2");
        bomb_of_empty_members => Need::Tool("xz"), Need::Tool("bzip2");
        bomb_dictionaries_and_windows => Need::Tool("xz");
        bomb_in_a_compressed_archive
    ]
}

/// How bytes become a blob.
type Form = fn(&[u8]) -> Vec<u8>;

const MIB: usize = 1 << 20;

/// The header of an entry of 4 GiB that nobody wants (a volume label), and `mebibytes` of zeros behind it, each MiB a
/// member or a frame of its own.
fn bomb(compress: Form, mebibytes: usize) -> Vec<u8> {
    let head = compress(&Header::gnu().name("label").typeflag(b'V').size(4 << 30).finish());
    let member = compress(&vec![0; MIB]);
    let mut blob = head;
    for _ in 0..mebibytes {
        blob.extend_from_slice(&member);
    }
    blob
}

/// As one member: the largest ratio.
fn single(compress: Form, mebibytes: usize) -> Vec<u8> {
    let header = Header::gnu().name("label").typeflag(b'V').size(4 << 30).finish();
    compress(&[header, vec![0; mebibytes * MIB]].concat())
}

/// The blob is refused when it has become larger than allowed, and when it ends too early; both with little memory.
#[track_caller]
fn is_defused(context: &Context, blob: Vec<u8>, limit: usize) {
    assert!(blob.len() * 20 < limit * MIB, "no bomb: {} bytes", blob.len());
    let image = Image::of([Layer::raw(blob).claiming(sha256(b"never reached"))]);
    let source = write(context, &image);
    context.load(&Image::of([vec![file("keep", "")]]));
    let before = StoreListing::read(&context.root());
    for (limit, says) in [(format!("bytes={limit}MiB"), "bytes"), ("bytes=1TiB".to_owned(), "layer ")] {
        let output = load_bounded(context, &["--limit", &limit, &source], MEMORY).exits(3);
        assert!(output.one_line().contains(says), "{}", output.stderr);
        before.assert_unchanged(&context.root());
    }
}

fn bomb_gzip(context: &Context) {
    is_defused(context, bomb(gzip, 24), 16);
    is_defused(context, single(gzip, 24), 16);
}

fn bomb_zstd(context: &Context) {
    is_defused(context, bomb(zstd_frame, 256), 192);
    is_defused(context, single(zstd_frame, 256), 192);
}

fn bomb_xz(context: &Context) {
    is_defused(context, bomb(xz, 48), 32);
    is_defused(context, single(xz, 48), 32);
}

fn bomb_bzip2(context: &Context) {
    is_defused(context, bomb(bzip2, 32), 24);
    is_defused(context, single(bzip2, 32), 24);
}

/// Members and frames without content, a hundred thousand of them, and then the layer.
fn bomb_of_empty_members(context: &Context) {
    fn behind(empty: &[u8], times: usize, last: Vec<u8>) -> Vec<u8> {
        [empty.repeat(times), last].concat()
    }
    let forms: [Form; 5] = [
        |tar| behind(&gzip(b""), 100_000, gzip(tar)),
        |tar| behind(&zstd_frame(b""), 100_000, zstd_frame(tar)),
        |tar| behind(&zstd_skippable(b""), 100_000, zstd_frame(tar)),
        |tar| behind(&xz(b""), 20_000, xz(tar)),
        |tar| behind(&bzip2(b""), 100_000, bzip2(tar)),
    ];
    for form in forms {
        let layer = Layer::of(&[file("f", "content")]).compressed(Compression::Custom(media::LAYER, form));
        let image = Image::of([layer]);
        let source = write(context, &image);
        let id = load_bounded(context, &[&source], MEMORY).ok();
        let id = id.trim_end().rsplit(' ').next().unwrap().to_owned();
        assert_eq!(names(&context.tree_of_loaded(&id)), ["f"]);
        context.rootlay(["rmi", &id]).ok();
    }
}

/// The size byte of the LZMA2 dictionary of an xz stream (xz-file-format 1.2, 3.1 and 5.3.1), with the CRC put right.
fn with_dictionary(mut stream: Vec<u8>, byte: u8) -> Vec<u8> {
    // Behind the 12 bytes of the stream header: length, flags, then the filter: ID 0x21, one byte of properties.
    let length = (usize::from(stream[12]) + 1) * 4;
    let at = (14..12 + length - 6).find(|at| stream[*at..*at + 2] == [0x21, 0x01]).unwrap() + 2;
    stream[at] = byte;
    let mut sum = flate2::Crc::new();
    sum.update(&stream[12..12 + length - 4]);
    stream[12 + length - 4..12 + length].copy_from_slice(&sum.sum().to_le_bytes());
    stream
}

/// Streams that ask for gigabytes before the first byte comes out.
fn bomb_dictionaries_and_windows(context: &Context) {
    let tar = Layer::of(&[file("f", "x")]).tar().to_vec();
    // 40 is the largest size byte: 4 GiB - 1; 39 is 3 GiB, 31 is 192 MiB.
    for (byte, code) in [(40, 3), (39, 3), (31, 0)] {
        let layer = Layer::raw(with_dictionary(xz(&tar), byte)).claiming(sha256(&tar));
        let source = write(context, &Image::of([layer]));
        assert_eq!(load_bounded(context, &[&source], MEMORY).code, code);
    }
    // A zstd frame with a window descriptor instead of a content size (RFC 8878, 3.1.1.1): exponent in the upper five
    // bits, from 10; one last raw block of no bytes.
    for exponent in [31_u8, 41] {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, (exponent - 10) << 3, 1, 0, 0];
        let source = write(context, &Image::of([Layer::raw(frame).claiming(sha256(b""))]));
        let output = load_bounded(context, &[&source], MEMORY).exits(3);
        assert!(output.one_line().contains("layer "), "{}", output.stderr);
    }
}

/// An archive of images that is compressed itself is spooled, not kept in memory; a bomb of one meets the disk's limit.
fn bomb_in_a_compressed_archive(context: &Context) {
    let path = context.fresh("archive");
    std::fs::write(&path, single(zstd_frame, 96)).unwrap();
    context.load(&Image::of([vec![file("keep", "")]]));
    let before = StoreListing::read(&context.root());
    let source = format!("docker-archive:{}", path.display());
    let output = load_bounded(context, &[&source], MEMORY).exits(3);
    output.one_line();
    before.assert_unchanged(&context.root());
}
