//! PAX records (POSIX.1-2001 pax, "pax Extended Header"): parsing, and what they override.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

use super::Time;
use super::header::number;
use super::sparse::Segment;
use crate::error::{Error, Result};
use crate::sys::errno::escape;

/// As libarchive writes it: without padding, which others add.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How the records of extended attributes begin.
const SCHILY: &[u8] = b"SCHILY.xattr.";
const LIBARCHIVE: &[u8] = b"LIBARCHIVE.xattr.";

/// What the extension headers in front of an entry say. They hold until the next entry that is none (row 91).
#[derive(Debug, Default)]
pub struct Overrides {
    /// `path`, else the GNU long name.
    pub path: Option<Vec<u8>>,
    /// `linkpath`, else the GNU long link.
    pub link: Option<Vec<u8>>,
    /// GNU `L` header.
    pub gnu_path: Option<Vec<u8>>,
    /// GNU `K` header.
    pub gnu_link: Option<Vec<u8>>,
    /// `size`: counts for the data and for what is skipped (row 90).
    pub size: Option<u64>,
    /// `uid`.
    pub uid: Option<i64>,
    /// `gid`.
    pub gid: Option<i64>,
    /// `mtime`.
    pub mtime: Option<Time>,
    /// `atime`.
    pub atime: Option<Time>,
    /// `SCHILY.xattr.*`.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `LIBARCHIVE.xattr.*`, decoded: used for names that `SCHILY.xattr.` does not have (row 56).
    pub libarchive: Vec<(Vec<u8>, Vec<u8>)>,
    /// `SCHILY.acl.*` was there: textual ACLs, which no container tool applies.
    pub textual_acl: bool,
    /// `GNU.sparse.*`.
    pub sparse: SparseRecords,
}

/// The records of the three PAX sparse formats.
#[derive(Debug, Default)]
pub struct SparseRecords {
    /// `GNU.sparse.major` and `.minor`.
    pub version: (Option<Vec<u8>>, Option<Vec<u8>>),
    /// `GNU.sparse.name`.
    pub name: Option<Vec<u8>>,
    /// `GNU.sparse.realsize` or `GNU.sparse.size`.
    pub real_size: Option<u64>,
    /// `GNU.sparse.map` (0.1).
    pub map: Option<Vec<u8>>,
    /// `GNU.sparse.offset` and `.numbytes` pairs (0.0).
    pub pairs: Vec<Segment>,
    /// An offset that waits for its `numbytes`.
    pending: Option<u64>,
    /// Any record of 0.0 or 0.1 was there.
    pub seen: bool,
}

impl Overrides {
    /// Forgets everything, for the next entry.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the records of one `x` header; a later value replaces an earlier one (row 94).
    pub fn merge(&mut self, records: &[u8], max_segments: usize) -> Result<()> {
        for record in Records(records) {
            let (key, value) = record?;
            self.take(key, value, max_segments)?;
        }
        if self.sparse.pending.is_some() {
            return Err(bad("GNU.sparse.offset", "no numbytes follows"));
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8], max_segments: usize) -> Result<()> {
        if let Some(name) = key.strip_prefix(SCHILY) {
            return put(&mut self.xattrs, name.to_vec(), value.to_vec());
        }
        if let Some(name) = key.strip_prefix(LIBARCHIVE) {
            let name = percent_decode(name).collect();
            let value = BASE64.decode(value).map_err(|_| bad("LIBARCHIVE.xattr", "bad base64"))?;
            return put(&mut self.libarchive, name, value);
        }
        if key.starts_with(b"SCHILY.acl.") {
            self.textual_acl = true;
            return Ok(());
        }
        // An empty value takes a record back (pax, "extended header keyword"): the header's own value counts.
        let some = |value: &[u8]| (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = some(no_nul("path", value)?),
            b"linkpath" => self.link = some(no_nul("linkpath", value)?),
            b"uname" | b"gname" => {
                no_nul("uname or gname", value)?;
            }
            b"size" => self.size = optional("size", value, unsigned)?,
            b"uid" => self.uid = optional("uid", value, signed)?,
            b"gid" => self.gid = optional("gid", value, signed)?,
            b"mtime" => self.mtime = optional("mtime", value, time)?,
            b"atime" => self.atime = optional("atime", value, time)?,
            _ => {
                if let Some(rest) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(rest, value, max_segments)?;
                }
            }
        }
        Ok(())
    }

    /// The attributes of the entry, sorted by name; takes them out. The last value of a name counts, and Schily's
    /// records before libarchive's.
    pub fn take_xattrs(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        if self.xattrs.is_empty() && self.libarchive.is_empty() {
            return Vec::new();
        }
        let all: BTreeMap<_, _> = self.libarchive.drain(..).chain(self.xattrs.drain(..)).collect();
        all.into_iter().collect()
    }
}

