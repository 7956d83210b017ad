//! Whether a manifest and a configuration are one container image that can be unpacked.

use super::config::ImageConfig;
use super::document::Manifest;
use super::media_type;
use crate::error::{Error, Result};

/// Checks what a manifest says of itself, before its configuration is read: what is not known to be a
/// configuration of an image must not be parsed as one (image-spec, manifest.md, row 130).
///
/// # Errors
/// Refused: an artifact, an encrypted layer (row 131), something that is no layer. A layer is never refused for
/// its compression: there the bytes decide (row 116).
pub fn check_manifest(manifest: &Manifest) -> Result<()> {
    let config = &manifest.config.media_type;
    if !media_type::is_config(config) {
        let what = manifest.artifact_type.as_deref().filter(|name| !name.is_empty()).unwrap_or(config);
        return Err(Error::refused(format!("not a container image but an artifact of type `{}`", what.escape_debug())));
    }
    for (number, layer) in (1..).zip(&manifest.layers) {
        let name = &layer.media_type;
        if media_type::is_encrypted(name) {
            return Err(Error::refused(format!(
                "layer {number} ({}) is encrypted, which is not supported",
                layer.digest
            )));
        }
        if !media_type::is_layer(name) {
            return Err(Error::refused(format!(
                "not a container image: layer {number} ({}) has the media type `{}`",
                layer.digest,
                name.escape_debug()
            )));
        }
    }
    Ok(())
}

/// Checks that a manifest and its configuration fit together.
///
/// # Errors
/// Those of [`check_manifest`], and refused when there is not exactly one diff ID per layer (row 121).
pub fn check_image(manifest: &Manifest, config: &ImageConfig) -> Result<()> {
    check_manifest(manifest)?;
    let (layers, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
    if layers != diff_ids {
        return Err(Error::refused(format!("{layers} layers but {diff_ids} diff IDs: expected one for each layer")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media_type::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
    use crate::oci::{Descriptor, DiffId, Digest};

    fn manifest(config: &str, layers: &[&str]) -> Manifest {
        let layer = |(number, media_type): (usize, &&str)| {
            Descriptor::new(media_type, Digest::of(number.to_string().as_bytes()), 1)
        };
        Manifest {
            media_type: Some(OCI_MANIFEST.to_owned()),
            config: Descriptor::new(config, Digest::of(b""), 0),
            layers: layers.iter().enumerate().map(layer).collect(),
            annotations: std::collections::BTreeMap::new(),
            artifact_type: None,
        }
    }

    fn config(diff_ids: usize) -> ImageConfig {
        let mut config = ImageConfig::parse(br#"{"rootfs":{"type":"layers"}}"#).unwrap();
        config.diff_ids = vec![DiffId(Digest::of(b"")); diff_ids];
        config
    }

    #[test]
    fn row_121_one_diff_id_for_each_layer() {
        let two = manifest(OCI_CONFIG, &[OCI_LAYER, OCI_LAYER]);
        check_image(&two, &config(2)).unwrap();
        for count in [0, 1, 3] {
            let error = check_image(&two, &config(count)).unwrap_err().to_string();
            assert!(error.contains(&format!("2 layers but {count} diff IDs")), "{error}");
        }
        check_image(&manifest(OCI_CONFIG, &[]), &config(0)).unwrap();
    }

    #[test]
    fn row_130_artifacts_are_no_images() {
        for artifact in [
            "application/vnd.oci.empty.v1+json",
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.wasm.config.v0+json",
            "application/vnd.docker.plugin.v1+json",
        ] {
            let error = check_image(&manifest(artifact, &[OCI_LAYER]), &config(1)).unwrap_err().to_string();
            assert!(error.starts_with("not a container image"), "{error}");
        }
        let attestation = manifest(OCI_CONFIG, &["application/vnd.in-toto+json"]);
        assert!(check_manifest(&attestation).unwrap_err().to_string().contains("not a container image"));
    }

    #[test]
    fn row_131_encrypted_layers_are_refused_by_name() {
        let encrypted = manifest(OCI_CONFIG, &[OCI_LAYER, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"]);
        let error = check_manifest(&encrypted).unwrap_err().to_string();
        assert!(error.starts_with("layer 2 (sha256:") && error.contains("encrypted"), "{error}");
    }

    #[test]
    fn row_116_no_layer_is_refused_for_its_compression() {
        for media_type in [OCI_LAYER, "application/vnd.docker.image.rootfs.diff.tar.gzip"] {
            for suffix in ["", "+gzip", "+zstd"] {
                check_manifest(&manifest(OCI_CONFIG, &[&format!("{media_type}{suffix}")])).unwrap();
            }
        }
    }
}
