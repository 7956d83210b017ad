//! From a stack of layers to the directories that are mounted for it.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::PathBuf;

use crate::cancel::Cancel;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::layer::{self, LayerIndex, StackLayer, Summary};
use crate::mount::{self, PlanLayer};
use crate::oci::{ChainId, DiffId};
use crate::store::{self, Found, Item, Keep, Kind, Staging, Store};
use crate::sys::dir::Dir;

/// Where lower directories are looked for and made. The lease of `staging` has what the stack needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workspace<'a> {
    pub store: &'a Store,
    pub staging: &'a Staging<'a>,
    pub cancel: &'a Cancel,
    pub named: &'a Keep,
}

/// A directory that was made for a stack.
#[derive(Debug)]
pub(super) struct Made {
    pub chain: ChainId,
    pub diff: Dir,
    /// It was made just now.
    pub new: bool,
}

/// The lower directories of a stack.
#[derive(Debug)]
pub(super) struct Lowers {
    /// Base first.
    pub dirs: Vec<Dir>,
    /// The correction layer, the last of `dirs`; none for a stack of no layers.
    pub correction: Option<Dir>,
    /// The part of the stack that was merged into one directory.
    pub merged: Option<ChainId>,
}

/// What the lease of somebody who mounts this stack says.
pub(super) fn items(stack: &[DiffId]) -> impl Iterator<Item = Item> + '_ {
    let chains = store::chains(stack).into_iter();
    let made = chains.flat_map(|chain| [Kind::Correction, Kind::Merged].map(|kind| Item::Dir(kind, chain.0.clone())));
    stack.iter().map(|id| Item::Dir(Kind::Layer, id.0.clone())).chain(made)
}

/// The layers of a stack that are mounted, as indexes into it.
fn plan(stack: &[DiffId], summaries: &[Summary]) -> Vec<usize> {
    let layers: Vec<PlanLayer<'_, DiffId>> = stack
        .iter()
        .zip(summaries)
        .map(|(id, summary)| PlanLayer { id, empty: summary.empty, opaque_root: summary.opaque_root })
        .collect();
    mount::plan_layers(&layers)
}

/// The paths of the directories that are mounted for a stack, base first, the correction layer last. `merged` is the
/// part of the stack that was merged into one directory.
pub(super) fn paths(store: &Store, stack: &[DiffId], merged: Option<&ChainId>) -> Result<Vec<PathBuf>> {
    let summaries = stack
        .iter()
        .map(|id| {
            let dir = store.open_committed(Kind::Layer, &id.0)?.ok_or_else(|| missing(id))?;
            summary(&dir, id)
        })
        .collect::<Result<Vec<_>>>()?;
    let correction = ChainId::of(stack).map(|chain| store.path_of(Kind::Correction, &chain.0));
    let planned = plan(stack, &summaries);
    let count = merged.map_or(0, |_| mount::lowest_to_merge(planned.len(), usize::from(correction.is_some())));
    let merged = merged.map(|chain| store.path_of(Kind::Merged, &chain.0));
    let layers = planned.into_iter().skip(count).map(|index| store.path_of(Kind::Layer, &stack[index].0));
    Ok(merged.into_iter().chain(layers).chain(correction).collect())
}

/// The bytes of the unpacked layers, as Docker counts the size of an image.
pub(super) fn size(workspace: &Workspace<'_>, stack: &[DiffId]) -> Result<u64> {
    // Holes count, and a hostile image has any number of them.
    stack.iter().try_fold(0_u64, |sum, id| Ok(sum.saturating_add(summary(&workspace.layer(id)?, id)?.bytes)))
}

pub(super) fn missing(id: &DiffId) -> Error {
    Error::new(ErrorKind::Failed, format!("layer {id} is missing: load the image again"))
}

pub(super) fn summary(layer: &Dir, id: &DiffId) -> Result<Summary> {
    let file = layer.open_file(b"layer.json").map_err(Error::from);
    file.and_then(|file| LayerIndex::read_summary(&mut BufReader::new(file))).context(|| format!("layer {id}"))
}

