//! The symbols of a block: fast where there is room, and one by one near the ends of the input and the output at hand.

use std::io::{self, BufRead};

use super::bits::{Bits, invalid};
use super::fast::{self, Run};
use super::tables::{DISTANCE_BITS, END, EXCEPTION, FIXED, LITERAL, LITLEN_BITS, POINTER, Tables, value};
use super::{Gunzip, Output, SUMMED, State};

/// What comes next in a block.
enum Symbol {
    Literal(u8),
    Match { distance: usize, length: usize },
    End,
}

impl<R: BufRead> Gunzip<R> {
    /// Decodes symbols until the block or the output ends, a match is left over, or there is something to be summed.
    pub(super) fn symbols(&mut self, output: &mut Output<'_>, fixed: bool) -> io::Result<()> {
        let tables = if fixed { &**FIXED } else { &*self.tables };
        while output.at < output.out.len() && output.at - output.summed < SUMMED {
            let summed = usize::try_from(self.produced).unwrap_or(usize::MAX);
            let reach = output.at.min(summed.saturating_add(output.at - output.summed));
            if output.out.len() - output.at > fast::ROOM && run(&mut self.input, tables, output, reach)? {
                self.end_block();
                return Ok(());
            }
            // The fast loop may have gone on, up to where it had no more room or input.
            let reach = reach.max(output.at.min(summed.saturating_add(output.at - output.summed)));
            match symbol(&mut self.input, tables)? {
                Symbol::Literal(byte) => {
                    output.out[output.at] = byte;
                    output.at += 1;
                }
                Symbol::Match { distance, .. } if distance > reach => {
                    return Err(invalid(fast::TOO_FAR));
                }
                Symbol::Match { distance, length } => {
                    self.copy(output, fixed, distance, length);
                    return Ok(());
                }
                Symbol::End => {
                    self.end_block();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Copies a match, or as much of it as there is room for.
    pub(super) fn copy(&mut self, output: &mut Output<'_>, fixed: bool, distance: usize, length: usize) {
        let end = output.out.len().min(output.at + length);
        let left = output.at + length - end;
        for at in output.at..end {
            output.out[at] = output.out[at - distance];
        }
        output.at = end;
        self.state = match left {
            0 => State::Symbols { fixed },
            length => State::Match { fixed, distance, length },
        };
    }
}

/// Runs the fast loop if there is enough input at hand; whether the block ended. `reach` bytes in front of the output
/// may be copied from.
fn run<R: BufRead>(input: &mut Bits<R>, tables: &Tables, output: &mut Output<'_>, reach: usize) -> io::Result<bool> {
    let (bits, count) = (input.word, input.count);
    let slice = input.slice()?;
    if slice.len() < fast::INPUT {
        return Ok(false);
    }
    let start = output.at - reach;
    let end = output.out.len().min(output.at + SUMMED + fast::ROOM);
    let run = Run { input: slice, out: &mut output.out[start..end], at: reach, bits, count };
    let stop = fast::decode(tables, run).map_err(invalid)?;
    output.at = start + stop.at;
    (input.word, input.count) = (stop.bits, stop.count);
    input.consume(stop.taken);
    Ok(stop.ended)
}

/// Decodes one symbol.
fn symbol<R: BufRead>(input: &mut Bits<R>, tables: &Tables) -> io::Result<Symbol> {
    // The longest length and distance take 48 bits.
    input.fill()?;
    let mut bits = input.word;
    let mut used = 0;
    let mut entry = tables.litlen(bits);
    if entry & POINTER != 0 {
        used = LITLEN_BITS;
        bits = input.word >> used;
        entry = tables.long_litlen(entry, bits);
    }
    used += entry & 0xff;
    if entry & LITERAL != 0 {
        input.need(used)?;
        input.drop(used);
        return Ok(Symbol::Literal((entry >> 16) as u8));
    }
    if entry & EXCEPTION != 0 {
        if entry & END == 0 {
            return Err(invalid(fast::NO_LITLEN));
        }
        input.need(used)?;
        input.drop(used);
        return Ok(Symbol::End);
    }
    let length = value(entry, bits);
    bits = input.word >> used;
    let mut entry = tables.distance(bits);
    if entry & POINTER != 0 {
        used += DISTANCE_BITS;
        bits = input.word >> used;
        entry = tables.long_distance(entry, bits);
    }
    if entry & EXCEPTION != 0 {
        return Err(invalid(fast::NO_DISTANCE));
    }
    used += entry & 0xff;
    input.need(used)?;
    input.drop(used);
    Ok(Symbol::Match { distance: value(entry, bits), length })
}
