//! Archives of images: whatever they say, their images are made of their own members.

use std::fs;

use overlay_tests::fixture::{END_OF_ARCHIVE, Format, encode_entry, file, hardlink, sha256_hex, symlink};
use rootlay::oci::Reference;

use crate::DOOR;

/// Most members of one archive: digits name them.
const MEMBERS: usize = 10;

/// Content of the host.
const SECRET: &[u8] = b"what only the host has, and no archive";

/// Name and content by turns, with NUL between. `@3` stands for the SHA-256 of the content of the fourth member and `#3`
/// for its length, else no digest would ever fit. A name behind `->` is a symlink and one behind `=>` a hard link, to the
/// content.
fn members(input: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pieces = input.split(|&byte| byte == 0);
    let mut known: Vec<(String, usize)> = Vec::new();
    let mut members = Vec::new();
    while let (Some(name), Some(content), true) = (pieces.next(), pieces.next(), known.len() < MEMBERS) {
        let content = filled(content, &known);
        known.push((sha256_hex(&content), content.len()));
        members.push((filled(name, &known), content));
    }
    members
}

fn filled(text: &[u8], known: &[(String, usize)]) -> Vec<u8> {
    let mut filled = Vec::new();
    let mut rest = text;
    while let [first, more @ ..] = rest {
        rest = more;
        let digit = more.first().filter(|byte| byte.is_ascii_digit()).map(|byte| usize::from(byte - b'0'));
        match (first, digit.and_then(|digit| known.get(digit))) {
            (b'@', Some((digest, _))) => filled.extend_from_slice(digest.as_bytes()),
            (b'#', Some((_, length))) => filled.extend_from_slice(length.to_string().as_bytes()),
            _ => {
                filled.push(*first);
                continue;
            }
        }
        rest = &more[1..];
    }
    filled
}

/// An archive is refused, or has images with as many layers as diff IDs, whose ID is that of their configuration, and
/// nothing of the host is in them.
pub fn archive(input: &[u8]) {
    let temp = tempfile::tempdir().unwrap();
    let (path, scratch) = (temp.path().join("archive"), temp.path().join("scratch"));
    fs::create_dir(&scratch).unwrap();
    fs::write(temp.path().join("canary"), SECRET).unwrap();
    let mut bytes = Vec::new();
    for (name, content) in members(input) {
        let entry = match (name.strip_prefix(b"->"), name.strip_prefix(b"=>")) {
            (Some(name), _) => symlink(name, content),
            (_, Some(name)) => hardlink(name, content),
            _ => file(name, content),
        };
        bytes.extend(encode_entry(&entry, Format::Pax));
    }
    bytes.extend(END_OF_ARCHIVE);
    fs::write(&path, &bytes).unwrap();
    let door = rustix::io::fcntl_dupfd_cloexec(fs::File::open(temp.path()).unwrap(), DOOR).unwrap();
    let images = rootlay::fuzzing::archive(&path, &scratch, bytes.len() as u64);
    drop(door);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "something is left behind");
    for image in images.into_iter().flatten() {
        assert_eq!(image.layers.len(), image.diff_ids);
        assert_eq!(image.id.to_string(), format!("sha256:{}", sha256_hex(&image.config)));
        for layer in image.layers {
            assert!(!layer.windows(SECRET.len()).any(|piece| piece == SECRET), "content of the host");
        }
        for name in image.names {
            assert_eq!(name.canonical().parse::<Reference>().ok(), Some(name));
        }
    }
}
