//! The documents of an archive that tell what is in it.

use serde_json::{Value, json};

use super::ArchiveFormat;
use crate::error::{Error, Result};
use crate::oci::media_type::OCI_INDEX;
use crate::oci::{Digest, Manifest, Platform, Reference};
use crate::store::ManifestRecord;

/// One image of an archive.
pub(super) struct Listed<'c> {
    pub manifest: &'c ManifestRecord,
    pub platform: &'c Platform,
    pub document: Manifest,
    /// Full names with a tag.
    pub names: Vec<Reference>,
}

/// The path of a blob.
pub(super) fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// The documents by their names. All layers are listed, even those that are left out.
pub(super) fn files(images: &[Listed<'_>], format: ArchiveFormat) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut files = vec![("oci-layout", json!({ "imageLayoutVersion": "1.0.0" })), ("index.json", index(images))];
    if format == ArchiveFormat::Docker {
        files.push(("manifest.json", images.iter().map(docker).collect()));
    }
    let written = |(name, value): (_, Value)| {
        let bytes = serde_json::to_vec(&value).map_err(|error| Error::io("serialize", error.into()))?;
        Ok((name, bytes))
    };
    files.into_iter().map(written).collect()
}

/// `index.json`, with an entry for each name (image-spec, image-layout.md).
fn index(images: &[Listed<'_>]) -> Value {
    let mut entries = Vec::new();
    for image in images {
        let Listed { manifest, platform, .. } = image;
        let entry = json!({
            "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.size, "platform": platform,
        });
        for name in &image.names {
            let mut entry = entry.clone();
            entry["annotations"] = json!({
                "io.containerd.image.name": name.canonical(),
                "org.opencontainers.image.ref.name": ref_name(name, image, images),
            });
            entries.push(entry);
        }
        if image.names.is_empty() {
            entries.push(entry);
        }
    }
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries })
}

/// The tag, as Docker has it; the full name where another image of the archive has the same tag: readers that know
/// nothing else would take one of the two.
fn ref_name(name: &Reference, own: &Listed<'_>, images: &[Listed<'_>]) -> String {
    let same = |image: &&Listed<'_>| image.names.iter().any(|other| other.tag() == name.tag());
    let alone = images.iter().filter(same).all(|image| image.manifest.digest == own.manifest.digest);
    match name.tag() {
        Some(tag) if alone => tag.to_owned(),
        _ => name.canonical(),
    }
}

/// An entry of `manifest.json` (moby, `image/spec`).
fn docker(image: &Listed<'_>) -> Value {
    let Listed { document, names, .. } = image;
    let layers: Vec<String> = document.layers.iter().map(|layer| path(&layer.digest)).collect();
    let tags: Vec<String> = names.iter().map(Reference::familiar).collect();
    let tags = if tags.is_empty() { Value::Null } else { tags.into() };
    json!({ "Config": path(&document.config.digest), "RepoTags": tags, "Layers": layers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media_type::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
    use crate::oci::{Document, parse_document};

    fn record(seed: &str) -> ManifestRecord {
        ManifestRecord {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::of(seed.as_bytes()),
            size: 7,
            indexes: Vec::new(),
            layers: Vec::new(),
            origin: String::new(),
            added: String::new(),
        }
    }

    fn document() -> Manifest {
        let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() });
        let document = json!({
            "schemaVersion": 2, "config": descriptor(OCI_CONFIG, b"config"), "layers": [descriptor(OCI_LAYER, b"layer")],
        });
        match parse_document(document.to_string().as_bytes(), Some(OCI_MANIFEST)).unwrap() {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => panic!("an index"),
        }
    }

    fn read(images: &[(&str, &[&str])], format: ArchiveFormat) -> Vec<(&'static str, Value)> {
        let platform: Platform = "linux/amd64".parse().unwrap();
        let records: Vec<ManifestRecord> = images.iter().map(|(seed, _)| record(seed)).collect();
        let listed: Vec<Listed<'_>> = records
            .iter()
            .zip(images)
            .map(|(manifest, (_, names))| {
                let names = names.iter().map(|name| name.parse().unwrap()).collect();
                Listed { manifest, platform: &platform, document: document(), names }
            })
            .collect();
        let files = files(&listed, format).unwrap();
        files.into_iter().map(|(name, bytes)| (name, serde_json::from_slice(&bytes).unwrap())).collect()
    }

    #[test]
    fn docker_finds_its_list_and_everybody_an_index() {
        let files = read(&[("a", &["busybox:1", "busybox:2"]), ("b", &[])], ArchiveFormat::Docker);
        assert_eq!(files[0], ("oci-layout", json!({ "imageLayoutVersion": "1.0.0" })));
        let entries = files[1].1["manifests"].as_array().unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[1]["annotations"]["io.containerd.image.name"], "docker.io/library/busybox:2");
        assert_eq!(entries[1]["annotations"]["org.opencontainers.image.ref.name"], "2");
        assert_eq!(entries[2].get("annotations"), None);
        let (config, layer) = (path(&Digest::of(b"config")), path(&Digest::of(b"layer")));
        assert_eq!(
            files[2],
            (
                "manifest.json",
                json!([
                    { "Config": config, "RepoTags": ["busybox:1", "busybox:2"], "Layers": [layer] },
                    { "Config": config, "RepoTags": null, "Layers": [layer] },
                ])
            )
        );
        assert_eq!(read(&[("a", &[])], ArchiveFormat::Oci).len(), 2);
    }

    #[test]
    fn a_tag_stands_alone_only_where_it_is_clear() {
        let names = |images: &[(&str, &[&str])]| -> Vec<String> {
            let index = read(images, ArchiveFormat::Oci).remove(1).1;
            let entries = index["manifests"].as_array().unwrap();
            let name =
                |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned);
            entries.iter().filter_map(name).collect()
        };
        assert_eq!(names(&[("a", &["x:1", "y:1"]), ("b", &["x:2"])]), ["1", "1", "2"]);
        assert_eq!(
            names(&[("a", &["x:1", "x:3"]), ("b", &["localhost/y:1"])]),
            ["docker.io/library/x:1", "3", "localhost/y:1"]
        );
    }
}
