//! One layer from its blob to its diff directory: each entry is decided by [`DiffTree`] and carried out by [`Writer`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::FileType;
use xxhash_rust::xxh3::xxh3_64;

use super::batch::NewFile;
use super::classify::{Classified, Classifier};
use super::closing::Closing;
use super::content_hash::Rule;
use super::crew::Crew;
use super::data::{Input, fill, is_whole};
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
use crate::sys::errno::escape;

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
    let warnings = AtomicUsize::new(0);
    let warn = |message: &str| match warnings.fetch_add(1, Ordering::Relaxed) {
        at if at < MAX_WARNINGS => (options.warn)(message),
        MAX_WARNINGS => (options.warn)("more warnings about this layer are not shown"),
        _ => {}
    };
    let stream = StreamOptions {
        expected: claims.diff_id.cloned(),
        blob: claims.blob.cloned(),
        max_bytes: options.limits.bytes,
        zstd_window_log: options.limits.zstd_window_log,
        check: options.check,
        warn: &warn,
    };
    let ((tree, paths, records), diff_id, compression) = run(blob, &stream, |input| {
        let writer = Writer::new(diff, &warn)?;
        thread::scope(|scope| {
            let mut work = Work {
                options,
                warn: &warn,
                paths: PathTable::new(options.limits.entries),
                records: Records::default(),
                tree: DiffTree::default(),
                crew: Crew::new(scope, writer.files(), options.crew),
                writer,
                aside,
                kept: HashSet::new(),
                atimes: HashMap::new(),
            };
            let done = work.entries(input).and_then(|()| work.close());
            if let Some(failure) = work.failed_file() {
                return Err(failure);
            }
            done?;
            Ok((work.tree, work.paths, work.records))
        })
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
        sparse: Rule::Blocks,
    };
    Ok(Unpacked { index: LayerIndex { summary, paths, records, tree: Some(tree) }, compression })
}

fn size_of_content(what: What) -> u64 {
    match what {
        What::File { size, .. } => size,
        _ => 0,
    }
}

struct Work<'scope, 'a> {
    options: &'a UnpackOptions<'a>,
    warn: &'a (dyn Fn(&str) + Sync),
    paths: PathTable,
    records: Records,
    tree: DiffTree,
    writer: Writer<'a>,
    crew: Crew<'scope, 'a>,
    aside: &'a Dir,
    /// Records whose content was moved aside.
    kept: HashSet<u32>,
    /// Access times of directories, which are set last; few archives have any.
    atimes: HashMap<u32, tar::Time>,
}

impl Work<'_, '_> {
    fn entries(&mut self, input: &mut ChunkReader) -> Result<()> {
        let Limits { header_bytes, depth, entries, .. } = self.options.limits;
        let mut reader = tar::Reader::new(input, header_bytes);
        let mut entry = tar::Entry::default();
        let mut classifier = Classifier::new(depth);
        while reader.next(&mut entry)? {
            (self.options.check)()?;
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

    /// The file that the crew could not create.
    fn failed_file(&mut self) -> Option<Error> {
        let (number, error) = self.crew.failure()?;
        let path = self.paths.text(self.records.get(number).path);
        Some(error.context(format!("entry `{}`", escape(&path))))
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
            tar::Notice::SeveralHeaders => {
                self.odd(&format!("entry `{path}`: several PAX headers, the last value of each record counts"))
            }
            tar::Notice::TrailingData => self.odd("data after the end of the archive ignored"),
        }
    }

    fn entry(&mut self, entry: &mut tar::Entry, classifier: &mut Classifier, reader: &mut Input<'_>) -> Result<()> {
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
                let mut file = self.writer.files().create(self.aside, kept_name(number).as_bytes(), &metadata)?;
                let (size, hash) = fill(&mut file, entry, reader)?;
                self.records.set_content(number, What::Plink { size, hash });
                let xattrs = self.records.xattrs(self.records.get(number));
                self.writer.files().finish(&file, &metadata, xattrs, entry.atime)
            }
            (None, _) => Ok(()),
        }
    }

    fn carry_out(
        &mut self,
        placement: &Placement,
        number: u32,
        entry: &tar::Entry,
        reader: &mut Input<'_>,
    ) -> Result<()> {
        let Placement { path, ref implied, before, ref displaced, link } = *placement;
        let removes = matches!(before, Before::File | Before::Tree)
            || implied.iter().any(|(_, before)| *before == Before::File)
            || !displaced.is_empty();
        if removes {
            self.crew.wait_for_all()?;
        }
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
            What::File { .. } if xattrs.is_empty() && is_whole(entry, reader)? => {
                let data = reader.data()?;
                let (len, hash) = (data.len(), xxh3_64(data));
                self.records.set_content(number, What::File { size: entry.size, hash });
                let dir = self.writer.parent(&self.paths, path)?;
                let data = reader.input().current().filter(|_| len > 0).map(|(chunk, at)| (chunk, at..at + len));
                let name = self.paths.name(path);
                self.crew.add(NewFile {
                    record: number,
                    dir,
                    name,
                    metadata: record.metadata,
                    atime: entry.atime,
                    data,
                })?;
                reader.consume(len);
                Ok(())
            }
            What::File { .. } => {
                let mut file = self.writer.file(&self.paths, path, metadata)?;
                let (size, hash) = fill(&mut file, entry, reader)?;
                self.writer.files().finish(&file, metadata, xattrs, entry.atime)?;
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
            LinkSource::Path(from) => {
                if let Slot::Content(record) = self.tree.slot(path) {
                    self.crew.wait_for(record)?;
                }
                self.writer.link(&self.paths, from, path)
            }
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
        self.crew.wait_for_all()?;
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
