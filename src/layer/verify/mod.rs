//! Whether the directories of a layer, or of what was computed for a stack, are as they were made.
//!
//! ```text
//! layer.json ─► expected (pure) ─┐
//!                                ├─ compare (pure) ─► flaws
//! disk ─► lstat, attributes ─────┘      │
//!                                    stored: what this file system makes of the same file
//! ```
//!
//! Modification times count with their nanoseconds, access times do not. A file system may store other times, modes or
//! attributes than it is given; where one of those differs, a file that gets the same is made in a scratch directory,
//! and what became of that counts. On a read-only file system, or a full one, what is known of file systems counts.

mod compare;
pub(super) mod expected;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;

use nix::errno::Errno;
use rustix::fs::{FileType, Stat};

use self::compare::{Difference, Seen, differences, is_known_of_file_systems};
use self::expected::{Expected, ExpectedLayer, Node, Shape, content};
use self::stored::Scratch;
use super::Check;
use super::content_hash::has_hash;
use super::difference::{difference, everything};
use super::dir_cache::DirCache;
use super::flat::Origin;
use super::index::LayerIndex;
use super::paths::{PathId, PathTable};
use super::records::What;
use super::stack::{Stack, Wanted};
use super::unpack::kept_name;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::{SysError, SysResult};
use crate::sys::xattr;

/// Whether the content of files is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Only what can be told without.
    Unread,
    /// It is read and hashed.
    Hashed,
}

/// How directories are verified.
pub struct Verify<'a> {
    /// Whether the content of files is read.
    pub content: Content,
    /// A directory of ours on the same file system, for what is made to be compared with; none where nothing can be made.
    pub scratch: Option<&'a Dir>,
    /// Stops the work by its error.
    pub check: Check<'a>,
    /// Is told of the bytes that were hashed.
    pub advance: &'a (dyn Fn(u64) + Sync),
}

impl std::fmt::Debug for Verify<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verify").field("content", &self.content).finish_non_exhaustive()
    }
}

/// Something that is not as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file, from the directory that holds `diff` on.
    pub file: Vec<u8>,
    /// What is wrong with it.
    pub problem: String,
}

impl Flaw {
    fn in_diff(path: &[u8], problem: String) -> Self {
        let file = if path.is_empty() { b"diff".to_vec() } else { [b"diff/", path].concat() };
        Self { file, problem }
    }
}

