//! The removal of what nothing names any more.

use std::collections::BTreeSet;

use super::Store;
use super::images::Catalog;
use super::mark::{self, Keep};
use super::staging::{Item, Staging};
use super::views::View;
use crate::error::Result;
use crate::oci::{DiffId, Digest};

/// What was taken away.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Freed(BTreeSet<Item>);

impl From<BTreeSet<Item>> for Freed {
    fn from(items: BTreeSet<Item>) -> Self {
        Self(items)
    }
}

impl Freed {
    /// Whether this was taken away.
    pub fn contains(&self, item: &Item) -> bool {
        self.0.contains(item)
    }

    pub(super) fn into_items(self) -> BTreeSet<Item> {
        self.0
    }

    /// All of it.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.0.iter()
    }
}

impl Store {
    /// Ends the lease of `staging` and takes away those of `items` that nothing else names or leases.
    pub fn discard(&self, staging: &Staging<'_>, items: &BTreeSet<Item>) -> Result<Freed> {
        let _lock = self.lock_exclusive()?;
        staging.end_lease()?;
        self.sweep(staging, items)
    }

    /// Ends the lease of `staging` and takes away everything that nothing names or leases.
    ///
    /// # Errors
    /// What keeps it from being taken away.
    pub fn discard_unnamed(&self, staging: &Staging<'_>) -> Result<Freed> {
        let _lock = self.lock_exclusive()?;
        staging.end_lease()?;
        self.sweep(staging, &self.all_items()?)
    }

    /// Takes away what a view used, once its image is gone too.
    pub(super) fn forget_stack(&self, staging: &Staging<'_>, image: &Digest, stack: &[DiffId]) -> Result<()> {
        if self.catalog()?.images.iter().any(|record| record.id == *image) {
            return Ok(());
        }
        // What this very run leases is for the view that is gone.
        self.discard(staging, &mark::items_of_stack(stack)).map(drop)
    }

    /// Takes the unreachable ones of `candidates` away. The caller holds the exclusive store lock.
    pub(super) fn sweep(&self, staging: &Staging<'_>, candidates: &BTreeSet<Item>) -> Result<Freed> {
        let mut freed = Freed::default();
        if candidates.is_empty() {
            return Ok(freed);
        }
        for item in self.unreachable(&self.catalog()?, candidates)?.0 {
            if self.take(staging, &item)? {
                freed.0.insert(item);
            }
        }
        Ok(freed)
    }

    /// Those of `candidates` that nothing would need if the records were these. The caller holds the exclusive store
    /// lock.
    pub(super) fn unreachable(&self, catalog: &Catalog, candidates: &BTreeSet<Item>) -> Result<Freed> {
        let views = self.views()?;
        if !catalog.unreadable.is_empty() || views.iter().any(|view| view.record().is_none()) {
            // Nobody knows what an unreadable record names: everything stays until it is removed.
            return Ok(Freed::default());
        }
        let keep = Keep::reachable(&catalog.images, views.iter().filter_map(View::record), self.leases()?.items);
        Ok(Freed(candidates.iter().filter(|item| !keep.contains(item)).cloned().collect()))
    }
}
