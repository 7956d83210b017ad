//! The record of one unpacked layer, `layer.json`: lines of JSON, the summary first, then one entry per line in the
//! order of the archive.
//!
//! ```text
//! {"format":1,"diff_id":"sha256:…","entries":2,…,"sparse":"blocks"}
//! ["d","etc",493,0,0,1700000000,0]
//! ["f","etc/hosts",420,0,0,1700000000,0,220,"9ae16a3b2f90404f",{"user.a":"ff00"}]
//! ```
//!
//! The kinds: `d` directory; `f` file, with size and XXH3; `l` symlink, with target; `c` and `b` devices, with
//! major and minor; `p` pipe; `h` hard link, with target; `w` whiteout of the path; `o` opaque directory; `0` a
//! character device 0:0; `k` an AUFS hard-link source. Bytes other than printable ASCII, and `%`, are `%HH`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content_hash::Rule;
use super::diff_tree::DiffTree;
use super::metadata::Metadata;
use super::paths::{PathId, PathTable};
use super::records::{Record, Records, What};
use super::tar::Time;
use crate::error::{Context, Error, Result};
use crate::oci::DiffId;
use crate::sys::dir::Dir;
use crate::sys::xattr::Xattrs;

/// The format that this version writes.
const FORMAT: u32 = 1;

/// Its name in the directory of the layer.
const FILE: &[u8] = b"layer.json";

/// Longest line that is read: an entry repeats two paths and the attributes, all from headers of at most a mebibyte, in
/// at most three characters for a byte.
const MAX_LINE: u64 = 64 << 20;

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
    /// What the hashes of sparse files are made of.
    #[serde(default)]
    pub sparse: Rule,
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
    /// What they leave in the diff directory, where that is still known from unpacking.
    pub tree: Option<DiffTree>,
}

impl Summary {
    /// Reads only the first line of the file in the directory of a layer.
    pub fn of_layer(layer: &Dir) -> Result<Self> {
        LayerIndex::read_summary(&mut BufReader::new(layer.open_file(FILE)?))
    }
}

impl LayerIndex {
    /// Writes the file's content.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let fail = |error: serde_json::Error| Error::from(std::io::Error::from(error));
        serde_json::to_writer(&mut *out, &self.summary).map_err(fail)?;
        out.write_all(b"\n").map_err(Error::from)?;
        for (_, record) in self.records.iter() {
            serde_json::to_writer(&mut *out, &Line { index: self, record }).map_err(fail)?;
            out.write_all(b"\n").map_err(Error::from)?;
        }
        Ok(())
    }

    /// Reads the file in the directory of a layer.
    pub fn of_layer(layer: &Dir) -> Result<Self> {
        Self::read_from(&mut BufReader::with_capacity(1 << 17, layer.open_file(FILE)?))
    }

    /// Reads only the first line.
    fn read_summary(input: &mut impl BufRead) -> Result<Summary> {
        let mut line = Vec::new();
        next_line(input, &mut line)?;
        let summary: Summary = serde_json::from_slice(&line).map_err(|error| damaged(&format!("summary: {error}")))?;
        if summary.format != FORMAT {
            return Err(damaged(&format!("expected format {FORMAT}, got {}", summary.format)));
        }
        Ok(summary)
    }

    /// Reads the whole file.
    pub fn read_from(input: &mut impl BufRead) -> Result<Self> {
        let summary = Self::read_summary(input)?;
        let records = Records::by(summary.sparse);
        let mut index = Self { summary, paths: PathTable::new(u64::MAX), records, tree: None };
        let mut line = Vec::new();
        for number in 2_u64.. {
            if !next_line(input, &mut line)? {
                break;
            }
            if index.records.len() as u64 == index.summary.entries {
                return Err(damaged(&format!("expected {} entries, got more", index.summary.entries)));
            }
            index.take(&line).context(|| format!("layer index, line {number}"))?;
        }
        if index.records.len() as u64 != index.summary.entries {
            return Err(damaged(&format!("expected {} entries, got {}", index.summary.entries, index.records.len())));
        }
        Ok(index)
    }

    fn path(&mut self, text: &str) -> Result<PathId> {
        let text = decode(text);
        self.paths.below(PathId::ROOT, text.split(|&byte| byte == b'/').filter(|name| !name.is_empty()))
    }

    fn take(&mut self, line: &[u8]) -> Result<()> {
        let mut input = serde_json::Deserializer::from_slice(line);
        Entry(self).deserialize(&mut input).and_then(|()| input.end()).map_err(|error| damaged(&error.to_string()))
    }
}

