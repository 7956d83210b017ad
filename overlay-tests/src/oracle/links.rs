//! Hard links of one layer: at once where the target is there, at the end of the layer where it is not yet.

use std::collections::BTreeMap;

use super::model::{Inode, Kind, Model, Stop};
use super::names::{Meaning, Path, clean};

/// What has to be looked at again at the end of the layer.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The inode that keeps the place, and the target's name.
    pending: Vec<(usize, Path)>,
    /// Links into lower layers: the target's name, and the inode that it was.
    lower: Vec<(Path, usize)>,
    /// Links to directories of lower layers, which this layer may yet replace.
    lower_dirs: Vec<(Path, usize)>,
    /// All that the layer names.
    described: Vec<Path>,
}

impl Links {
    pub fn of(meanings: &[Meaning]) -> Self {
        let path = |meaning: &Meaning| match meaning {
            Meaning::Content(path) => Some(path.clone()),
            Meaning::Whiteout(parent, name) => Some(parent.join(name)),
            Meaning::Opaque(parent) => Some(parent.join(b".wh..wh..opq")),
            Meaning::Nothing => None,
        };
        Self { described: meanings.iter().filter_map(path).collect(), ..Self::default() }
    }

    pub fn apply(&mut self, model: &mut Model, place: &Path, target: &[u8]) -> Result<(), Stop> {
        let target = clean(target)?;
        if place.is_below(&target) {
            return Err(Stop::Open("a hard link below its own target, which had to become a directory".into()));
        }
        let found = model.find_link_target(&target);
        let Some(found) = found.filter(|found| model.get(found).unwrap().1.kind != Kind::Pending) else {
            let xattrs = BTreeMap::new();
            let inode =
                Inode { kind: Kind::Pending, mode: 0, uid: 0, gid: 0, mtime: (0, 0), xattrs, nlink_open: false };
            model.place(place, inode);
            self.pending.push((model.inodes.len() - 1, target));
            return Ok(());
        };
        let (slot, inode) = model.get(&found).unwrap();
        if inode.kind == Kind::Dir {
            if slot.layer == model.layer {
                return Err(Stop::Refused("a hard link to a directory (row 74)".into()));
            }
            self.lower_dirs.push((target, slot.inode));
            return Ok(());
        }
        if slot.layer != model.layer && self.described.iter().any(|path| path.is_below(&target)) {
            return Err(Stop::Open("a hard link to something lower that the layer uses as a directory".into()));
        }
        if slot.layer != model.layer {
            self.lower.push((target, slot.inode));
        }
        if let Some(there) = model.paths.get_mut(place).filter(|there| there.inode == slot.inode) {
            // Row 75: nothing happens, but the layer has an entry here that is no directory.
            there.linked_below |= there.layer != model.layer;
            there.layer = model.layer;
            return Ok(());
        }
        if found.is_below(place) {
            return Err(Stop::Open("a hard link that replaces a directory above its own target".into()));
        }
        model.name(place, slot.inode);
        let linked_below = slot.layer != model.layer || slot.linked_below;
        model.paths.get_mut(place).unwrap().linked_below = linked_below;
        Ok(())
    }

    pub fn finish(self, model: &mut Model) -> Result<(), Stop> {
        for (path, inode) in &self.lower {
            let now = model.find_link_target(path).map(|found| model.paths[&found].inode);
            if now != Some(*inode) {
                return Err(Stop::Open("a hard link to a lower file that the layer replaces later".into()));
            }
        }
        if let Some((path, inode)) = self.lower_dirs.first() {
            let now = model.find_link_target(path).map(|found| model.paths[&found].inode);
            return Err(if now == Some(*inode) {
                Stop::Refused("a hard link to a directory (row 74)".into())
            } else {
                Stop::Open("a hard link to a lower directory that the layer replaces later".into())
            });
        }
        for (waiting, path) in &self.pending {
            let Some(found) = model.find_link_target(path) else {
                return Err(Stop::Refused("a hard link without a target (row 71)".into()));
            };
            let target = model.paths[&found].inode;
            match model.inodes[target].kind {
                Kind::Dir => {
                    return Err(Stop::Refused("a hard link to a directory (row 74)".into()));
                }
                Kind::Pending if target == *waiting => {
                    return Err(Stop::Refused("a hard link to itself (row 71)".into()));
                }
                Kind::Pending => {
                    return Err(Stop::Open("a hard link to a hard link that waits".into()));
                }
                _ => {}
            }
            for slot in model.paths.values_mut().filter(|slot| slot.inode == *waiting) {
                slot.inode = target;
            }
        }
        Ok(())
    }
}
