//! The unpacked layers, and what was computed for stacks.

use std::collections::HashMap;

use super::finding::{Found, Severity, Subject, place};
use super::{Depth, Inspection};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::layer::{Content, Flaw, LayerIndex, Summary, Verify};
use crate::oci::{ChainId, DiffId, Digest};
use crate::ops::lowers::{self, marks};
use crate::ops::parallel::{self, Check};
use crate::ops::views::innermost;
use crate::progress::{Phase, Task};
use crate::store::{self, Kind, PlanRecord, broken_commit};
use crate::sys::dir::Dir;
use crate::sys::errno::escape;
use crate::sys::file_system::inode_of;

/// How often a directory is looked at that another command replaces meanwhile.
const MAX_TRIES: usize = 3;

impl Inspection<'_> {
    /// Looks at each layer.
    pub fn check_layers(&self) -> Result<()> {
        let jobs: Vec<&DiffId> = self.scope.layers.iter().collect();
        parallel::each(&jobs, self.workers, &self.rootlay.cancel, |id, check| {
            let task = self.task(id.0.short(), self.size_of(id));
            self.rootlay.progress.phase(&task, Phase::Checking);
            let found = self.settled(Kind::Layer, &id.0, &|| self.layer(id, &task, check))?;
            self.add(found);
            self.rootlay.progress.phase(&task, Phase::Checked);
            Ok(())
        })
    }

    /// The bytes that are read of a layer.
    fn size_of(&self, id: &DiffId) -> Option<u64> {
        if self.depth == Depth::Quick {
            return None;
        }
        let dir = self.rootlay.store.open_committed(Kind::Layer, &id.0).ok()??;
        lowers::summary(&dir, id).ok().map(|summary| summary.bytes)
    }

    /// What `look` finds, of a directory that nobody replaced meanwhile.
    fn settled(&self, kind: Kind, digest: &Digest, look: &dyn Fn() -> Result<Vec<Found>>) -> Result<Vec<Found>> {
        let inode = || {
            let dir = self.rootlay.store.open_committed(kind, digest).ok().flatten();
            dir.and_then(|dir| inode_of(dir).ok())
        };
        let mut tries = 0;
        loop {
            let before = inode();
            let found = look()?;
            tries += 1;
            if found.is_empty() || tries == MAX_TRIES || inode() == before {
                return Ok(found);
            }
        }
    }

    fn layer(&self, id: &DiffId, task: &Task, check: Check<'_>) -> Result<Vec<Found>> {
        let here = place(Kind::Layer, &id.0);
        let wrong = |file: &[u8], problem: String| Subject::Layer(id.clone()).wrong(below(&here, file), problem);
        let dir = match self.rootlay.store.open_committed(Kind::Layer, &id.0) {
            Ok(Some(dir)) => dir,
            Ok(None) => return Ok(vec![wrong(b"", "missing".to_owned())]),
            Err(error) => return Ok(vec![wrong(b"", innermost(&error))]),
        };
        let mut found: Vec<Found> = commit(Kind::Layer, &id.0, &dir).into_iter().collect();
        let mut index = match read_index(&dir) {
            Ok(index) if index.summary.diff_id == *id => index,
            Ok(index) => {
                let problem = format!("it is the record of {}", index.summary.diff_id);
                found.push(wrong(b"layer.json", problem));
                return Ok(found);
            }
            Err(error) => {
                found.push(wrong(b"layer.json", explained(&error)));
                return Ok(found);
            }
        };
        let advance = |bytes| self.rootlay.progress.advance(task, bytes);
        let flaws = match self.verify(check, &advance).layer(&mut index, &dir) {
            Err(error) if error.kind() == ErrorKind::Refused => vec![damaged_index(&error)],
            result => result?,
        };
        found.extend(flaws.into_iter().map(|Flaw { file, problem }| wrong(&file, problem)));
        Ok(found)
    }

    fn verify<'v>(&'v self, check: Check<'v>, advance: &'v (dyn Fn(u64) + Sync)) -> Verify<'v> {
        let content = if self.depth == Depth::Deep { Content::Hashed } else { Content::Unread };
        Verify { content, scratch: self.scratch.as_ref(), check, advance }
    }

    /// Looks at what was computed for stacks. A stack with a damaged layer record is left out: that is told.
    pub fn check_stacks(&self) -> Result<()> {
        let mut jobs: Vec<(Kind, &ChainId, &[DiffId])> = Vec::new();
        let wholes = self.scope.wholes();
        for kind in [Kind::Correction, Kind::Merged] {
            let here = self.rootlay.store.committed(kind)?;
            let needed = |chain: &ChainId| kind == Kind::Correction && wholes.contains(chain);
            let parts = self.scope.parts().filter(|(chain, _)| here.contains(&chain.0) || needed(chain));
            jobs.extend(parts.map(|(chain, stack)| (kind, chain, stack)));
        }
        parallel::each(&jobs, self.workers, &self.rootlay.cancel, |&(kind, chain, stack), check| {
            let advance = |_| {};
            let found =
                self.settled(kind, &chain.0, &|| self.stack(kind, chain, stack, &self.verify(check, &advance)))?;
            self.add(found);
            Ok(())
        })
    }

    fn stack(&self, kind: Kind, chain: &ChainId, stack: &[DiffId], verify: &Verify<'_>) -> Result<Vec<Found>> {
        let here = place(kind, &chain.0);
        let wrong =
            |file: &[u8], problem: String| Subject::Made(kind, chain.clone()).wrong(below(&here, file), problem);
        let dir = match self.rootlay.store.find(kind, &chain.0, &self.scope.named) {
            Ok(store::Found::Usable(dir)) => dir,
            Ok(store::Found::Stale) => {
                let problem = "made in an earlier boot, for a mount of then";
                return Ok(vec![Subject::Stale(kind, chain.0.clone()).found(Severity::Debris, here, problem)]);
            }
            Ok(store::Found::Missing) => return Ok(vec![wrong(b"", "missing".to_owned())]),
            Err(error) => return Ok(vec![wrong(b"", innermost(&error))]),
        };
        let mut found: Vec<Found> = commit(kind, &chain.0, &dir).into_iter().collect();
        let Some(known) = self.indexes(stack) else { return Ok(found) };
        let indexes: Vec<&LayerIndex> = stack.iter().filter_map(|id| known.get(id)).collect();
        let summaries: Vec<Summary> = indexes.iter().map(|index| index.summary.clone()).collect();
        let plan = marks(chain.clone(), &summaries);
        let flaws = if kind == Kind::Merged {
            let layers: Vec<&LayerIndex> = lowers::plan(stack, &plan).into_iter().map(|at| indexes[at]).collect();
            verify.merged(&layers, &dir, &self.rootlay.cancel)
        } else {
            verify.correction(&indexes, &dir, &self.rootlay.cancel)
        };
        match flaws {
            // A record that was damaged contradicts those of the layers below.
            Err(error) if error.kind() == ErrorKind::Refused => found.push(wrong(b"", explained(&error))),
            flaws => found.extend(flaws?.into_iter().map(|Flaw { file, problem }| wrong(&file, problem))),
        }
        if kind == Kind::Correction && dir.exists(b"plan.json")? {
            let bad = |severity, problem: &str| {
                Subject::Plan(chain.clone()).found(severity, below(&here, b"plan.json"), problem)
            };
            match PlanRecord::read(&dir, chain, stack.len()) {
                Some(read) if read == plan => {}
                Some(_) => found.push(bad(Severity::Wrong, "it is not what the layers say")),
                // It is never synced, and a mount does not believe it.
                None => found.push(bad(Severity::Debris, "not whole: the layers are asked instead")),
            }
        }
        Ok(found)
    }

    /// The records of the layers of a stack, each once, if all of them can be read.
    fn indexes<'s>(&self, stack: &'s [DiffId]) -> Option<HashMap<&'s DiffId, LayerIndex>> {
        let read = |id: &DiffId| {
            let dir = self.rootlay.store.open_committed(Kind::Layer, &id.0).ok()??;
            read_index(&dir).ok().filter(|index| index.summary.diff_id == *id)
        };
        let mut known = HashMap::new();
        for id in stack {
            if !known.contains_key(id) {
                known.insert(id, read(id)?);
            }
        }
        Some(known)
    }
}

fn commit(kind: Kind, digest: &Digest, dir: &Dir) -> Option<Found> {
    let problem = broken_commit(dir)?;
    Some(Subject::Commit(kind, digest.clone()).wrong(below(&place(kind, digest), b"commit.json"), problem))
}

fn below(place: &str, file: &[u8]) -> String {
    if file.is_empty() { place.to_owned() } else { format!("{place}/{}", escape(file)) }
}

pub(super) fn read_index(dir: &Dir) -> Result<LayerIndex> {
    LayerIndex::of_layer(dir).context(|| "layer.json".to_owned())
}

fn damaged_index(error: &Error) -> Flaw {
    Flaw { file: b"layer.json".to_vec(), problem: explained(error) }
}

/// An error with its causes.
pub(super) fn explained(error: &Error) -> String {
    innermost(error)
}
