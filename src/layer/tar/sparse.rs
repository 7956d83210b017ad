//! Sparse files: the map of where the data lies (GNU tar manual, "Storing Sparse Files").

use std::io::BufRead;

use super::Entry;
use super::header::{BLOCK, Block, Format};
use super::pax::gnu_number;
use super::reader::Reader;
use crate::error::{Error, Result};

/// One run of data in a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where in the file the run begins.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

/// Most segments that a map may have: a file of 2 GiB of alternating 4 KiB data and holes.
pub const MAX_SEGMENTS: usize = 1 << 18;

/// Checks a map: in order, without overlap, within the file, and as long as the data that is stored.
fn check(map: &mut Vec<Segment>, real_size: u64, stored: u64) -> Result<()> {
    let bad = |why: &str| Err(Error::refused(format!("sparse map: {why}")));
    let (mut end, mut sum) = (0_u64, 0_u64);
    for segment in map.iter() {
        if segment.offset < end {
            return bad("segments overlap or are out of order");
        }
        let Some(next) = segment.offset.checked_add(segment.len) else {
            return bad("number out of range");
        };
        end = next;
        sum += segment.len;
    }
    if end > real_size {
        return bad("a segment lies beyond the end of the file");
    }
    if sum != stored {
        return bad(&format!("expected {sum} bytes of data, got {stored}"));
    }
    map.retain(|segment| segment.len > 0);
    Ok(())
}

/// The map of format 0.1: `offset,length,offset,length…`.
fn parse_list(text: &[u8]) -> Result<Vec<Segment>> {
    let mut numbers = text
        .split(|&byte| byte == b',')
        .map(|digits| parse(digits).ok_or_else(|| Error::refused("GNU.sparse.map: bad number")));
    let mut map = Vec::new();
    if text.is_empty() {
        return Ok(map);
    }
    while let Some(offset) = numbers.next() {
        let len = numbers.next().ok_or_else(|| Error::refused("GNU.sparse.map: odd number of values"))?;
        if map.len() >= MAX_SEGMENTS {
            return Err(Error::refused("GNU.sparse.map: too many segments"));
        }
        map.push(Segment { offset: offset?, len: len? });
    }
    Ok(map)
}

/// A decimal number as the sparse formats write it.
fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|&value: &u64| i64::try_from(value).is_ok())
}

impl<R: BufRead> Reader<R> {
    /// Reads the sparse map where the entry has one (row 97).
    pub(super) fn sparse(&mut self, block: Block<'_>, entry: &mut Entry, stored: u64) -> Result<()> {
        let records = std::mem::take(&mut self.overrides.sparse);
        let version = (records.version.0.as_deref(), records.version.1.as_deref());
        let (mut map, real_size) = if block.type_flag() == b'S' {
            if block.format() != Format::Gnu {
                return Err(Error::refused("sparse entry without the GNU magic"));
            }
            self.gnu_map(block)?
        } else {
            let map = match version {
                (Some(b"1"), Some(b"0")) => self.map_in_data()?,
                (None | Some(b"0"), None | Some(b"0" | b"1")) => match records.map {
                    Some(text) => parse_list(&text)?,
                    None if records.seen || !records.pairs.is_empty() => records.pairs,
                    None => return Ok(()),
                },
                _ => return Err(Error::refused("unknown version of the GNU sparse format")),
            };
            let real_size = records.real_size.ok_or_else(|| Error::refused("sparse entry without its real size"))?;
            (map, real_size)
        };
        if let Some(name) = records.name.filter(|_| block.type_flag() != b'S') {
            entry.file_with_slash = name.ends_with(b"/");
            entry.path = name;
        }
        // Format 1.0 keeps its map in front of the data: what is left is the data.
        let left = if matches!(version, (Some(b"1"), _)) { self.data } else { stored };
        check(&mut map, real_size, left)?;
        entry.size = real_size;
        entry.sparse = Some(map);
        Ok(())
    }

    /// The old GNU format: four pairs in the header, 21 in each extension block after it.
    fn gnu_map(&mut self, block: Block<'_>) -> Result<(Vec<Segment>, u64)> {
        let (pairs, mut more, real_size) = block.gnu_sparse();
        let real_size = gnu_number(real_size)?;
        let mut map = Vec::new();
        push_pairs(&mut map, pairs)?;
        while more {
            let mut raw = [0; BLOCK];
            self.fill(&mut raw)?;
            push_pairs(&mut map, &raw[..504])?;
            more = raw[504] != 0;
        }
        Ok((map, real_size))
    }

    /// PAX format 1.0: decimal lines in whole blocks in front of the data.
    fn map_in_data(&mut self) -> Result<Vec<Segment>> {
        let mut raw = [0; BLOCK];
        let mut line: Vec<u8> = Vec::new();
        let mut numbers: Vec<u64> = Vec::new();
        let mut wanted = 1_usize;
        while numbers.len() < wanted {
            if self.data < BLOCK as u64 {
                return Err(Error::refused("sparse map: cut off"));
            }
            self.fill(&mut raw)?;
            self.data -= BLOCK as u64;
            for &byte in &raw {
                if numbers.len() == wanted {
                    break;
                }
                if byte != b'\n' {
                    line.push(byte);
                    if line.len() > 20 {
                        return Err(Error::refused("sparse map: bad number"));
                    }
                    continue;
                }
                numbers.push(parse(&line).ok_or_else(|| Error::refused("sparse map: bad number"))?);
                line.clear();
                if numbers.len() == 1 {
                    let segments = usize::try_from(numbers[0]).ok().filter(|&count| count <= MAX_SEGMENTS);
                    let segments = segments.ok_or_else(|| Error::refused("sparse map: too many segments"))?;
                    wanted = 1 + 2 * segments;
                }
            }
        }
        Ok(numbers[1..].chunks_exact(2).map(|pair| Segment { offset: pair[0], len: pair[1] }).collect())
    }
}

fn push_pairs(map: &mut Vec<Segment>, raw: &[u8]) -> Result<()> {
    for pair in raw.chunks_exact(24) {
        // The first empty pair ends the list.
        if pair[0] == 0 {
            break;
        }
        if map.len() >= MAX_SEGMENTS {
            return Err(Error::refused("GNU sparse map: too many segments"));
        }
        let (offset, len) = pair.split_at(12);
        map.push(Segment { offset: gnu_number(offset)?, len: gnu_number(len)? });
    }
    Ok(())
}
