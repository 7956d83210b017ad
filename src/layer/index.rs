//! The record of one unpacked layer, `layer.json`: lines of JSON, the summary first, then one entry per line in the
//! order of the archive.
//!
//! ```text
//! {"format":1,"diff_id":"sha256:…","entries":2,…}
//! ["d","etc",493,0,0,1700000000,0]
//! ["f","etc/hosts",420,0,0,1700000000,0,220,"9ae16a3b2f90404f",{"user.a":"ff00"}]
//! ```
//!
//! The kinds: `d` directory; `f` file, with size and XXH3; `l` symlink, with target; `c` and `b` devices, with
//! major and minor; `p` pipe; `h` hard link, with target; `w` whiteout of the path; `o` opaque directory; `0` a
//! character device 0:0; `k` an AUFS hard-link source. Bytes other than printable ASCII, and `%`, are `%HH`.

use std::io::{BufRead, Write};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::metadata::Metadata;
use super::paths::{PathId, PathTable};
use super::records::{Record, Records, What};
use super::tar::Time;
use crate::error::{Context, Error, Result};
use crate::oci::DiffId;
use crate::sys::xattr::Xattrs;

/// The format that this version writes.
const FORMAT: u32 = 1;

/// What can be said of a layer without its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of the file's format.
    pub format: u32,
    /// The layer.
    pub diff_id: DiffId,
    /// How many entries.
    pub entries: u64,
    /// Bytes of all files, as Docker counts an image's size.
    pub bytes: u64,
    /// How many whiteouts and opaque marks.
    pub marks: u64,
    /// The root directory hides everything below: layers below it are not mounted.
    pub opaque_root: bool,
    /// The diff directory is empty and hides nothing: the layer is not mounted.
    pub empty: bool,
}

/// All that is known of one unpacked layer.
#[derive(Debug)]
pub struct LayerIndex {
    /// The summary.
    pub summary: Summary,
    /// Every path that the layer names.
    pub paths: PathTable,
    /// The entries in order.
    pub records: Records,
}

