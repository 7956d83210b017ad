//! Inspect: what is known of one image, in the form of `docker image inspect`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Rootlay, images, lowers};
use crate::error::Result;
use crate::oci::{ImageConfig, MAX_DOCUMENT, Platform};
use crate::store::{ImageRecord, ManifestRecord};

/// What Go prints for a time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl Rootlay {
    /// Describes an image. `GraphDriver.Data.LowerDir` has the directories that a mount of it consists of, top first.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) without such an image; what keeps its config from being read.
    pub fn inspect(&self, image: &str) -> Result<Value> {
        let catalog = self.store.catalog()?;
        let found = images::resolve(&catalog, image, &Platform::host())?;
        let Some(record) = found.images.first() else { return Ok(Value::Null) };
        let config = ImageConfig::parse(&self.store.content().read(&record.id, MAX_DOCUMENT)?)?;
        let directories = lowers::paths(&self.store, &record.diff_ids)?;
        let top_first: Vec<_> = directories.iter().rev().map(|path| path.to_string_lossy()).collect();
        Ok(render(record, &config, record.manifest(found.name(record)), &top_first.join(":")))
    }
}

fn render(record: &ImageRecord, config: &ImageConfig, manifest: Option<&ManifestRecord>, lower: &str) -> Value {
    let text = |key: &str| config.raw.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let tags = record.names.iter().filter(|name| name.reference.digest().is_none());
    let repo_tags: BTreeSet<String> = tags.map(|name| name.reference.familiar()).collect();
    // The digest that came with a tag belongs to the tag.
    let repo_digests: BTreeSet<String> = record
        .names
        .iter()
        .filter_map(|name| {
            let manifest = record.manifest(Some(name))?;
            let digest = name.reference.digest().unwrap_or_else(|| manifest.shown_digest());
            Some(format!("{}@{digest}", name.reference.familiar_name()))
        })
        .collect();
    let last_tagged = record.names.iter().map(|name| name.tagged.as_str()).max().unwrap_or(NEVER);
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("Id", json!(record.id));
    put("RepoTags", json!(repo_tags));
    put("RepoDigests", json!(repo_digests));
    put("Comment", json!(comment(config)));
    put("Created", json!(record.created.as_deref().unwrap_or(NEVER)));
    put("Author", json!(text("author")));
    put("Config", config.raw.get("config").cloned().unwrap_or(Value::Null));
    put("Architecture", json!(record.platform.architecture));
    put("Os", json!(record.platform.os));
    put("Size", json!(record.size));
    put("GraphDriver", json!({ "Name": "overlay", "Data": { "LowerDir": lower } }));
    put("RootFS", json!({ "Type": "layers", "Layers": record.diff_ids }));
    put("Metadata", json!({ "LastTagTime": last_tagged }));
    if let Some(variant) = &record.platform.variant {
        put("Variant", json!(variant));
    }
    if let Some(version) = &record.platform.os_version {
        put("OsVersion", json!(version));
    }
    if let Some(ManifestRecord { media_type, digest, size, .. }) = manifest {
        put("Descriptor", json!({ "mediaType": media_type, "digest": digest, "size": size }));
    }
    Value::Object(object)
}

/// Docker's own key, else the comment of the newest step of the history.
fn comment(config: &ImageConfig) -> String {
    let own = config.raw.get("comment").and_then(Value::as_str);
    let newest = config.raw.get("history").and_then(Value::as_array).and_then(|history| history.last());
    let newest = newest.and_then(|step| step.get("comment")).and_then(Value::as_str);
    own.or(newest).unwrap_or_default().to_owned()
}
