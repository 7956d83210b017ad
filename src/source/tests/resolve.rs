//! From a descriptor to an image.

use super::*;

fn layout(entries: impl FnOnce(&mut Tree) -> Value) -> (Bench, Box<dyn Source>, Descriptor) {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let root = entries(&mut tree);
    tree.top(std::slice::from_ref(&root));
    let source = bench.open_dir(&tree).unwrap();
    (bench, source, descriptor(&root))
}

fn layer_for(source: &dyn Source, root: &Descriptor, platform: &str) -> Result<String> {
    let resolved = resolve(source, root, Some(&platform.parse().unwrap()))?;
    Ok(String::from_utf8(read(source, &resolved.manifest.layers[0])?).unwrap())
}

fn attestation(tree: &mut Tree) -> Value {
    let config = config("linux/amd64", &[b"proof"]).to_string();
    let config = tree.blob(OCI_CONFIG, config.as_bytes());
    let layer = tree.blob("application/vnd.in-toto+json", b"proof");
    let mut entry = tree.manifest(&config, &[layer]);
    entry["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    entry
}

#[test]
fn row_125_the_best_platform_is_taken_and_the_first_of_equals() {
    let (_bench, source, root) = layout(|tree| {
        let mut entries = vec![attestation(tree)];
        for (platform, content) in [
            ("linux/arm/v5", "v5"),
            ("linux/arm/v6", "v6"),
            ("linux/amd64", "first"),
            ("linux/amd64", "second"),
            ("linux/arm64/v8", "v8"),
        ] {
            let image = tree.image(platform, content);
            entries.push(for_platform(image, platform));
        }
        tree.index(&entries)
    });
    for (wanted, content) in
        [("linux/arm/v7", "v6"), ("linux/arm/v5", "v5"), ("linux/amd64/v3", "first"), ("linux/arm64", "v8")]
    {
        assert_eq!(layer_for(&*source, &root, wanted).unwrap(), content, "{wanted}");
    }
    for absent in ["linux/riscv64", "windows/amd64", "unknown/unknown"] {
        let error = layer_for(&*source, &root, absent).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().ends_with("there are: linux/arm/v5, linux/arm/v6, linux/amd64, linux/arm64"),
            "{error}"
        );
    }
}

#[test]
fn row_125_an_entry_without_a_platform_is_asked_through_its_config() {
    let (_bench, source, root) = layout(|tree| {
        let helm = tree.blob("application/vnd.cncf.helm.config.v1+json", b"not even json");
        let chart = tree.manifest(&helm, &[]);
        let text = tree.blob("text/plain", b"text");
        let (arm, amd) = (tree.image("linux/arm64", "arm"), tree.image("linux/amd64", "amd"));
        tree.index(&[chart, text, arm, amd])
    });
    assert_eq!(layer_for(&*source, &root, "linux/amd64").unwrap(), "amd");
    assert_eq!(layer_for(&*source, &root, "linux/arm64").unwrap(), "arm");
}

#[test]
fn row_125_nested_indexes_are_followed_to_a_depth() {
    let nest = |levels: usize| {
        move |tree: &mut Tree| {
            let image = tree.image("linux/amd64", "deep");
            let image = for_platform(image, "linux/amd64");
            (0..levels).fold(image, |inner, level| {
                let other = tree.image("linux/arm64", &level.to_string());
                tree.index(&[inner, for_platform(other, "linux/arm64")])
            })
        }
    };
    let (_bench, source, root) = layout(nest(8));
    assert_eq!(layer_for(&*source, &root, "linux/amd64").unwrap(), "deep");
    let resolved = resolve(&*source, &root, Some(&"linux/amd64".parse().unwrap())).unwrap();
    assert_eq!(resolved.index.as_ref().unwrap().0, root);
    assert_eq!(resolved.nested.len(), 7);
    for (descriptor, bytes) in resolved.nested.iter().chain(&resolved.index) {
        descriptor.verify(bytes).unwrap();
    }
    resolved.manifest_descriptor.verify(&resolved.manifest_bytes).unwrap();
    resolved.manifest.config.verify(&resolved.config_bytes).unwrap();
    let (_bench, source, root) = layout(nest(9));
    refused(layer_for(&*source, &root, "linux/amd64"), "more than 8 indexes");
}

#[test]
fn row_125_indexes_that_share_entries_cost_no_more_than_their_size() {
    let (_bench, source, root) = layout(|tree| {
        let image = tree.image("linux/amd64", "x");
        (0..7).fold(image, |inner, level| {
            // The same entry many times; a number in an annotation makes each level an own index.
            let mut entries = vec![inner; 200];
            entries[0]["annotations"] = json!({ "level": level.to_string() });
            tree.index(&entries)
        })
    });
    assert_eq!(layer_for(&*source, &root, "linux/amd64").unwrap(), "x");
}

