//! Tables that decode the Huffman codes of a block (RFC 1951, section 3.2) with one look-up, or two for long codes.
//!
//! An entry says everything about a symbol, so that a symbol is decoded without looking at another table:
//!
//! | bits | a literal | a length or distance | a pointer to a second table |
//! |---|---|---|---|
//! | 0-7 | bits of the code | bits of the code and the extra bits | the bits of the first table |
//! | 8-11 | the same | bits of the code | bits of the second table |
//! | 12-15 | [`LITERAL`] | none | [`EXCEPTION`] and [`POINTER`] |
//! | 16-31 | the byte | what the extra bits are added to | where the second table starts |
//!
//! [`EXCEPTION`] with [`END`] is the end of the block, and alone it is a code that stands for nothing.

use std::sync::LazyLock;

/// A byte of output.
pub(super) const LITERAL: u32 = 1 << 15;
/// Neither a literal nor a length nor a distance.
pub(super) const EXCEPTION: u32 = 1 << 14;
/// The code goes on in a second table.
pub(super) const POINTER: u32 = 1 << 13;
/// The end of the block.
pub(super) const END: u32 = 1 << 12;

/// Bits that the first table of literals and lengths decodes.
pub(super) const LITLEN_BITS: u32 = 11;
/// Bits that the first table of distances decodes.
pub(super) const DISTANCE_BITS: u32 = 8;

/// At most 2342 entries are used, whatever the code; powers of two let a mask stand for the bounds check.
const LITLEN_ENTRIES: usize = 4096;
/// At most 402 entries are used.
const DISTANCE_ENTRIES: usize = 512;

/// The longest code.
const MAX_BITS: usize = 15;
/// A code that stands for nothing.
const INVALID: u32 = EXCEPTION | 1;
/// The symbol of the end of a block.
const END_SYMBOL: usize = 256;

/// The entries of literals and lengths without their codes.
static LITLEN: [u32; 288] = litlen_symbols();
/// The entries of distances without their codes.
static DISTANCE: [u32; 32] = distance_symbols();

/// The codes of blocks without codes of their own (RFC 1951, section 3.2.6).
pub(super) static FIXED: LazyLock<Box<Tables>> = LazyLock::new(|| {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    let mut tables = Tables::new();
    // These codes are complete.
    let _ = tables.set(&lengths, &[5; 32]);
    tables
});

/// The two codes of a block.
pub(super) struct Tables {
    litlen: [u32; LITLEN_ENTRIES],
    distance: [u32; DISTANCE_ENTRIES],
}

impl Tables {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self { litlen: [INVALID; LITLEN_ENTRIES], distance: [INVALID; DISTANCE_ENTRIES] })
    }

    /// Builds both from the lengths of the codes.
    pub(super) fn set(&mut self, litlen: &[u8], distance: &[u8]) -> Result<(), &'static str> {
        if litlen.get(END_SYMBOL).is_none_or(|&length| length == 0) {
            return Err("a block without an end-of-block code");
        }
        build(&mut self.litlen, LITLEN_BITS, litlen, &LITLEN).ok_or("invalid literal/length codes")?;
        build(&mut self.distance, DISTANCE_BITS, distance, &DISTANCE).ok_or("invalid distance codes")
    }

    /// The entry for the next bits.
    #[inline]
    pub(super) fn litlen(&self, bits: u64) -> u32 {
        self.litlen[bits as usize & ((1 << LITLEN_BITS) - 1)]
    }

    /// The entry in the second table that `pointer` names. `bits` are those behind the bits of the first table.
    #[inline]
    pub(super) fn long_litlen(&self, pointer: u32, bits: u64) -> u32 {
        self.litlen[second(pointer, bits) & (LITLEN_ENTRIES - 1)]
    }

    /// The entry for the next bits.
    #[inline]
    pub(super) fn distance(&self, bits: u64) -> u32 {
        self.distance[bits as usize & ((1 << DISTANCE_BITS) - 1)]
    }

    /// The entry in the second table that `pointer` names. `bits` are those behind the bits of the first table.
    #[inline]
    pub(super) fn long_distance(&self, pointer: u32, bits: u64) -> u32 {
        self.distance[second(pointer, bits) & (DISTANCE_ENTRIES - 1)]
    }
}

#[inline]
fn second(pointer: u32, bits: u64) -> usize {
    (pointer >> 16) as usize + (bits as usize & ((1 << (pointer >> 8 & 15)) - 1))
}

/// The length or distance that an entry and the bits from the start of its code make.
#[inline]
pub(super) fn value(entry: u32, bits: u64) -> usize {
    let extra = bits & ((1_u64 << (entry & 63)) - 1);
    (entry >> 16) as usize + (extra >> (entry >> 8 & 15)) as usize
}

