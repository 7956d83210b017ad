//! What one layer alone leaves in its diff directory: a fold over its entries, without touching a disk.
//!
//! The same fold runs while a layer is unpacked, where each [`Placement`] is carried out at once, and later over the
//! saved records, where it tells what the diff directory holds. Marks are kept until the end of the layer, so that
//! their order among the entries does not matter (layer-semantics rows 1 to 8, 23).

use std::collections::{HashMap, HashSet};

use super::contents::Contents;
use super::paths::{PathId, PathTable};
use super::records::{Records, What};
use super::resolve::{Found, Look, Missing, Space, missing_directories, resolve};
use crate::error::{Error, Result};

/// What the diff directory has at a path. Numbers are records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slot {
    /// Nothing.
    #[default]
    Absent,
    /// A directory that no entry describes.
    Implied,
    /// A directory.
    Directory(u32),
    /// A file, device or pipe; several paths with one number are hard links.
    Content(u32),
    /// A symlink.
    Symlink(u32),
    /// A hard link whose target did not come yet (row 71).
    Pending(u32),
    /// A whiteout.
    Whiteout,
}

impl Slot {
    /// Whether it is a directory.
    pub fn is_directory(self) -> bool {
        matches!(self, Self::Implied | Self::Directory(_))
    }
}

/// What stood where an entry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing on disk.
    Nothing,
    /// A directory, which the new directory becomes.
    SameDirectory,
    /// A file that must go.
    File,
    /// A directory that must go with everything in it.
    Tree,
    /// The file itself: a hard link to its own path (row 75).
    Itself,
}

/// The paths of a record as written, in the table that the fold works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw {
    /// The path.
    pub path: PathId,
    /// The target of a hard link.
    pub target: Option<PathId>,
}

/// Where an entry goes.
#[derive(Debug)]
pub struct Placement {
    /// The real path.
    pub path: PathId,
    /// Directories to be made first, topmost first, where those files have to go before.
    pub implied: Vec<(PathId, Before)>,
    /// What is there now.
    pub before: Before,
    /// Files that this entry takes away but that a stack may still need, with their records (see [`DiffTree`]).
    pub displaced: Vec<(PathId, u32)>,
    /// For a hard link whose target is there: a path of the target, or the number of the AUFS source.
    pub link: Option<LinkSource>,
}

/// Where a hard link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSource {
    /// To the file at this path.
    Path(PathId),
    /// To an AUFS source, by its record.
    Plink(u32),
}

/// The diff directory in memory.
///
/// Two entries that meet at one path here may be two files in a stack: a symlink of a layer below can lead one of
/// them elsewhere. Content that goes away after a directory or symlink came between is therefore reported as
/// displaced. (Two plain entries of one path, one right after the other, mean one file in every stack.)
#[derive(Debug, Clone, Default)]
pub struct DiffTree {
    slots: Vec<Slot>,
    contents: Contents,
    pub(super) opaque: HashSet<PathId>,
    root: Option<u32>,
    plinks: HashMap<PathId, u32>,
    /// Record, path and target of hard links that wait for their target.
    pub(super) pending: Vec<(u32, PathId, PathId)>,
    pub(super) whiteout_marks: Vec<PathId>,
    pub(super) null_devices: Vec<PathId>,
    pub(super) opaque_marks: Vec<PathId>,
    /// The last record that may lead later paths elsewhere.
    last_turn: Option<u32>,
    /// A path went through a symlink of this layer.
    aliased: bool,
}

/// The tree as a place where paths are resolved.
#[derive(Debug)]
pub struct View<'a> {
    /// The tree.
    pub tree: &'a DiffTree,
    /// The records that its numbers mean.
    pub records: &'a Records,
    /// What a file on the way is.
    pub files: Files,
}

/// What a file on the way of a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// The end of the way.
    Block,
    /// Nothing: the directory that an entry implies takes its place. Whether it may is for the model of a stack to
    /// say, which knows what is below ([`super::model`]).
    GiveWay,
}

