//! A layer of a stack, folded alone: what does not depend on the layers below.

use std::borrow::Cow;
use std::collections::HashMap;

use super::diff_tree::{DiffTree, Raw, Slot};
use super::index::LayerIndex;
use super::paths::{PathId, PathTable, steps_left};
use super::records::What;
use crate::error::Result;

/// What a layer leaves in its diff directory, over a table of its own.
#[derive(Debug)]
pub struct Folded<'a> {
    /// The paths of the layer: those of its index, and those that symlinks lead to.
    pub paths: Cow<'a, PathTable>,
    /// What is where.
    pub tree: Cow<'a, DiffTree>,
    /// For each record, the first path of its content.
    pub first_place: Vec<Option<PathId>>,
    /// All paths of content that has several, by record.
    pub linked: HashMap<u32, Vec<PathId>>,
}

impl<'a> Folded<'a> {
    /// Folds a layer, unless that was done when it was unpacked. `steps` is how many components of symlink targets may
    /// still be followed.
    ///
    /// # Errors
    /// Too many paths or steps.
    pub fn of(index: &'a LayerIndex, steps: &mut u64) -> Result<Self> {
        let (paths, tree) = if let Some(tree) = &index.tree {
            // It has to count as much as a fold: the same image must not be refused later.
            *steps = steps_left(*steps, index.paths.steps_taken())?;
            (Cow::Borrowed(&index.paths), Cow::Borrowed(tree))
        } else {
            let mut paths = index.paths.for_fold(*steps);
            let tree = fold(index, &mut paths)?;
            *steps = paths.steps();
            (Cow::Owned(paths), Cow::Owned(tree))
        };
        let mut first_place = vec![None; index.records.len()];
        let mut linked: HashMap<u32, Vec<PathId>> = HashMap::new();
        for path in paths.all() {
            let (Slot::Content(record) | Slot::Symlink(record)) = tree.slot(path) else { continue };
            match &mut first_place[record as usize] {
                place @ None => *place = Some(path),
                Some(other) => linked.entry(record).or_insert_with(|| vec![*other]).push(path),
            }
        }
        Ok(Self { paths, tree, first_place, linked })
    }
}

fn fold(index: &LayerIndex, paths: &mut PathTable) -> Result<DiffTree> {
    let mut tree = DiffTree::default();
    for (number, record) in index.records.iter() {
        let target = match record.what {
            What::Link(target) => Some(target),
            _ => None,
        };
        tree.place(paths, &index.records, number, Raw { path: record.path, target })?;
    }
    tree.finish(paths, &index.records)?;
    Ok(tree)
}
