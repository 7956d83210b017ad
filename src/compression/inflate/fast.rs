//! The loop that decodes nearly everything. It runs while there is so much input, and so much room in the output, that
//! neither has to be looked at for every symbol.

use super::tables::{END, EXCEPTION, LITERAL, PAIR, POINTER, Tables, value};

/// Bytes of input that one round may look at.
pub(super) const INPUT: usize = 32;
/// Room that one round may write to: literals, the longest match, and what copies overrun.
pub(super) const ROOM: usize = 320;

/// A code that stands for nothing.
pub(super) const NO_LITLEN: &str = "invalid literal/length code";
/// A code that stands for nothing.
pub(super) const NO_DISTANCE: &str = "invalid distance code";
/// A match that starts in front of its member.
pub(super) const TOO_FAR: &str = "invalid distance: too far back";

/// What the loop works on.
pub(super) struct Run<'a> {
    /// The slice of the input at hand.
    pub(super) input: &'a [u8],
    /// The output from the start of the member or of the window on.
    pub(super) out: &'a mut [u8],
    /// Where the next byte of the output goes. Bytes behind may be overwritten with anything.
    pub(super) at: usize,
    /// The bits in front of the slice.
    pub(super) bits: u64,
    /// How many there are.
    pub(super) count: u32,
}

/// How far the loop came.
pub(super) struct Stop {
    /// How many bytes of the slice were taken.
    pub(super) taken: usize,
    /// Where the next byte of the output goes.
    pub(super) at: usize,
    pub(super) bits: u64,
    pub(super) count: u32,
    /// Whether it was the end of the block that stopped it.
    pub(super) ended: bool,
}

/// Decodes symbols. A function of its own, so that it has all registers.
#[inline(never)]
pub(super) fn decode(tables: &Tables, run: Run<'_>) -> Result<Stop, &'static str> {
    let Run { input, out, mut at, mut bits, mut count } = run;
    let mut rest = input;
    let mut ended = false;

    // Only the low byte of `count` is true: entries are subtracted from it as they are.
    macro_rules! refill {
        ($chunk:expr) => {
            bits |= word($chunk) << (count & 63);
            rest = &rest[7 - (count >> 3 & 7) as usize..];
            count |= 56;
        };
    }
    macro_rules! consume {
        ($entry:ident) => {
            bits >>= $entry & 63;
            count = count.wrapping_sub($entry);
        };
    }
    macro_rules! literal {
        ($entry:ident) => {
            out[at..at + 2].copy_from_slice(&(($entry >> 16) as u16).to_le_bytes());
            at += 1 + ($entry / PAIR & 1) as usize;
        };
    }

    if rest.len() < INPUT {
        return Ok(Stop { taken: 0, at, bits, count, ended });
    }
    refill!(rest);
    let mut entry = tables.litlen(bits);
    while rest.len() >= INPUT && out.len().wrapping_sub(at) > ROOM {
        let mut start = bits;
        consume!(entry);
        if entry & LITERAL != 0 {
            literal!(entry);
            entry = tables.litlen(bits);
            start = bits;
            consume!(entry);
            if entry & LITERAL != 0 {
                literal!(entry);
                entry = tables.litlen(bits);
                start = bits;
                consume!(entry);
                if entry & LITERAL != 0 {
                    literal!(entry);
                    entry = tables.litlen(bits);
                    refill!(rest);
                    continue;
                }
            }
        }
        if entry & EXCEPTION != 0 {
            if entry & POINTER != 0 {
                entry = tables.long_litlen(entry, bits);
                start = bits;
                consume!(entry);
                if entry & LITERAL != 0 {
                    literal!(entry);
                    entry = tables.litlen(bits);
                    refill!(rest);
                    continue;
                }
            }
            if entry & EXCEPTION != 0 {
                if entry & END == 0 {
                    return Err(NO_LITLEN);
                }
                ended = true;
                break;
            }
        }
        let length = value(entry, start);

        entry = tables.distance(bits);
        refill!(rest);
        start = bits;
        consume!(entry);
        if entry & EXCEPTION != 0 {
            if entry & POINTER != 0 {
                entry = tables.long_distance(entry, bits);
                start = bits;
                consume!(entry);
            }
            if entry & EXCEPTION != 0 {
                return Err(NO_DISTANCE);
            }
        }
        let distance = value(entry, start);
        if distance > at {
            return Err(TOO_FAR);
        }
        // The look-up goes on while the match is copied.
        entry = tables.litlen(bits);
        refill!(rest);
        copy(out, at, distance, length);
        at += length;
    }
    let count = count & 63;
    Ok(Stop { taken: input.len() - rest.len(), at, bits: bits & ((1 << count) - 1), count, ended })
}

#[inline]
fn word(input: &[u8]) -> u64 {
    input.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// Copies a match. It may overrun the end of the match by 32 bytes.
#[inline]
fn copy(out: &mut [u8], at: usize, distance: usize, length: usize) {
    let from = at - distance;
    if distance >= 16 {
        copy_chunk::<16>(out, from, at);
        copy_chunk::<16>(out, from + 16, at + 16);
        let mut done = 32;
        while done < length {
            copy_chunk::<16>(out, from + done, at + done);
            copy_chunk::<16>(out, from + done + 16, at + done + 16);
            done += 32;
        }
    } else {
        copy_near(out, at, distance, length);
    }
}

#[inline]
fn copy_chunk<const N: usize>(out: &mut [u8], from: usize, to: usize) {
    let mut chunk = [0; N];
    chunk.copy_from_slice(&out[from..from + N]);
    out[to..to + N].copy_from_slice(&chunk);
}

/// The largest multiple of each distance within 8 bytes.
const STEPS: [usize; 8] = [8, 8, 8, 6, 8, 5, 6, 7];

/// Copies a match that overlaps itself within 16 bytes: what is there is repeated in a register, so that no copy has to
/// wait for the one before.
#[inline]
fn copy_near(out: &mut [u8], at: usize, distance: usize, length: usize) {
    let out = &mut out[at - distance..at + length + 16];
    let mut done = 0;
    if distance == 1 {
        let chunk = [out[0]; 16];
        while done < length {
            out[1 + done..17 + done].copy_from_slice(&chunk);
            done += 16;
        }
        return;
    }
    if distance >= 8 {
        while done < length {
            copy_chunk::<8>(out, done, done + distance);
            done += 8;
        }
        return;
    }
    let mut pattern = word(out) & ((1 << (8 * distance)) - 1);
    pattern |= pattern << (8 * distance);
    if distance < 4 {
        pattern |= pattern << (16 * distance);
    }
    let step = STEPS[distance & 7];
    while done < length {
        out[distance + done..distance + done + 8].copy_from_slice(&pattern.to_le_bytes());
        done += step;
    }
}
