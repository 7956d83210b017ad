//! The stream of blocks as a stream of entries.

use std::io::BufRead;

use super::header::{BLOCK, Block};
use super::pax::{Overrides, Records};
use super::sparse::MAX_SEGMENTS;
use super::{Entry, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::errno::escape;

/// Most bytes after the end of an archive.
pub const MAX_TRAILER: u64 = 1 << 30;

/// Something odd that does not make the archive wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A global header (`g`) carries a record that would change entries; it is ignored (row 95).
    GlobalHeader,
    /// An entry of a type without data has a size (row 96).
    SizeIgnored,
    /// Textual ACLs are not applied (row 55).
    TextualAcl,
    /// Several PAX headers in front of one entry: of each record the last one counts (row 94).
    SeveralHeaders,
    /// Bytes other than zero after the end of the archive (row 102).
    TrailingData,
}

/// Reads entries from a stream of blocks.
pub struct Reader<R> {
    input: R,
    block: [u8; BLOCK],
    pub(super) overrides: Overrides,
    /// Bytes of data of the current entry that were not read yet.
    pub(super) data: u64,
    /// Padding after that data.
    padding: u64,
    /// The longest PAX or long-name header that is taken (row 98).
    max_header: u64,
    /// Bytes of such headers in front of the current entry.
    extensions: u64,
    notices: Vec<Notice>,
    ended: bool,
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("data", &self.data).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the archive from its first block. Extension headers above `max_header` bytes are refused.
    pub fn new(input: R, max_header: u64) -> Self {
        Self {
            input,
            block: [0; BLOCK],
            overrides: Overrides::default(),
            data: 0,
            padding: 0,
            max_header,
            extensions: 0,
            notices: Vec::new(),
            ended: false,
        }
    }

