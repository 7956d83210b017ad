//! What each layer of a stack does to the tree that the layers below it make.

use super::flat::{Kind, Node};
use super::index::LayerIndex;
use super::metadata::Metadata;
use super::records::{Records, What};
use super::stack::{Stack, Wanted};
use crate::cancel::Cancel;
use crate::error::Result;

/// How many names a layer adds, changes and deletes. Directories count as files do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names that were not there.
    pub added: u64,
    /// Names that stand for something else now. A directory is another one when its owner, its mode or its attributes
    /// are; archives repeat directories that nothing happened to, and what is in them moves their times.
    pub changed: u64,
    /// Names that are gone.
    pub deleted: u64,
}

/// The changes of each layer, base first.
///
/// # Errors
/// As for the correction of the stack.
pub fn count_changes(layers: &[LayerIndex], cancel: &Cancel) -> Result<Vec<Changes>> {
    let indexes: Vec<&LayerIndex> = layers.iter().collect();
    let mut all = Vec::with_capacity(layers.len());
    let mut before: Vec<Option<Node>> = Vec::new();
    Stack::observed(&indexes, Wanted::ModelAndOverlay, cancel, |stack| {
        let mut changes = Changes::default();
        before.resize(stack.paths.len(), None);
        for path in stack.paths.all() {
            let now = stack.model.get(path);
            match (std::mem::replace(&mut before[path.index()], now), now) {
                (None, Some(_)) => changes.added += 1,
                (Some(_), None) => changes.deleted += 1,
                (Some(old), Some(new)) if !is_same(&stack.layers, old, new) => changes.changed += 1,
                _ => {}
            }
        }
        all.push(changes);
    })?;
    Ok(all)
}

fn is_same(layers: &[&Records], old: Node, new: Node) -> bool {
    if old.origin == new.origin {
        return old.kind == new.kind;
    }
    let (one, other) = (old.origin.metadata(layers), new.origin.metadata(layers));
    let owner = |metadata: Metadata| (metadata.mode, metadata.uid, metadata.gid);
    old.kind == new.kind
        && old.origin.xattrs(layers) == new.origin.xattrs(layers)
        && match old.kind {
            Kind::Directory => owner(one) == owner(other),
            _ => one == other && has_same_content(layers, old, new),
        }
}

fn has_same_content(layers: &[&Records], old: Node, new: Node) -> bool {
    let target = |node: Node| {
        let records = layers.get(usize::from(node.origin.layer));
        records.map(|records| records.symlink_target(node.origin.record))
    };
    match (old.origin.record(layers), new.origin.record(layers)) {
        (Some(one), Some(other)) => match (one.what, other.what) {
            (What::Symlink(_), What::Symlink(_)) => target(old) == target(new),
            (one, other) => one == other,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests;
