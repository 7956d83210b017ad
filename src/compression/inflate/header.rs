//! What stands around the compressed bytes: headers of members (RFC 1952) and of blocks (RFC 1951, section 3.2.3).

use std::io::{self, BufRead};

use crc32fast::Hasher;

use super::bits::{Bits, invalid};
use super::tables::{Tables, count, next_code, offsets};

/// Flags of a member's header.
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// The order in which the lengths of the codes of lengths come.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// The longest code of a length.
const LENGTH_BITS: usize = 7;
/// The most codes of literals and lengths, and of distances.
const MOST: (usize, usize) = (286, 30);

/// Reads the header of a member.
pub(super) fn member<R: BufRead>(input: &mut Bits<R>) -> io::Result<()> {
    let mut header = Checked { input, hasher: Hasher::new() };
    let start: [u8; 10] = header.bytes()?;
    let flags = start[3];
    if start[..2] != [0x1f, 0x8b] {
        return Err(invalid("invalid gzip header: no magic number"));
    }
    if start[2] != 8 {
        return Err(invalid("invalid gzip header: unknown compression method"));
    }
    if flags & RESERVED != 0 {
        return Err(invalid("invalid gzip header: reserved flags"));
    }
    if flags & FEXTRA != 0 {
        for _ in 0..u16::from_le_bytes(header.bytes()?) {
            header.byte()?;
        }
    }
    for flag in [FNAME, FCOMMENT] {
        if flags & flag != 0 {
            while header.byte()? != 0 {}
        }
    }
    if flags & FHCRC != 0 {
        let sum = header.hasher.clone().finalize();
        if u32::from(u16::from_le_bytes(header.bytes()?)) != sum & 0xffff {
            return Err(invalid("invalid gzip header: wrong checksum"));
        }
    }
    Ok(())
}

/// The bytes of a header and their checksum.
struct Checked<'a, R> {
    input: &'a mut Bits<R>,
    hasher: Hasher,
}

impl<R: BufRead> Checked<'_, R> {
    fn byte(&mut self) -> io::Result<u8> {
        let byte = self.input.take(8)? as u8;
        self.hasher.update(&[byte]);
        Ok(byte)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }
}

/// Reads the codes of a block.
pub(super) fn codes<R: BufRead>(input: &mut Bits<R>, tables: &mut Tables) -> io::Result<()> {
    let litlen = 257 + input.take(5)? as usize;
    let distance = 1 + input.take(5)? as usize;
    let given = 4 + input.take(4)? as usize;
    if litlen > MOST.0 || distance > MOST.1 {
        return Err(invalid("too many length or distance codes"));
    }
    let mut lengths = [0; ORDER.len()];
    for &symbol in &ORDER[..given] {
        lengths[symbol] = input.take(3)? as u8;
    }
    let table = code_lengths(&lengths).ok_or_else(|| invalid("invalid codes of code lengths"))?;

    let mut lengths = [0; MOST.0 + MOST.1];
    let lengths = &mut lengths[..litlen + distance];
    let mut at = 0;
    while at < lengths.len() {
        input.fill()?;
        let [symbol, bits] = table[input.word as usize & (table.len() - 1)];
        input.need(bits.into())?;
        input.drop(bits.into());
        let (length, times) = match symbol {
            16 if at == 0 => return Err(invalid("invalid repeat of a code length")),
            16 => (lengths[at - 1], 3 + input.take(2)?),
            17 => (0, 3 + input.take(3)?),
            18 => (0, 11 + input.take(7)?),
            length => (length, 1),
        };
        let end = at + times as usize;
        lengths.get_mut(at..end).ok_or_else(|| invalid("invalid repeat of a code length"))?.fill(length);
        at = end;
    }
    let (litlen, distance) = lengths.split_at(litlen);
    tables.set(litlen, distance).map_err(invalid)
}

/// For all values of the next bits a symbol and how many bits its code has.
fn code_lengths(lengths: &[u8; ORDER.len()]) -> Option<[[u8; 2]; 1 << LENGTH_BITS]> {
    let counts = count(lengths)?;
    // One code alone would be incomplete, which zlib allows for the other two codes only.
    if counts.iter().sum::<u16>() < 2 {
        return None;
    }
    let mut offsets = offsets(&counts);
    let mut sorted = [[0; 2]; ORDER.len()];
    for (symbol, &length) in (0..).zip(lengths).filter(|&(_, &length)| length != 0) {
        let offset = &mut offsets[usize::from(length)];
        sorted[usize::from(*offset)] = [symbol, length];
        *offset += 1;
    }
    let mut table = [[0; 2]; 1 << LENGTH_BITS];
    let mut code = 0;
    for entry in sorted.into_iter().filter(|&[_, length]| length != 0) {
        let length = usize::from(entry[1]);
        table.iter_mut().skip(code).step_by(1 << length).for_each(|slot| *slot = entry);
        code = next_code(code, length);
    }
    Some(table)
}