impl SparseRecords {
    fn take(&mut self, key: &[u8], value: &[u8], max_segments: usize) -> Result<()> {
        match key {
            b"major" => self.version.0 = Some(value.to_vec()),
            b"minor" => self.version.1 = Some(value.to_vec()),
            b"name" => self.name = Some(no_nul("GNU.sparse.name", value)?.to_vec()).filter(|name| !name.is_empty()),
            b"realsize" | b"size" => {
                self.real_size = optional("GNU.sparse size", value, unsigned)?;
                self.seen |= key == b"size";
            }
            b"map" => {
                self.seen = true;
                self.map = Some(value.to_vec());
            }
            b"numblocks" => self.seen = true,
            b"offset" => {
                let before = self.pending.replace(parse("GNU.sparse.offset", value, unsigned)?);
                if before.is_some() {
                    return Err(bad("GNU.sparse.offset", "no numbytes follows"));
                }
            }
            b"numbytes" => {
                let offset = self.pending.take().ok_or_else(|| bad("GNU.sparse.numbytes", "no offset precedes"))?;
                if self.pairs.len() >= max_segments {
                    return Err(bad("GNU.sparse", "too many segments"));
                }
                self.pairs.push(Segment { offset, len: parse("GNU.sparse.numbytes", value, unsigned)? });
            }
            _ => {}
        }
        Ok(())
    }
}

/// The records `length key=value\n` of one header, in order.
#[derive(Debug)]
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let parsed = record(self.0);
        self.0 = parsed.as_ref().map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(pair, _)| pair))
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

fn record(raw: &[u8]) -> Result<(Pair<'_>, &[u8])> {
    let malformed = |why: &str| Error::refused(format!("malformed PAX record: {why}"));
    let space = raw.iter().take(20).position(|&byte| byte == b' ').ok_or_else(|| malformed("no length"))?;
    let len = decimal(&raw[..space]).ok_or_else(|| malformed("bad length"))?;
    let len = usize::try_from(len).ok().filter(|&len| len > space + 1 && len <= raw.len());
    let len = len.ok_or_else(|| malformed("length out of range"))?;
    let (this, rest) = raw.split_at(len);
    let body = this[space + 1..].strip_suffix(b"\n").ok_or_else(|| malformed("no newline at its end"))?;
    let equals = body.iter().position(|&byte| byte == b'=').ok_or_else(|| malformed("no `=`"))?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    // Keywords are UTF-8 (pax, "pax Extended Header"); names of attributes are any bytes.
    let is_word = [SCHILY, LIBARCHIVE].iter().any(|prefix| key.starts_with(prefix)) || std::str::from_utf8(key).is_ok();
    if key.is_empty() || key.contains(&0) || !is_word {
        return Err(malformed("bad key"));
    }
    Ok(((key, value), rest))
}

fn bad(key: &str, why: &str) -> Error {
    Error::refused(format!("PAX record {key}: {why}"))
}

fn no_nul<'a>(key: &str, value: &'a [u8]) -> Result<&'a [u8]> {
    if value.contains(&0) {
        return Err(bad(key, "contains a NUL"));
    }
    Ok(value)
}

fn optional<T>(key: &str, value: &[u8], parser: fn(&[u8]) -> Option<T>) -> Result<Option<T>> {
    if value.is_empty() { Ok(None) } else { parse(key, value, parser).map(Some) }
}

fn parse<T>(key: &str, value: &[u8], parser: fn(&[u8]) -> Option<T>) -> Result<T> {
    parser(value).ok_or_else(|| bad(key, &format!("bad number `{}`", escape(value))))
}

fn put(all: &mut Vec<(Vec<u8>, Vec<u8>)>, name: Vec<u8>, value: Vec<u8>) -> Result<()> {
    if name.is_empty() || name.contains(&0) {
        return Err(bad("xattr", "bad attribute name"));
    }
    all.push((name, value));
    Ok(())
}

/// Digits only, so that `+1`, `0x1` and blanks are refused.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn unsigned(text: &[u8]) -> Option<u64> {
    decimal(text).filter(|&value| i64::try_from(value).is_ok())
}

fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => decimal(digits).and_then(|value| 0_i64.checked_sub_unsigned(value)),
        None => decimal(text).and_then(|value| i64::try_from(value).ok()),
    }
}

/// Seconds with an optional fraction, rounded down to nanoseconds (row 58).
fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanos: u32 = 0;
    for at in 0..9 {
        nanos = nanos * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'));
    }
    if negative && fraction.iter().skip(9).any(|&digit| digit != b'0') {
        nanos += 1;
    }
    Some(match (negative, nanos) {
        (false, nanos) => Time { seconds, nanos },
        (true, 0) => Time { seconds: -seconds, nanos: 0 },
        (true, nanos) => Time { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// The number of a GNU sparse header field.
pub fn gnu_number(field: &[u8]) -> Result<u64> {
    let value = number(field).map_err(|why| Error::refused(format!("GNU sparse map: {why}")))?;
    u64::try_from(value).map_err(|_| Error::refused("GNU sparse map: negative number"))
}
