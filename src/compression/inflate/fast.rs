//! The loop that decodes nearly everything. It runs while there is so much input, and so much room in the output, that
//! neither has to be looked at for every symbol.

use super::tables::{END, EXCEPTION, LITERAL, POINTER, Tables, value};

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
        ($entry:ident, $room:ident, $literals:ident) => {
            $room[$literals] = ($entry >> 16) as u8;
            $literals += 1;
        };
    }

    if rest.len() < INPUT {
        return Ok(Stop { taken: 0, at, bits, count, ended });
    }
    refill!(rest);
    let mut entry = tables.litlen(bits);
    while rest.len() >= INPUT {
        // Of a fixed size, so that the compiler knows that literals are within.
        let Some(room) = out.get_mut(at..).and_then(|room| room.first_chunk_mut::<ROOM>()) else { break };
        let mut literals = 0;
        let mut start = bits;
        consume!(entry);
        if entry & LITERAL != 0 {
            literal!(entry, room, literals);
            entry = tables.litlen(bits);
            start = bits;
            consume!(entry);
            if entry & LITERAL != 0 {
                literal!(entry, room, literals);
                entry = tables.litlen(bits);
                start = bits;
                consume!(entry);
                if entry & LITERAL != 0 {
                    literal!(entry, room, literals);
                    at += literals;
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
                    literal!(entry, room, literals);
                    at += literals;
                    entry = tables.litlen(bits);
                    refill!(rest);
                    continue;
                }
            }
            if entry & EXCEPTION != 0 {
                if entry & END == 0 {
                    return Err(NO_LITLEN);
                }
                at += literals;
                ended = true;
                break;
            }
        }
        at += literals;
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
    let (past, room) = out.split_at_mut(at);
    // The usual match is copied at once, without a loop.
    if let (Some(chunk), Some(place)) = (past[from..].first_chunk::<32>(), room.first_chunk_mut::<32>()) {
        *place = *chunk;
        if length > 32 {
            copy_far(out, at, distance, length);
        }
    } else {
        copy_near(out, at, distance, length);
    }
}

/// Copies what is behind the first 32 bytes of a match.
#[inline]
fn copy_far(out: &mut [u8], at: usize, distance: usize, length: usize) {
    let out = &mut out[at - distance..at + length + 32];
    let mut done = 32;
    while done < length {
        copy_chunk::<16>(out, done, done + distance);
        copy_chunk::<16>(out, done + 16, done + distance + 16);
        done += 32;
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

/// Copies a match that overlaps itself soon. Within 8 bytes what is there is repeated in a register, so that no copy waits
/// for the one before.
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
    if distance >= 16 {
        while done < length {
            copy_chunk::<16>(out, done, done + distance);
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
