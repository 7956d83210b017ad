//! One layer from its blob to its diff directory: each entry is decided by [`DiffTree`] and carried out by [`Writer`].

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::FileType;
use xxhash_rust::xxh3::Xxh3;

use super::classify::{Classified, Classifier};
use super::closing::Closing;
use super::diff_tree::{Before, DiffTree, LinkSource, Placement, Slot};
use super::index::{LayerIndex, Summary};
use super::metadata::Metadata;
use super::paths::{PathId, PathTable};
use super::records::{Records, What};
use super::stream::{StreamOptions, run};
use super::tar;
use super::writer::{DirectoryMarks, Writer};
use super::{Limits, Oddities, UnpackOptions};
use crate::chunks::ChunkReader;
use crate::compression::Compression;
use crate::error::{Context, Error, Result};
use crate::oci::{DiffId, Digest};
use crate::sys::dir::Dir;
use crate::sys::errno::{SysError, escape};

/// Most warnings about one layer.
const MAX_WARNINGS: usize = 20;

/// What came of a layer.
#[derive(Debug)]
pub struct Unpacked {
    /// The record of the layer.
    pub index: LayerIndex,
    /// How its blob was compressed.
    pub compression: Compression,
}

/// What is said about a layer before it is unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// Its diff ID, which is checked.
    pub diff_id: Option<&'a DiffId>,
    /// The digest of its blob, which the caller checks before the layer counts: the same bytes are hashed once.
    pub blob: Option<&'a Digest>,
}

/// Unpacks `blob` into `diff`, an empty directory that nobody else looks at.
///
/// On success the directory holds the layer in `OverlayFS` form, the blob was read to its end, and the diff ID is
/// the claimed one. Nothing is synced. `aside` is the directory of the layer, on the same file system:
/// content that only some stacks show stays there as `kept-NUMBER`, and must be kept beside `diff`.
///
/// # Errors
/// [`ErrorKind::Refused`](crate::ErrorKind::Refused) for whatever is wrong with the layer; the content of `diff` is
/// then undefined and to be removed by the caller.
pub fn unpack(
    blob: ChunkReader,
    diff: &Dir,
    aside: &Dir,
    claims: &Claims<'_>,
    options: &UnpackOptions<'_>,
) -> Result<Unpacked> {
    let stream = StreamOptions {
        expected: claims.diff_id.cloned(),
        blob: claims.blob.cloned(),
        max_bytes: options.limits.bytes,
        zstd_window_log: options.limits.zstd_window_log,
        cancel: options.cancel.clone(),
    };
    let warnings = AtomicUsize::new(0);
    let warn = |message: &str| match warnings.fetch_add(1, Ordering::Relaxed) {
        at if at < MAX_WARNINGS => (options.warn)(message),
        MAX_WARNINGS => (options.warn)("more warnings about this layer are not shown"),
        _ => {}
    };
    let ((tree, paths, records), diff_id, compression) = run(blob, &stream, |input| {
        let mut work = Work {
            options,
            warn: &warn,
            paths: PathTable::new(options.limits.entries),
            records: Records::default(),
            tree: DiffTree::default(),
            writer: Writer::new(diff, &warn)?,
            aside,
            kept: HashSet::new(),
            atimes: HashMap::new(),
        };
        work.entries(input)?;
        work.close()?;
        Ok((work.tree, work.paths, work.records))
    })?;
    let summary = Summary {
        format: 1,
        diff_id,
        entries: records.len() as u64,
        // Holes are counted, and a hostile layer has any number of them.
        bytes: records.iter().fold(0, |sum, (_, record)| sum.saturating_add(size_of_content(record.what))),
        marks: records.iter().filter(|(_, record)| matches!(record.what, What::Whiteout | What::Opaque)).count() as u64,
        opaque_root: tree.is_opaque(PathId::ROOT),
        empty: !tree.is_opaque(PathId::ROOT) && tree.paths(&paths).next().is_none(),
    };
    Ok(Unpacked { index: LayerIndex { summary, paths, records }, compression })
}

fn size_of_content(what: What) -> u64 {
    match what {
        What::File { size, .. } => size,
        _ => 0,
    }
}

struct Work<'a> {
    options: &'a UnpackOptions<'a>,
    warn: &'a (dyn Fn(&str) + Sync),
    paths: PathTable,
    records: Records,
    tree: DiffTree,
    writer: Writer<'a>,
    aside: &'a Dir,
    /// Records whose content was moved aside.
    kept: HashSet<u32>,
    /// Access times of directories, which are set last; few archives have any.
    atimes: HashMap<u32, tar::Time>,
}