#[test]
fn row_125_an_index_leads_to_some_documents_only() {
    let (_bench, source, root) = layout(|tree| {
        let images: Vec<Value> = (0..=1000).map(|number| tree.image("linux/arm64", &number.to_string())).collect();
        tree.index(&images)
    });
    refused(layer_for(&*source, &root, "linux/amd64"), "more than 1000 documents");
    let (_bench, source, root) = layout(|tree| {
        let image = tree.image("linux/arm64", "x");
        let entries: Vec<Value> = (0..100)
            .map(|number| {
                let mut entry = for_platform(image.clone(), &format!("linux/arm{number}"));
                entry["digest"] = Digest::of(&[number]).to_string().into();
                entry
            })
            .collect();
        tree.index(&entries)
    });
    let error = layer_for(&*source, &root, "linux/amd64").unwrap_err().to_string();
    assert!(error.ends_with("linux/arm28, linux/arm29"), "{error}");
}

#[test]
fn row_125_only_what_is_chosen_must_be_there() {
    let (bench, source, root) = layout(|tree| {
        let here = tree.image("linux/amd64", "here");
        let gone = tree.image("linux/arm64", "gone");
        tree.index(&[for_platform(gone, "linux/arm64"), for_platform(here, "linux/amd64")])
    });
    let gone = resolve(&*source, &root, Some(&"arm64".parse().unwrap())).unwrap().manifest_descriptor.digest;
    std::fs::remove_file(bench.path("layout/blobs/sha256").join(gone.hex())).unwrap();
    assert_eq!(layer_for(&*source, &root, "linux/amd64").unwrap(), "here");
    refused(layer_for(&*source, &root, "linux/arm64"), &format!("blob {gone} is missing"));
}

#[test]
fn s19_a_manifest_alone_is_taken_unless_another_platform_was_asked_for() {
    let (_bench, source, root) = layout(|tree| tree.image("linux/s390x", "z"));
    assert!(resolve(&*source, &root, None).unwrap().index.is_none());
    assert_eq!(layer_for(&*source, &root, "linux/s390x").unwrap(), "z");
    let error = layer_for(&*source, &root, "linux/amd64").unwrap_err();
    let why = "was found but does not match the specified platform: wanted linux/amd64, actual: linux/s390x";
    let expected = format!("image with reference {} {why}", root.digest);
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, expected));
}

#[test]
fn row_127_embedded_data_is_used() {
    let (bench, source, root) = layout(|tree| tree.image("linux/amd64", "x"));
    let bytes = read(&*source, &root).unwrap();
    std::fs::remove_dir_all(bench.path("layout/blobs")).unwrap();
    let embedding = Descriptor::embedding(&root.media_type, bytes);
    refused(resolve(&*source, &root, None), &root.digest.to_string());
    // The manifest is read now; its configuration is still missing.
    refused(resolve(&*source, &embedding, None), "is missing");
}

#[test]
fn row_123_a_descriptor_and_its_document_agree() {
    let (_bench, source, root) = layout(|tree| tree.image("linux/amd64", "x"));
    for (media_type, words) in [
        (OCI_INDEX, "expected media type"),
        ("application/vnd.docker.distribution.manifest.v2+json", "expected media type"),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "expected media type"),
        ("application/octet-stream", "not a container image"),
    ] {
        let wrong = Descriptor { media_type: media_type.to_owned(), ..root.clone() };
        refused(resolve(&*source, &wrong, None), words);
    }
}

#[test]
fn rows_121_122_130_131_are_refused_before_anything_is_written() {
    let layer = |tree: &mut Tree, media_type: &str| tree.blob(media_type, b"layer");
    let good = config("linux/amd64", &[b"layer"]);
    let mut other_type = good.clone();
    other_type["rootfs"]["type"] = "layers+base".into();
    let encrypted = format!("{OCI_LAYER}+gzip+encrypted");
    for (config, config_type, layers, words) in [
        (&good, OCI_CONFIG, vec![OCI_LAYER; 2], "2 layers but 1 diff IDs"),
        (&good, OCI_CONFIG, vec![], "0 layers but 1 diff IDs"),
        (&other_type, OCI_CONFIG, vec![OCI_LAYER], "expected rootfs.type `layers`"),
        (&good, "application/vnd.oci.empty.v1+json", vec![OCI_LAYER], "not a container image"),
        (&good, OCI_CONFIG, vec![encrypted.as_str()], "is encrypted"),
        (&good, OCI_CONFIG, vec!["application/vnd.wasm.content.layer.v1+wasm"], "not a container image"),
    ] {
        let (_bench, source, root) = layout(|tree| {
            let config = tree.blob(config_type, config.to_string().as_bytes());
            let layers: Vec<Value> = layers.iter().map(|media_type| layer(tree, media_type)).collect();
            tree.manifest(&config, &layers)
        });
        refused(resolve(&*source, &root, None), words);
    }
}
