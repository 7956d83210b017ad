//! The images that there are.

use super::Rootlay;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Digest, Platform, Reference};
use crate::store::{Catalog, ImageRecord, Kind, Resolved, Unreadable};

/// An image, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its ID: the digest of its config.
    pub id: Digest,
    /// Its names: tags, and digests that the user named.
    pub references: Vec<Reference>,
    /// The digest of its index, or of its manifest where there is no index.
    pub digest: Option<Digest>,
    /// What it runs on.
    pub platform: Platform,
    /// When it was made, as its config says.
    pub created: Option<String>,
    /// The bytes of its unpacked layers.
    pub size: u64,
    /// Why it cannot be mounted.
    pub broken: Option<String>,
}

/// Finds the images that a text means, as [`Catalog::resolve`]; a record that cannot be read is an error of its own.
pub(super) fn resolve<'c>(catalog: &'c Catalog, text: &str, wanted: &Platform) -> Result<Resolved<'c>> {
    catalog.resolve(text, wanted).map_err(|error| match catalog.resolve_unreadable(text) {
        Some(record) if error.kind() == ErrorKind::NotFound => unreadable(record),
        _ => error,
    })
}

fn unreadable(record: &Unreadable) -> Error {
    Error::new(ErrorKind::Failed, format!("the image record {} cannot be read: {}", record.file, record.why))
}

impl Rootlay {
    /// All images, newest first; of two platforms of one tag the host's first. One that is broken does not keep the
    /// others from being listed; it is named in a warning as well.
    pub fn images(&self) -> Result<Vec<ImageInfo>> {
        let catalog = self.store.catalog()?;
        let mut images = Vec::new();
        for record in &catalog.images {
            let broken = self.why_broken(record)?;
            if let Some(why) = &broken {
                self.progress.warning(&format!("image {}: {why}", record.id.short()));
            }
            images.push(describe(record, broken));
        }
        for record in &catalog.unreadable {
            self.progress.warning(&unreadable(record).to_string());
            // Without an ID there is nothing to list.
            images.extend(record.id.clone().map(|id| ImageInfo {
                id,
                references: Vec::new(),
                digest: None,
                platform: Platform::default(),
                created: None,
                size: 0,
                broken: Some(record.why.clone()),
            }));
        }
        let host = Platform::host();
        images.sort_by_cached_key(|image| {
            let rank = host.rank(&image.platform).unwrap_or(u32::MAX);
            (std::cmp::Reverse(image.created.clone()), rank, image.references.clone(), image.id.clone())
        });
        Ok(images)
    }

    pub(super) fn why_broken(&self, record: &ImageRecord) -> Result<Option<String>> {
        for id in &record.diff_ids {
            if self.store.open_committed(Kind::Layer, &id.0)?.is_none() {
                return Ok(Some(format!("layer {id} is missing")));
            }
        }
        Ok(None)
    }
}

fn describe(record: &ImageRecord, broken: Option<String>) -> ImageInfo {
    let mut references: Vec<Reference> = record.names.iter().map(|name| name.reference.clone()).collect();
    references.sort();
    ImageInfo {
        id: record.id.clone(),
        references,
        digest: record.manifest(None).map(|manifest| manifest.shown_digest().clone()),
        platform: record.platform.clone(),
        created: record.created.clone(),
        size: record.size,
        broken,
    }
}
