//! One layer: marks first, then entries in archive order, then the hard links that had to wait.

use super::links::Links;
use super::model::{Kind, Model, Stop, described};
use super::names::{Meaning, Path, meaning};
use super::resolve::Found;
use crate::fixture::{Entry, Kind as EntryKind};

impl Model {
    /// Applies a layer; on failure the model stays as it was.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<(), Stop> {
        let meanings: Vec<Meaning> = entries.iter().map(meaning).collect::<Result<_, _>>()?;
        if let Some(stop) = row_24(&meanings, entries) {
            return Err(stop);
        }
        let mut below = self.clone();
        below.layer += 1;
        // Symlinks of the layer lead to where its marks point, and its marks decide where its entries land: start from the
        // tree below and go on until both agree.
        let mut marks = below.resolve_marks(&meanings)?;
        for _ in 0..4 {
            let mut result = below.clone();
            result.apply_marks(&marks);
            let outcome = result.apply_entries(entries, &meanings);
            let again = result.resolve_marks(&meanings)?;
            if again == marks {
                outcome?;
                if result.misses_what_marks_go_through(entries, &meanings) {
                    return Err(Stop::Open("a mark below a name that the layer put elsewhere".into()));
                }
                result.make_opaque_dirs(&marks);
                *self = result;
                return Ok(());
            }
            marks = again;
        }
        Err(Stop::Open("marks that decide where they point themselves".into()))
    }

    /// Whether a mark's own words lead through an entry of the layer that is not at the place of its name in the end.
    fn misses_what_marks_go_through(&self, entries: &[Entry], meanings: &[Meaning]) -> bool {
        let contents = || meanings.iter().enumerate();
        let is_last = |index: usize, path: &Path| {
            !contents().skip(index + 1).any(|(_, meaning)| matches!(meaning, Meaning::Content(other) if other == path))
        };
        let misses = |parent: &Path| {
            contents().any(|(index, meaning)| {
                let Meaning::Content(path) = meaning else { return false };
                parent.is_in(path)
                    && !matches!(entries[index].kind, EntryKind::Dir)
                    && is_last(index, path)
                    && self.get(path).is_none_or(|(slot, _)| slot.layer != self.layer)
            })
        };
        meanings.iter().any(|meaning| match meaning {
            Meaning::Whiteout(parent, _) | Meaning::Opaque(parent) => misses(parent),
            Meaning::Content(_) | Meaning::Nothing => false,
        })
    }

    /// Applies the entries, all of them even after a failure, and returns the first one.
    fn apply_entries(&mut self, entries: &[Entry], meanings: &[Meaning]) -> Result<(), Stop> {
        let mut links = Links::of(meanings);
        let mut outcome = Ok(());
        let mut files: Vec<&Path> = Vec::new();
        for (entry, meaning) in entries.iter().zip(meanings) {
            outcome = outcome.and(match meaning {
                Meaning::Content(path) => {
                    let below_a_file = files.iter().any(|file| path.is_below(file));
                    files.retain(|file| *file != path);
                    if !matches!(entry.kind, EntryKind::Dir | EntryKind::Symlink(_)) {
                        files.push(path);
                    }
                    let done = self.apply_entry(entry, path, &mut links);
                    // By its names alone the layer breaks row 46; a lower symlink on the way may save it.
                    done.and(if below_a_file { Err(below_a_moved_file()) } else { Ok(()) })
                }
                Meaning::Whiteout(parent, _) | Meaning::Opaque(parent) => self.check_mark(parent),
                Meaning::Nothing => Ok(()),
            });
        }
        outcome.and(links.finish(self))
    }

    /// A mark below what is a file of the layer at this point, but perhaps not at the end: nothing says which counts.
    fn check_mark(&self, parent: &Path) -> Result<(), Stop> {
        match self.find_dir(parent) {
            Found::NonDir { of_this_layer: true, .. } => {
                Err(Stop::Open("a mark below a file of the same layer".into()))
            }
            _ => Ok(()),
        }
    }

    fn apply_entry(&mut self, entry: &Entry, path: &Path, links: &mut Links) -> Result<(), Stop> {
        let place = match path.split() {
            Some((parent, name)) => {
                let (parent, followed) = self.make_dir(&parent)?;
                let place = parent.join(name);
                if followed.iter().any(|link| link.is_in(&place)) {
                    return Err(Stop::Open("an entry that replaces a symlink on its own way".into()));
                }
                place
            }
            None => Path::root(),
        };
        let device = |number: &u64| u32::try_from(*number).unwrap();
        let kind = match &entry.kind {
            EntryKind::Hardlink(target) => return links.apply(self, &place, target),
            EntryKind::Dir => {
                return {
                    self.apply_dir(entry, &place);
                    Ok(())
                };
            }
            EntryKind::File(content) => Kind::File(content.clone()),
            EntryKind::Symlink(target) if target.is_empty() => {
                return Err(Stop::Refused("a symlink without a target (row 80)".into()));
            }
            EntryKind::Symlink(target) => Kind::Symlink(target.clone()),
            EntryKind::Char(0, 0) => {
                // Row 19: a lower file of that name is hidden, the device itself is not made.
                self.remove(&place);
                return Ok(());
            }
            EntryKind::Char(major, minor) => Kind::Char(device(major), device(minor)),
            EntryKind::Block(major, minor) => Kind::Block(device(major), device(minor)),
            EntryKind::Fifo => Kind::Fifo,
            EntryKind::Special(..) => {
                return Err(Stop::Open("a type that the model does not know".into()));
            }
        };
        self.place(&place, described(entry, kind));
        self.paths.get_mut(&place).unwrap().moved = place != *path;
        Ok(())
    }

    /// A directory over a directory takes the new metadata and keeps its content; it replaces anything else.
    fn apply_dir(&mut self, entry: &Entry, place: &Path) {
        let inode = described(entry, Kind::Dir);
        if self.is_dir(place) {
            let slot = self.paths.get_mut(place).unwrap();
            slot.layer = self.layer;
            let index = slot.inode;
            self.inodes[index] = inode;
        } else {
            self.place(place, inode);
        }
    }
}

fn below_a_moved_file() -> Stop {
    Stop::Open("an entry below the name of a file that was moved or replaced".into())
}

/// An opaque mark below a file of the same layer is refused (row 24). After the mark the file might count as the last entry
/// of a duplicated path: open.
fn row_24(meanings: &[Meaning], entries: &[Entry]) -> Option<Stop> {
    let is_file = |wanted: &Path| {
        let last = meanings.iter().rposition(|meaning| matches!(meaning, Meaning::Content(path) if path == wanted))?;
        // What a hard link is shows only in the tree.
        let in_the_way = !matches!(entries[last].kind, EntryKind::Dir | EntryKind::Symlink(_) | EntryKind::Hardlink(_));
        // With a directory above it, the file may be gone again.
        let gone = |meaning: &Meaning| matches!(meaning, Meaning::Content(path) if wanted.is_below(path));
        (in_the_way && !meanings[last..].iter().any(gone)).then_some(last)
    };
    meanings.iter().enumerate().find_map(|(index, meaning)| {
        let Meaning::Opaque(parent) = meaning else {
            return None;
        };
        let file = is_file(parent)?;
        // Row 19: such a device is not created, so whether it is a file that is in the way nothing says.
        let created = entries[file].kind != EntryKind::Char(0, 0);
        Some(if file < index && created {
            Stop::Refused("an opaque mark below a file of the same layer (row 24)".into())
        } else {
            Stop::Open("a file over a directory with an opaque mark".into())
        })
    })
}
