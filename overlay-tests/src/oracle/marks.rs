//! Whiteouts and opaque marks: where they point, and what they remove.

use std::collections::BTreeSet;

use super::model::{Inode, Model, Stop};
use super::names::{Meaning, Path};
use super::resolve::Found;

/// The marks of a layer with their symlinks resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks {
    hidden: BTreeSet<Path>,
    opaque: BTreeSet<Path>,
}

impl Model {
    /// Where the marks of this layer point in the tree as it is now.
    pub(super) fn resolve_marks(&self, meanings: &[Meaning]) -> Result<Marks, Stop> {
        let mut marks = Marks::default();
        for meaning in meanings {
            let (Meaning::Whiteout(parent, _) | Meaning::Opaque(parent)) = meaning else {
                continue;
            };
            let (found, moved) = self.find_dir_of_mark(parent);
            if moved {
                return Err(Stop::Open("a mark through a symlink that was moved itself".into()));
            }
            match meaning {
                Meaning::Whiteout(_, name) => match found {
                    Found::Dir(parent) => {
                        marks.hidden.insert(parent.join(name));
                    }
                    Found::Missing(_) | Found::NonDir { of_this_layer: false, .. } => {}
                    found => return Err(Stop::Open(format!("a whiteout below {found:?}"))),
                },
                Meaning::Opaque(_) => match found {
                    Found::Dir(place)
                    | Found::Missing(place)
                    | Found::NonDir { of_this_layer: false, through_symlink: false, place } => {
                        marks.opaque.insert(place);
                    }
                    found => return Err(Stop::Open(format!("an opaque mark below {found:?}"))),
                },
                Meaning::Content(_) | Meaning::Nothing => {}
            }
        }
        Ok(marks)
    }

    /// Removes what the marks hide.
    pub(super) fn apply_marks(&mut self, marks: &Marks) {
        for path in &marks.hidden {
            self.remove(path);
        }
        for path in &marks.opaque {
            self.empty_dir(path);
        }
    }

    /// Makes the directories that opaque marks imply, where the entries of the layer did not.
    pub(super) fn make_opaque_dirs(&mut self, marks: &Marks) {
        for path in &marks.opaque {
            for depth in 1..=path.0.len() {
                let part = Path(path.0[..depth].to_vec());
                if !self.is_dir(&part) {
                    self.place(&part, Inode::implied_dir());
                }
            }
        }
    }
}
