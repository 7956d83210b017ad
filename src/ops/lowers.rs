//! From a stack of layers to the directories that are mounted for it.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::cancel::Cancel;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::layer::{self, LayerIndex, StackLayer, Summary};
use crate::mount::{self, PlanLayer};
use crate::oci::{ChainId, DiffId, Digest};
use crate::store::{self, Found, Item, Keep, Kind, PlanRecord, Staging, Store};
use crate::sys::dir::Dir;
use crate::sys::file_system::Kind as FileSystem;

/// The most that [`others`] says.
const MOST_OTHERS: usize = 2;

/// How many directories are mounted with the layers: the correction layer, and on an overlay an empty one below them
/// ([`empty_below`]).
fn others(store: &Store) -> Result<usize> {
    Ok(1 + empty_below(store.root())?)
}

/// How many empty directories lie below all layers, if these are in the file system of `dir`. On an overlay whiteouts are
/// attributes. In the lowest directory the kernel does not look for the mark that says so, and would list them.
pub(super) fn empty_below(dir: &Dir) -> Result<usize> {
    Ok(usize::from(FileSystem::of(dir)? == FileSystem::OVERLAY))
}

/// Where lower directories are looked for and made. The lease of `staging` has what the stack needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workspace<'a> {
    pub store: &'a Store,
    pub staging: &'a Staging<'a>,
    pub cancel: &'a Cancel,
    /// Of what durable records name, as much as is known. The rest is read when it matters.
    pub named: &'a Keep,
}

/// A directory that was made for a stack.
#[derive(Debug)]
pub(super) struct Made {
    pub chain: ChainId,
    dir: Dir,
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
    let correction = ChainId::of(stack).map(|chain| Item::Dir(Kind::Correction, chain.0));
    // Which part of a long stack is merged is known only when its layers are planned.
    let parts = if mount::lowest_to_merge(stack.len(), MOST_OTHERS) > 0 { store::chains(stack) } else { Vec::new() };
    let merged = parts.into_iter().map(|chain| Item::Dir(Kind::Merged, chain.0));
    stack.iter().map(|id| Item::Dir(Kind::Layer, id.0.clone())).chain(correction).chain(merged)
}

/// What the plan of a stack goes by, as its layers say.
pub(super) fn marks(chain: ChainId, summaries: &[Summary]) -> PlanRecord {
    let those = |fits: &dyn Fn(&Summary) -> bool| {
        summaries.iter().enumerate().filter(|(_, summary)| fits(summary)).map(|(index, _)| index).collect()
    };
    PlanRecord::new(chain, summaries.len(), those(&|summary| summary.empty), those(&|summary| summary.opaque_root))
}

/// The layers of a stack that are mounted, as indexes into it.
pub(super) fn plan(stack: &[DiffId], marks: &PlanRecord) -> Vec<usize> {
    let layers: Vec<PlanLayer<'_, DiffId>> = stack
        .iter()
        .enumerate()
        .map(|(index, id)| PlanLayer {
            id,
            empty: marks.empty.contains(&index),
            opaque_root: marks.opaque_roots.contains(&index),
        })
        .collect();
    mount::plan_layers(&layers)
}

/// The paths of the directories that are mounted for a stack, base first, the correction layer last. `merged` is the
/// part of the stack that was merged into one directory.
pub(super) fn paths(store: &Store, stack: &[DiffId], merged: Option<&ChainId>) -> Result<Vec<PathBuf>> {
    let Some(chain) = ChainId::of(stack) else { return Ok(Vec::new()) };
    let known = store.open_committed(Kind::Correction, &chain.0)?;
    let known = known.and_then(|dir| PlanRecord::read(&dir, &chain, stack.len()));
    let correction = store.path_of(Kind::Correction, &chain.0);
    let layer = |id: &DiffId| store.open_committed(Kind::Layer, &id.0)?.ok_or_else(|| missing(id));
    let marks = match known {
        Some(marks) => {
            stack.iter().try_for_each(|id| layer(id).map(drop))?;
            marks
        }
        None => marks(chain, &summaries(stack, layer)?),
    };
    let planned = plan(stack, &marks);
    let others = others(store)?;
    let count = merged.map_or(0, |_| mount::lowest_to_merge(planned.len(), others));
    let merged = merged.map(|chain| store.path_of(Kind::Merged, &chain.0));
    let layers = planned.into_iter().skip(count).map(|index| store.path_of(Kind::Layer, &stack[index].0));
    Ok(merged.into_iter().chain(layers).chain([correction]).collect())
}

fn summaries(stack: &[DiffId], layer: impl Fn(&DiffId) -> Result<Dir>) -> Result<Vec<Summary>> {
    stack.iter().map(|id| summary(&layer(id)?, id)).collect()
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
    Summary::of_layer(layer).context(|| format!("layer {id}"))
}

