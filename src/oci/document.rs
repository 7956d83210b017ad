//! Indexes and manifests (image-spec, image-index.md and manifest.md), told apart without doubt.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::descriptor::Descriptor;
use super::json::{self, null_is_default};
use super::media_type;
use crate::error::{Error, Result};

/// An index or a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and never many at once")]
pub enum Document {
    /// A list of images.
    Index(Index),
    /// One image.
    Manifest(Manifest),
}

/// A list of manifests, one per platform, and of further indexes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// The entries, in the order of the document.
    #[serde(default, deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// Annotations of the index.
    #[serde(default, deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// The type of an artifact that is no container image.
    #[serde(default)]
    pub artifact_type: Option<String>,
}

/// One image: its configuration and its layers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The type that the document gives itself; older tools leave it out.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The configuration; its digest is the image ID.
    pub config: Descriptor,
    /// The layers, base first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// Annotations of the manifest.
    #[serde(default, deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// The type of an artifact that is no container image.
    #[serde(default)]
    pub artifact_type: Option<String>,
}

/// What tells the two kinds apart. A field that is `null` counts as absent, as it does in Go.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

/// Parses an index or a manifest.
///
/// `expected` is the media type of the descriptor that led here; without one (a layout's `index.json`) the
/// document tells itself.
///
/// # Errors
/// Refused: more than 8 MiB, a duplicate key, both an index and a manifest (CVE-2021-41190), another `mediaType`
/// than expected, a `schemaVersion` other than 2, or something that is no image at all.
pub fn parse_document(bytes: &[u8], expected: Option<&str>) -> Result<Document> {
    let probe: Probe = json::parse(bytes)?;
    let own = probe.media_type.as_deref().filter(|name| !name.is_empty());
    check_schema(&probe, own.or(expected))?;
    if let (Some(own), Some(expected)) = (own, expected)
        && own != expected
    {
        return Err(Error::refused(format!(
            "expected media type `{}`, got `{}`",
            expected.escape_debug(),
            own.escape_debug()
        )));
    }
    let is_index = probe.manifests.is_some();
    let is_manifest = probe.config.is_some() || probe.layers.is_some();
    let named = own.or(expected);
    let kind_differs = |name: &str| {
        Error::refused(format!("media type `{}` does not fit the fields of the document", name.escape_debug()))
    };
    match (is_index, is_manifest, named) {
        (true, true, _) => {
            Err(Error::refused("document is an index and a manifest at once (`manifests` beside `config` or `layers`)"))
        }
        (true, false, Some(name)) if !media_type::is_index(name) => Err(kind_differs(name)),
        (false, true, Some(name)) if !media_type::is_manifest(name) => Err(kind_differs(name)),
        (true, false, _) => json::parse(bytes).map(Document::Index),
        (false, true, _) => json::parse(bytes).map(Document::Manifest),
        (false, false, Some(name)) if media_type::is_index(name) => json::parse(bytes).map(Document::Index),
        (false, false, _) => Err(Error::refused("not a container image: neither an index nor a manifest")),
    }
}

fn check_schema(probe: &Probe, named: Option<&str>) -> Result<()> {
    let schema1 =
        probe.schema_version == Some(1) || probe.fs_layers.is_some() || named.is_some_and(media_type::is_schema1);
    if schema1 {
        return Err(Error::refused(
            "manifest of docker's schema 1, which is not supported: push the image again with a current tool",
        ));
    }
    match probe.schema_version {
        Some(2) => Ok(()),
        Some(other) => Err(Error::refused(format!("expected schemaVersion 2, got {other}"))),
        None => Err(Error::refused("no schemaVersion, expected 2")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::oci::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

    const CONFIG: &str = r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3}"#;

    fn refused(text: &str, expected: Option<&str>) -> String {
        let error = parse_document(text.as_bytes(), expected).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        error.to_string()
    }

    #[test]
    fn row_123_a_document_is_an_index_or_a_manifest() {
        let both = format!(r#"{{"schemaVersion":2,"manifests":[],{CONFIG},"layers":[]}}"#);
        assert!(refused(&both, None).contains("at once"));
        let both = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(refused(both, Some(OCI_INDEX)).contains("at once"));
        assert!(refused(r#"{"schemaVersion":2}"#, None).contains("not a container image"));
        let manifest = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":null,"manifests":null}}"#);
        assert!(matches!(parse_document(manifest.as_bytes(), None).unwrap(), Document::Manifest(_)));
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":null}}"#);
        assert!(matches!(parse_document(index.as_bytes(), None).unwrap(), Document::Index(_)));
    }

    #[test]
    fn row_123_the_media_type_is_the_descriptors() {
        let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",{CONFIG},"layers":[]}}"#);
        parse_document(manifest.as_bytes(), Some(OCI_MANIFEST)).unwrap();
        assert!(refused(&manifest, Some(DOCKER_MANIFEST)).contains("expected media type"));
        assert!(refused(&manifest, Some(OCI_INDEX)).contains("expected media type"));
        let unnamed = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[]}}"#);
        parse_document(unnamed.as_bytes(), Some(DOCKER_MANIFEST)).unwrap();
        assert!(refused(&unnamed, Some(OCI_INDEX)).contains("does not fit"));
        let lying = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}",{CONFIG},"layers":[]}}"#);
        assert!(refused(&lying, None).contains("does not fit"));
    }

    #[test]
    fn row_133_only_schema_2_is_read() {
        let signed = r#"{"schemaVersion":1,"name":"x","fsLayers":[],"history":[]}"#;
        assert!(refused(signed, None).contains("schema 1"));
        assert!(refused(r#"{"schemaVersion":3,"manifests":[]}"#, None).contains("got 3"));
        assert!(refused(r#"{"manifests":[]}"#, None).contains("no schemaVersion"));
    }

    #[test]
    fn row_124_a_duplicate_key_is_refused() {
        let twice = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[],"layers":[]}}"#);
        assert!(refused(&twice, None).contains("twice"));
    }
}
