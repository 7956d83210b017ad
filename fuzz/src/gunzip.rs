//! gzip: our decoder against another one.

use std::io::{self, Read};

use flate2::Crc;
use flate2::bufread::{DeflateDecoder, GzDecoder};

/// Beyond this much output nothing is compared.
const MOST: u64 = 1 << 20;

/// Bytes of a member's header without fields.
const HEADER: usize = 10;

/// Decodes the input as it is, and again with the sums of its first member put right: what changes bytes at random would
/// else hardly ever be accepted.
pub fn gunzip(input: &[u8]) {
    agree(input);
    if let Some(repaired) = repair(input) {
        agree(&repaired);
    }
}

/// Both accept the stream, with the same output, or neither does.
fn agree(blob: &[u8]) {
    let Ok(expected) = reference(blob) else {
        for (input, output) in [(1 << 16, 1 << 16), (13, 301)] {
            assert!(rootlay::fuzzing::gunzip(blob, input, output).is_err(), "accepted by us alone");
        }
        return;
    };
    if expected.len() as u64 >= MOST {
        return;
    }
    // Pieces of one byte only where the window is not copied for too many of them.
    let small = if expected.len() < 600 { 1 } else { 301 };
    for (input, output) in [(1 << 16, 1 << 16), (13, 301), (1, small)] {
        let plain = rootlay::fuzzing::gunzip(blob, input, output).expect("refused by us alone");
        assert!(plain == expected, "other output");
    }
}

/// The output of the other decoder, or its start, with our rules for what follows a member.
fn reference(blob: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut left = blob;
    loop {
        let mut decoder = GzDecoder::new(left);
        (&mut decoder).take(MOST).read_to_end(&mut plain)?;
        if plain.len() as u64 >= MOST {
            return Ok(plain);
        }
        left = decoder.into_inner();
        match left {
            [] => return Ok(plain),
            [0, ..] if left.iter().all(|&byte| byte == 0) => return Ok(plain),
            [0, ..] => return Err(io::ErrorKind::InvalidData.into()),
            _ => {}
        }
    }
}

/// The same stream with a header without fields and right sums, if its first member can be decoded at all.
fn repair(input: &[u8]) -> Option<Vec<u8>> {
    let deflated = input.get(HEADER..)?;
    let mut plain = Vec::new();
    let mut decoder = DeflateDecoder::new(deflated);
    (&mut decoder).take(MOST).read_to_end(&mut plain).ok()?;
    if plain.len() as u64 >= MOST {
        return None;
    }
    let (deflated, rest) = deflated.split_at(usize::try_from(decoder.total_in()).ok()?);
    let mut sum = Crc::new();
    sum.update(&plain);
    let header: [u8; HEADER] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let sums = [sum.sum().to_le_bytes(), sum.amount().to_le_bytes()].concat();
    Some([&header, deflated, &sums, rest.get(sums.len()..).unwrap_or_default()].concat())
}