impl Workspace<'_> {
    fn find(&self, kind: Kind, digest: &Digest) -> Result<Found> {
        match self.store.find(kind, digest, self.named)? {
            // Before something counts as left over, all records are asked.
            Found::Stale => self.store.find(kind, digest, &self.store.named()?),
            found => Ok(found),
        }
    }

    fn layer(&self, id: &DiffId) -> Result<Dir> {
        match self.find(Kind::Layer, &id.0)? {
            Found::Usable(dir) => Ok(dir),
            Found::Stale | Found::Missing => {
                // Where another era has begun, it need not be damaged.
                self.staging.is_trusted()?;
                Err(missing(id))
            }
        }
    }

    fn layer_diff(&self, id: &DiffId) -> Result<Dir> {
        if self.named.contains(&Item::Dir(Kind::Layer, id.0.clone())) {
            return self.store.open_diff(Kind::Layer, &id.0)?.ok_or_else(|| missing(id));
        }
        Ok(self.layer(id)?.open_dir(b"diff")?)
    }

    /// What the plan of the stack goes by. Where its correction layer does not have it, it gets it.
    fn marks(&self, stack: &[DiffId], correction: &Made) -> Result<PlanRecord> {
        if let Some(marks) = PlanRecord::read(&correction.dir, &correction.chain, stack.len()) {
            return Ok(marks);
        }
        let marks = marks(correction.chain.clone(), &summaries(stack, |id| self.layer(id))?);
        if let Err(error) = marks.write(self.staging, &correction.dir) {
            tracing::debug!(%error, "the plan of a stack is not kept");
        }
        Ok(marks)
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
        known: HashMap<DiffId, LayerIndex>,
    ) -> Result<Made> {
        match self.find(kind, &chain.0)? {
            Found::Usable(dir) => return Ok(Made { chain, diff: dir.open_dir(b"diff")?, dir, new: false }),
            Found::Stale => self.store.discard_stale(self.staging, kind, &chain.0)?,
            Found::Missing => {}
        }
        let draft = self.draft(kind, &chain, stack, of, known)?;
        if self.named.contains(&Item::Dir(kind, chain.0.clone())) {
            // It was lost, and is believed as soon as it is there.
            self.store.sync(self.cancel)?;
        }
        let new = self.store.commit(self.staging, &draft, kind, &chain.0)?;
        match self.find(kind, &chain.0)? {
            Found::Usable(dir) => Ok(Made { chain, diff: dir.open_dir(b"diff")?, dir, new }),
            Found::Stale => {
                self.staging.is_trusted()?;
                let message = format!(
                    "what was made for the stack {chain} may not be on the disk, and a view shows it: unmount the view"
                );
                Err(Error::new(ErrorKind::InUse, message))
            }
            Found::Missing => {
                Err(Error::new(ErrorKind::Failed, format!("what was made for the stack {chain} has vanished")))
            }
        }
    }

    /// The same in the staging directory, where it has the name that is returned.
    pub fn draft(
        &self,
        kind: Kind,
        chain: &ChainId,
        stack: &[DiffId],
        of: &[usize],
        mut known: HashMap<DiffId, LayerIndex>,
    ) -> Result<String> {
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
        let tried = || format!("what the stack {chain} needs beside its layers");
        let (draft, dir) = self.staging.new_dir("made", 0o700).context(tried)?;
        let out = store::part(&dir, "diff", 0o755).context(tried)?;
        let made = match kind {
            Kind::Merged => layer::merge_lowest(&layers, &out, self.cancel),
            Kind::Correction | Kind::Layer => layer::correct(&layers, &out, self.cancel),
        };
        made.map_err(|error| match error.kind() {
            // It names the layer.
            ErrorKind::Refused => error,
            _ => error.context(tried()),
        })?;
        if kind == Kind::Correction {
            let summaries: Vec<Summary> = layers.iter().map(|layer| layer.index.summary.clone()).collect();
            marks(chain.clone(), &summaries).write(self.staging, &dir).context(tried)?;
        }
        Ok(draft)
    }

    fn read(&self, id: &DiffId) -> Result<LayerIndex> {
        LayerIndex::of_layer(&self.layer(id)?)
    }

    /// Everything that has to be mounted for a stack, its correction and merged layers made where they are missing.
    pub fn lowers(&self, stack: &[DiffId]) -> Result<Lowers> {
        let Some(correction) = self.correction(stack, HashMap::new())? else {
            return Ok(Lowers { dirs: Vec::new(), correction: None, merged: None });
        };
        let marks = self.marks(stack, &correction)?;
        let mut planned = plan(stack, &marks);
        let mut dirs = Vec::with_capacity(planned.len() + 1);
        let count = mount::lowest_to_merge(planned.len(), others(self.store)?);
        let mut merged = None;
        if let Some(&last) = count.checked_sub(1).and_then(|last| planned.get(last)) {
            // The lowest part of the stack, planned without what is above it, so that any image can use it.
            let part = &stack[..=last];
            if let Some(chain) = ChainId::of(part) {
                let made = self.make(Kind::Merged, chain, part, &plan(part, &marks), HashMap::new())?;
                dirs.push(made.diff);
                merged = Some(made.chain);
                planned.drain(..count);
            }
        }
        for index in planned {
            dirs.push(self.layer_diff(&stack[index])?);
        }
        dirs.push(correction.diff.try_clone()?);
        Ok(Lowers { dirs, correction: Some(correction.diff), merged })
    }
}
