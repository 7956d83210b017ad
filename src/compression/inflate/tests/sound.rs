//! Streams that must decode, in every size of pieces.

use std::io::Write;

use flate2::GzBuilder;

use super::{Compression, WINDOW, decode, gzip};

/// Numbers that look random, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn text(len: usize) -> Vec<u8> {
    let words = ["usr", "/", "lib", "x86_64-linux-gnu", "\n", "layer", " ", "python3", "=", "0644", "root"];
    noise(len).into_iter().flat_map(|byte| words[usize::from(byte) % words.len()].bytes()).take(len).collect()
}

fn contents() -> Vec<(String, Vec<u8>)> {
    let mut contents: Vec<(String, Vec<u8>)> = vec![
        ("nothing".into(), Vec::new()),
        ("one byte".into(), vec![7]),
        ("zeros".into(), vec![0; 300_000]),
        ("noise".into(), noise(200_000)),
        ("text".into(), text(300_000)),
        ("all bytes".into(), (0..=255).cycle().take(70_000).collect()),
        ("few symbols".into(), noise(100_000).iter().map(|byte| byte & 3).collect()),
        ("skewed".into(), noise(300_000).iter().map(|byte| byte.leading_zeros() as u8 * 31).collect()),
    ];
    for period in 1..=40 {
        contents.push((format!("period {period}"), noise(period).into_iter().cycle().take(5000 + period).collect()));
    }
    let far = noise(WINDOW);
    contents.push(("farthest matches".into(), [far.clone(), far.clone(), far.clone(), text(9000), far].concat()));
    let parts = (0..40).flat_map(|part| {
        let len = 4000 + 37 * part;
        if part % 2 == 0 { noise(len) } else { vec![part as u8; len] }
    });
    contents.push(("in turns".into(), parts.collect()));
    contents
}

/// Pieces of the input and the output. Small ones of both would take long.
const PIECES: [(usize, usize); 9] = [
    (1, 65536),
    (2, 65536),
    (7, 100),
    (4096, 1),
    (4096, 3),
    (4096, 100),
    (4096, 65536),
    (1 << 30, 700),
    (1 << 30, 1 << 20),
];

#[test]
fn all_contents_and_pieces() {
    for (name, content) in contents() {
        let blob = gzip(&content, 6);
        for (input, output) in PIECES {
            // The window is copied for each piece of the output.
            let len = content.len().min(output * 400);
            let blob = if len < content.len() { gzip(&content[..len], 6) } else { blob.clone() };
            let plain = decode(&blob, input, output).unwrap();
            assert!(plain == content[..len], "{name}, input by {input}, output by {output}");
        }
    }
}

#[test]
fn all_levels() {
    for (name, content) in contents() {
        for level in 0..=9 {
            let plain = decode(&gzip(&content, level), 5000, 50_000).unwrap();
            assert!(plain == content, "{name}, level {level}");
        }
    }
}

#[test]
fn all_levels_byte_by_byte() {
    for level in 0..=9 {
        let content = [text(600), vec![0; 600], noise(600), text(600)].concat();
        let blob = gzip(&content, level);
        for (input, output) in [(1, 1), (2, 3), (1 << 20, 1), (1, 1 << 20)] {
            assert_eq!(decode(&blob, input, output).unwrap(), content, "level {level}");
        }
    }
}

#[test]
fn members_know_only_themselves() {
    let blob = [gzip(b"", 6), gzip(&text(90_000), 6), gzip(b"", 0), gzip(&text(50), 9), gzip(b"", 1)].concat();
    let content = [text(90_000), text(50)].concat();
    for (input, output) in [(1, 65536), (7, 333), (1 << 20, 1 << 20)] {
        assert_eq!(decode(&blob, input, output).unwrap(), content);
    }
}

#[test]
fn fields_of_the_header() {
    let names = || GzBuilder::new().filename("name").comment("comment").extra(vec![7; 300]).mtime(9);
    let mut encoder = names().write(Vec::new(), Compression::default());
    encoder.write_all(b"content").unwrap();
    let blob = encoder.finish().unwrap();
    assert_eq!(decode(&blob, 1, 10).unwrap(), b"content");

    // With a checksum of the header (RFC 1952, section 2.3.1).
    let end = blob.windows(8).position(|bytes| bytes == b"comment\0").unwrap() + 8;
    let mut header = blob[..end].to_vec();
    header[3] |= 2;
    let sum = crc32fast::hash(&header) as u16;
    let with = |sum: u16| [&header[..], &sum.to_le_bytes(), &blob[end..]].concat();
    assert_eq!(decode(&with(sum), 3, 10).unwrap(), b"content");
    assert_eq!(super::refused(&with(sum ^ 0x100)).to_string(), "invalid gzip header: wrong checksum");
}

#[test]
fn padding_and_no_padding() {
    let blob = gzip(b"content", 6);
    assert_eq!(decode(&[&blob[..], &[0; 2000]].concat(), 7, 100).unwrap(), b"content");
    let error = super::refused(&[&blob[..], &[0; 2000], b"\x1f\x8b"].concat());
    assert_eq!(error.to_string(), "garbage after the last member");
}

#[test]
fn an_error_of_the_input_is_passed_on() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(5))
        }
    }
    let blob = gzip(&noise(9000), 6);
    let input = std::io::Read::chain(&blob[..5000], std::io::BufReader::new(Broken));
    let mut gunzip = super::Gunzip::new(input);
    let mut out = vec![0; 65536];
    assert_eq!(gunzip.decode(&mut out, 0).unwrap_err().raw_os_error(), Some(5));
    gunzip.decode(&mut out, 0).unwrap_err();
}