impl LayerIndex {
    /// Writes the file's content.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let fail = |error: serde_json::Error| Error::from(std::io::Error::from(error));
        serde_json::to_writer(&mut *out, &self.summary).map_err(fail)?;
        out.write_all(b"\n").map_err(Error::from)?;
        for (_, record) in self.records.iter() {
            serde_json::to_writer(&mut *out, &self.line(record)).map_err(fail)?;
            out.write_all(b"\n").map_err(Error::from)?;
        }
        Ok(())
    }

    fn line(&self, record: &Record) -> Vec<Value> {
        let text = |path: PathId| Value::from(encode(&self.paths.text(path)));
        let kind = match record.what {
            What::Directory => "d",
            What::File { .. } => "f",
            What::Symlink(_) => "l",
            What::Device { block: false, .. } => "c",
            What::Device { block: true, .. } => "b",
            What::Fifo => "p",
            What::Link(_) => "h",
            What::Whiteout => "w",
            What::Opaque => "o",
            What::NullDevice => "0",
            What::Plink { .. } => "k",
        };
        let mut line = vec![kind.into(), text(record.path)];
        match record.what {
            What::Link(target) => {
                line.push(text(target));
                return line;
            }
            What::Whiteout | What::Opaque | What::NullDevice => return line,
            _ => {}
        }
        let Metadata { mode, uid, gid, mtime } = record.metadata;
        line.extend([mode.into(), uid.into(), gid.into(), mtime.seconds.into(), mtime.nanos.into()]);
        match record.what {
            What::File { size, hash } | What::Plink { size, hash } => {
                line.extend([size.into(), format!("{hash:016x}").into()]);
            }
            What::Symlink(target) => line.push(encode(self.records.text(target)).into()),
            What::Device { major, minor, .. } => line.extend([major.into(), minor.into()]),
            _ => {}
        }
        let xattrs = self.records.xattrs(record);
        if !xattrs.is_empty() {
            let object = xattrs.iter().map(|(name, value)| (encode(name), Value::from(hex::encode(value)))).collect();
            line.push(Value::Object(object));
        }
        line
    }

    /// Reads only the first line.
    pub fn read_summary(input: &mut impl BufRead) -> Result<Summary> {
        let mut line = Vec::new();
        input.read_until(b'\n', &mut line).map_err(Error::from)?;
        let summary: Summary = serde_json::from_slice(&line).map_err(|error| damaged(&format!("summary: {error}")))?;
        if summary.format != FORMAT {
            return Err(damaged(&format!("expected format {FORMAT}, got {}", summary.format)));
        }
        Ok(summary)
    }

    /// Reads the whole file.
    pub fn read_from(input: &mut impl BufRead) -> Result<Self> {
        let summary = Self::read_summary(input)?;
        let mut index = Self { summary, paths: PathTable::new(u64::MAX), records: Records::default() };
        let mut line = Vec::new();
        for number in 2_u64.. {
            line.clear();
            if input.read_until(b'\n', &mut line).map_err(Error::from)? == 0 {
                break;
            }
            index.take(&line).context(|| format!("layer index, line {number}"))?;
        }
        if index.records.len() as u64 != index.summary.entries {
            return Err(damaged(&format!("expected {} entries, got {}", index.summary.entries, index.records.len())));
        }
        Ok(index)
    }

    fn path(&mut self, value: &Value) -> Result<PathId> {
        let text = value.as_str().map(decode).ok_or_else(|| damaged("bad path"))?;
        self.paths.below(PathId::ROOT, text.split(|&byte| byte == b'/').filter(|name| !name.is_empty()))
    }

    fn take(&mut self, line: &[u8]) -> Result<()> {
        let values: Vec<Value> = serde_json::from_slice(line).map_err(|error| damaged(&error.to_string()))?;
        let at = |place: usize| values.get(place).unwrap_or(&Value::Null);
        let number = |place: usize| at(place).as_u64().ok_or_else(|| damaged("bad number"));
        let small = |place: usize| number(place).and_then(|n| u32::try_from(n).map_err(|_| damaged("bad number")));
        let path = self.path(at(1))?;
        let kind = at(0).as_str().unwrap_or_default();
        let marks = match kind {
            "h" => Some(What::Link(self.path(at(2))?)),
            "w" => Some(What::Whiteout),
            "o" => Some(What::Opaque),
            "0" => Some(What::NullDevice),
            _ => None,
        };
        if let Some(what) = marks {
            self.records.push(path, what, Metadata::IMPLIED, Xattrs::new())?;
            return Ok(());
        }
        let metadata = Metadata {
            mode: u16::try_from(number(2)?).map_err(|_| damaged("bad mode"))?,
            uid: small(3)?,
            gid: small(4)?,
            mtime: Time { seconds: at(5).as_i64().ok_or_else(|| damaged("bad time"))?, nanos: small(6)? },
        };
        let content = || -> Result<(u64, u64)> {
            let hash = at(8).as_str().and_then(|digits| u64::from_str_radix(digits, 16).ok());
            Ok((number(7)?, hash.ok_or_else(|| damaged("bad hash"))?))
        };
        let (what, next) = match kind {
            "d" => (What::Directory, 7),
            "p" => (What::Fifo, 7),
            "f" => content().map(|(size, hash)| (What::File { size, hash }, 9))?,
            "k" => content().map(|(size, hash)| (What::Plink { size, hash }, 9))?,
            "c" | "b" => (What::Device { block: kind == "b", major: small(7)?, minor: small(8)? }, 9),
            "l" => {
                let target = at(7).as_str().map(decode).ok_or_else(|| damaged("bad target"))?;
                (What::Symlink(self.records.add_text(&target)?), 8)
            }
            _ => return Err(damaged("unknown kind")),
        };
        let mut xattrs = Xattrs::new();
        if let Some(object) = at(next).as_object() {
            for (name, value) in object {
                let pair = value.as_str().and_then(|value| hex::decode(value).ok()).map(|value| (decode(name), value));
                xattrs.push(pair.ok_or_else(|| damaged("bad attribute"))?);
            }
            xattrs.sort_unstable();
        }
        self.records.push(path, what, metadata, xattrs)?;
        Ok(())
    }
}

fn damaged(why: &str) -> Error {
    Error::new(crate::error::ErrorKind::Failed, format!("damaged layer index: {why}"))
}

/// What stands for itself: printable ASCII but `%`.
const PLAIN: &AsciiSet = &CONTROLS.add(b'%');

fn encode(raw: &[u8]) -> String {
    percent_encode(raw, PLAIN).to_string()
}

fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}
