//! OCI layouts in directories and archives.

use super::*;

#[test]
fn row_134_a_layout_has_its_mark() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("layout")).unwrap();
    refused(bench.open_dir(&Tree::default()), "no oci-layout");
    refused(bench.open(&SourceSpec::Path(bench.path("layout"))), "no oci-layout");
    refused(bench.open_dir(&Tree::layout()), "no index.json");
    let mut tree = Tree::layout();
    tree.top(&[]);
    for (mark, words) in [
        (r#"{"imageLayoutVersion":"2.0.0"}"#, "expected imageLayoutVersion 1.0.0, got `2.0.0`"),
        (r#"{"imageLayoutVersion":"1.0"}"#, "got `1.0`"),
        ("{}", "oci-layout: bad json"),
        ("", "oci-layout: bad json"),
    ] {
        tree.put("oci-layout", mark.as_bytes());
        refused(bench.open_dir(&tree), words);
    }
}

#[test]
fn row_134_unknown_files_are_ignored_and_missing_blobs_named() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let image = tree.image("linux/amd64", "layer");
    tree.top(std::slice::from_ref(&image));
    tree.put("extra/file", b"x");
    tree.put("blobs/sha256/not-a-digest", b"x");
    let source = bench.open_dir(&tree).unwrap();
    assert_eq!((source.kind(), source.images().unwrap().len()), (Kind::Layout, 1));
    let image = descriptor(&image);
    let resolved = resolve(&*source, &image, None).unwrap();
    let layer = &resolved.manifest.layers[0];
    assert_eq!(read(&*source, layer).unwrap(), b"layer");
    assert!(source.has_blob(layer).unwrap());
    for missing in [layer, &resolved.manifest.config, &image] {
        let path = bench.path("layout/blobs/sha256").join(missing.digest.hex());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        refused(read(&*source, missing), &format!("blob {} is missing", missing.digest));
        assert!(!source.has_blob(missing).unwrap());
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::remove_file(bench.path("layout/blobs/sha256").join(image.digest.hex())).unwrap();
    refused(resolve(&*source, &image, None), &image.digest.to_string());
}

#[test]
fn a_layout_that_is_not_there_is_not_found() {
    let bench = Bench::new();
    for spec in [
        SourceSpec::Oci { dir: bench.path("none"), tag: None },
        SourceSpec::OciArchive { file: bench.path("none"), tag: None },
        SourceSpec::DockerArchive { file: bench.path("none"), reference: None },
        SourceSpec::Path(bench.path("none")),
    ] {
        assert_eq!(bench.open(&spec).map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn row_124_index_json_is_read_strictly_and_named() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    for bad in ["", "{", r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#, r#"{"schemaVersion":1,"fsLayers":[]}"#]
    {
        tree.put("index.json", bad.as_bytes());
        refused(bench.open_dir(&tree), "index.json");
    }
    let image = tree.image("linux/amd64", "x");
    let manifest = tree.0[&format!("blobs/sha256/{}", descriptor(&image).digest.hex())].clone();
    tree.put("index.json", &manifest);
    refused(bench.open_dir(&tree), "is a manifest, expected an index");
    tree.put("index.json", &vec![b' '; (8 << 20) + 1]);
    refused(bench.open_dir(&tree), "index.json has 8388609 bytes");
}

#[test]
fn a_symlink_or_a_pipe_in_a_layout_is_not_followed() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let image = descriptor(&tree.image("linux/amd64", "x"));
    tree.top(&[serde_json::to_value(&image).unwrap()]);
    let source = bench.open_dir(&tree).unwrap();
    let blob = bench.path("layout/blobs/sha256").join(image.digest.hex());
    std::fs::rename(&blob, bench.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(bench.path("elsewhere"), &blob).unwrap();
    refused(read(&*source, &image), "symlink");
    std::fs::remove_file(&blob).unwrap();
    std::fs::create_dir(&blob).unwrap();
    refused(read(&*source, &image), "not a regular file");
}

#[test]
fn row_119_sha512_blobs_are_found_and_verified() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let mut image = tree.image("linux/amd64", "x");
    let path = format!("blobs/sha256/{}", descriptor(&image).digest.hex());
    let manifest = tree.0.remove(&path).unwrap();
    let mut hasher = crate::oci::Algorithm::Sha512.hasher();
    hasher.update(&manifest);
    let digest = hasher.finish();
    tree.put(&format!("blobs/sha512/{}", digest.hex()), &manifest);
    image["digest"] = digest.to_string().into();
    tree.top(std::slice::from_ref(&image));
    let source = bench.open_dir(&tree).unwrap();
    resolve(&*source, &descriptor(&image), None).unwrap();
    let last = manifest.len() - 1;
    let mut damaged = manifest;
    damaged[last] = b' ';
    tree.put(&format!("blobs/sha512/{}", digest.hex()), &damaged);
    tree.write(&bench.path("layout"));
    refused(resolve(&*source, &descriptor(&image), None), "expected digest sha512:");
}

#[test]
fn row_129_a_foreign_layer_is_used_if_it_is_there_and_never_fetched() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let config = config("linux/amd64", &[b"foreign"]).to_string();
    let config = tree.blob(OCI_CONFIG, config.as_bytes());
    let mut layer = tree.blob(foreign, b"foreign");
    layer["urls"] = json!(["https://example.invalid/layer"]);
    let image = tree.manifest(&config, std::slice::from_ref(&layer));
    tree.top(std::slice::from_ref(&image));
    let source = bench.open_dir(&tree).unwrap();
    resolve(&*source, &descriptor(&image), None).unwrap();
    let layer = descriptor(&layer);
    assert_eq!(read(&*source, &layer).unwrap(), b"foreign");
    std::fs::remove_file(bench.path("layout/blobs/sha256").join(layer.digest.hex())).unwrap();
    refused(read(&*source, &layer), &format!("layer {} is missing: it is a foreign layer", layer.digest));
}

#[test]
fn row_118_a_blob_of_another_size_is_refused_unread() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let mut image = tree.image("linux/amd64", "x");
    for wrong in [-1, 1] {
        image["size"] = (image["size"].as_i64().unwrap() + wrong).into();
        tree.top(std::slice::from_ref(&image));
        let source = bench.open_dir(&tree).unwrap();
        refused(resolve(&*source, &descriptor(&image), None), "bytes, got");
        image["size"] = (image["size"].as_i64().unwrap() - wrong).into();
    }
}

#[test]
fn an_oci_archive_takes_names_from_docker_where_it_has_none_itself() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let (one, two) = (tree.image("linux/amd64", "one"), tree.image("linux/amd64", "two"));
    let index = tree.index(std::slice::from_ref(&two));
    tree.top(&[named(one.clone(), "latest"), index.clone()]);
    let config_of = |tree: &Tree, image: &Value| {
        let manifest = &tree.0[&format!("blobs/sha256/{}", descriptor(image).digest.hex())];
        let manifest: Value = serde_json::from_slice(manifest).unwrap();
        manifest["config"]["digest"].as_str().unwrap().replace(':', "/")
    };
    let entry = |path: String, tags: Value| json!({ "Config": path, "RepoTags": tags, "Layers": [] });
    let entries = json!([
        entry(format!("blobs/{}", config_of(&tree, &one)), json!(["a:1", "b:2"])),
        entry(format!("blobs/{}", config_of(&tree, &two)), json!(["c:3"])),
    ]);
    tree.json("manifest.json", &entries);
    let source = bench.open_file(&tree.tar()).unwrap();
    assert_eq!(source.kind(), Kind::DockerLayout);
    let images = source.images().unwrap();
    assert_eq!(names(&images), [vec!["a:1", "b:2"], vec!["c:3"]]);
    assert_eq!(images[0].tag.as_deref(), Some("latest"));
    // The same files in a directory are a layout; Docker's file means nothing there.
    assert_eq!(names(&bench.open_dir(&tree).unwrap().images().unwrap()), [vec![""; 0], vec![]]);
}

#[test]
fn whoever_follows_documents_can_be_interrupted() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let images: Vec<Value> = (0..5).map(|number| tree.image("linux/s390x", &number.to_string())).collect();
    let root = tree.index(&images);
    tree.top(std::slice::from_ref(&root));
    tree.write(&bench.path("layout"));
    let spec = SourceSpec::Oci { dir: bench.path("layout"), tag: None };
    let cancel = Cancel::new();
    let source = open(&spec, &bench.scratch, &cancel).unwrap();
    let wanted: Platform = "linux/amd64".parse().unwrap();
    let kind = || resolve(&*source, &descriptor(&root), Some(&wanted)).unwrap_err().kind();
    assert_eq!(kind(), ErrorKind::NotFound);
    cancel.raise(2);
    assert_eq!(kind(), ErrorKind::Interrupted(2));
}