const fn litlen_symbols() -> [u32; 288] {
    let mut symbols = [INVALID; 288];
    let mut symbol = 0;
    while symbol < 256 {
        symbols[symbol] = LITERAL | (symbol as u32) << 16;
        symbol += 1;
    }
    symbols[END_SYMBOL] = EXCEPTION | END;
    let mut base = 3;
    while symbol < 284 {
        symbol += 1;
        let extra = if symbol < 265 { 0 } else { (symbol as u32 - 261) / 4 };
        symbols[symbol] = base << 16 | extra;
        base += 1 << extra;
    }
    symbols[285] = 258 << 16;
    symbols
}

const fn distance_symbols() -> [u32; 32] {
    let mut symbols = [INVALID; 32];
    let mut symbol = 0;
    let mut base = 1;
    while symbol < 30 {
        let extra = if symbol < 2 { 0 } else { symbol as u32 / 2 - 1 };
        symbols[symbol] = base << 16 | extra;
        base += 1 << extra;
        symbol += 1;
    }
    symbols
}

/// How many codes have each length, if these lengths are those of a code (RFC 1951, section 3.2.2). As in zlib a code
/// may be incomplete only when it is one code of one bit, or none.
pub(super) fn count(lengths: &[u8]) -> Option<[u16; MAX_BITS + 1]> {
    let mut counts = [0_u16; MAX_BITS + 1];
    for &length in lengths {
        counts[usize::from(length) & MAX_BITS] += 1;
    }
    counts[0] = 0;
    let used: u32 = counts.iter().enumerate().map(|(length, &count)| u32::from(count) << (MAX_BITS - length)).sum();
    let single = used == 0 || used == 1 << (MAX_BITS - 1) && counts[1] == 1;
    (used == 1 << MAX_BITS || single).then_some(counts)
}

/// Where the symbols of each length start when they are sorted by the lengths of their codes.
pub(super) fn offsets(counts: &[u16; MAX_BITS + 1]) -> [u16; MAX_BITS + 1] {
    let mut offsets = [0; MAX_BITS + 1];
    for length in 1..MAX_BITS {
        offsets[length + 1] = offsets[length] + counts[length];
    }
    offsets
}

/// The code that follows, of `bits` bits. Codes are held with their first bit lowest, as they are read.
pub(super) fn next_code(code: usize, bits: usize) -> usize {
    let zeros = code ^ ((1 << bits) - 1);
    if zeros == 0 {
        return 0;
    }
    let top = 1 << zeros.ilog2();
    code & (top - 1) | top
}

/// Fills a table for the code of these lengths.
fn build(table: &mut [u32], first_bits: u32, lengths: &[u8], symbols: &[u32]) -> Option<()> {
    let counts = count(lengths)?;
    let first = first_bits as usize;
    let mut offsets = offsets(&counts);
    let mut sorted = [0_u32; 288];
    for (&length, &symbol) in lengths.iter().zip(symbols) {
        if length != 0 {
            let offset = &mut offsets[usize::from(length) & MAX_BITS];
            sorted[usize::from(*offset)] = symbol;
            *offset += 1;
        }
    }
    let mut sorted = sorted.iter();
    let mut code = 0;
    // The part that is filled grows with the length of the codes: what is there repeats behind itself.
    let mut filled = 1;
    table[0] = INVALID;
    for (length, &codes) in counts.iter().enumerate().skip(1).take(first) {
        table.copy_within(..filled, filled);
        filled *= 2;
        for &symbol in sorted.by_ref().take(codes.into()) {
            table[code] = coded(symbol, length);
            code = next_code(code, length);
        }
    }
    let mut end = filled;
    let mut start = end;
    let mut prefix = usize::MAX;
    for length in first + 1..=MAX_BITS {
        for (at, &symbol) in sorted.by_ref().take(counts[length].into()).enumerate() {
            if code & (filled - 1) != prefix {
                prefix = code & (filled - 1);
                start = end;
                let mut second_bits = length - first;
                let mut codes = usize::from(counts[length]) - at;
                while codes < 1 << second_bits && first + second_bits < MAX_BITS {
                    second_bits += 1;
                    codes = 2 * codes + usize::from(counts[first + second_bits]);
                }
                end += 1 << second_bits;
                table[prefix] = (start as u32) << 16 | EXCEPTION | POINTER | (second_bits as u32) << 8 | first_bits;
            }
            let entry = coded(symbol, length - first);
            for slot in table[start..end].iter_mut().skip(code >> first).step_by(1 << (length - first)) {
                *slot = entry;
            }
            code = next_code(code, length);
        }
    }
    Some(())
}

/// The entry of a symbol whose code has `length` bits left.
#[inline]
fn coded(symbol: u32, length: usize) -> u32 {
    // The low bits of a symbol are the number of its extra bits.
    symbol + (length as u32) * 0x101
}
