//! Changes of the records, and the removal of what they leave unreachable.

use std::collections::BTreeSet;

use super::Store;
use super::images::{Catalog, ImageRecord};
use super::mark::{self, Keep};
use super::record::{self, Durability};
use super::staging::{Item, Staging};
use super::views::View;
use crate::error::Result;
use crate::oci::{DiffId, Digest};

/// What was taken away.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Freed(BTreeSet<Item>);

impl Freed {
    /// Whether this was taken away.
    pub fn contains(&self, item: &Item) -> bool {
        self.0.contains(item)
    }
}

/// A change of image records: the records to write, in this order, then those to delete.
///
/// The order is what makes a change safe against crashes: a name is written to its new owner before the old one
/// loses it, and of two owners the later one counts ([`super::names`]).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Change {
    /// Records to write.
    pub write: Vec<ImageRecord>,
    /// Image IDs whose records go.
    pub delete: Vec<Digest>,
}

impl Store {
    /// Decides on the records of this moment and changes them; then takes away what only the changed records
    /// named. What was taken is deleted when `staging` is dropped.
    pub fn change<T>(
        &self,
        staging: &Staging<'_>,
        decide: impl FnOnce(&Catalog) -> Result<(Change, T)>,
    ) -> Result<(T, Freed)> {
        let _lock = self.lock_exclusive()?;
        let before = self.catalog()?;
        let (change, answer) = decide(&before)?;
        if change == Change::default() {
            return Ok((answer, Freed::default()));
        }
        let touched: BTreeSet<&Digest> = change.write.iter().map(|record| &record.id).chain(&change.delete).collect();
        let candidates: BTreeSet<Item> =
            before.images.iter().filter(|image| touched.contains(&image.id)).flat_map(mark::items_of_image).collect();
        for image in &change.write {
            let dir = self.image_dir(image.id.algorithm())?;
            record::write(staging, &dir, &format!("{}.json", image.id.hex()), image, Durability::Synced)?;
        }
        for id in &change.delete {
            self.delete_image_record(id)?;
        }
        self.write_index(staging)?;
        let freed = self.sweep(staging, &candidates)?;
        Ok((answer, freed))
    }

    /// Ends the lease of `staging` and takes away those of `items` that nothing else names or leases.
    pub fn discard(&self, staging: &Staging<'_>, items: &BTreeSet<Item>) -> Result<Freed> {
        let _lock = self.lock_exclusive()?;
        staging.end_lease()?;
        self.sweep(staging, items)
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
    fn sweep(&self, staging: &Staging<'_>, candidates: &BTreeSet<Item>) -> Result<Freed> {
        let catalog = self.catalog()?;
        let views = self.views()?;
        if !catalog.unreadable.is_empty() || views.iter().any(|view| view.record().is_none()) {
            // Nobody knows what an unreadable record names: everything stays until it is removed.
            return Ok(Freed::default());
        }
        let keep = Keep::reachable(&catalog.images, views.iter().filter_map(View::record), self.leases()?.items);
        let mut freed = Freed::default();
        for item in candidates {
            if !keep.contains(item) && self.take(staging, item)? {
                freed.0.insert(item.clone());
            }
        }
        Ok(freed)
    }
}
