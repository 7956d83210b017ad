//! The documents of an imported image. The same input, message and time give the same bytes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Descriptor, DiffId, Manifest, Platform, media_type};

/// What the configuration says besides its layer.
#[derive(Debug)]
pub(super) struct About {
    pub created: String,
    pub comment: String,
    pub platform: Platform,
    /// The `config` object.
    pub container: Map<String, Value>,
}

/// The configuration of an image of one layer (config.md).
pub(super) fn image(about: &About, layer: &DiffId) -> Result<Vec<u8>> {
    let mut image = json!({
        "architecture": about.platform.architecture,
        "os": about.platform.os,
        "created": about.created,
        "config": about.container,
        "rootfs": { "type": "layers", "diff_ids": [layer] },
        "history": [{ "created": about.created, "comment": about.comment }],
    });
    if let Some(variant) = &about.platform.variant {
        image["variant"] = json!(variant);
    }
    to_json(&image)
}

/// The manifest of an image of one layer.
pub(super) fn manifest(config: Descriptor, layer: Descriptor) -> Manifest {
    Manifest {
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        config,
        layers: vec![layer],
        annotations: BTreeMap::new(),
        artifact_type: None,
    }
}

/// The manifest as bytes (manifest.md).
pub(super) fn manifest_json(manifest: &Manifest) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        schema_version: u8,
        media_type: Option<&'a str>,
        config: &'a Descriptor,
        layers: &'a [Descriptor],
    }
    let Manifest { media_type, config, layers, .. } = manifest;
    to_json(&Document { schema_version: 2, media_type: media_type.as_deref(), config, layers })
}

fn to_json(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document)
        .map_err(|error| Error::with_source(ErrorKind::Failed, "write a document of the image", error))
}
