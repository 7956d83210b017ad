//! Streams that break the format, each in one way, made bit by bit.

use super::{decode, gzip, reference, refused};

/// Bits, the first one lowest (RFC 1951, section 3.1.1).
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    bits: usize,
}

impl Writer {
    fn bits(mut self, value: u32, count: usize) -> Self {
        for at in 0..count {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> at & 1) as u8) << (self.bits % 8);
            self.bits += 1;
        }
        self
    }

    /// A code: its first bit is its highest.
    fn code(self, code: u32, count: usize) -> Self {
        self.bits(code.reverse_bits() >> (32 - count), count)
    }

    /// The start of the last block, of this type.
    fn block(kind: u32) -> Self {
        Self::default().bits(1, 1).bits(kind, 2)
    }

    /// The start of a block with codes of its own. The code of the lengths has the symbols 0, 1, 2 and 18, of two bits
    /// each: 0, 1, 2 and 3.
    fn dynamic(litlen: u32, distance: u32) -> Self {
        let writer = Self::block(2).bits(litlen - 257, 5).bits(distance - 1, 5).bits(18 - 4, 4);
        // 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1
        [0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2].iter().fold(writer, |writer, &bits| writer.bits(bits, 3))
    }

    /// Lengths of codes, after [`dynamic`](Self::dynamic).
    fn lengths(self, lengths: &[u32]) -> Self {
        lengths.iter().fold(self, |writer, &length| writer.code(length, 2))
    }

    /// As many lengths of zero.
    fn zeros(self, mut count: u32) -> Self {
        let mut writer = self;
        while count >= 11 {
            let run = count.min(138);
            writer = writer.code(3, 2).bits(run - 11, 7);
            count -= run;
        }
        (0..count).fold(writer, |writer, _| writer.code(0, 2))
    }

    /// A literal of the fixed code.
    fn fixed(self, byte: u8) -> Self {
        assert!(byte < 144);
        self.code(0x30 + u32::from(byte), 8)
    }

    /// The stream of one member with this content.
    fn member(self, content: &[u8]) -> Vec<u8> {
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let sums = [crc32fast::hash(content).to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        [&header[..], &self.bytes, &sums].concat()
    }
}

/// The same error with the block alone and with room for the fast loop behind it.
fn refused_as(writer: Writer, message: &str) {
    let blob = writer.member(b"");
    assert_eq!(refused(&blob).to_string(), message);
    assert_eq!(refused(&[&blob[..], &[0x55; 600]].concat()).to_string(), message);
}

fn accepted(blob: &[u8], content: &[u8]) {
    assert_eq!(reference(blob).unwrap(), content);
    assert_eq!(decode(blob, 1, 1).unwrap(), content);
    assert_eq!(decode(blob, 1 << 20, 1 << 20).unwrap(), content);
}

#[test]
fn headers_of_members() {
    let good = gzip(b"content", 6);
    let changed = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        refused(&bad).to_string()
    };
    assert_eq!(changed(0, 0x1e), "invalid gzip header: no magic number");
    assert_eq!(changed(1, 0x8c), "invalid gzip header: no magic number");
    assert_eq!(changed(2, 7), "invalid gzip header: unknown compression method");
    for flag in 5..8 {
        assert_eq!(changed(3, 1 << flag), "invalid gzip header: reserved flags");
    }
    assert_eq!(changed(good.len() - 6, 0), "wrong checksum");
    assert_eq!(changed(good.len() - 2, 1), "wrong length");
}

#[test]
fn blocks() {
    refused_as(Writer::block(3), "invalid block type");
    refused_as(Writer::block(0).bits(0, 5).bits(1, 16).bits(0xffff, 16), "invalid length of a stored block");
    accepted(&Writer::block(0).bits(0, 5).bits(1, 16).bits(0xfffe, 16).bits(7, 8).member(&[7]), &[7]);
    accepted(&Writer::block(0).bits(0, 5).bits(0, 16).bits(0xffff, 16).member(b""), b"");
    accepted(&Writer::block(1).code(0, 7).member(b""), b"");
}

#[test]
fn symbols_of_the_fixed_codes_that_stand_for_nothing() {
    for code in [0xc6, 0xc7] {
        refused_as(Writer::block(1).fixed(1).code(code, 8), "invalid literal/length code");
    }
    for code in [30, 31] {
        refused_as(Writer::block(1).fixed(1).code(1, 7).code(code, 5), "invalid distance code");
    }
}

