//! Prune: images that nothing needs, and everything else that nothing names.

mod choice;
mod filter;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Rootlay;
use super::remove::deleted;
use crate::error::Result;
use crate::oci::{Digest, ImageConfig, MAX_DOCUMENT};
use crate::store::{Catalog, Change, Freed, ImageRecord, Item, Reach, items_of_image};
use choice::{Budget, Choice, Facts, choose};

pub use filter::PruneFilters;
pub use system::SystemPruned;

/// Which images may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PruneScope {
    /// Those without a name.
    #[default]
    Dangling,
    /// All that no view uses.
    Unused,
}

/// What to prune. Pinned images and those that a view uses stay in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneRequest {
    /// Which images may go.
    pub scope: PruneScope,
    /// What they have to be like.
    pub filters: PruneFilters,
    /// They go only until all images together take at most so many bytes on the disk: first what was not used for
    /// the longest time.
    pub keep_size: Option<u64>,
    /// They go only if they were not used for so long.
    pub unused_for: Option<Duration>,
}

/// What pruning did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The names that are gone, as people write them.
    pub untagged: Vec<String>,
    /// The images that are gone and, by chain ID, their layers that nothing else uses.
    pub deleted: Vec<Digest>,
    /// The bytes on the disk that this frees.
    pub bytes: u64,
    /// How many images stay because a view uses them.
    pub in_use: usize,
    /// How many images stay because they are pinned.
    pub pinned: usize,
}

impl Rootlay {
    /// Prunes images.
    ///
    /// # Errors
    /// What keeps the store from being read or changed.
    pub fn prune(&self, request: &PruneRequest) -> Result<Pruned> {
        let staging = self.store.stage()?;
        self.warn_of_unreadable()?;
        let facts = self.facts(request)?;
        let decide_now = |catalog: &_| self.decide(catalog, &facts);
        let (choice, freed) = self.store.change_and_sweep(&staging, Reach::Changed, decide_now)?;
        Ok(pruned(choice, &freed, staging.taken_bytes()?))
    }

    /// Says what [`Rootlay::prune`] would do.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn plan_prune(&self, request: &PruneRequest) -> Result<Pruned> {
        self.warn_of_unreadable()?;
        let facts = self.facts(request)?;
        let (choice, freed) = self.store.rehearse(Reach::Changed, |catalog| self.decide(catalog, &facts))?;
        Ok(pruned(choice, &freed, self.bytes_of(&freed)?))
    }

    fn warn_of_unreadable(&self) -> Result<()> {
        for record in &self.store.catalog()?.unreadable {
            let warning = "cannot be read: nothing is freed until it is removed";
            self.progress.warning(&format!("the image record {} {warning}", record.file));
        }
        Ok(())
    }

    /// Everything that takes too long to be read while the store is locked.
    fn facts(&self, request: &PruneRequest) -> Result<Facts> {
        let catalog = self.store.catalog()?;
        let mut selected = BTreeMap::new();
        for image in &catalog.images {
            self.cancel.check()?;
            if self.selects(&request.filters, image) {
                selected.insert(image.id.clone(), self.last_use(image));
            }
        }
        let budget = request.keep_size.map(|bytes| self.budget(&catalog, bytes)).transpose()?;
        Ok(Facts { scope: request.scope, selected, budget, unused_for: request.unused_for, now: SystemTime::now() })
    }

    /// Whether the filters select an image. Nobody knows the labels of one whose config cannot be read.
    fn selects(&self, filters: &PruneFilters, image: &ImageRecord) -> bool {
        if !filters.asks_for_labels() {
            return filters.select(image.created.as_deref(), &BTreeMap::new());
        }
        let config = self.store.content().read(&image.id, MAX_DOCUMENT).and_then(|bytes| ImageConfig::parse(&bytes));
        config.is_ok_and(|config| filters.select(image.created.as_deref(), &config.config.labels))
    }

    /// When an image was mounted or pulled last.
    pub(super) fn last_use(&self, image: &ImageRecord) -> SystemTime {
        let came = image.manifests.iter().filter_map(|manifest| filter::system_time(&manifest.added)).max();
        came.max(self.store.last_use(&image.id)).unwrap_or(UNIX_EPOCH)
    }

    fn budget(&self, catalog: &Catalog, bytes: u64) -> Result<Budget> {
        let mut sizes = BTreeMap::new();
        for item in catalog.images.iter().flat_map(items_of_image).collect::<BTreeSet<Item>>() {
            self.cancel.check()?;
            sizes.insert(item.clone(), self.store.disk_usage(&item)?);
        }
        Ok(Budget { bytes, sizes })
    }

    /// Decides by the views of this moment: under the store lock no new one comes.
    fn decide(&self, catalog: &Catalog, facts: &Facts) -> Result<(Change, Choice)> {
        let choice = choose(catalog, &self.view_records()?, facts);
        Ok((choice.change(), choice))
    }
}

fn pruned(choice: Choice, freed: &Freed, bytes: u64) -> Pruned {
    let Choice { goes, in_use, pinned } = choice;
    let mut untagged: Vec<String> = Vec::new();
    for name in goes.iter().flat_map(ImageRecord::references).map(|reference| reference.familiar()) {
        if !untagged.contains(&name) {
            untagged.push(name);
        }
    }
    let images: Vec<_> = goes.into_iter().map(|image| (image.id, image.diff_ids)).collect();
    // Of several images that have a layer the first shows it.
    let mut shown = BTreeSet::new();
    let deleted = images.chunks(1).flat_map(|image| deleted(image, freed, &mut shown)).collect();
    Pruned { untagged, deleted, bytes, in_use, pinned }
}
