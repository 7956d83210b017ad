//! What is known of an image whose record cannot be read: its manifests are blobs, and `index.json` has its names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::images::Catalog;
use super::layout;
use super::staging::Item;
use super::{ManifestRecord, Name, Store, now};
use crate::error::Result;
use crate::oci::{Digest, Document, MAX_DOCUMENT, Manifest, Reference, media_type, parse_document};

/// The annotation that has the name of an image (image-spec, annotations.md).
const NAME: &str = "org.opencontainers.image.ref.name";

/// How a record has it that its image is pinned.
const PINNED: &[u8] = br#""pinned": true"#;

/// What is known of an image.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// Its manifests, as far as they are here.
    pub manifests: Vec<ManifestRecord>,
    /// Its names. Whoever else has one keeps it.
    pub names: Vec<Name>,
    /// What is left of its record says that it is pinned. If not, that part may be what is lost.
    pub pinned: bool,
}

impl Store {
    /// Collects what is known of an image without its record.
    pub fn remembered(&self, id: &Digest) -> Result<Remembered> {
        let record = format!("{}/{}.json", id.algorithm().as_str(), id.hex());
        let left = self.images.read(record.as_bytes(), layout::FILE_LIMIT).unwrap_or_default();
        let pinned = left.windows(PINNED.len()).any(|part| part == PINNED);
        let mut found = Remembered { pinned, ..Remembered::default() };
        let mut indexes: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
        for item in self.all_items()? {
            let Item::Blob(digest) = item else { continue };
            match self.document(&digest) {
                Some(Document::Manifest(manifest)) if manifest.config.digest == *id => {
                    let size = self.content.size_of(&digest)?.unwrap_or_default();
                    found.manifests.push(ManifestRecord {
                        media_type: manifest.media_type.unwrap_or_else(|| media_type::OCI_MANIFEST.to_owned()),
                        digest,
                        size,
                        indexes: Vec::new(),
                        layers: manifest.layers.into_iter().map(|layer| layer.digest).collect(),
                        origin: "unknown".to_owned(),
                        added: now(),
                    });
                }
                Some(Document::Index(index)) => {
                    indexes.insert(digest, index.manifests.into_iter().map(|entry| entry.digest).collect());
                }
                _ => {}
            }
        }
        for manifest in &mut found.manifests {
            let lists = indexes.iter().filter(|(_, entries)| entries.contains(&manifest.digest));
            manifest.indexes = lists.map(|(digest, _)| digest.clone()).collect();
        }
        for entry in self.index_entries() {
            let Some(manifest) =
                digest_of(&entry).filter(|digest| found.manifests.iter().any(|one| one.digest == *digest))
            else {
                continue;
            };
            let name = entry["annotations"][NAME].as_str().and_then(|name| name.parse::<Reference>().ok());
            found.names.extend(name.map(|reference| Name {
                reference,
                manifest,
                generation: 0,
                tagged: now(),
                former: Vec::new(),
            }));
        }
        Ok(found)
    }

    /// The entries of `index.json` that are about images whose records cannot be read.
    pub(super) fn entries_of_unreadable(&self, catalog: &Catalog) -> Vec<Value> {
        let ids: BTreeSet<&Digest> = catalog.unreadable.iter().filter_map(|record| record.id.as_ref()).collect();
        let is_one = |entry: &Value| {
            let manifest = digest_of(entry).and_then(|digest| self.manifest(&digest));
            manifest.is_some_and(|manifest| ids.contains(&manifest.config.digest))
        };
        self.index_entries().into_iter().filter(is_one).collect()
    }

    fn index_entries(&self) -> Vec<Value> {
        let content = self.root.read(b"index.json", layout::FILE_LIMIT).ok();
        let index = content.and_then(|content| serde_json::from_slice::<Value>(&content).ok());
        index.and_then(|index| index["manifests"].as_array().cloned()).unwrap_or_default()
    }

    fn manifest(&self, digest: &Digest) -> Option<Manifest> {
        match self.document(digest) {
            Some(Document::Manifest(manifest)) => Some(manifest),
            _ => None,
        }
    }

    /// The document that a blob is, if it is one.
    fn document(&self, digest: &Digest) -> Option<Document> {
        let size = self.content.size_of(digest).ok()??;
        if size > MAX_DOCUMENT {
            return None;
        }
        parse_document(&self.content.read(digest, MAX_DOCUMENT).ok()?, None).ok()
    }
}

fn digest_of(entry: &Value) -> Option<Digest> {
    entry["digest"].as_str()?.parse().ok()
}