impl Verify<'_> {
    /// Verifies a layer, whose directory is `aside`, against its index.
    ///
    /// # Errors
    /// What keeps the work from going on; a file that cannot be read is a flaw.
    pub fn layer(&self, index: &mut LayerIndex, aside: &Dir) -> Result<Vec<Flaw>> {
        let LayerIndex { summary, paths, records, .. } = index;
        let expected = ExpectedLayer::of(paths, records)?;
        let mut flaws = Vec::new();
        let marks = records.iter().filter(|(_, record)| matches!(record.what, What::Whiteout | What::Opaque)).count();
        let bytes = records.iter().fold(0_u64, |sum, (_, record)| match record.what {
            What::File { size, .. } => sum.saturating_add(size),
            _ => sum,
        });
        let says = (summary.bytes, summary.marks, summary.opaque_root, summary.empty);
        if says != (bytes, marks as u64, expected.opaque_root, expected.empty) {
            let problem = "its summary is not that of its entries".to_owned();
            flaws.push(Flaw { file: b"layer.json".to_vec(), problem });
        }
        let mut work = self.begin(paths, &expected.diff, &mut flaws);
        work.diff(aside)?;
        work.names.clear();
        for &number in &expected.kept {
            let node = content(records, records.get(number), Origin { layer: 0, record: number })?;
            let name = kept_name(number);
            let problems = match aside.stat(name.as_bytes()) {
                Ok(stat) => work.named(aside, name.as_bytes(), &stat, &node, 1)?,
                Err(error) => vec![unreadable(error)?],
            };
            work.flaws.extend(problems.into_iter().map(|problem| Flaw { file: name.clone().into_bytes(), problem }));
        }
        let entries = match aside.entries() {
            Ok(entries) => entries,
            Err(error) => {
                flaws.push(Flaw { file: Vec::new(), problem: unreadable(error)? });
                Vec::new()
            }
        };
        for entry in entries.into_iter().filter(|entry| entry.name.starts_with(b"kept-")) {
            let known = expected.kept.iter().any(|&number| kept_name(number).as_bytes() == entry.name);
            if !known {
                flaws.push(Flaw { file: entry.name, problem: "not in the layer".to_owned() });
            }
        }
        Ok(flaws)
    }

    /// Verifies the correction layer of a stack, base first.
    ///
    /// # Errors
    /// As for a layer.
    pub fn correction(&self, stack: &[&LayerIndex], aside: &Dir, cancel: &Cancel) -> Result<Vec<Flaw>> {
        let stack = Stack::new(stack, Wanted::ModelAndOverlay, cancel)?;
        let expected = Expected::of_changes(&stack, &difference(&stack), stack.model.root)?;
        self.computed(&stack, &expected, aside)
    }

    /// Verifies the directory that stands for these layers, base first.
    ///
    /// # Errors
    /// As for a layer.
    pub fn merged(&self, layers: &[&LayerIndex], aside: &Dir, cancel: &Cancel) -> Result<Vec<Flaw>> {
        let stack = Stack::new(layers, Wanted::Overlay, cancel)?;
        let expected = Expected::of_changes(&stack, &everything(&stack, &stack.overlay), stack.overlay.root)?;
        self.computed(&stack, &expected, aside)
    }

    fn computed(&self, stack: &Stack<'_>, expected: &Expected<'_>, aside: &Dir) -> Result<Vec<Flaw>> {
        let mut flaws = Vec::new();
        self.begin(&stack.paths, expected, &mut flaws).diff(aside)?;
        Ok(flaws)
    }

    fn begin<'w>(&'w self, paths: &'w PathTable, expected: &'w Expected<'w>, flaws: &'w mut Vec<Flaw>) -> Work<'w> {
        Work { verify: self, paths, expected, scratch: self.scratch.map(Scratch::new), names: HashMap::new(), flaws }
    }
}

struct Work<'w> {
    verify: &'w Verify<'w>,
    paths: &'w PathTable,
    expected: &'w Expected<'w>,
    scratch: Option<Scratch<'w>>,
    /// The inode of what has several names.
    names: HashMap<Origin, (u64, u64)>,
    flaws: &'w mut Vec<Flaw>,
}

