//! The images that there are.

use std::collections::BTreeSet;

use super::Rootlay;
use super::filter::{ImageFilters, Labels, Selected, Surroundings};
use super::liveness::Live;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{DiffId, Digest, ImageConfig, MAX_DOCUMENT, Platform, Reference, Timestamp};
use crate::store::{Catalog, ImageRecord, Kind, ManifestRecord, Name, Resolved, Unreadable, View};

/// An image, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its ID: the digest of its config.
    pub id: Digest,
    /// Its names: tags, and digests that the user named; sorted.
    pub names: Vec<ImageName>,
    /// The digest of its newest index, or of its newest manifest where there is no index.
    pub digest: Option<Digest>,
    /// What it runs on.
    pub platform: Platform,
    /// When it was made, as its config says.
    pub created: Option<Timestamp>,
    /// The bytes of its unpacked layers.
    pub size: u64,
    /// Why it cannot be mounted.
    pub broken: Option<String>,
}

/// A name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName {
    /// The name.
    pub reference: Reference,
    /// The digest that it stands for: that of an index where there was one.
    pub digest: Option<Digest>,
}

impl ImageInfo {
    /// Whether it has this name.
    pub fn is_named(&self, reference: &Reference) -> bool {
        self.names.iter().any(|name| name.reference == *reference)
    }
}

/// Finds the images that a text means, as [`Catalog::resolve`]; a record that cannot be read is an error of its own.
pub(super) fn resolve<'c>(catalog: &'c Catalog, text: &str, wanted: &Platform) -> Result<Resolved<'c>> {
    catalog.resolve(text, wanted).map_err(|error| match catalog.resolve_unreadable(text) {
        Some(record) if error.kind() == ErrorKind::NotFound => unreadable(record),
        _ => error,
    })
}

/// The image that a text means, with the name by which it was found: that for the platform, otherwise the host's first.
pub(super) fn choose<'c>(
    catalog: &'c Catalog,
    text: &str,
    platform: Option<&Platform>,
) -> Result<(&'c ImageRecord, Option<&'c Name>)> {
    let host = Platform::host();
    let found = resolve(catalog, text, platform.unwrap_or(&host))?;
    let fits = |image: &&ImageRecord| platform.is_none_or(|wanted| wanted.rank(&image.platform).is_some());
    let image = found.images.iter().copied().find(fits).ok_or_else(|| {
        let wanted = platform.unwrap_or(&host);
        let actual: Vec<String> = found.images.iter().map(|image| image.platform.to_string()).collect();
        let actual = actual.join(", ");
        let why = format!("does not match the specified platform: wanted {wanted}, actual: {actual}");
        let message = format!("image with reference {} was found but {why}", text.escape_debug());
        Error::new(ErrorKind::NotFound, message)
    })?;
    Ok((image, found.name(image)))
}

fn unreadable(record: &Unreadable) -> Error {
    Error::new(ErrorKind::Failed, format!("the image record {} cannot be read: {}", record.file, record.why))
}

fn missing(id: &DiffId) -> String {
    format!("layer {id} is missing")
}

impl Rootlay {
    /// All images; see [`Rootlay::images_where`].
    pub fn images(&self) -> Result<Vec<ImageInfo>> {
        self.images_where(&ImageFilters::default())
    }

    /// The images that the filters mean, newest first; of two platforms of one tag the host's first. Only names that
    /// are meant are told. One that is broken does not keep the others from being listed; it is named in a warning
    /// as well.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) where a filter names an image that is not here.
    pub fn images_where(&self, filters: &ImageFilters) -> Result<Vec<ImageInfo>> {
        let catalog = self.store.catalog()?;
        let mounted = if filters.ask_for_views() { self.mounted_images()? } else { BTreeSet::new() };
        let labels = |record: &ImageRecord| self.labels(record);
        let around = Surroundings { labels: &labels, mounted: &mounted };
        let here = self.store.committed(Kind::Layer)?;
        let mut images = Vec::new();
        for Selected { image, names } in filters.select(&catalog, &around)? {
            let broken = image.diff_ids.iter().find(|id| !here.contains(&id.0)).map(missing);
            if let Some(why) = &broken {
                self.progress.warning(&format!("image {}: {why}", image.id.short()));
            }
            images.push(describe(image, &names, broken));
        }
        for record in &catalog.unreadable {
            self.progress.warning(&unreadable(record).to_string());
            // Without an ID there is nothing to list, and of what nobody can read no filter knows anything.
            images.extend(record.id.clone().filter(|_| filters.is_empty()).map(|id| ImageInfo {
                id,
                names: Vec::new(),
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
            (std::cmp::Reverse(image.created), rank, image.names.clone(), image.id.clone())
        });
        Ok(images)
    }

    pub(super) fn why_broken(&self, record: &ImageRecord) -> Result<Option<String>> {
        for id in &record.diff_ids {
            if self.store.open_committed(Kind::Layer, &id.0)?.is_none() {
                return Ok(Some(missing(id)));
            }
        }
        Ok(None)
    }

    fn mounted_images(&self) -> Result<BTreeSet<Digest>> {
        let views = self.store.views()?;
        let live = Live::of(&self.store, &views)?;
        let mounted = views.iter().filter_map(View::record).filter(|view| live.shows(&self.store, view));
        Ok(mounted.map(|view| view.image_id.clone()).collect())
    }

    /// The labels of an image; where they cannot be read, that is a warning.
    fn labels(&self, record: &ImageRecord) -> Option<Labels> {
        let config = self.store.content().read(&record.id, MAX_DOCUMENT).and_then(|bytes| ImageConfig::parse(&bytes));
        config
            .map_err(|error| self.progress.warning(&format!("image {}: {error}", record.id.short())))
            .map(|config| config.config.labels)
            .ok()
    }
}

/// Names as listings show them, sorted.
pub(super) fn names<'i>(record: &ImageRecord, names: impl Iterator<Item = &'i Name>) -> Vec<ImageName> {
    let mut names: Vec<ImageName> = names
        .map(|name| {
            let own = record.manifest(Some(name)).map(ManifestRecord::shown_digest);
            ImageName { reference: name.reference.clone(), digest: name.reference.digest().or(own).cloned() }
        })
        .collect();
    names.sort();
    names
}

fn describe(record: &ImageRecord, meant: &[&Name], broken: Option<String>) -> ImageInfo {
    ImageInfo {
        id: record.id.clone(),
        names: names(record, meant.iter().copied()),
        digest: record.manifest(None).map(|manifest| manifest.shown_digest().clone()),
        platform: record.platform.clone(),
        created: record.created.as_deref().and_then(Timestamp::parse),
        size: record.size,
        broken,
    }
}
