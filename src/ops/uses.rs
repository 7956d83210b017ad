//! Which views use which images.
//!
//! Whether a view is mounted is asked of every mount namespace, which takes longer than the store lock may be held. So it
//! is asked before, and under the lock only whether the views are still the same: a view gets its name under that lock.

use super::Rootlay;
use super::liveness::Live;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::Digest;
use crate::store::{Catalog, Change, Freed, Reach, Staging, ViewRecord};

/// A view that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub view: String,
    pub image: Digest,
    /// It is mounted, or held: Docker's running container. Otherwise it is saved: a stopped one.
    pub running: bool,
}

impl Rootlay {
    /// The views, each with the image that it uses.
    pub(super) fn uses(&self) -> Result<Vec<Use>> {
        self.uses_by(&self.view_records()?)
    }

    /// Changes records by what views use: `prepare` gets that, with time, and `decide` what it made of it, under the
    /// store lock. Both are asked again if a view came or changed in between.
    pub(super) fn change_beside_views<F, T>(
        &self,
        staging: &Staging<'_>,
        reach: Reach,
        prepare: impl Fn(Vec<Use>) -> Result<F>,
        decide: impl Fn(&Catalog, &F) -> Result<(Change, T)>,
    ) -> Result<(T, Freed)> {
        loop {
            self.cancel.check()?;
            let records = self.view_records()?;
            let facts = prepare(self.uses_by(&records)?)?;
            let mut is_old = false;
            let decide_now = |catalog: &Catalog| {
                is_old = self.view_records()? != records;
                if is_old {
                    return Err(Error::new(ErrorKind::InUse, "the views changed"));
                }
                decide(catalog, &facts)
            };
            let result = self.store.change_and_sweep(staging, reach, decide_now);
            if !is_old {
                return result;
            }
        }
    }

    fn uses_by(&self, records: &[ViewRecord]) -> Result<Vec<Use>> {
        let live = Live::now()?;
        let mut uses = Vec::new();
        for record in records {
            let running = !live.is_gone(&self.store, record)?;
            uses.push(Use { view: record.name.clone(), image: record.image_id.clone(), running });
        }
        Ok(uses)
    }

    fn view_records(&self) -> Result<Vec<ViewRecord>> {
        Ok(self.store.views()?.into_iter().filter_map(|view| view.content.ok()).collect())
    }
}