impl Work<'_> {
    /// Everything in `diff`.
    fn diff(&mut self, aside: &Dir) -> Result<()> {
        let Some(diff) = self.readable(PathId::ROOT, aside.open_dir(b"diff"))? else { return Ok(()) };
        let mut dirs = DirCache::new(&diff)?;
        let mut todo = vec![PathId::ROOT];
        while let Some(path) = todo.pop() {
            (self.verify.check)()?;
            if let Some(dir) = self.readable(path, dirs.get(self.paths, path).map(Arc::clone))? {
                self.directory(&dir, path, &mut todo)?;
            }
        }
        Ok(())
    }

    fn flaw(&mut self, path: PathId, problem: String) {
        self.flaws.push(Flaw::in_diff(&self.paths.text(path), problem));
    }

    /// What was read of a path; if it cannot be read, that is a flaw.
    fn readable<T>(&mut self, path: PathId, read: SysResult<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) => {
                let problem = unreadable(error)?;
                self.flaw(path, problem);
                Ok(None)
            }
        }
    }

    fn directory(&mut self, dir: &Dir, path: PathId, todo: &mut Vec<PathId>) -> Result<()> {
        let mut whiteout_files = false;
        let children = self.expected.children(path);
        for &child in children {
            let Some(node) = self.expected.get(child) else { continue };
            let name = self.paths.name(child);
            let Some(stat) = self.readable(child, dir.stat(name))? else { continue };
            let kind = FileType::from_raw_mode(stat.st_mode);
            if matches!(node.shape, Shape::Directory { .. }) && kind == FileType::Directory {
                todo.push(child);
                continue;
            }
            whiteout_files |= node.shape == Shape::Whiteout && kind == FileType::RegularFile;
            for problem in self.named(dir, name, &stat, node, self.expected.names(node))? {
                self.flaw(child, problem);
            }
        }
        let known: HashSet<&[u8]> = children.iter().map(|&child| self.paths.name(child)).collect();
        let Some(entries) = self.readable(path, dir.entries())? else { return Ok(()) };
        for entry in entries.iter().filter(|entry| !known.contains(entry.name.as_slice())) {
            let text = self.paths.text(path);
            let slash: &[u8] = if text.is_empty() { b"" } else { b"/" };
            let file = [&text, slash, &entry.name].concat();
            self.flaws.push(Flaw::in_diff(&file, "not in the layer".to_owned()));
        }
        let Some(node) = self.expected.get(path) else { return Ok(()) };
        let seen = dir.stat(b".").and_then(|stat| Ok(Seen { xattrs: xattr::all_fd(dir)?, ..Seen::of(&stat) }));
        let Some(seen) = self.readable(path, seen)? else { return Ok(()) };
        for difference in self.compare(node, &seen, 1, whiteout_files)? {
            self.flaw(path, difference.to_string());
        }
        Ok(())
    }

    /// What is wrong with a name that is no directory.
    fn named(&mut self, dir: &Dir, name: &[u8], stat: &Stat, node: &Node<'_>, names: u64) -> Result<Vec<String>> {
        let seen = match look(dir, name, stat) {
            Ok(seen) => seen,
            Err(error) => return Ok(vec![unreadable(error)?]),
        };
        let inode = (stat.st_dev, stat.st_ino);
        let found = self.compare(node, &seen, names, false)?;
        let mut flaws: Vec<String> = found.iter().map(ToString::to_string).collect();
        if let Some(origin) = node.origin.filter(|_| names > 1)
            && *self.names.entry(origin).or_insert(inode) != inode
        {
            flaws.push("hard links: not the file that its other names are".to_owned());
        }
        if let Shape::File { size, hash } = node.shape
            && self.verify.content == Content::Hashed
            && seen.kind == FileType::RegularFile
            && seen.size == size
        {
            let file: File = match dir.open_file(name) {
                Ok(file) => file,
                Err(error) => {
                    flaws.push(unreadable(error)?);
                    return Ok(flaws);
                }
            };
            match has_hash(&file, size, hash, self.verify.check, self.verify.advance) {
                Ok(true) => {}
                Ok(false) => flaws.push(format!("content: expected the XXH3 {:016x}, got another one", hash.0)),
                Err(error) => flaws.push(stays(error)?.to_string()),
            }
        }
        Ok(flaws)
    }

    fn compare(&mut self, node: &Node<'_>, seen: &Seen, names: u64, whiteout_files: bool) -> Result<Vec<Difference>> {
        let mut found = differences(node, seen, names, whiteout_files);
        if !found.iter().any(|difference| difference.what.is_up_to_the_file_system()) {
            return Ok(found);
        }
        match self.scratch.as_ref().map(|scratch| scratch.stored(node)) {
            Some(Ok(stored)) => return Ok(differences(&stored.as_node(node), seen, names, whiteout_files)),
            // What cannot be stored at all was not changed by being stored either.
            Some(Err(error)) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Refused) => {}
            // That is no word about the layer.
            Some(Err(error)) if error.kind() != ErrorKind::NoSpace => {
                return Err(error.context("make a file to compare with"));
            }
            _ => found.retain(|difference| !is_known_of_file_systems(difference.what, node, seen, whiteout_files)),
        }
        Ok(found)
    }
}

/// What is said of a file that cannot be looked at.
fn unreadable(error: SysError) -> Result<String> {
    match error.errno() {
        Errno::ENOENT => Ok("missing".to_owned()),
        Errno::ENOTDIR | Errno::ELOOP => Ok("type: expected a directory, got something else".to_owned()),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => Err(error.into()),
        _ => Ok(error.to_string()),
    }
}

/// An error that is about one file only; one that stops everything is given back.
fn stays(error: Error) -> Result<Error> {
    match error.kind() {
        ErrorKind::Interrupted(_) => Err(error),
        _ => Ok(error),
    }
}

/// What a name is, without following it.
fn look(dir: &Dir, name: &[u8], stat: &Stat) -> SysResult<Seen> {
    let mut seen = Seen::of(stat);
    if seen.kind == FileType::Symlink {
        seen.target = Some(dir.read_link(name)?);
    }
    seen.xattrs = xattr::all_at(dir, name)?;
    Ok(seen)
}
