//! The kernel's table of mounts (`/proc/<pid>/mountinfo`): the parser, pure, and the reader.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::errno::escape;
use crate::sys::proc;

/// One mount, as proc(5) describes a line of `mountinfo`. Paths and names are bytes, without the kernel's escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its ID, unique on the machine as long as it exists.
    pub id: u64,
    /// The mount it is attached on (itself for a top without a parent).
    pub parent: u64,
    /// The file system's device number.
    pub dev: (u32, u32),
    /// Which part of the file system is mounted; `/` for all of it.
    pub root: Vec<u8>,
    /// Where, seen from the root directory of the process whose table it is.
    pub target: Vec<u8>,
    /// Options of this mount, separated by commas.
    pub options: Vec<u8>,
    /// Whether what is mounted below it shows in other mount namespaces too (`mount_namespaces(7)`).
    pub shared: bool,
    /// Type of the file system.
    pub fs_type: Vec<u8>,
    /// What was mounted; empty or `none` where that means nothing.
    pub source: Vec<u8>,
    /// Options of the file system, separated by commas, with the kernel's escapes: a value may hold a comma.
    pub super_options: Vec<u8>,
}

/// Parses a whole table. One bad line refuses it: a table that lacks a mount must not pass for the truth.
pub fn parse(table: &[u8]) -> Result<Vec<Mount>> {
    let lines = table.strip_suffix(b"\n").unwrap_or(table);
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    lines.split(|&byte| byte == b'\n').map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Result<Mount> {
    parse_fields(line)
        .ok_or_else(|| Error::new(ErrorKind::Failed, format!("expected a line of mountinfo, got \"{}\"", escape(line))))
}

/// `id parent major:minor root target options [optional…] - type source super-options`, one space in between.
fn parse_fields(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let mut dev = fields.next()?.splitn(2, |&byte| byte == b':');
    let dev = (number(dev.next()?)?, number(dev.next()?)?);
    let root = unescape(fields.next()?)?;
    let target = unescape(fields.next()?)?;
    let options = fields.next()?.to_vec();
    let mut shared = false;
    fields.by_ref().inspect(|field| shared |= field.starts_with(b"shared:")).find(|field| *field == b"-")?;
    let fs_type = unescape(fields.next()?)?;
    let source = unescape(fields.next()?)?;
    let super_options = fields.next()?.to_vec();
    if fields.next().is_some() || root.is_empty() || !target.starts_with(b"/") || options.is_empty() {
        return None;
    }
    Some(Mount { id, parent, dev, root, target, options, shared, fs_type, source, super_options })
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    if !field.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Undoes the kernel's `mangle()`: a backslash and three octal digits are one byte.
fn unescape(field: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'\\' {
            out.push(first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(3)?;
        let value = digits.iter().try_fold(0_u32, |value, digit| match digit {
            b'0'..=b'7' => Some(value * 8 + u32::from(digit - b'0')),
            _ => None,
        })?;
        out.push(u8::try_from(value).ok()?);
        rest = tail;
    }
    Some(out)
}

/// The mounts that the calling thread can reach, in the order of the kernel.
pub fn of_self() -> Result<Vec<Mount>> {
    // A thread may be in another mount namespace than its process.
    read("/proc/thread-self/mountinfo")
}

/// Reads and parses one table.
pub(super) fn read(path: &str) -> Result<Vec<Mount>> {
    proc::read_whole(path).map_err(Error::from).and_then(|table| parse(&table)).context(|| format!("read {path}"))
}