/// Reads one line into an index.
struct Entry<'a>(&'a mut LayerIndex);

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an entry of a layer")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(index) = self;
        let kind = field::<Text<'_>, A>(&mut seq)?;
        let path = field::<Text<'_>, A>(&mut seq)?;
        let path = index.path(&path.0).map_err(A::Error::custom)?;
        let marks = match &*kind.0 {
            "h" => {
                let target = field::<Text<'_>, A>(&mut seq)?;
                Some(What::Link(index.path(&target.0).map_err(A::Error::custom)?))
            }
            "w" => Some(What::Whiteout),
            "o" => Some(What::Opaque),
            "0" => Some(What::NullDevice),
            _ => None,
        };
        if let Some(what) = marks {
            index.records.push(path, what, Metadata::IMPLIED, Xattrs::new()).map_err(A::Error::custom)?;
            return Ok(());
        }
        let metadata = Metadata {
            mode: field(&mut seq)?,
            uid: field(&mut seq)?,
            gid: field(&mut seq)?,
            mtime: Time { seconds: field(&mut seq)?, nanos: field(&mut seq)? },
        };
        if metadata.mtime.nanos >= 1_000_000_000 {
            return Err(A::Error::custom(format!("{} nanoseconds", metadata.mtime.nanos)));
        }
        let what = match &*kind.0 {
            "d" => What::Directory,
            "p" => What::Fifo,
            "f" | "k" => {
                let size = field(&mut seq)?;
                let digits = field::<Text<'_>, A>(&mut seq)?;
                let hash = u64::from_str_radix(&digits.0, 16).map_err(A::Error::custom)?;
                if &*kind.0 == "f" { What::File { size, hash } } else { What::Plink { size, hash } }
            }
            "c" | "b" => What::Device { block: &*kind.0 == "b", major: field(&mut seq)?, minor: field(&mut seq)? },
            "l" => {
                let target = decode(&field::<Text<'_>, A>(&mut seq)?.0);
                What::Symlink(index.records.add_text(&target).map_err(A::Error::custom)?)
            }
            _ => return Err(A::Error::custom("unknown kind")),
        };
        let mut xattrs = Xattrs::new();
        if let Some(object) = seq.next_element::<BTreeMap<String, String>>()? {
            for (name, value) in object {
                xattrs.push((decode(&name), hex::decode(value).map_err(A::Error::custom)?));
            }
            xattrs.sort_unstable();
        }
        index.records.push(path, what, metadata, xattrs).map_err(A::Error::custom)?;
        Ok(())
    }
}

fn field<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| A::Error::custom("the line is too short"))
}

/// A string, which is copied only where JSON has escapes in it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// One entry as it is written.
struct Line<'a> {
    index: &'a LayerIndex,
    record: &'a Record,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { index: LayerIndex { paths, records, .. }, record } = *self;
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
        let mut line = serializer.serialize_seq(None)?;
        line.serialize_element(kind)?;
        line.serialize_element(&encode(&paths.text(record.path)))?;
        match record.what {
            What::Link(target) => {
                line.serialize_element(&encode(&paths.text(target)))?;
                return line.end();
            }
            What::Whiteout | What::Opaque | What::NullDevice => return line.end(),
            _ => {}
        }
        let Metadata { mode, uid, gid, mtime } = record.metadata;
        line.serialize_element(&mode)?;
        line.serialize_element(&uid)?;
        line.serialize_element(&gid)?;
        line.serialize_element(&mtime.seconds)?;
        line.serialize_element(&mtime.nanos)?;
        match record.what {
            What::File { size, hash } | What::Plink { size, hash } => {
                line.serialize_element(&size)?;
                let mut digits = [0; 16];
                // Sixteen digits have room for eight bytes.
                let _ = hex::encode_to_slice(hash.to_be_bytes(), &mut digits);
                line.serialize_element(std::str::from_utf8(&digits).unwrap_or_default())?;
            }
            What::Symlink(target) => line.serialize_element(&encode(records.text(target)))?,
            What::Device { major, minor, .. } => {
                line.serialize_element(&major)?;
                line.serialize_element(&minor)?;
            }
            _ => {}
        }
        let xattrs = records.xattrs(record);
        if !xattrs.is_empty() {
            let object: Map<String, Value> =
                xattrs.iter().map(|(name, value)| (encode(name).into_owned(), hex::encode(value).into())).collect();
            line.serialize_element(&object)?;
        }
        line.end()
    }
}

/// Reads a line; `false` at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    let got = input.take(MAX_LINE).read_until(b'\n', line).map_err(Error::from)?;
    if got as u64 == MAX_LINE && line.last() != Some(&b'\n') {
        return Err(damaged(&format!("a line of more than {MAX_LINE} bytes")));
    }
    Ok(got > 0)
}

fn damaged(why: &str) -> Error {
    Error::new(crate::error::ErrorKind::Failed, format!("damaged layer index: {why}"))
}

/// What stands for itself: printable ASCII but `%`.
const PLAIN: &AsciiSet = &CONTROLS.add(b'%');

fn encode(raw: &[u8]) -> Cow<'_, str> {
    percent_encode(raw, PLAIN).into()
}

fn decode(text: &str) -> Vec<u8> {
    Cow::<[u8]>::from(percent_decode_str(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_no_file_can_have_is_damage() {
        let read = |nanos: &str| {
            let id = format!("sha256:{}", "0".repeat(64));
            let summary = format!(
                r#"{{"format":1,"diff_id":"{id}","entries":1,"bytes":0,"marks":0,"opaque_root":false,"empty":false}}"#
            );
            LayerIndex::read_from(&mut format!("{summary}\n[\"d\",\"d\",493,0,0,1,{nanos}]\n").as_bytes())
        };
        assert!(read("999999999").is_ok());
        for nanos in ["1000000000", "2000000000"] {
            let error = read(nanos).unwrap_err().innermost().to_string();
            assert!(error.starts_with("damaged layer index: ") && error.contains("nanoseconds"), "{error}");
        }
    }
}
