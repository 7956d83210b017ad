//! A stack of layers in memory: the tree that the specification wants beside the tree that the kernel shows.

use std::collections::HashMap;

use super::flat::{FlatTree, Origin};
use super::fold::Folded;
use super::index::LayerIndex;
use super::model::Applying;
use super::overlay::lay_over;
use super::paths::{PathId, PathTable};
use super::records::Records;
use crate::cancel::Cancel;
use crate::error::{Context, Error, Result};

/// Most layers of a stack. Docker stops at 127; the work for each layer grows with the paths of all.
const MAX_LAYERS: usize = 4096;

/// Most entries of all layers of a stack together.
const MAX_RECORDS: u64 = 1 << 25;

/// Which of the two trees is made of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Both.
    ModelAndOverlay,
    /// Only what the kernel shows: for merging layers, whose correction is made elsewhere.
    Overlay,
}

/// Both trees of a stack, over one table of paths.
#[derive(Debug)]
pub struct Stack<'a> {
    /// All paths of all layers.
    pub paths: PathTable,
    /// The records of each layer, base first.
    pub layers: Vec<&'a Records>,
    /// What the image specification wants.
    pub model: FlatTree,
    /// What the kernel shows without a correction.
    pub overlay: FlatTree,
    /// For each layer, where its diff directory holds the content of a record.
    places: Vec<HashMap<u32, Vec<PathId>>>,
    /// For each layer and record, the first path of its content.
    first_place: Vec<Vec<Option<PathId>>>,
}

impl<'a> Stack<'a> {
    /// Applies the layers, base first. A layer that contradicts the layers below it is refused.
    pub fn new(indexes: &[&'a LayerIndex], wanted: Wanted, cancel: &Cancel) -> Result<Self> {
        Self::observed(indexes, wanted, cancel, |_| {})
    }

    /// The same, with a look at the stack after each layer.
    pub fn observed(
        indexes: &[&'a LayerIndex],
        wanted: Wanted,
        cancel: &Cancel,
        mut observe: impl FnMut(&Self),
    ) -> Result<Self> {
        let mut stack = Self {
            paths: PathTable::new(u64::MAX),
            layers: Vec::new(),
            model: FlatTree::new(),
            overlay: FlatTree::new(),
            places: Vec::new(),
            first_place: Vec::new(),
        };
        if indexes.len() > MAX_LAYERS {
            return Err(Error::refused(format!("{} layers, expected at most {MAX_LAYERS}", indexes.len())));
        }
        // A layer may be named any number of times.
        let records: u64 = indexes.iter().map(|index| index.records.len() as u64).sum();
        if records > MAX_RECORDS {
            return Err(Error::refused(format!("stack of {records} entries, expected at most {MAX_RECORDS}")));
        }
        stack.paths.reserve(indexes.iter().map(|index| index.paths.len()).max().unwrap_or_default());
        let mut steps = stack.paths.steps();
        for (at, index) in indexes.iter().enumerate() {
            cancel.check()?;
            Folded::of(index, &mut steps)
                .and_then(|folded| stack.push(index, folded, wanted))
                .context(|| format!("layer {} (diff ID {})", at + 1, index.summary.diff_id))?;
            observe(&stack);
        }
        Ok(stack)
    }

    fn push(&mut self, index: &'a LayerIndex, folded: Folded<'_>, wanted: Wanted) -> Result<()> {
        let number = u16::try_from(self.layers.len())
            .ok()
            .filter(|&number| number < u16::MAX)
            .ok_or_else(|| Error::refused("too many layers"))?;
        let records = &index.records;
        let Folded { paths, tree, mut first_place, mut linked } = folded;
        let known = self.take_paths(&paths)?;
        self.layers.push(records);
        lay_over(&mut self.overlay, (&self.paths, &known), number, &tree, records);
        let translate = |path: &mut PathId| *path = known[path.index()];
        first_place.iter_mut().flatten().for_each(translate);
        linked.values_mut().flatten().for_each(translate);
        self.first_place.push(first_place);
        self.places.push(linked);
        if wanted == Wanted::ModelAndOverlay {
            Applying { layers: &self.layers, known: &known }.apply(&mut self.model, &mut self.paths)?;
        }
        Ok(())
    }

    /// What the paths of a layer are in the table of the stack, by their numbers in its own.
    fn take_paths(&mut self, paths: &PathTable) -> Result<Vec<PathId>> {
        let mut known = vec![PathId::ROOT; paths.len()];
        // A path is younger than its parent: the parent's translation is there already.
        for path in paths.all() {
            let parent = known[paths.parent(path).index()];
            known[path.index()] = self.paths.child(parent, paths.name(path))?;
        }
        Ok(known)
    }

    /// Where the diff directory of its layer holds the content; nothing when a later entry of the layer took it away.
    pub fn place(&self, origin: Origin) -> Option<PathId> {
        *self.first_place.get(usize::from(origin.layer))?.get(origin.record as usize)?
    }

    /// All paths in its layer that are hard links of one content; empty for a file with one name.
    pub fn hard_links(&self, origin: Origin) -> &[PathId] {
        self.places
            .get(usize::from(origin.layer))
            .and_then(|places| places.get(&origin.record))
            .map_or(&[], Vec::as_slice)
    }

    /// Contents that have several names in their layer.
    pub fn linked(&self) -> impl Iterator<Item = Origin> + '_ {
        (0..).zip(&self.places).flat_map(|(layer, places)| places.keys().map(move |&record| Origin { layer, record }))
    }
}
