//! Which images pruning takes: a pure function.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::PruneScope;
use crate::oci::Digest;
use crate::store::{Catalog, Change, ImageRecord, Item, ViewRecord, items_of_image, items_of_stack};

/// What decides besides the records of images and views.
#[derive(Debug)]
pub(super) struct Facts {
    pub scope: PruneScope,
    /// The images that the filters select, with the time of their last use. Others are not touched.
    pub selected: BTreeMap<Digest, SystemTime>,
    /// What the images are made of may take so many bytes, with the sizes of everything.
    pub budget: Option<Budget>,
    /// Only images that were not used for so long.
    pub unused_for: Option<Duration>,
    pub now: SystemTime,
}

/// A limit for the sum of all images.
#[derive(Debug)]
pub(super) struct Budget {
    pub bytes: u64,
    pub sizes: BTreeMap<Item, u64>,
}

/// What pruning does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// The records of the images that go, the one that was used least recently first.
    pub goes: Vec<ImageRecord>,
    /// How many stay because a view uses them.
    pub in_use: usize,
    /// How many stay because they are pinned.
    pub pinned: usize,
}

impl Choice {
    pub fn change(&self) -> Change {
        Change { write: Vec::new(), delete: self.goes.iter().map(|image| image.id.clone()).collect() }
    }
}

/// Chooses among the images of the catalog; what `views` use stays, whether they are mounted or saved.
pub(super) fn choose(catalog: &Catalog, views: &[ViewRecord], facts: &Facts) -> Choice {
    let used: BTreeSet<&Digest> = views.iter().map(|view| &view.image_id).collect();
    let mut choice = Choice::default();
    let mut candidates: Vec<(SystemTime, &ImageRecord)> = Vec::new();
    for image in &catalog.images {
        let Some(&last) = facts.selected.get(&image.id) else { continue };
        let in_scope = facts.scope == PruneScope::Unused || image.names.is_empty();
        // A clock that was set back makes nothing older.
        let age = facts.now.duration_since(last).unwrap_or_default();
        if !in_scope || facts.unused_for.is_some_and(|wanted| age < wanted) {
            continue;
        }
        if image.pinned {
            choice.pinned += 1;
        } else if used.contains(&image.id) {
            choice.in_use += 1;
        } else {
            candidates.push((last, image));
        }
    }
    candidates.sort_by_key(|(last, image)| (*last, &image.id));
    let mut left = facts.budget.as_ref().map(|budget| Left::of(catalog, views, budget));
    for (_, image) in candidates {
        if let Some(left) = &mut left
            && !left.take(image)
        {
            break;
        }
        choice.goes.push(image.clone());
    }
    choice
}

/// What is left after some images went.
struct Left<'b> {
    budget: &'b Budget,
    /// What stays in any case.
    held: BTreeSet<Item>,
    /// How many images need each thing.
    needed: BTreeMap<Item, usize>,
    bytes: u64,
}

impl<'b> Left<'b> {
    fn of(catalog: &Catalog, views: &[ViewRecord], budget: &'b Budget) -> Self {
        let held = views.iter().flat_map(|view| items_of_stack(&view.stack)).collect();
        let mut needed: BTreeMap<Item, usize> = BTreeMap::new();
        for item in catalog.images.iter().flat_map(items_of_image) {
            *needed.entry(item).or_default() += 1;
        }
        let bytes = needed.keys().map(|item| budget.size(item)).sum();
        Self { budget, held, needed, bytes }
    }

    /// Takes an image away, unless what is left fits already.
    fn take(&mut self, image: &ImageRecord) -> bool {
        if self.bytes <= self.budget.bytes {
            return false;
        }
        for item in items_of_image(image) {
            let count = self.needed.entry(item.clone()).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 && !self.held.contains(&item) {
                self.bytes = self.bytes.saturating_sub(self.budget.size(&item));
            }
        }
        true
    }
}

impl Budget {
    fn size(&self, item: &Item) -> u64 {
        self.sizes.get(item).copied().unwrap_or_default()
    }
}
