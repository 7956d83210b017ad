//! Manifests, indexes and configs; references.

use rootlay::oci::{Document, ImageConfig, Reference, check_image, check_manifest, media_type, parse_document};

/// A document parses or is refused. Where a NUL divides the input, the second part is the config of the first.
pub fn documents(input: &[u8]) {
    let (document, config) = match input.iter().position(|&byte| byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, input),
    };
    let config = ImageConfig::parse(config);
    for expected in [None, Some(media_type::OCI_INDEX), Some(media_type::OCI_MANIFEST)] {
        let Ok(Document::Manifest(manifest)) = parse_document(document, expected) else { continue };
        let _ = check_manifest(&manifest);
        if let Ok(config) = &config
            && check_image(&manifest, config).is_ok()
        {
            assert_eq!(manifest.layers.len(), config.diff_ids.len());
        }
    }
}

/// A reference that parses is the same after it is printed, in either form.
pub fn reference(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(reference) = text.parse::<Reference>() else { return };
    for printed in [reference.canonical(), reference.familiar(), reference.to_string()] {
        assert_eq!(printed.parse::<Reference>().as_ref().ok(), Some(&reference), "{printed}");
    }
    let tagged = reference.with_default_tag();
    assert!(tagged.tag().is_some() || tagged.digest().is_some());
    assert_eq!(tagged.familiar().parse::<Reference>().ok(), Some(tagged));
}