#[test]
fn distances_in_front_of_the_member() {
    // A length of 3 with a distance of 1 and of 2.
    let one = |writer: Writer| writer.code(1, 7).code(0, 5).code(0, 7);
    let two = |writer: Writer| writer.code(1, 7).code(1, 5).code(0, 7);
    refused_as(one(Writer::block(1)), "invalid distance: too far back");
    accepted(&one(Writer::block(1).fixed(1)).member(&[1; 4]), &[1; 4]);
    refused_as(two(Writer::block(1).fixed(1)), "invalid distance: too far back");
    // What another member left in the window is none of its own.
    let second = [gzip(&[9; 700], 6), two(Writer::block(1).fixed(1)).member(&[1; 4]), vec![0; 600]].concat();
    assert_eq!(refused(&second).to_string(), "invalid distance: too far back");
}

#[test]
fn numbers_of_codes() {
    let start = |litlen, distance| Writer::block(2).bits(litlen, 5).bits(distance, 5).bits(0, 4);
    for (litlen, distance) in [(30, 0), (31, 0), (0, 30), (0, 31)] {
        refused_as(start(litlen, distance), "too many length or distance codes");
    }
}

#[test]
fn codes_of_code_lengths() {
    let given = |lengths: [u32; 4]| {
        let writer = Writer::block(2).bits(0, 5).bits(0, 5).bits(0, 4);
        lengths.into_iter().fold(writer, |writer, length| writer.bits(length, 3))
    };
    for lengths in [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 2], [1, 1, 1, 0], [7, 7, 7, 7]] {
        refused_as(given(lengths), "invalid codes of code lengths");
    }
    // 16 with nothing to repeat.
    refused_as(given([1, 1, 0, 0]).code(0, 1).bits(0, 2), "invalid repeat of a code length");
    // 18 beyond the last length.
    let beyond = given([0, 0, 1, 1]).code(0, 1);
    let beyond = (0..3).fold(beyond, |writer, _| writer.code(1, 1).bits(127, 7));
    refused_as(beyond, "invalid repeat of a code length");
}

#[test]
fn codes() {
    let dynamic = || Writer::dynamic(257, 1);
    refused_as(dynamic().lengths(&[1, 1]).zeros(254).lengths(&[0, 0]), "a block without an end-of-block code");
    refused_as(dynamic().zeros(256).lengths(&[2, 0]), "invalid literal/length codes");
    refused_as(dynamic().lengths(&[2]).zeros(255).lengths(&[2, 0]), "invalid literal/length codes");
    refused_as(dynamic().lengths(&[1, 1]).zeros(254).lengths(&[1, 0]), "invalid literal/length codes");
    // One code of two bits for the distances, and three of one.
    refused_as(dynamic().lengths(&[1]).zeros(255).lengths(&[1, 2]), "invalid distance codes");
    refused_as(Writer::dynamic(257, 3).lengths(&[1]).zeros(255).lengths(&[1, 1, 1, 1]), "invalid distance codes");
}

#[test]
fn incomplete_codes_that_are_allowed() {
    // The end of the block alone, of one bit; the other bit stands for nothing.
    let end = || Writer::dynamic(257, 1).zeros(256).lengths(&[1, 0]);
    accepted(&end().code(0, 1).member(b""), b"");
    refused_as(end().code(1, 1), "invalid literal/length code");

    // Literal 0 has the code 0, the end 10 and length 3 the code 11.
    let codes = |distance: u32| Writer::dynamic(258, 1).lengths(&[1]).zeros(255).lengths(&[2, 2, distance]);
    // One distance of one bit.
    accepted(&codes(1).code(0, 1).code(3, 2).code(0, 1).code(2, 2).member(&[0; 4]), &[0; 4]);
    refused_as(codes(1).code(0, 1).code(3, 2).code(1, 1), "invalid distance code");
    // No distances: allowed while there are no matches.
    accepted(&codes(0).code(0, 1).code(2, 2).member(&[0]), &[0]);
    refused_as(codes(0).code(0, 1).code(3, 2).code(0, 1), "invalid distance code");
}

#[test]
fn every_truncation() {
    let content: Vec<u8> = (0..300_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    for level in [0, 1, 9] {
        let blob = gzip(&content, level);
        for cut in 0..blob.len() {
            assert_eq!(refused(&blob[..cut]).kind(), std::io::ErrorKind::UnexpectedEof, "level {level}, cut at {cut}");
        }
    }
    // Of two members, except between them.
    let (one, two) = (gzip(b"one", 6), gzip(b"two", 6));
    let both = [&one[..], &two[..]].concat();
    for cut in (0..both.len()).filter(|&cut| cut != one.len()) {
        refused(&both[..cut]);
    }
}