impl Workspace<'_> {
    fn layer(&self, id: &DiffId) -> Result<Dir> {
        match self.store.find(Kind::Layer, &id.0, self.named)? {
            Found::Usable(dir) => Ok(dir),
            Found::Stale | Found::Missing => Err(missing(id)),
        }
    }

    /// The correction layer of the stack; it is made if it is missing. None for a stack of no layers. What is known of
    /// its layers need not be read.
    pub fn correction(&self, stack: &[DiffId], known: HashMap<DiffId, LayerIndex>) -> Result<Option<Made>> {
        let Some(chain) = ChainId::of(stack) else { return Ok(None) };
        let all: Vec<usize> = (0..stack.len()).collect();
        self.make(Kind::Correction, chain, stack, &all, known).map(Some)
    }

    /// The directory of this kind for a stack, made of these layers of it.
    fn make(
        &self,
        kind: Kind,
        chain: ChainId,
        stack: &[DiffId],
        of: &[usize],
        mut known: HashMap<DiffId, LayerIndex>,
    ) -> Result<Made> {
        match self.store.find(kind, &chain.0, self.named)? {
            Found::Usable(dir) => return Ok(Made { chain, diff: dir.open_dir(b"diff")?, new: false }),
            Found::Stale => self.store.discard_stale(self.staging, kind, &chain.0)?,
            Found::Missing => {}
        }
        for id in of.iter().map(|&index| &stack[index]) {
            self.cancel.check()?;
            if !known.contains_key(id) {
                known.insert(id.clone(), self.read(id).context(|| format!("layer {id}"))?);
            }
        }
        let open = |id: &DiffId| {
            let aside = self.layer(id)?;
            Ok(layer::Places { diff: aside.open_dir(b"diff")?, aside })
        };
        let layers: Vec<StackLayer<'_>> = of
            .iter()
            .filter_map(|&index| known.get_key_value(&stack[index]))
            .map(|(id, index)| StackLayer { index, open: Box::new(|| open(id)) })
            .collect();
        let (draft, dir) = self.staging.new_dir("made", 0o700)?;
        let out = store::part(&dir, "diff", 0o755)?;
        match kind {
            Kind::Merged => layer::merge_lowest(&layers, &out, self.cancel)?,
            Kind::Correction | Kind::Layer => layer::correct(&layers, &out, self.cancel)?,
        }
        drop((dir, out));
        let new = self.store.commit(self.staging, &draft, kind, &chain.0)?;
        match self.store.find(kind, &chain.0, self.named)? {
            Found::Usable(dir) => Ok(Made { chain, diff: dir.open_dir(b"diff")?, new }),
            Found::Stale | Found::Missing => {
                Err(Error::new(ErrorKind::Failed, format!("what was made for the stack {chain} has vanished")))
            }
        }
    }

    fn read(&self, id: &DiffId) -> Result<LayerIndex> {
        let file = self.layer(id)?.open_file(b"layer.json")?;
        LayerIndex::read_from(&mut BufReader::with_capacity(1 << 17, file))
    }

    /// Everything that has to be mounted for a stack, its correction and merged layers made where they are missing.
    pub fn lowers(&self, stack: &[DiffId]) -> Result<Lowers> {
        let summaries = stack.iter().map(|id| summary(&self.layer(id)?, id)).collect::<Result<Vec<_>>>()?;
        let mut planned = plan(stack, &summaries);
        let correction = self.correction(stack, HashMap::new())?.map(|made| made.diff);
        let mut dirs = Vec::new();
        let count = mount::lowest_to_merge(planned.len(), usize::from(correction.is_some()));
        let mut merged = None;
        if let Some(&last) = count.checked_sub(1).and_then(|last| planned.get(last)) {
            // The lowest part of the stack, planned without what is above it, so that any image can use it.
            let part = &stack[..=last];
            if let Some(chain) = ChainId::of(part) {
                let made = self.make(Kind::Merged, chain, part, &plan(part, &summaries[..=last]), HashMap::new())?;
                dirs.push(made.diff);
                merged = Some(made.chain);
                planned.drain(..count);
            }
        }
        for index in planned {
            dirs.push(self.layer(&stack[index])?.open_dir(b"diff")?);
        }
        if let Some(correction) = &correction {
            dirs.push(correction.try_clone()?);
        }
        Ok(Lowers { dirs, correction, merged })
    }
}
