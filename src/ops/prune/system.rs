//! System prune: images, and then whatever nothing names: layers, blobs, what was made for stacks, downloads that
//! nobody goes on with.

use std::collections::BTreeSet;

use super::{PruneRequest, Pruned, pruned};
use crate::error::Result;
use crate::ops::Rootlay;
use crate::store::{Catalog, Item, Reach, items_of_image};

/// What a system prune did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemPruned {
    /// The images, with the bytes of everything that goes.
    pub images: Pruned,
    /// What no image needs: `layer sha256:…`.
    pub unnamed: Vec<String>,
    /// The blobs of which a part was downloaded.
    pub downloads: Vec<String>,
}

impl Rootlay {
    /// Prunes images and everything that no image, no view and no command at work needs.
    ///
    /// # Errors
    /// What keeps the store from being read or changed.
    pub fn prune_system(&self, request: &PruneRequest) -> Result<SystemPruned> {
        self.store.reap();
        let staging = self.store.stage()?;
        self.warn_of_unreadable()?;
        let facts = self.facts(request)?;
        let decide_now = |catalog: &Catalog| {
            let (change, choice) = self.decide(catalog, &facts)?;
            Ok((change, (choice, catalog.clone())))
        };
        let ((choice, before), freed) = self.store.change_and_sweep(&staging, Reach::Everything, decide_now)?;
        let mut done = SystemPruned { unnamed: unnamed(&before, freed.items()), ..SystemPruned::default() };
        done.images = pruned(choice, &freed, staging.taken_bytes()?);
        for (blob, bytes) in self.store.idle_partials()? {
            if self.store.drop_partial(&staging, &blob)? {
                done.images.bytes += bytes;
                done.downloads.push(blob.to_string());
            }
        }
        self.store.clear_layer_locks()?;
        Ok(done)
    }

    /// Says what [`Rootlay::prune_system`] would do.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn plan_prune_system(&self, request: &PruneRequest) -> Result<SystemPruned> {
        self.warn_of_unreadable()?;
        let facts = self.facts(request)?;
        let decide_now = |catalog: &_| {
            let (change, choice) = self.decide(catalog, &facts)?;
            Ok((change, (choice, catalog.clone())))
        };
        let ((choice, before), freed) = self.store.rehearse(Reach::Everything, decide_now)?;
        let downloads = self.store.idle_partials()?;
        let mut plan = SystemPruned { unnamed: unnamed(&before, freed.items()), ..SystemPruned::default() };
        plan.images = pruned(choice, &freed, self.bytes_of(&freed)?);
        plan.images.bytes += downloads.iter().map(|(_, bytes)| bytes).sum::<u64>();
        plan.downloads = downloads.iter().map(|(blob, _)| blob.to_string()).collect();
        Ok(plan)
    }
}

/// What went although no image that went had it.
fn unnamed<'i>(before: &Catalog, freed: impl Iterator<Item = &'i Item>) -> Vec<String> {
    let named: BTreeSet<Item> = before.images.iter().flat_map(items_of_image).collect();
    freed.filter(|item| !named.contains(item)).map(ToString::to_string).collect()
}