impl Space for View<'_> {
    fn look(&self, path: PathId) -> Look<'_> {
        match self.tree.slot(path) {
            _ if path == PathId::ROOT => Look::Directory,
            Slot::Absent | Slot::Whiteout => Look::Absent,
            Slot::Implied | Slot::Directory(_) => Look::Directory,
            Slot::Symlink(number) => Look::Symlink(self.records.symlink_target(number)),
            Slot::Content(_) | Slot::Pending(_) if self.files == Files::GiveWay => Look::Absent,
            Slot::Content(_) | Slot::Pending(_) => Look::Other,
        }
    }
}

impl DiffTree {
    /// What is at the path.
    pub fn slot(&self, path: PathId) -> Slot {
        self.slots.get(path.index()).copied().unwrap_or_default()
    }

    /// The entry of the root directory, where the layer has one.
    pub fn root(&self) -> Option<u32> {
        self.root
    }

    /// What was put into a directory; some of it may be gone.
    pub fn contents(&self, directory: PathId) -> impl Iterator<Item = PathId> + '_ {
        self.contents.of(directory)
    }

    /// Whether the directory hides everything below it.
    pub fn is_opaque(&self, path: PathId) -> bool {
        self.opaque.contains(&path)
    }

    /// Paths that are not absent, the root apart, in the order of the table.
    pub fn paths(&self, paths: &PathTable) -> impl Iterator<Item = (PathId, Slot)> + use<'_> {
        paths.all().map(|path| (path, self.slot(path))).filter(|(_, slot)| *slot != Slot::Absent)
    }

    pub(super) fn set(&mut self, paths: &PathTable, path: PathId, slot: Slot) {
        if self.slots.len() <= path.index() {
            self.slots.resize(path.index() + 1, Slot::Absent);
        }
        let before = std::mem::replace(&mut self.slots[path.index()], slot);
        if before == Slot::Absent && slot != Slot::Absent {
            self.contents.add(paths, path);
        }
    }

    /// Decides where record `number` goes, whose paths are `raw`, and takes it in. Nothing for marks, AUFS sources
    /// and the root.
    pub fn place(
        &mut self,
        paths: &mut PathTable,
        records: &Records,
        number: u32,
        raw: Raw,
    ) -> Result<Option<Placement>> {
        let Raw { path: raw, target } = raw;
        let what = records.get(number).what;
        match what {
            What::Whiteout => {
                self.whiteout_marks.push(raw);
                return Ok(None);
            }
            What::Opaque => {
                self.opaque_marks.push(raw);
                return Ok(None);
            }
            What::Plink { .. } => {
                self.plinks.insert(raw, number);
                return Ok(None);
            }
            What::Directory if raw == PathId::ROOT => {
                self.root = Some(number);
                return Ok(None);
            }
            _ => {}
        }
        let source = match target {
            Some(target) => self.link_source(paths, records, target)?,
            None => None,
        };
        let (path, below) = self.enter(paths, records, raw)?;
        let mut displaced = Vec::new();
        let mut implied = Vec::with_capacity(below.len());
        for (path, slot) in below {
            self.note_displaced(path, slot, &mut displaced);
            implied.push((path, before(slot)));
        }
        if source == Some(LinkSource::Path(path)) {
            return Ok(Some(Placement { path, implied, before: Before::Itself, displaced, link: None }));
        }
        let may_turn = matches!(what, What::Directory | What::Symlink(_) | What::NullDevice | What::Link(_));
        let gave_way = implied.iter().any(|(_, before)| *before == Before::File);
        if may_turn || gave_way || self.slot(path).is_directory() {
            self.last_turn = Some(number);
        }
        let before = match self.slot(path) {
            slot if slot.is_directory() && what == What::Directory => Before::SameDirectory,
            slot if slot.is_directory() => {
                self.clear_below(paths, path, &mut displaced);
                Before::Tree
            }
            slot => {
                self.note_displaced(path, slot, &mut displaced);
                before(slot)
            }
        };
        // What was replaced may have been the target itself.
        let link = source.filter(|source| self.is_linkable(*source));
        let slot = match (what, link) {
            (What::Directory, _) => Slot::Directory(number),
            (What::Symlink(_), _) => Slot::Symlink(number),
            (What::NullDevice, _) => {
                self.null_devices.push(path);
                Slot::Absent
            }
            (_, Some(source)) => self.linked_slot(source),
            (_, None) => match target {
                Some(target) => {
                    self.pending.push((number, path, target));
                    Slot::Pending(number)
                }
                None => Slot::Content(number),
            },
        };
        self.set(paths, path, slot);
        Ok(Some(Placement { path, implied, before, displaced, link }))
    }

    /// The real path of `raw`; its missing parents become implied directories.
    fn enter(
        &mut self,
        paths: &mut PathTable,
        records: &Records,
        raw: PathId,
    ) -> Result<(PathId, Vec<(PathId, Slot)>)> {
        let above = paths.parent(raw);
        let view = View { tree: self, records, files: Files::GiveWay };
        let Found::At(parent) = resolve(paths, &view, above, Missing::IsDirectory)? else {
            return Err(Error::refused("path cannot be resolved"));
        };
        self.aliased |= parent != above;
        let implied = self.imply(paths, records, parent);
        Ok((paths.same_name_in(parent, raw)?, implied))
    }

    /// Makes directories of all that is missing on the way to `directory`; gives each with what was there.
    pub(super) fn imply(&mut self, paths: &PathTable, records: &Records, directory: PathId) -> Vec<(PathId, Slot)> {
        if self.slot(directory).is_directory() {
            return Vec::new();
        }
        let view = View { tree: self, records, files: Files::GiveWay };
        let missing = missing_directories(paths, &view, directory);
        missing.into_iter().map(|path| (path, self.replace(paths, path, Slot::Implied))).collect()
    }

    fn replace(&mut self, paths: &PathTable, path: PathId, slot: Slot) -> Slot {
        let before = self.slot(path);
        self.set(paths, path, slot);
        before
    }

    /// The file that a hard link leads to, if it is there.
    pub(super) fn link_source(
        &self,
        paths: &mut PathTable,
        records: &Records,
        target: PathId,
    ) -> Result<Option<LinkSource>> {
        Ok(self.find_target(paths, records, target)?.filter(|source| self.is_linkable(*source)))
    }

    /// Whether it is a file. In a stack the path may be something else than a directory; the model refuses those.
    pub(super) fn is_linkable(&self, source: LinkSource) -> bool {
        match source {
            LinkSource::Plink(_) => true,
            LinkSource::Path(path) => matches!(self.slot(path), Slot::Content(_) | Slot::Symlink(_)),
        }
    }

    /// What a path is that is linked to this file.
    pub(super) fn linked_slot(&self, source: LinkSource) -> Slot {
        match source {
            LinkSource::Path(target) => self.slot(target),
            LinkSource::Plink(plink) => Slot::Content(plink),
        }
    }

    /// Where the target of a hard link is, whatever is there.
    pub(super) fn find_target(
        &self,
        paths: &mut PathTable,
        records: &Records,
        target: PathId,
    ) -> Result<Option<LinkSource>> {
        if let Some(&plink) = self.plinks.get(&target) {
            return Ok(Some(LinkSource::Plink(plink)));
        }
        let view = View { tree: self, records, files: Files::Block };
        let Found::At(parent) = resolve(paths, &view, paths.parent(target), Missing::Stops)? else {
            return Ok(None);
        };
        Ok(paths.find(parent, paths.name(target)).map(LinkSource::Path))
    }

    fn note_displaced(&self, path: PathId, slot: Slot, displaced: &mut Vec<(PathId, u32)>) {
        if let Slot::Content(record) = slot
            && (self.aliased || self.last_turn.is_some_and(|turn| turn > record))
        {
            displaced.push((path, record));
        }
    }

    fn clear_below(&mut self, paths: &PathTable, path: PathId, displaced: &mut Vec<(PathId, u32)>) {
        let mut todo = Vec::new();
        self.contents.take(path, &mut todo);
        while let Some(path) = todo.pop() {
            let slot = self.slot(path);
            if slot != Slot::Absent {
                self.note_displaced(path, slot, displaced);
                self.contents.take(path, &mut todo);
                self.set(paths, path, Slot::Absent);
            }
        }
    }
}

/// What has to go for something that is no directory to take its place.
fn before(slot: Slot) -> Before {
    match slot {
        Slot::Content(_) | Slot::Symlink(_) => Before::File,
        _ => Before::Nothing,
    }
}
