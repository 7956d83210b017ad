//! Repair, subject by subject.

mod blob;
mod image;
mod layer;
mod shown;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) use self::shown::Shown;
use super::Inspection;
use super::finding::{Found, Outcome, Subject};
use super::layers::explained;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{ChainId, DiffId, Digest};
use crate::ops::lowers::{self, Workspace};
use crate::ops::{Registries, Rootlay, lowers::marks};
use crate::store::{Change, Kind, Reach, Staging, Swapped};

/// One repair.
pub(super) struct Repair<'a> {
    inspection: &'a Inspection<'a>,
    registries: &'a Registries,
    /// For what is thrown away: it goes when this does.
    staging: &'a Staging<'a>,
    /// Layers that are damaged now.
    damaged: BTreeSet<DiffId>,
}

/// What was done, or why nothing was.
type Done = Result<String>;

impl<'a> Repair<'a> {
    pub fn new(inspection: &'a Inspection<'a>, registries: &'a Registries, staging: &'a Staging<'a>) -> Self {
        Self { inspection, registries, staging, damaged: BTreeSet::new() }
    }

    /// Repairs what was found, each subject once, and writes down what became of it.
    ///
    /// # Errors
    /// An interruption. Whatever else keeps something from being repaired is its outcome.
    pub fn carry_out(&mut self, found: &mut [Found]) -> Result<()> {
        let layers = found.iter().filter_map(|found| match &found.subject {
            Subject::Layer(id) => Some(id.clone()),
            _ => None,
        });
        // Those of earlier steps that could not be repaired stay in it.
        self.damaged.extend(layers);
        // Blobs come first: layers are made of them.
        let subjects: BTreeSet<Subject> = found.iter().map(|found| found.subject.clone()).collect();
        let mut outcomes = BTreeMap::new();
        for subject in subjects {
            self.inspection.rootlay.cancel.check()?;
            let outcome = match self.one(&subject) {
                Ok(None) => Outcome::Found,
                Ok(Some(done)) => Outcome::Repaired(done),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_)) => return Err(error),
                Err(error) => Outcome::Left(explained(&error)),
            };
            outcomes.insert(subject, outcome);
        }
        for Found { subject, finding } in found {
            if let Some(outcome) = outcomes.get(subject) {
                finding.outcome = outcome.clone();
            }
        }
        Ok(())
    }

    fn one(&mut self, subject: &Subject) -> Result<Option<String>> {
        let store = &self.inspection.rootlay.store;
        let done = match subject {
            Subject::Blob(digest) => self.blob(digest)?,
            Subject::Layer(id) => {
                let done = self.layer(id)?;
                self.damaged.remove(id);
                done
            }
            Subject::Made(kind, chain) => self.made(*kind, chain)?,
            Subject::Plan(chain) => self.plan(chain)?,
            Subject::Stale(kind, digest) => {
                store.discard_stale(self.staging, *kind, digest)?;
                "removed".to_owned()
            }
            Subject::Commit(kind, digest) => self.commit(*kind, digest)?,
            Subject::Image(id) => self.image(id)?,
            Subject::Record => {
                return Err(left("not a record of rootlay: nothing is freed until it is removed by hand"));
            }
            Subject::View(name) => self.view(name)?,
            Subject::Index => {
                store.rewrite_index()?;
                "written anew".to_owned()
            }
            Subject::Layout => {
                store.rewrite_layout()?;
                "written anew".to_owned()
            }
            Subject::Leftover(leftover) => {
                if !store.remove_leftover(leftover)? {
                    return Err(left("another command uses it"));
                }
                "removed".to_owned()
            }
            Subject::Unneeded(item) => {
                // The first of them takes all others along.
                if store.is_here(item)? {
                    store.change_and_sweep(self.staging, Reach::Everything, |_| Ok((Change::default(), ())))?;
                }
                if store.is_here(item)? {
                    return Ok(None);
                }
                "removed".to_owned()
            }
            Subject::Unknown => return Ok(None),
        };
        Ok(Some(done))
    }

    fn workspace(&self) -> Workspace<'_> {
        let Inspection { rootlay, scope, .. } = self.inspection;
        Workspace { store: &rootlay.store, staging: self.staging, cancel: &rootlay.cancel, named: &scope.named }
    }

    /// The layers of a stack, by its chain ID.
    fn stack(&self, chain: &ChainId) -> Result<&'a [DiffId]> {
        self.inspection.scope.part(chain).ok_or_else(|| left("no image has this stack any more"))
    }

    /// The same, unless something was found wrong with one of them: what would be computed might be wrong too.
    fn sound_stack(&self, chain: &ChainId) -> Result<&'a [DiffId]> {
        let stack = self.stack(chain)?;
        match stack.iter().find(|id| self.damaged.contains(*id)) {
            Some(id) => Err(left(&format!("the layer {} has to be repaired first", id.0.short()))),
            None => Ok(stack),
        }
    }

    /// Makes a correction layer, or a stack as one directory, anew.
    fn made(&self, kind: Kind, chain: &ChainId) -> Done {
        let stack = self.sound_stack(chain)?;
        let workspace = self.workspace();
        let of = if kind == Kind::Merged {
            lowers::plan(stack, &marks(chain.clone(), &self.summaries(stack)?))
        } else {
            (0..stack.len()).collect()
        };
        let draft = workspace.draft(kind, chain, stack, &of, HashMap::new())?;
        let uses = |stack: &[DiffId]| crate::store::chains(stack).contains(chain);
        self.put(&draft, (kind, &chain.0), &uses)?;
        Ok("made anew".to_owned())
    }

    fn summaries(&self, stack: &[DiffId]) -> Result<Vec<crate::layer::Summary>> {
        let summary = |id: &DiffId| {
            let dir = self.inspection.rootlay.store.open_committed(Kind::Layer, &id.0)?;
            lowers::summary(&dir.ok_or_else(|| lowers::missing(id))?, id)
        };
        stack.iter().map(summary).collect()
    }

    fn plan(&self, chain: &ChainId) -> Done {
        let stack = self.sound_stack(chain)?;
        let plan = marks(chain.clone(), &self.summaries(stack)?);
        let dir = self.inspection.rootlay.store.open_committed(Kind::Correction, &chain.0)?;
        let dir = dir.ok_or_else(|| left("its correction layer is missing"))?;
        plan.write(self.staging, &dir)?;
        Ok("written anew".to_owned())
    }

    fn commit(&self, kind: Kind, digest: &Digest) -> Done {
        let store = &self.inspection.rootlay.store;
        let dir = store.open_committed(kind, digest)?.ok_or_else(|| left("it is gone"))?;
        store.write_commit(self.staging, &dir)?;
        Ok("written anew".to_owned())
    }

    /// Gives a draft its name, unless a view whose stack `uses` it shows the damaged one.
    fn put(&self, draft: &str, of: (Kind, &Digest), uses: &dyn Fn(&[DiffId]) -> bool) -> Result<()> {
        let Rootlay { store, cancel, .. } = self.inspection.rootlay;
        let shown = Shown::now(store)?;
        match store.replace(self.staging, draft, of, &|views| shown.by(views, uses), cancel)? {
            Swapped::Done => Ok(()),
            Swapped::Leased => Err(left("another command uses it: repair again when that has ended")),
            Swapped::Shown(view) => {
                Err(left(&format!("the view {view} shows it: `rootlay umount {view}`, then repair again")))
            }
        }
    }

    /// A view whose record cannot be read, or that lacks a part.
    fn view(&self, name: &str) -> Done {
        let store = &self.inspection.rootlay.store;
        let shown = Shown::now(store)?;
        let views = store.views()?;
        let Some(view) = views.iter().find(|view| view.name == name) else { return Ok("gone".to_owned()) };
        if view.record().is_some() {
            return self.parts_of_view(view);
        }
        if !store.has_part(name, ".") {
            return Err(left("no view but a file: nothing is freed until it is removed by hand"));
        }
        if shown.by(std::slice::from_ref(view), &|_| true).is_some() {
            return Err(left(&format!("it is mounted: unmount it, then `rootlay rm {name}`")));
        }
        if store.may_hold_writes(name) {
            let why = format!("views/{name}/upper may have what was written: copy it, then `rootlay rm {name}`");
            return Err(left(&why));
        }
        let Some(locked) = store.try_lock_view(name)? else { return Err(left("another command works on it")) };
        if locked.record().is_ok() || store.may_hold_writes(name) {
            return Err(left("there is another view of that name now"));
        }
        store.remove_view(self.staging, locked)?;
        Ok("removed: it showed an image and held nothing".to_owned())
    }

    fn parts_of_view(&self, view: &crate::store::View) -> Done {
        let store = &self.inspection.rootlay.store;
        let Some(locked) = store.try_lock_view(&view.name)? else { return Err(left("another command works on it")) };
        if !store.has_part(&view.name, "upper") && locked.record()?.access == crate::store::Access::Writable {
            let why = format!("what was written to it is gone: `rootlay rm {}` forgets the view", view.name);
            return Err(left(&why));
        }
        for (part, mode) in [("merged", 0o755), ("work", 0o700)] {
            let needed = part == "merged" || locked.record()?.access == crate::store::Access::Writable;
            if needed && !store.has_part(&view.name, part) {
                // Both are made for each mount, and hold nothing of their own.
                locked.dir().remove_tree(part.as_bytes())?;
                crate::store::part(locked.dir(), part, mode)?;
            }
        }
        Ok("made anew".to_owned())
    }
}

/// Why something stays as it is.
fn left(why: &str) -> Error {
    Error::new(ErrorKind::Failed, why)
}
