//! What must stay: a pure function of the records, the views and the leases.

use std::collections::BTreeSet;

use super::images::{ImageRecord, Installed, ManifestRecord};
use super::shelf::Kind;
use super::staging::Item;
use super::views::ViewRecord;
use crate::oci::{ChainId, DiffId};

/// A set of items that something relies on.
#[derive(Debug, Default)]
pub struct Keep(BTreeSet<Item>);

impl Keep {
    /// Whether the item is in the set.
    pub fn contains(&self, item: &Item) -> bool {
        self.0.contains(item)
    }

    /// What the record of an image, or of a writable view, names itself, of layers and of what was made for its stack.
    pub fn of_image(image: &ImageRecord) -> Self {
        Self::named(std::slice::from_ref(image), [])
    }

    /// The same of a view.
    pub fn of_view(view: &ViewRecord) -> Self {
        Self::named(&[], [view])
    }

    /// Everything that garbage collection must leave alone.
    pub(super) fn reachable<'r>(
        images: &[ImageRecord],
        views: impl IntoIterator<Item = &'r ViewRecord>,
        leased: BTreeSet<Item>,
    ) -> Self {
        let mut keep = leased;
        for image in images {
            keep.extend(items_of_image(image));
        }
        for view in views {
            keep.extend(items_of_stack(&view.stack));
        }
        Self(keep)
    }

    /// What was durable when the records that name it were written: less than what is reachable, because the
    /// corrections of a part of a stack, and merged directories, are made when they are first mounted.
    pub(super) fn named<'r>(images: &[ImageRecord], views: impl IntoIterator<Item = &'r ViewRecord>) -> Self {
        let mut keep = Self::default();
        for image in images {
            keep.add_stack(&image.diff_ids);
        }
        for view in views {
            keep.add_stack(&view.stack);
            keep.0.extend(view.merged.iter().map(|chain| Item::Dir(Kind::Merged, chain.0.clone())));
        }
        keep
    }

    fn add_stack(&mut self, stack: &[DiffId]) {
        self.0.extend(stack.iter().map(|id| Item::Dir(Kind::Layer, id.0.clone())));
        self.0.extend(ChainId::of(stack).map(|chain| Item::Dir(Kind::Correction, chain.0)));
    }

    /// Adds what the record of this image will name.
    pub fn add(&mut self, image: &Installed) {
        self.add_stack(&image.diff_ids);
        let ManifestRecord { digest, indexes, layers, .. } = &image.manifest;
        let blobs = [&image.id, digest].into_iter().chain(indexes).chain(layers);
        self.0.extend(blobs.cloned().map(Item::Blob));
    }
}

/// Everything that is kept for an image.
pub fn items_of_image(image: &ImageRecord) -> BTreeSet<Item> {
    let mut items = items_of_stack(&image.diff_ids);
    items.insert(Item::Blob(image.id.clone()));
    for manifest in &image.manifests {
        items.insert(Item::Blob(manifest.digest.clone()));
        items.extend(manifest.indexes.iter().chain(&manifest.layers).cloned().map(Item::Blob));
    }
    items
}

/// Everything that is kept for a stack, base first: its layers, and what was made for it or for a part of it.
pub fn items_of_stack(stack: &[DiffId]) -> BTreeSet<Item> {
    let mut items: BTreeSet<Item> = stack.iter().map(|id| Item::Dir(Kind::Layer, id.0.clone())).collect();
    for chain in chains(stack) {
        items.insert(Item::Dir(Kind::Correction, chain.0.clone()));
        items.insert(Item::Dir(Kind::Merged, chain.0));
    }
    items
}

/// The chain IDs of every part of the stack that begins at its base, shortest first.
pub fn chains(stack: &[DiffId]) -> Vec<ChainId> {
    let mut chains: Vec<ChainId> = Vec::with_capacity(stack.len());
    for id in stack {
        let next = match chains.last() {
            // The chain ID of a stack of two is the formula's step (config.md, "Layer ChainID").
            Some(below) => ChainId::of(&[DiffId(below.0.clone()), id.clone()]),
            None => ChainId::of(std::slice::from_ref(id)),
        };
        chains.extend(next);
    }
    chains
}