impl Work<'_> {
    fn entries(&mut self, input: &mut (impl BufRead + Send)) -> Result<()> {
        let Limits { header_bytes, depth, entries, .. } = self.options.limits;
        let mut reader = tar::Reader::new(input, header_bytes);
        let mut entry = tar::Entry::default();
        let mut classifier = Classifier::new(depth);
        while reader.next(&mut entry)? {
            self.options.cancel.check()?;
            if self.records.len() as u64 >= entries {
                return Err(Error::refused(format!("layer has more than {entries} entries")));
            }
            self.entry(&mut entry, &mut classifier, &mut reader)
                .context(|| format!("entry `{}`", escape(&entry.path)))?;
            for notice in reader.take_notices() {
                self.notice(&notice, &entry.path)?;
            }
        }
        reader.drain()?;
        for notice in reader.take_notices() {
            self.notice(&notice, b"")?;
        }
        Ok(())
    }

    /// Something odd: a warning, or an error where the caller wants it strict.
    fn odd(&self, message: &str) -> Result<()> {
        if self.options.oddities == Oddities::Refuse {
            return Err(Error::refused(message));
        }
        (self.warn)(message);
        Ok(())
    }

    fn notice(&self, notice: &tar::Notice, path: &[u8]) -> Result<()> {
        let path = escape(path);
        match notice {
            tar::Notice::GlobalHeader => self.odd("global PAX header with path, size or linkpath ignored"),
            tar::Notice::SizeIgnored => self.odd(&format!("entry `{path}`: size of an entry without data ignored")),
            tar::Notice::TextualAcl => self.odd(&format!("entry `{path}`: SCHILY.acl record ignored")),
            tar::Notice::TrailingData => self.odd("data after the end of the archive ignored"),
        }
    }

    fn entry<R: BufRead>(
        &mut self,
        entry: &mut tar::Entry,
        classifier: &mut Classifier,
        reader: &mut tar::Reader<R>,
    ) -> Result<()> {
        let Some(classified) = classifier.classify(entry, &mut self.paths, &mut self.records)? else {
            return Ok(());
        };
        let Classified { raw, what, metadata, xattrs, oddity } = classified;
        if let Some(oddity) = oddity {
            self.odd(&format!("entry `{}`: {oddity}", escape(&entry.path)))?;
        }
        let number = self.records.push(raw.path, what, metadata, xattrs)?;
        if what == What::Directory
            && let Some(atime) = entry.atime
        {
            self.atimes.insert(number, atime);
        }
        let placement = self.tree.place(&mut self.paths, &self.records, number, raw)?;
        match (placement, what) {
            (Some(placement), _) => self.carry_out(&placement, number, entry, reader),
            (None, What::Plink { .. }) => {
                self.kept.insert(number);
                let mut file = self.writer.file_in(self.aside, kept_name(number).as_bytes(), &metadata)?;
                let (size, hash) = fill(&mut file, entry, reader)?;
                self.records.set_content(number, What::Plink { size, hash });
                self.writer.finish_file(&file, &metadata, self.records.xattrs(self.records.get(number)), entry.atime)
            }
            (None, _) => Ok(()),
        }
    }

    fn carry_out<R: BufRead>(
        &mut self,
        placement: &Placement,
        number: u32,
        entry: &tar::Entry,
        reader: &mut tar::Reader<R>,
    ) -> Result<()> {
        let Placement { path, ref implied, before, ref displaced, link } = *placement;
        for &(path, number) in displaced {
            // Of several hard links one is enough.
            if self.kept.insert(number) {
                self.writer.move_aside(&self.paths, path, self.aside, kept_name(number).as_bytes())?;
            }
        }
        for &(directory, before) in implied {
            if before == Before::File {
                self.writer.remove_file(&self.paths, directory)?;
            }
            self.writer.directory(&self.paths, directory)?;
        }
        match before {
            Before::Nothing => {}
            Before::SameDirectory | Before::Itself => return Ok(()),
            Before::File => self.writer.remove_file(&self.paths, path)?,
            Before::Tree => self.writer.remove_tree(&self.paths, path)?,
        }
        let record = *self.records.get(number);
        let xattrs = self.records.xattrs(&record);
        let metadata = &record.metadata;
        match record.what {
            What::Directory => self.writer.directory(&self.paths, path),
            What::File { .. } => {
                let mut file = self.writer.file(&self.paths, path, metadata)?;
                let (size, hash) = fill(&mut file, entry, reader)?;
                self.writer.finish_file(&file, metadata, xattrs, entry.atime)?;
                self.records.set_content(number, What::File { size, hash });
                Ok(())
            }
            What::Symlink(target) => {
                self.writer.symlink(&self.paths, path, self.records.text(target), metadata, xattrs, entry.atime)
            }
            What::Device { block, major, minor } => {
                let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
                self.writer.node(
                    &self.paths,
                    path,
                    (kind, rustix::fs::makedev(major, minor)),
                    metadata,
                    xattrs,
                    entry.atime,
                )
            }
            What::Fifo => self.writer.node(&self.paths, path, (FileType::Fifo, 0), metadata, xattrs, entry.atime),
            What::Link(_) => link.map_or(Ok(()), |source| self.link(source, path)),
            What::NullDevice | What::Whiteout | What::Opaque | What::Plink { .. } => Ok(()),
        }
    }

    fn link(&mut self, source: LinkSource, path: PathId) -> Result<()> {
        match source {
            LinkSource::Path(from) => self.writer.link(&self.paths, from, path),
            LinkSource::Plink(number) => {
                self.writer.link_from(self.aside, kept_name(number).as_bytes(), &self.paths, path)
            }
        }
    }

    /// What has a name in the tree needs no second one beside it, which `st_nlink` would show.
    fn drop_kept(&mut self) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        for (_, slot) in self.tree.paths(&self.paths) {
            if let Slot::Content(number) = slot
                && self.kept.remove(&number)
            {
                self.aside.remove_file(kept_name(number).as_bytes())?;
            }
        }
        Ok(())
    }

    /// The end of the layer: late links, marks, and what directories look like in the end.
    fn close(&mut self) -> Result<()> {
        let mut whiteout_parents = HashSet::new();
        for closing in self.tree.finish(&mut self.paths, &self.records)? {
            match closing {
                Closing::Link { source, path } => self.link(source, path)?,
                Closing::Directory(path) => self.writer.directory(&self.paths, path)?,
                Closing::Whiteout(path) => {
                    whiteout_parents.insert(self.paths.parent(path));
                    self.writer.whiteout(&self.paths, path)?;
                }
            }
        }
        self.drop_kept()?;
        let directories = self.tree.paths(&self.paths).filter(|(_, slot)| slot.is_directory());
        let root = self.tree.root().map_or(Slot::Implied, Slot::Directory);
        let mut directories: Vec<(PathId, Slot)> = std::iter::once((PathId::ROOT, root)).chain(directories).collect();
        // A path is younger than its parent: a directory is finished after everything below it.
        directories.reverse();
        for (path, slot) in directories {
            let marks =
                DirectoryMarks { opaque: self.tree.is_opaque(path), has_whiteouts: whiteout_parents.contains(&path) };
            let (metadata, xattrs, atime) = match slot {
                Slot::Directory(number) => {
                    let record = self.records.get(number);
                    (record.metadata, self.records.xattrs(record), self.atimes.get(&number).copied())
                }
                _ => (Metadata::IMPLIED, &[][..], None),
            };
            self.writer
                .finish_directory(&self.paths, path, &metadata, xattrs, marks, atime)
                .context(|| format!("directory `{}`", escape(&self.paths.text(path))))?;
        }
        Ok(())
    }
}

