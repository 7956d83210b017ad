//! Check: whether everything in the state root is as it was made; and repair.
//!
//! ```text
//! lease ─► records that cannot be read ─► (made anew: lease again) ─► blobs, layers ─► (repair them)
//!       ─► what was computed for stacks ─► records ─► strays ─► (repair those)
//! ```
//!
//! What the records name is leased first, so that nobody removes it meanwhile; the store lock is held only for what
//! every other command holds it for. Each part of the check gives [`Finding`]s, and each finding has a subject that is
//! repaired as a whole: a layer from its blob, a blob from where the image came from, what was computed anew, records
//! from documents. What replaces something is made in staging, verified and durable before it gets the name, in one
//! step: a repair that is killed leaves the damage. What a mounted view shows, and what a user has written, stays.

mod blobs;
mod finding;
mod layers;
mod records;
mod repair;
mod scope;

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use self::finding::Found;
use self::repair::Repair;
use self::scope::Scope;
use super::{Privileges, Registries, Rootlay};
use crate::error::Result;
use crate::progress::Task;
use crate::sys::dir::Dir;
use crate::sys::file_system::is_read_only;

pub use self::finding::{Checked, Finding, Outcome, Severity, Thing};

/// What is read for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Names, types, sizes, modes, owners, times, attributes; and documents.
    #[default]
    Quick,
    /// Also the content of every file and blob.
    Deep,
}

/// How to check.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckRequest<'a> {
    /// How much is read.
    pub depth: Depth,
    /// Repair what is wrong, and remove what nobody needs. Blobs that are damaged come from these registries.
    pub repair: Option<&'a Registries>,
}

/// One check.
struct Inspection<'a> {
    rootlay: &'a Rootlay,
    /// For what is made to be compared with; none where nothing can be written.
    scratch: Option<Dir>,
    scope: Scope,
    depth: Depth,
    workers: usize,
    tasks: AtomicUsize,
    found: Mutex<Vec<Found>>,
}

impl Rootlay {
    /// Checks everything that is in the state root, and repairs it if that is wanted. Where the state root is read-only,
    /// nothing is written.
    ///
    /// # Errors
    /// What keeps the check itself from going on. What is damaged is a finding; what cannot be repaired says why.
    pub fn check(&self, request: &CheckRequest<'_>) -> Result<Checked> {
        let privileges = if request.repair.is_some() { Privileges::UNPACK } else { Privileges::CHECK };
        privileges.check()?;
        let only_reads = request.repair.is_none() && is_read_only(self.store.root())?;
        let staging = if only_reads { None } else { Some(self.store.stage()?) };
        let scope = Scope::lease(self, staging.as_ref())?;
        let scratch = staging.as_ref().map(|staging| staging.new_dir("scratch", 0o700)).transpose()?;
        let workers = self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let mut inspection = Inspection {
            rootlay: self,
            scratch: scratch.map(|(_, dir)| dir),
            scope,
            depth: request.depth,
            workers,
            tasks: AtomicUsize::new(0),
            found: Mutex::default(),
        };
        let repair = request.repair.zip(staging.as_ref());
        let mut found = inspection.unreadable();
        if let Some((registries, staging)) = repair
            && !found.is_empty()
        {
            Repair::new(&inspection, registries, staging).carry_out(&mut found)?;
            // What the records name that came back is checked like everything else.
            let leased = std::mem::take(&mut inspection.scope.leased);
            inspection.scope = Scope::lease(self, Some(staging))?;
            inspection.scope.leased.extend(leased);
        }
        let repair = repair.map(|(registries, staging)| Repair::new(&inspection, registries, staging));
        let checked = inspection.carry_out(found, repair)?;
        if let Some(staging) = &staging {
            // What lost its name meanwhile, and stayed for this check alone, goes.
            self.store.discard(staging, &inspection.scope.leased)?;
        }
        Ok(checked)
    }
}

impl Inspection<'_> {
    fn carry_out(&self, mut all: Vec<Found>, mut repair: Option<Repair<'_>>) -> Result<Checked> {
        let mut step = |looks: &[&dyn Fn() -> Result<()>]| {
            looks.iter().try_for_each(|look| look())?;
            let mut found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(repair) = &mut repair {
                repair.carry_out(&mut found)?;
            }
            all.extend(found);
            Ok::<_, crate::error::Error>(())
        };
        step(&[&|| self.check_blobs(), &|| self.check_layers()])?;
        step(&[&|| self.check_stacks()])?;
        step(&[&|| self.check_records()])?;
        step(&[&|| self.check_strays()])?;
        let Scope { catalog, layers, blobs, views, .. } = &self.scope;
        if self.scratch.is_none() {
            // Nothing is leased there: through another mount it may have been removed meanwhile.
            let now = scope::items(&self.rootlay.store.catalog()?, &self.rootlay.store.views()?);
            all.retain(|found| {
                found.subject.item().is_none_or(|item| now.contains(&item) || !self.scope.leased.contains(&item))
            });
        }
        let mut findings: Vec<Finding> = all.into_iter().map(|found| found.finding).collect();
        let key = |finding: &Finding| (finding.severity, finding.thing, finding.name.clone(), finding.file.clone());
        findings.sort_by_cached_key(key);
        Ok(Checked {
            findings,
            images: catalog.images.len() + catalog.unreadable.len(),
            layers: layers.len(),
            blobs: blobs.len(),
            views: views.len(),
        })
    }

    fn add(&self, found: impl IntoIterator<Item = Found>) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }

    fn task(&self, label: &str, total: Option<u64>) -> Task {
        Task { id: self.tasks.fetch_add(1, Ordering::Relaxed), label: label.to_owned(), total }
    }
}
