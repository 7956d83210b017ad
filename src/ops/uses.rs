//! Which views use which images.
//!
//! Whether a view is mounted is asked of every mount namespace, which takes longer than the store lock may be held. So it
//! is asked before, and under the lock only whether the views are still the same: a view gets its name under that lock.

use super::Rootlay;
use super::liveness::Live;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::Digest;
use crate::store::{Catalog, Change, Freed, Reach, Staging, ViewRecord};

/// How often views are looked at anew that come and go meanwhile, before they have to wait.
const TRIES: usize = 5;

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

    /// Changes records by what views use: `decide` gets that. It is asked again if a view came or changed in between; in the
    /// end under the store lock.
    pub(super) fn change_beside_views<T>(
        &self,
        staging: &Staging<'_>,
        reach: Reach,
        decide: impl Fn(&Catalog, &[Use]) -> Result<(Change, T)>,
    ) -> Result<(T, Freed)> {
        for _ in 0..TRIES {
            self.cancel.check()?;
            let records = self.view_records()?;
            let uses = self.uses_by(&records)?;
            let mut is_old = false;
            let decide_now = |catalog: &Catalog| {
                is_old = self.view_records()? != records;
                if is_old {
                    return Err(Error::new(ErrorKind::InUse, "the views changed"));
                }
                decide(catalog, &uses)
            };
            let result = self.store.change_and_sweep(staging, reach, decide_now);
            if !is_old {
                return result;
            }
        }
        self.store.change_and_sweep(staging, reach, |catalog| decide(catalog, &self.uses()?))
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

    /// The records of the views, of those that can be read.
    pub(super) fn view_records(&self) -> Result<Vec<ViewRecord>> {
        Ok(self.store.views()?.into_iter().filter_map(|view| view.content.ok()).collect())
    }
}
