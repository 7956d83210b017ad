//! One 512-byte header block (POSIX.1-1988 ustar, GNU, star and v7).

use super::Time;
use crate::error::{Error, Result};

/// The unit of the format.
pub const BLOCK: usize = 512;

/// The dialect of a header block, by its magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// No magic at all.
    V7,
    /// `ustar\0`, PAX among it.
    Ustar,
    /// `ustar\0` with `tar\0` at the very end of the block: a shorter prefix, then times.
    Star,
    /// `ustar  \0`.
    Gnu,
}

/// A header block whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a>(&'a [u8; BLOCK]);

impl<'a> Block<'a> {
    /// Checks the checksum; sums over unsigned and over signed bytes are both accepted (row 100).
    pub fn parse(raw: &'a [u8; BLOCK]) -> Result<Self> {
        let block = Self(raw);
        let written =
            octal(block.field(148, 8)).map_err(|why| Error::refused(format!("tar header checksum: {why}")))?;
        let (mut unsigned, mut signed) = (0_i64, 0_i64);
        for (at, &byte) in raw.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        if written != unsigned && written != signed {
            return Err(Error::refused(format!("tar header: bad checksum, expected {unsigned}, got {written}")));
        }
        Ok(block)
    }

    fn field(self, at: usize, len: usize) -> &'a [u8] {
        &self.0[at..at + len]
    }

    /// The dialect.
    pub fn format(self) -> Format {
        // As Go: only GNU's version counts.
        match (self.field(257, 6), self.field(263, 2)) {
            (b"ustar\0", _) if self.field(508, 4) == b"tar\0" => Format::Star,
            (b"ustar\0", _) => Format::Ustar,
            (b"ustar ", b" \0") => Format::Gnu,
            _ => Format::V7,
        }
    }

    /// The type flag.
    pub fn type_flag(self) -> u8 {
        self.0[156]
    }

    /// Name with the prefix in front of it, where the dialect has one.
    pub fn path(self, out: &mut Vec<u8>) {
        out.clear();
        let prefix = match self.format() {
            Format::Ustar => text(self.field(345, 155)),
            Format::Star => text(self.field(345, 131)),
            // Go before 1.8 wrote a prefix over GNU's time fields; they are octal in every sound archive.
            Format::Gnu if !self.gnu_times_are_sound() => {
                Some(text(self.field(345, 155))).filter(|prefix| prefix.is_ascii()).unwrap_or_default()
            }
            _ => &[],
        };
        if !prefix.is_empty() {
            out.extend_from_slice(prefix);
            out.push(b'/');
        }
        out.extend_from_slice(text(self.field(0, 100)));
    }

    fn gnu_times_are_sound(self) -> bool {
        [345, 357].into_iter().all(|at| {
            let field = self.field(at, 12);
            field.first() == Some(&0) || number(field).is_ok()
        })
    }

    /// The link name.
    pub fn link(self) -> &'a [u8] {
        text(self.field(157, 100))
    }

    /// The size field.
    pub fn size(self) -> Result<u64> {
        let size = self.number("size", 124, 12)?;
        u64::try_from(size).map_err(|_| Error::refused(format!("tar header: size is negative: {size}")))
    }

    /// The mode field.
    pub fn mode(self) -> Result<i64> {
        self.number("mode", 100, 8)
    }

    /// The owner field.
    pub fn uid(self) -> Result<i64> {
        self.number("uid", 108, 8)
    }

    /// The group field.
    pub fn gid(self) -> Result<i64> {
        self.number("gid", 116, 8)
    }

    /// The modification time.
    pub fn mtime(self) -> Result<Time> {
        Ok(Time { seconds: self.number("mtime", 136, 12)?, nanos: 0 })
    }

    /// Major and minor device number; v7 has none.
    pub fn device(self) -> Result<(i64, i64)> {
        if self.format() == Format::V7 {
            return Ok((0, 0));
        }
        Ok((self.number("device major", 329, 8)?, self.number("device minor", 337, 8)?))
    }

    /// GNU's sparse map in the header: four pairs, whether more blocks follow, the real size.
    pub fn gnu_sparse(self) -> (&'a [u8], bool, &'a [u8]) {
        (self.field(386, 96), self.0[482] != 0, self.field(483, 12))
    }

    fn number(self, what: &str, at: usize, len: usize) -> Result<i64> {
        number(self.field(at, len)).map_err(|why| Error::refused(format!("tar header: {what}: {why}")))
    }
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number in base 256 (first bit set) or octal.
pub fn number(field: &[u8]) -> Result<i64, String> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

fn base256(field: &[u8]) -> Result<i64, String> {
    // Two's complement over the whole field, but for the marker bit; the bit below it is the sign.
    let negative = field[0] & 0x40 != 0;
    let mut value: i128 = if negative { -1 } else { 0 };
    for (at, &byte) in field.iter().enumerate() {
        let byte = match (at, negative) {
            (0, false) => byte & 0x7f,
            _ => byte,
        };
        value = (value << 8) | i128::from(byte);
        if value > i128::from(i64::MAX) || value < i128::from(i64::MIN) {
            return Err("base-256 number out of range".to_owned());
        }
    }
    i64::try_from(value).map_err(|_| "base-256 number out of range".to_owned())
}

/// An octal number between spaces and NULs; an empty field is 0.
fn octal(field: &[u8]) -> Result<i64, String> {
    let blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = text(&field[start..]);
    let end = digits.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
    let mut value: i64 = 0;
    for &digit in &digits[..end] {
        if !(b'0'..=b'7').contains(&digit) {
            return Err(format!("expected octal digits, got `{}`", field.escape_ascii()));
        }
        value = value
            .checked_mul(8)
            .and_then(|value| value.checked_add(i64::from(digit - b'0')))
            .ok_or_else(|| "octal number out of range".to_owned())?;
    }
    Ok(value)
}