    /// What is read from.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// What was odd since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The next entry, into `entry`; `false` at the end of the archive. Data that was not read is skipped.
    pub fn next(&mut self, entry: &mut Entry) -> Result<bool> {
        self.skip_data()?;
        self.overrides.clear();
        self.extensions = 0;
        let mut extended = false;
        while !self.ended {
            if !self.read_block()? {
                self.ended = true;
                break;
            }
            let raw = self.block;
            let block = Block::parse(&raw)?;
            match block.type_flag() {
                b'x' | b'X' => {
                    let records = self.extension(block.size()?)?;
                    self.overrides.merge(&records, MAX_SEGMENTS)?;
                    if std::mem::replace(&mut extended, true) {
                        self.notices.push(Notice::SeveralHeaders);
                    }
                }
                b'g' => {
                    let records = self.extension(block.size()?)?;
                    for record in Records(&records) {
                        if matches!(record?.0, b"path" | b"size" | b"linkpath") {
                            self.notices.push(Notice::GlobalHeader);
                        }
                    }
                }
                b'L' => self.overrides.gnu_path = self.long_name(block.size()?)?,
                b'K' => self.overrides.gnu_link = self.long_name(block.size()?)?,
                b'V' => {
                    let size = self.stored_size(block)?;
                    self.expect(size);
                    self.skip_data()?;
                    self.overrides.clear();
                    extended = false;
                }
                _ => {
                    self.entry(block, entry)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn entry(&mut self, block: Block<'_>, entry: &mut Entry) -> Result<()> {
        let records = &mut self.overrides;
        block.path(&mut entry.path);
        if let Some(path) = records.path.take().or(records.gnu_path.take()) {
            entry.path = path;
        }
        entry.link.clear();
        match records.link.take().or(records.gnu_link.take()) {
            Some(link) => entry.link = link,
            None => entry.link.extend_from_slice(block.link()),
        }
        let fail = |error: Error, path: &[u8]| error.context(format!("entry `{}`", escape(path)));
        let path = entry.path.clone();
        self.fields(block, entry).map_err(|error| fail(error, &path))
    }

    /// How many bytes follow the header.
    fn stored_size(&self, block: Block<'_>) -> Result<u64> {
        self.overrides.size.map_or_else(|| block.size(), Ok)
    }

    fn fields(&mut self, block: Block<'_>, entry: &mut Entry) -> Result<()> {
        let stored = self.stored_size(block)?;
        let records = &mut self.overrides;
        entry.mode = u32::try_from(block.mode()? & 0o7777).unwrap_or(0);
        entry.uid = records.uid.map_or_else(|| block.uid(), Ok)?;
        entry.gid = records.gid.map_or_else(|| block.gid(), Ok)?;
        entry.mtime = records.mtime.map_or_else(|| block.mtime(), Ok)?;
        entry.atime = records.atime;
        entry.device = (0, 0);
        if records.textual_acl {
            self.notices.push(Notice::TextualAcl);
        }
        entry.xattrs = records.take_xattrs();
        entry.sparse = None;
        entry.file_with_slash = false;
        let mut has_data = false;
        entry.kind = match block.type_flag() {
            b'0' | 0 | b'7' | b'S' => {
                has_data = true;
                entry.file_with_slash = entry.path.ends_with(b"/");
                Kind::File
            }
            b'1' => Kind::Link,
            b'2' => Kind::Symlink,
            b'3' | b'4' => {
                entry.device = block.device()?;
                if block.type_flag() == b'3' { Kind::CharDevice } else { Kind::BlockDevice }
            }
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            // A directory of GNU's incremental format; its data lists the names that were in it.
            b'D' => {
                self.expect(stored);
                entry.size = 0;
                entry.kind = Kind::Directory;
                return self.skip_data();
            }
            other => {
                return Err(Error::refused(format!("unknown tar entry type `{}`", escape(&[other]))));
            }
        };
        if !has_data {
            if stored != 0 {
                self.notices.push(Notice::SizeIgnored);
            }
            entry.size = 0;
            self.expect(0);
            return Ok(());
        }
        entry.size = stored;
        self.expect(stored);
        self.sparse(block, entry, stored)
    }

    /// The data that is left of the current entry, as the input has it; empty at its end.
    pub fn data(&mut self) -> Result<&[u8]> {
        if self.data == 0 {
            return Ok(&[]);
        }
        let limit = usize::try_from(self.data).unwrap_or(usize::MAX);
        let buffer = self.input.fill_buf().map_err(Error::from)?;
        if buffer.is_empty() {
            return Err(truncated());
        }
        Ok(&buffer[..buffer.len().min(limit)])
    }

    /// Marks `len` bytes of what [`Reader::data`] gave as used.
    pub fn consume(&mut self, len: usize) {
        self.input.consume(len);
        self.data = self.data.saturating_sub(len as u64);
    }

    /// Reads to the very end of the stream, past the end of the archive (row 102). More than 1 GiB is refused: it
    /// costs no disk, only time.
    pub fn drain(&mut self) -> Result<()> {
        let (mut zeros, mut left) = (true, MAX_TRAILER);
        loop {
            let buffer = self.input.fill_buf().map_err(Error::from)?;
            if buffer.is_empty() {
                break;
            }
            zeros = zeros && buffer.iter().all(|&byte| byte == 0);
            let len = buffer.len();
            self.input.consume(len);
            left = (left.checked_sub(len as u64))
                .ok_or_else(|| Error::refused(format!("more than {MAX_TRAILER} bytes after the end of the archive")))?;
        }
        if !zeros {
            self.notices.push(Notice::TrailingData);
        }
        Ok(())
    }

    fn expect(&mut self, size: u64) {
        self.data = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn skip_data(&mut self) -> Result<()> {
        while self.data > 0 {
            let len = self.data()?.len();
            self.consume(len);
        }
        while self.padding > 0 {
            let buffer = self.input.fill_buf().map_err(Error::from)?;
            // The padding of the last entry may be missing (row 101).
            if buffer.is_empty() {
                self.padding = 0;
                break;
            }
            let len = buffer.len().min(usize::try_from(self.padding).unwrap_or(usize::MAX));
            self.input.consume(len);
            self.padding -= len as u64;
        }
        Ok(())
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        // Several headers in front of one entry count together: each is kept until the entry comes.
        self.extensions = self.extensions.saturating_add(size);
        if self.extensions > self.max_header {
            return Err(Error::refused(format!(
                "tar extension headers of {} bytes, expected at most {}",
                self.extensions, self.max_header
            )));
        }
        self.expect(size);
        let mut content = Vec::new();
        while self.data > 0 {
            let chunk = self.data()?;
            let len = chunk.len();
            content.extend_from_slice(chunk);
            self.consume(len);
        }
        self.skip_data()?;
        Ok(content)
    }

    /// A GNU long name; an empty one is none, as for Go.
    fn long_name(&mut self, size: u64) -> Result<Option<Vec<u8>>> {
        let mut name = self.extension(size)?;
        if let Some(end) = name.iter().position(|&byte| byte == 0) {
            name.truncate(end);
        }
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    /// The next header block; `false` at the end: two zero blocks, or one before the end of the stream, or the end
    /// of the stream itself. One zero block in front of anything else is refused, as Go does (row 101).
    fn read_block(&mut self) -> Result<bool> {
        let mut raw = [0; BLOCK];
        if !self.try_fill(&mut raw)? {
            return Ok(false);
        }
        if raw.iter().all(|&byte| byte == 0) {
            if self.try_fill(&mut raw)? && raw.iter().any(|&byte| byte != 0) {
                return Err(Error::refused("tar: a single zero block before more data"));
            }
            return Ok(false);
        }
        self.block = raw;
        Ok(true)
    }

    pub(super) fn fill(&mut self, block: &mut [u8; BLOCK]) -> Result<()> {
        if self.try_fill(block)? { Ok(()) } else { Err(truncated()) }
    }

    /// Fills a block; `false` when the stream ends exactly in front of it.
    fn try_fill(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        let mut filled = 0;
        while filled < BLOCK {
            let buffer = self.input.fill_buf().map_err(Error::from)?;
            if buffer.is_empty() {
                return if filled == 0 { Ok(false) } else { Err(truncated()) };
            }
            let len = buffer.len().min(BLOCK - filled);
            block[filled..filled + len].copy_from_slice(&buffer[..len]);
            self.input.consume(len);
            filled += len;
        }
        Ok(true)
    }
}

fn truncated() -> Error {
    Error::new(ErrorKind::Refused, "tar: unexpected end of the archive")
}
