//! The end of a layer: hard links to later entries and all marks, whose order among the entries does not matter
//! (layer-semantics rows 1 to 9, 23, 71).

use std::collections::HashSet;

use super::diff_tree::{DiffTree, Files, LinkSource, Slot, View};
use super::late_links::{self, Target};
use super::paths::{PathId, PathTable};
use super::records::Records;
use super::resolve::{Found, Missing, resolve};
use crate::error::Result;

/// What is left to do on disk at the end of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Make a hard link.
    Link {
        /// To this.
        source: LinkSource,
        /// At this path, where nothing is.
        path: PathId,
    },
    /// Make an implied directory.
    Directory(PathId),
    /// Make a whiteout.
    Whiteout(PathId),
}

impl DiffTree {
    /// Ends the layer: hard links to later entries, then the marks. What is to be done on disk comes in order.
    pub fn finish(&mut self, paths: &mut PathTable, records: &Records) -> Result<Vec<Closing>> {
        let mut closing = Vec::new();
        self.finish_links(paths, records, &mut closing)?;
        self.finish_opaque(paths, records, &mut closing)?;
        self.finish_whiteouts(paths, records, &mut closing)?;
        Ok(closing)
    }

    /// A mark below a file is about nothing.
    fn blocking<'a>(&'a self, records: &'a Records) -> View<'a> {
        View { tree: self, records, files: Files::Block }
    }

    fn finish_links(&mut self, paths: &mut PathTable, records: &Records, closing: &mut Vec<Closing>) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        // A later entry may have taken the link's place.
        pending.retain(|&(number, path, _)| self.slot(path) == Slot::Pending(number));
        let waiting: Vec<PathId> = pending.iter().map(|&(_, path, _)| path).collect();
        let (made, left) = late_links::order(&waiting, |link| {
            Ok(match self.find_target(paths, records, pending[link].2)? {
                Some(LinkSource::Path(path)) if matches!(self.slot(path), Slot::Pending(_)) => Target::Waits(path),
                Some(source) if self.is_linkable(source) => Target::Ready,
                _ => Target::Nowhere,
            })
        })?;
        for link in made {
            let (_, path, target) = pending[link];
            if let Some(source) = self.link_source(paths, records, target)? {
                self.set(paths, path, self.linked_slot(source));
                closing.push(Closing::Link { source, path });
            }
        }
        // The target may be in a layer below: the correction of the stack makes these (row 70).
        for link in left {
            self.set(paths, pending[link].1, Slot::Absent);
        }
        Ok(())
    }

    fn finish_opaque(&mut self, paths: &mut PathTable, records: &Records, closing: &mut Vec<Closing>) -> Result<()> {
        for raw in self.opaque_marks.clone() {
            // A file that replaced the directory hides everything below it anyway.
            let Found::At(path) = resolve(paths, &self.blocking(records), raw, Missing::IsDirectory)? else {
                continue;
            };
            closing.extend(self.imply(paths, records, path).into_iter().map(|(path, _)| Closing::Directory(path)));
            self.opaque.insert(path);
        }
        Ok(())
    }

    fn finish_whiteouts(&mut self, paths: &mut PathTable, records: &Records, closing: &mut Vec<Closing>) -> Result<()> {
        let mut targets: HashSet<PathId> = self.null_devices.drain(..).collect();
        for raw in std::mem::take(&mut self.whiteout_marks) {
            let above = paths.parent(raw);
            if let Found::At(parent) = resolve(paths, &self.blocking(records), above, Missing::IsDirectory)? {
                targets.insert(paths.same_name_in(parent, raw)?);
            }
        }
        // From the top down, so that a whiteout below another one or below an opaque directory is seen as
        // redundant (rows 5, 8).
        let mut targets: Vec<(usize, PathId)> = targets.into_iter().map(|path| (paths.depth(path), path)).collect();
        targets.sort_unstable();
        for (_, path) in targets {
            if self.is_hidden(paths, path) {
                continue;
            }
            match self.slot(path) {
                Slot::Implied | Slot::Directory(_) => {
                    self.opaque.insert(path);
                }
                Slot::Absent => {
                    let parent = paths.parent(path);
                    closing.extend(
                        self.imply(paths, records, parent).into_iter().map(|(path, _)| Closing::Directory(path)),
                    );
                    self.set(paths, path, Slot::Whiteout);
                    closing.push(Closing::Whiteout(path));
                }
                // A file hides whatever is below it without a mark (row 3).
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether something above the path hides the layers below: an opaque directory, a whiteout, a file.
    fn is_hidden(&self, paths: &PathTable, path: PathId) -> bool {
        let mut here = path;
        while here != PathId::ROOT {
            here = paths.parent(here);
            let slot = self.slot(here);
            if self.is_opaque(here) || (slot != Slot::Absent && !slot.is_directory()) {
                return true;
            }
        }
        false
    }
}
