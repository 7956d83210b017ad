//! What there is to be checked: everything that image and view records name, leased so that it stays meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::oci::{ChainId, Descriptor, DiffId, Digest, Document, MAX_DOCUMENT, Manifest, parse_document};
use crate::ops::Rootlay;
use crate::store::{
    self, Catalog, ImageRecord, Item, Keep, ManifestRecord, Staging, View, items_of_image, items_of_stack,
};

/// How often the records are read until what they name is leased.
const MAX_TRIES: usize = 10;

/// What the records name.
#[derive(Debug)]
pub(super) struct Scope {
    pub catalog: Catalog,
    pub views: Vec<View>,
    /// What counts whichever boot made it.
    pub named: Keep,
    pub leased: BTreeSet<Item>,
    pub layers: BTreeSet<DiffId>,
    /// The stacks that have to have their correction layer.
    stacks: Vec<Vec<DiffId>>,
    /// Every part of a stack that begins at its base: which stack it is of, and how many layers it has.
    parts: BTreeMap<ChainId, (usize, usize)>,
    pub blobs: BTreeMap<Digest, Blob>,
}

/// What is known of a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blob {
    /// Its size, where something tells it.
    pub size: Option<u64>,
    /// It is a manifest, an index or a configuration: without it the image is broken. The blob of a layer may be
    /// missing.
    pub document: bool,
}

pub(super) fn items(catalog: &Catalog, views: &[View]) -> BTreeSet<Item> {
    let images = catalog.images.iter().flat_map(items_of_image);
    let views = views.iter().filter_map(View::record).flat_map(|view| items_of_stack(&view.stack));
    images.chain(views).collect()
}

impl Scope {
    /// Reads the records and leases what they name; without a staging directory nothing is leased.
    pub fn lease(rootlay: &Rootlay, staging: Option<&Staging<'_>>) -> Result<Self> {
        let store = &rootlay.store;
        let mut leased = BTreeSet::new();
        for _ in 0..MAX_TRIES {
            let (catalog, views) = (store.catalog()?, store.views()?);
            let named = items(&catalog, &views);
            let Some(staging) = staging else { return Self::of(rootlay, catalog, views, named) };
            staging.rely_on(named.difference(&leased).cloned())?;
            leased.extend(named);
            // What is named after it was leased stays.
            let (catalog, views) = (store.catalog()?, store.views()?);
            if items(&catalog, &views).is_subset(&leased) {
                return Self::of(rootlay, catalog, views, leased);
            }
        }
        // Images come faster than they can be leased: the last ones are left out.
        let (mut catalog, mut views) = (store.catalog()?, store.views()?);
        catalog.images.retain(|image| items_of_image(image).is_subset(&leased));
        views.retain(|view| view.record().is_none_or(|view| items_of_stack(&view.stack).is_subset(&leased)));
        Self::of(rootlay, catalog, views, leased)
    }

    fn of(rootlay: &Rootlay, catalog: Catalog, views: Vec<View>, leased: BTreeSet<Item>) -> Result<Self> {
        let records = || views.iter().filter_map(View::record);
        let whole = || catalog.images.iter().map(|image| &image.diff_ids).chain(records().map(|view| &view.stack));
        let stacks: BTreeSet<&Vec<DiffId>> = whole().filter(|stack| !stack.is_empty()).collect();
        let stacks: Vec<Vec<DiffId>> = stacks.into_iter().cloned().collect();
        let mut parts = BTreeMap::new();
        for (number, stack) in stacks.iter().enumerate() {
            parts.extend(store::chains(stack).into_iter().zip(1..).map(|(chain, length)| (chain, (number, length))));
        }
        let mut blobs: BTreeMap<Digest, Blob> = BTreeMap::new();
        let mut know = |digest: &Digest, size: Option<u64>, document: bool| {
            let blob = blobs.entry(digest.clone()).or_default();
            blob.size = blob.size.or(size);
            blob.document |= document;
        };
        for image in &catalog.images {
            for record in &image.manifests {
                know(&record.digest, Some(record.size), true);
                for index in &record.indexes {
                    know(index, None, true);
                }
                let manifest = read_manifest(rootlay, record).ok();
                know(&image.id, manifest.as_ref().map(|manifest| manifest.config.size), true);
                let descriptors = manifest.as_ref().map_or(&[][..], |manifest| &manifest.layers);
                for layer in descriptors {
                    know(&layer.digest, Some(layer.size), false);
                }
                for layer in &record.layers {
                    know(layer, None, false);
                }
            }
        }
        let layers = whole().flatten().cloned().collect();
        let named = rootlay.store.named()?;
        Ok(Self { catalog, views, named, leased, layers, stacks, parts, blobs })
    }

    /// Every part of a stack that begins at its base, with its layers.
    pub fn parts(&self) -> impl Iterator<Item = (&ChainId, &[DiffId])> {
        self.parts.keys().filter_map(|chain| Some((chain, self.part(chain)?)))
    }

    /// The layers of a part of a stack.
    pub fn part(&self, chain: &ChainId) -> Option<&[DiffId]> {
        let &(stack, length) = self.parts.get(chain)?;
        self.stacks.get(stack)?.get(..length)
    }

    /// The stacks that have to have their correction layer.
    pub fn wholes(&self) -> BTreeSet<ChainId> {
        self.stacks.iter().filter_map(|stack| ChainId::of(stack)).collect()
    }

    /// Every manifest with its image.
    pub fn manifests(&self) -> impl Iterator<Item = (&ImageRecord, &ManifestRecord)> {
        self.catalog.images.iter().flat_map(|image| image.manifests.iter().map(move |manifest| (image, manifest)))
    }
}

/// Reads a manifest of the store.
///
/// # Errors
/// `NotFound`; refused, if it is damaged.
pub(super) fn read_manifest(rootlay: &Rootlay, record: &ManifestRecord) -> Result<Manifest> {
    let bytes = rootlay.store.content().read(&record.digest, MAX_DOCUMENT)?;
    match parse_document(&bytes, Some(&record.media_type))? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => {
            let message = format!("{}: expected a manifest, got an index", record.digest);
            Err(crate::error::Error::refused(message))
        }
    }
}

/// The blobs of a layer: one image may have it compressed in another way than the next.
pub(super) fn blobs_of<'s>(
    rootlay: &'s Rootlay,
    scope: &'s Scope,
    layer: &'s DiffId,
) -> impl Iterator<Item = (&'s ManifestRecord, Descriptor)> {
    let manifests = scope.manifests().filter(move |(image, _)| image.diff_ids.contains(layer));
    manifests.flat_map(move |(image, record)| {
        let layers = read_manifest(rootlay, record).map_or_else(|_| Vec::new(), |manifest| manifest.layers);
        let pairs = layers.into_iter().zip(&image.diff_ids).filter(move |(_, id)| *id == layer);
        pairs.map(move |(blob, _)| (record, blob)).collect::<Vec<_>>()
    })
}
