//! Media types (image-spec, media-types.md; distribution, schema 2) and what they are.
//!
//! For layers a media type is only a hint: the bytes decide how a layer is compressed.

/// An index: a list of manifests or of further indexes.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer that is a plain tar.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A layer in gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer in zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Docker's index.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1";
/// Some registries forgot what the configuration is; clients of Docker accept it.
const OCTET_STREAM: &str = "application/octet-stream";

/// Names of layers without their compression. The last one is Docker's for layers that are fetched elsewhere.
const LAYERS: [&str; 5] = [
    OCI_LAYER,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

/// The media type of a layer that is compressed in this way. The specification knows gzip and zstd; what else Docker
/// accepts is named in the same manner.
pub fn layer(compression: Option<&str>) -> String {
    compression.map_or_else(|| OCI_LAYER.to_owned(), |suffix| format!("{OCI_LAYER}+{suffix}"))
}

/// Whether it names an index.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_MANIFEST_LIST)
}

/// Whether it names a manifest.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// Whether it names a manifest of Docker's schema 1, signed or not.
pub fn is_schema1(media_type: &str) -> bool {
    media_type.starts_with(DOCKER_SCHEMA1)
}

/// Whether it names the configuration of a container image.
pub fn is_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG | OCTET_STREAM)
}

/// Whether it names a layer, in whatever compression (`+gzip`, `.gzip`, `+zstd`, …) and not encrypted.
pub fn is_layer(media_type: &str) -> bool {
    LAYERS.iter().any(|name| match media_type.strip_prefix(name) {
        Some(rest) => rest.is_empty() || rest.starts_with(['+', '.']) && !is_encrypted(rest),
        None => false,
    })
}

/// Whether it names a layer that its author may not pass on; such a layer may be absent (row 129).
pub fn is_foreign_layer(media_type: &str) -> bool {
    LAYERS[1..2].iter().chain(&LAYERS[4..]).any(|name| media_type.starts_with(name))
}

/// Whether it names encrypted content (ocicrypt).
pub fn is_encrypted(media_type: &str) -> bool {
    media_type.split('+').skip(1).any(|suffix| suffix == "encrypted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_116_every_kind_of_layer_is_known() {
        for good in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ] {
            assert!(is_layer(good), "{good}");
        }
        for bad in ["application/vnd.in-toto+json", "text/plain", "", "application/vnd.oci.image.layer.v1.tarball"] {
            assert!(!is_layer(bad), "{bad}");
        }
    }

    #[test]
    fn row_131_encrypted_layers_are_told_apart() {
        for bad in ["tar+encrypted", "tar+gzip+encrypted", "tar+zstd+encrypted"] {
            let media_type = format!("application/vnd.oci.image.layer.v1.{bad}");
            assert!(is_encrypted(&media_type));
            assert!(!is_layer(&media_type));
        }
        assert!(!is_encrypted(OCI_LAYER_GZIP));
    }

    #[test]
    fn row_129_foreign_layers_are_told_apart() {
        assert!(is_foreign_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
        assert!(is_foreign_layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"));
        assert!(!is_foreign_layer(OCI_LAYER));
        assert!(!is_foreign_layer("application/vnd.docker.image.rootfs.diff.tar.gzip"));
    }
}
