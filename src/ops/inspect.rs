//! Inspect: what is known of one image or view, in the form of `docker inspect`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::liveness::{Live, target_of};
use super::{Access, Rootlay, images, lowers, outgoing, views};
use crate::error::{Context, Result};
use crate::oci::{ChainId, DiffId, ImageConfig, MAX_DOCUMENT, Platform};
use crate::store::{self, ImageRecord, ManifestRecord, ViewRecord};

/// What Go prints for a time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl Rootlay {
    /// Describes an image. `GraphDriver.Data.LowerDir` has the directories that a mount of it consists of, top first.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) without such an image, or none for the platform; what keeps its config from
    /// being read.
    pub fn inspect(&self, image: &str, platform: Option<&Platform>) -> Result<Value> {
        let catalog = self.store.catalog()?;
        let (record, name) = images::choose(&catalog, image, platform)?;
        let config = ImageConfig::parse(&self.store.content().read(&record.id, MAX_DOCUMENT)?)?;
        let lower = self.lower_dirs(&record.diff_ids, None, &format!("image {}", record.id.short()));
        Ok(render(record, &config, record.manifest(name), &lower))
    }

    /// Describes a view. `GraphDriver.Data` has the directories that it consists of, the lower ones top first.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a view; what keeps its record from being read.
    pub fn inspect_view(&self, name: &str) -> Result<Value> {
        let found = self.store.views()?.into_iter().find(|view| view.name == name);
        let found = found.ok_or_else(|| views::no_such_view(name))?;
        let live = Live::of(&self.store, std::slice::from_ref(&found))?;
        let record = found.content.context(|| format!("view {name}"))?;
        let mounted = live.shows(&self.store, &record);
        let lower = self.lower_dirs(&record.stack, record.merged.as_ref(), &format!("view {name}"));
        Ok(self.render_view(&record, mounted, &lower))
    }

    /// The directories that are mounted for a stack, top first; where one is missing, that is a warning.
    fn lower_dirs(&self, stack: &[DiffId], merged: Option<&ChainId>, of: &str) -> String {
        match lowers::paths(&self.store, stack, merged) {
            Ok(paths) => paths.iter().rev().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(":"),
            Err(error) => {
                self.progress.warning(&format!("{of}: {error}"));
                String::new()
            }
        }
    }

    fn render_view(&self, record: &ViewRecord, mounted: bool, lower: &str) -> Value {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let target = path(target_of(&self.store, record));
        let mut data = json!({ "LowerDir": lower, "MergedDir": target });
        if record.access == Access::Writable {
            data["UpperDir"] = json!(path(self.store.path_in_view(&record.name, "upper")));
            data["WorkDir"] = json!(path(self.store.path_in_view(&record.name, "work")));
        }
        json!({
            "Name": record.name,
            "Created": store::text_of(record.created),
            "Image": record.image_id,
            "Config": { "Image": record.image },
            "State": { "Status": if mounted { "mounted" } else { "saved" }, "Mounted": mounted },
            "Mode": if record.access == Access::Writable { "rw" } else { "ro" },
            "NoSuid": record.options.nosuid,
            "NoDev": record.options.nodev,
            "GraphDriver": { "Name": "overlay", "Data": data },
            "RootFS": { "Type": "layers", "Layers": record.stack },
        })
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
    put("Config", container_config(config.raw.get("config")));
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
    let origins = record.manifests.iter().filter_map(outgoing::registry);
    let origins: BTreeSet<String> = origins.map(|from| format!("{}/{}", from.registry(), from.repository())).collect();
    if !origins.is_empty() {
        let pulls: Vec<Value> = origins.iter().map(|repository| json!({ "Repository": repository })).collect();
        put("Identity", json!({ "Pull": pulls }));
    }
    Value::Object(object)
}

/// What a container starts with. Fields that templates ask for are there also where the image says nothing.
fn container_config(own: Option<&Value>) -> Value {
    let mut config = json!({
        "User": "", "Env": null, "Cmd": null, "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null,
        "Labels": null,
    });
    if let (Some(config), Some(Value::Object(own))) = (config.as_object_mut(), own) {
        config.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    config
}

/// Docker's own key, else the comment of the newest step of the history.
fn comment(config: &ImageConfig) -> String {
    let own = config.raw.get("comment").and_then(Value::as_str);
    let newest = config.raw.get("history").and_then(Value::as_array).and_then(|history| history.last());
    let newest = newest.and_then(|step| step.get("comment")).and_then(Value::as_str);
    own.or(newest).unwrap_or_default().to_owned()
}