/// The name of content that is kept beside the diff directory.
pub fn kept_name(number: u32) -> String {
    format!("kept-{number}")
}

/// Writes the data of an entry into its file; gives the size and the hash of the data.
fn fill<R: BufRead>(file: &mut std::fs::File, entry: &tar::Entry, reader: &mut tar::Reader<R>) -> Result<(u64, u64)> {
    let fail = |error: std::io::Error| SysError::from_io("write", &entry.path, &error);
    let mut hash = Xxh3::new();
    let Some(map) = &entry.sparse else {
        loop {
            let data = reader.data()?;
            if data.is_empty() {
                return Ok((entry.size, hash.digest()));
            }
            file.write_all(data).map_err(fail)?;
            hash.update(data);
            let len = data.len();
            reader.consume(len);
        }
    };
    for segment in map {
        let (mut at, end) = (segment.offset, segment.offset + segment.len);
        while at < end {
            let data = reader.data()?;
            let len = data.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            if len == 0 {
                return Err(Error::refused("sparse file: data ends early"));
            }
            file.write_all_at(&data[..len], at).map_err(fail)?;
            hash.update(&data[..len]);
            reader.consume(len);
            at += len as u64;
        }
    }
    file.set_len(entry.size).map_err(fail)?;
    Ok((entry.size, hash.digest()))
}
