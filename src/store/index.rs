//! `index.json`: the images for other tools that read an OCI layout (image-layout.md).
//!
//! It is made of the image records, never read. Each tag is an entry with `org.opencontainers.image.ref.name`; an
//! image without a tag is an entry without that.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Store;
use super::images::{Catalog, ImageRecord, ManifestRecord};
use super::layout;
use super::record::{self, Durability};
use super::staging::Staging;
use crate::error::Result;
use crate::oci::{Platform, media_type};
use crate::sys::dir::Dir;

impl Store {
    /// Replaces `index.json`. The caller holds the exclusive store lock.
    pub(super) fn write_index(&self, staging: &Staging<'_>) -> Result<()> {
        let catalog = self.catalog()?;
        let mut index = render(&catalog, &Platform::host());
        if !catalog.unreadable.is_empty()
            && let Some(entries) = index["manifests"].as_array_mut()
        {
            // Nobody else knows the names of an image whose record cannot be read.
            entries.extend(self.entries_of_unreadable(&catalog));
        }
        record::write(staging, &self.root, "index.json", &index, Durability::Synced)
    }

    /// Replaces an `index.json` that is older than the records: somebody was killed in between. The caller holds
    /// the exclusive store lock.
    pub(super) fn repair_index(&self) -> Result<()> {
        let mut records = changed(&self.images, b".")?;
        for algorithm in layout::algorithms() {
            if self.images.exists(algorithm.as_bytes())? {
                records = records.max(changed(&self.images, algorithm.as_bytes())?);
            }
        }
        if self.root.exists(b"index.json")? && changed(&self.root, b"index.json")? < records {
            self.write_index(&self.stage_locked()?)?;
        }
        Ok(())
    }

    /// Why `index.json` does not tell what the records tell; nothing if it does. Of records that cannot be read it
    /// may know more than they.
    pub fn broken_index(&self) -> Result<Option<String>> {
        let _lock = self.lock_exclusive()?;
        let content = match self.root.read(b"index.json", layout::FILE_LIMIT) {
            Ok(content) => content,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let index: Value = match serde_json::from_slice(&content) {
            Ok(index) => index,
            Err(error) => return Ok(Some(format!("no JSON: {error}"))),
        };
        let catalog = self.catalog()?;
        let fits = !catalog.unreadable.is_empty() || index == render(&catalog, &Platform::host());
        Ok((!fits).then(|| "it does not list the images that the records have".to_owned()))
    }

    /// Makes `index.json` anew.
    pub fn rewrite_index(&self) -> Result<()> {
        let _lock = self.lock_exclusive()?;
        self.write_index(&self.stage_locked()?)
    }
}

/// When something was changed last: seconds and nanoseconds.
fn changed(dir: &Dir, name: &[u8]) -> Result<(i64, u64)> {
    let stat = dir.stat(name)?;
    Ok((stat.st_mtime, stat.st_mtime_nsec))
}

/// The index of the images: tags in their order, of two platforms the host's first; then images without a tag.
fn render(catalog: &Catalog, host: &Platform) -> Value {
    let mut tags: BTreeMap<String, Vec<(&ImageRecord, &ManifestRecord)>> = BTreeMap::new();
    let mut nameless = Vec::new();
    for image in &catalog.images {
        let mut tagged = false;
        for name in image.names.iter().filter(|name| name.reference.digest().is_none()) {
            let manifest = image.manifest(Some(name)).map(|manifest| (image, manifest));
            tagged |= manifest.is_some();
            tags.entry(name.reference.canonical()).or_default().extend(manifest);
        }
        if !tagged {
            nameless.extend(image.manifest(None).map(|manifest| (image, manifest)));
        }
    }
    let mut entries = Vec::new();
    for (name, mut images) in tags {
        images.sort_by_key(|(image, _)| (host.rank(&image.platform).unwrap_or(u32::MAX), &image.platform));
        for (image, manifest) in images {
            let mut entry = descriptor(image, manifest);
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            entries.push(entry);
        }
    }
    entries.extend(nameless.into_iter().map(|(image, manifest)| descriptor(image, manifest)));
    json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries })
}

fn descriptor(image: &ImageRecord, manifest: &ManifestRecord) -> Value {
    json!({
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.size,
        "platform": image.platform,
    })
}
