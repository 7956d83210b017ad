//! What a layer says, entry by entry and in order: the part of the index that the rules work on.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::content_hash::Rule;
use super::metadata::Metadata;
use super::paths::PathId;
use crate::error::{Error, Result};
use crate::sys::xattr::Xattrs;

/// A run of bytes in [`Records`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    at: u32,
    len: u32,
}

/// What one record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Bytes, holes included.
        size: u64,
        /// XXH3 of the data that the archive has: a check for rot, not for malice.
        hash: u64,
    },
    /// A symlink.
    Symlink(Text),
    /// A device, never 0:0 of the character kind.
    Device {
        /// A block device, else a character device.
        block: bool,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A hard link to this path, as written.
    Link(PathId),
    /// The path is gone from the layers below.
    Whiteout,
    /// Everything in the directory is gone from the layers below.
    Opaque,
    /// A character device 0:0: overlayfs could not tell it from a whiteout, so it is not created (row 19).
    NullDevice,
    /// A hard-link source of AUFS: content without a name (row 14).
    Plink {
        /// Bytes.
        size: u64,
        /// As for a file.
        hash: u64,
    },
}

/// One entry of the layer.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// The path as written, cleaned. Symlinks on its way are not resolved. For a whiteout the path that is gone,
    /// for an opaque mark the directory.
    pub path: PathId,
    /// What it is.
    pub what: What,
    /// Mode, owner, time; without meaning for links and marks.
    pub metadata: Metadata,
    /// Which set of attributes; `u32::MAX` for none.
    pub xattrs: u32,
}

/// All entries of a layer in the order of the archive.
#[derive(Debug, Default)]
pub struct Records {
    all: Vec<Record>,
    texts: Vec<u8>,
    sets: Vec<Xattrs>,
    /// Numbers of sets by the hash of their content.
    known_sets: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Bytes of all sets.
    set_bytes: usize,
    /// What the hashes of sparse files are made of.
    sparse: Rule,
}

/// Most bytes of all different sets of attributes, and of all symlink targets, that are kept in memory.
const MAX_SET_BYTES: usize = 64 << 20;
const MAX_TEXT_BYTES: usize = 512 << 20;

impl Records {
    /// No attributes.
    const NONE: u32 = u32::MAX;

    /// None yet, of a layer whose hashes are made by this rule.
    pub fn by(sparse: Rule) -> Self {
        Self { sparse, ..Self::default() }
    }

    /// What the hashes of sparse files are made of.
    pub fn sparse(&self) -> Rule {
        self.sparse
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// One record by its number.
    pub fn get(&self, number: u32) -> &Record {
        &self.all[number as usize]
    }

    /// All records with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        (0..).zip(&self.all)
    }

    /// Appends a record and gives its number.
    pub fn push(&mut self, path: PathId, what: What, metadata: Metadata, xattrs: Xattrs) -> Result<u32> {
        let number = u32::try_from(self.all.len())
            .ok()
            .filter(|&number| number < u32::MAX - 1)
            .ok_or_else(|| Error::refused("too many entries"))?;
        let xattrs = self.intern_set(xattrs)?;
        self.all.push(Record { path, what, metadata, xattrs });
        Ok(number)
    }

    fn intern_set(&mut self, xattrs: Xattrs) -> Result<u32> {
        if xattrs.is_empty() {
            return Ok(Self::NONE);
        }
        let Self { sets, known_sets, hasher, .. } = self;
        let hash = hasher.hash_one(&xattrs);
        if let Some(&known) = known_sets.find(hash, |&id| sets[id as usize] == xattrs) {
            return Ok(known);
        }
        self.set_bytes += xattrs.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>();
        if self.set_bytes > MAX_SET_BYTES {
            return Err(Error::refused(format!("extended attributes of more than {MAX_SET_BYTES} bytes")));
        }
        let id = u32::try_from(sets.len()).unwrap_or(Self::NONE);
        sets.push(xattrs);
        known_sets.insert_unique(hash, id, |&id| hasher.hash_one(&sets[id as usize]));
        Ok(id)
    }

    /// The size and hash of a file, once its data was read.
    pub fn set_content(&mut self, number: u32, content: What) {
        self.all[number as usize].what = content;
    }

    /// Stores a symlink target.
    pub fn add_text(&mut self, text: &[u8]) -> Result<Text> {
        let too_long = |_| Error::refused(format!("symlink targets of more than {MAX_TEXT_BYTES} bytes"));
        if self.texts.len() > MAX_TEXT_BYTES {
            return Err(Error::refused(format!("symlink targets of more than {MAX_TEXT_BYTES} bytes")));
        }
        let at = u32::try_from(self.texts.len()).map_err(too_long)?;
        let len = u32::try_from(text.len()).map_err(too_long)?;
        self.texts.extend_from_slice(text);
        Ok(Text { at, len })
    }

    /// The bytes of a text.
    pub fn text(&self, text: Text) -> &[u8] {
        &self.texts[text.at as usize..][..text.len as usize]
    }

    /// The target of the symlink that the record is; empty for anything else.
    pub fn symlink_target(&self, number: u32) -> &[u8] {
        match self.get(number).what {
            What::Symlink(text) => self.text(text),
            _ => &[],
        }
    }

    /// The attributes of a record, as they are stored on disk.
    pub fn xattrs(&self, record: &Record) -> &[(Vec<u8>, Vec<u8>)] {
        self.sets.get(record.xattrs as usize).map_or(&[], Vec::as_slice)
    }
}
