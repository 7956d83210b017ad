//! Path resolution: every component is looked up in the model, symlinks are followed with the root as `/`.

use super::model::{Inode, Kind, Model, Slot, Stop};
use super::names::Path;

/// As many symlinks as Linux follows in one path.
const MAX_SYMLINKS: usize = 40;

/// Where the way to a directory ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory.
    Dir(Path),
    /// Nothing is there; this would be the place.
    Missing(Path),
    /// Something that is not a directory stands in the way.
    NonDir { of_this_layer: bool, through_symlink: bool, place: Path },
    /// Too many symlinks.
    Loop,
    /// `..` behind something that is missing.
    Odd,
}

/// The components that remain to be walked.
struct Walk {
    rest: Vec<Vec<u8>>,
    place: Path,
    /// The symlinks that were followed.
    followed: Vec<Path>,
}

impl Walk {
    fn of(path: &Path) -> Self {
        Self { rest: path.0.iter().rev().cloned().collect(), place: Path::root(), followed: Vec::new() }
    }

    /// Takes a symlink's target in; false if there were too many.
    fn follow(&mut self, link: Path, target: &[u8]) -> bool {
        self.followed.push(link);
        if target.starts_with(b"/") {
            self.place = Path::root();
        }
        let parts = target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        self.rest.extend(parts.map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter().rev());
        self.followed.len() <= MAX_SYMLINKS
    }
}

impl Model {
    /// Finds the directory of a path without changing anything.
    pub(super) fn find_dir(&self, path: &Path) -> Found {
        self.walk_to(&mut Walk::of(path))
    }

    /// The same, and whether a symlink was followed that this layer has put at another place than it says.
    pub(super) fn find_dir_of_mark(&self, path: &Path) -> (Found, bool) {
        let mut walk = Walk::of(path);
        let found = self.walk_to(&mut walk);
        let moved = |link: &Path| self.get(link).is_some_and(|(slot, _)| slot.layer == self.layer && slot.moved);
        (found, walk.followed.iter().any(moved))
    }

    fn walk_to(&self, walk: &mut Walk) -> Found {
        let mut missing = false;
        while let Some(part) = walk.rest.pop() {
            if part == b".." {
                if missing {
                    return Found::Odd;
                }
                walk.place.0.pop();
                continue;
            }
            let place = walk.place.join(&part);
            match self.get(&place).map(|(slot, inode)| (slot, &inode.kind)) {
                None => {
                    missing = true;
                    walk.place = place;
                }
                Some((_, Kind::Dir)) => walk.place = place,
                Some((slot, Kind::Symlink(_))) if self.cannot_be_seen(slot) => return Found::Odd,
                Some((_, Kind::Symlink(target))) => {
                    if !walk.follow(place, target) {
                        return Found::Loop;
                    }
                }
                Some((slot, _)) => {
                    // What follows lies below it, whether there is a `..` in it or not.
                    let odd = walk.rest.iter().any(|part| part == b"..");
                    if odd {
                        return Found::Odd;
                    }
                    let place = walk.rest.iter().rev().fold(place, |place, part| place.join(part));
                    let of_this_layer = slot.layer == self.layer;
                    return Found::NonDir { of_this_layer, through_symlink: !walk.followed.is_empty(), place };
                }
            }
        }
        if missing { Found::Missing(walk.place.clone()) } else { Found::Dir(walk.place.clone()) }
    }

    /// Finds the directory of a path, and makes what is missing on the way (rows 30, 31, 46, 81).
    ///
    /// Returns the symlinks on the way as well.
    pub(super) fn make_dir(&mut self, path: &Path) -> Result<(Path, Vec<Path>), Stop> {
        let mut walk = Walk::of(path);
        let mut made = false;
        while let Some(part) = walk.rest.pop() {
            if part == b".." {
                if made {
                    return Err(Stop::Open("`..` behind a missing directory".into()));
                }
                walk.place.0.pop();
                continue;
            }
            let place = walk.place.join(&part);
            match self.get(&place).map(|(slot, inode)| (slot, inode.kind.clone())) {
                Some((_, Kind::Dir)) => walk.place = place,
                Some((slot, Kind::Symlink(_))) if self.cannot_be_seen(slot) => {
                    return Err(Stop::Open("a hard link to a lower symlink, used as a directory".into()));
                }
                Some((_, Kind::Symlink(target))) => {
                    if !walk.follow(place, &target) {
                        return Err(Stop::Refused("a symlink loop (row 79)".into()));
                    }
                }
                Some((slot, _)) if slot.layer == self.layer => {
                    return Err(Stop::Refused("an entry below a file of the same layer (row 46)".into()));
                }
                Some(_) if !walk.followed.is_empty() => {
                    return Err(Stop::Open("a symlink that leads to a lower file, used as a directory".into()));
                }
                // Nothing, or a file of a lower layer.
                None | Some(_) => {
                    made = true;
                    self.place(&place, Inode::implied_dir());
                    walk.place = place;
                }
            }
        }
        Ok((walk.place, walk.followed))
    }

    fn cannot_be_seen(&self, slot: Slot) -> bool {
        slot.layer == self.layer && slot.linked_below
    }

    /// Finds what a hard link names: the last component is not followed.
    pub(super) fn find_link_target(&self, path: &Path) -> Option<Path> {
        let (parent, name) = path.split()?;
        match self.find_dir(&parent) {
            Found::Dir(parent) => Some(parent.join(name)).filter(|place| self.paths.contains_key(place)),
            _ => None,
        }
    }
}
