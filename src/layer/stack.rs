//! A stack of layers in memory: the tree that the specification wants beside the tree that the kernel shows.

use std::collections::HashMap;

use super::diff_tree::{DiffTree, Raw, Slot};
use super::flat::{FlatTree, Origin};
use super::index::LayerIndex;
use super::model::Applying;
use super::overlay::lay_over;
use super::paths::{PathId, PathTable};
use super::records::{Records, What};
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
        for (at, index) in indexes.iter().enumerate() {
            cancel.check()?;
            stack.push(index, wanted).context(|| format!("layer {} (diff ID {})", at + 1, index.summary.diff_id))?;
            observe(&stack);
        }
        Ok(stack)
    }

    fn push(&mut self, index: &'a LayerIndex, wanted: Wanted) -> Result<()> {
        let number = u16::try_from(self.layers.len())
            .ok()
            .filter(|&number| number < u16::MAX)
            .ok_or_else(|| Error::refused("too many layers"))?;
        let records = &index.records;
        let (raw, targets) = self.take_paths(index)?;
        let mut diff = DiffTree::default();
        for (record, &path) in (0..).zip(&raw) {
            let raw = Raw { path, target: targets.get(&record).copied() };
            diff.place(&mut self.paths, records, record, raw)?;
        }
        diff.finish(&mut self.paths, records)?;
        self.layers.push(records);
        self.note_places(&diff);
        lay_over(&mut self.overlay, &self.paths, number, &diff, records);
        if wanted == Wanted::ModelAndOverlay {
            let applying = Applying { layers: &self.layers, raw: &raw, targets: &targets };
            applying.apply(&mut self.model, &mut self.paths)?;
        }
        Ok(())
    }

    /// Translates the layer's paths into the table of the stack.
    fn take_paths(&mut self, index: &LayerIndex) -> Result<(Vec<PathId>, HashMap<u32, PathId>)> {
        let mut known = vec![PathId::ROOT; index.paths.len()];
        // A path is younger than its parent: the parent's translation is there already.
        for path in index.paths.all() {
            let parent = known[index.paths.parent(path).index()];
            known[path.index()] = self.paths.child(parent, index.paths.name(path))?;
        }
        let mut raw = Vec::with_capacity(index.records.len());
        let mut targets = HashMap::new();
        for (number, record) in index.records.iter() {
            raw.push(known[record.path.index()]);
            if let What::Link(target) = record.what {
                targets.insert(number, known[target.index()]);
            }
        }
        Ok((raw, targets))
    }

    fn note_places(&mut self, diff: &DiffTree) {
        let records = self.layers[self.layers.len() - 1];
        let mut first = vec![None; records.len()];
        let mut linked: HashMap<u32, Vec<PathId>> = HashMap::new();
        // Not the whole table: most layers are small beside the stack.
        let mut todo = vec![PathId::ROOT];
        while let Some(path) = todo.pop() {
            todo.extend(diff.contents(path));
            let (Slot::Content(record) | Slot::Symlink(record)) = diff.slot(path) else { continue };
            match &mut first[record as usize] {
                place @ None => *place = Some(path),
                Some(other) => linked.entry(record).or_insert_with(|| vec![*other]).push(path),
            }
        }
        self.first_place.push(first);
        self.places.push(linked);
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
