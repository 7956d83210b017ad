//! Archives of `docker save` with `manifest.json`.

use flate2::write::GzEncoder;
use std::io::Write;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of one image with these layers at these paths.
fn archive(paths: &[&str], diff_ids: &[&[u8]], tags: &Value) -> Tree {
    let mut tree = Tree::default();
    tree.json("c.json", &config("linux/amd64", diff_ids));
    tree.json("manifest.json", &json!([{ "Config": "c.json", "RepoTags": tags, "Layers": paths }]));
    tree
}

#[test]
fn row_132_layers_of_every_form_are_described_by_their_bytes() {
    let bench = Bench::new();
    let (plain, packed) = (b"plain layer".to_vec(), gzip(b"packed layer"));
    let mut tree = archive(
        &["a/layer.tar", "b.tar.gz", "a/layer.tar"],
        &[b"plain layer", b"packed layer", b"plain layer"],
        &json!(["busybox:1", "busybox"]),
    );
    tree.put("a/layer.tar", &plain);
    tree.put("b.tar.gz", &packed);
    let source = bench.open_file(&tree.tar()).unwrap();
    assert_eq!(source.kind(), Kind::DockerArchive);
    let images = source.images().unwrap();
    assert_eq!(names(&images), [["busybox:1", "busybox:latest"]]);
    let resolved = resolve(&*source, &images[0].descriptor, None).unwrap();
    assert_eq!(resolved.config_bytes, tree.0["c.json"]);
    let layers = &resolved.manifest.layers;
    assert_eq!(layers[0], Descriptor::new(OCI_LAYER, Digest::of(&plain), plain.len() as u64));
    let gzip_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    assert_eq!(layers[1], Descriptor::new(gzip_type, Digest::of(&packed), packed.len() as u64));
    assert_eq!(layers[2], layers[0]);
    assert_eq!(read(&*source, &layers[1]).unwrap(), packed);
    // The same archive always gives the same manifest.
    assert_eq!(bench.open_file(&tree.tar()).unwrap().images().unwrap(), images);
}

#[test]
fn row_132_a_plain_layer_is_not_read_but_verified_later() {
    let bench = Bench::new();
    let mut tree = archive(&["a"], &[b"promised"], &Value::Null);
    tree.put("a", b"delivered");
    let source = bench.open_file(&tree.tar()).unwrap();
    let image = source.images().unwrap().remove(0);
    assert!(image.names.is_empty());
    let resolved = resolve(&*source, &image.descriptor, None).unwrap();
    let layer = &resolved.manifest.layers[0];
    assert_eq!((layer.size, layer.digest.clone()), (9, Digest::of(b"promised")));
    assert!(layer.verify(&read(&*source, layer).unwrap()).is_err());
}

#[test]
fn row_132_a_symlinked_layer_is_its_target() {
    let bench = Bench::new();
    let tree = archive(&["1/layer.tar", "2/layer.tar"], &[b"layer", b"layer"], &json!(["x:1"]));
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in &tree.0 {
        add(&mut builder, path, tar::EntryType::Regular, "", bytes);
    }
    add(&mut builder, "1/layer.tar", tar::EntryType::Regular, "", b"layer");
    add(&mut builder, "2/layer.tar", tar::EntryType::Symlink, "../1/layer.tar", b"");
    let source = bench.open_file(&builder.into_inner().unwrap()).unwrap();
    let image = source.images().unwrap().remove(0);
    let resolved = resolve(&*source, &image.descriptor, None).unwrap();
    assert_eq!(resolved.manifest.layers[0], resolved.manifest.layers[1]);
    assert_eq!(read(&*source, &resolved.manifest.layers[1]).unwrap(), b"layer");
}

#[test]
fn rows_121_132_what_does_not_fit_is_refused() {
    let bench = Bench::new();
    for (paths, diff_ids, words) in [
        (vec!["a"], vec![], "1 layers but 0 diff IDs"),
        (vec!["a"], vec![&b"a"[..], b"b"], "1 layers but 2 diff IDs"),
        (vec!["missing"], vec![b"a"], "layer missing is missing"),
        (vec!["../a"], vec![b"a"], "does not stay in the archive"),
        (vec!["/a"], vec![b"a"], "does not stay in the archive"),
        (vec![""], vec![b"a"], "does not stay in the archive"),
    ] {
        let mut tree = archive(&paths, &diff_ids, &Value::Null);
        tree.put("a", b"a");
        refused(bench.open_file(&tree.tar()), words);
    }
    let mut tree = archive(&[], &[], &Value::Null);
    for (manifest, words) in [
        (json!([{ "Config": "../c.json", "RepoTags": null, "Layers": null }]), "does not stay in the archive"),
        (json!([{ "Config": "/c.json", "RepoTags": null, "Layers": null }]), "does not stay in the archive"),
        (json!([{ "Config": "d.json", "RepoTags": null, "Layers": null }]), "no d.json"),
        (json!([{ "Config": "c.json", "RepoTags": ["A B"], "Layers": null }]), "RepoTags"),
        (json!([]), "lists no image"),
        (json!({}), "manifest.json: bad json"),
    ] {
        tree.json("manifest.json", &manifest);
        refused(bench.open_file(&tree.tar()), words);
    }
}

#[test]
fn docker_archives_hold_several_images_and_one_can_be_named() {
    let bench = Bench::new();
    let mut tree = Tree::default();
    let mut entries = Vec::new();
    for (number, tags) in [json!(["a:1", "a:2"]), json!(["b"]), json!(null)].into_iter().enumerate() {
        let layer = format!("{number}.tar");
        tree.put(&layer, layer.as_bytes());
        tree.json(&format!("{number}.json"), &config("linux/amd64", &[layer.as_bytes()]));
        entries.push(json!({ "Config": format!("{number}.json"), "RepoTags": tags, "Layers": [layer] }));
    }
    tree.json("manifest.json", &json!(entries));
    let file = bench.file("a.tar", &tree.tar());
    let pick = |reference: Option<&str>| {
        let reference = reference.map(str::to_owned);
        let spec = SourceSpec::DockerArchive { file: file.clone(), reference };
        select(&*bench.open(&spec).unwrap(), &spec)
    };
    assert_eq!(names(&pick(None).unwrap()), [vec!["a:1", "a:2"], vec!["b:latest"], vec![]]);
    let spec = SourceSpec::Path(file.clone());
    assert_eq!(select(&*bench.open(&spec).unwrap(), &spec).unwrap().len(), 3);
    assert_eq!(names(&pick(Some("a:2")).unwrap()), [["a:2"]]);
    assert_eq!(names(&pick(Some("docker.io/library/b:latest")).unwrap()), [["b:latest"]]);
    let id = Digest::of(&tree.0["2.json"]);
    for text in [id.to_string(), id.hex().to_owned()] {
        assert_eq!(pick(Some(&text)).unwrap()[0].names, []);
    }
    let error = pick(Some("c")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there are: a:1 = a:2, b:latest, sha256:"), "{error}");
}

#[test]
fn row_136_an_archive_gives_its_images_only_so_many_names() {
    for (count, good) in [(5000, true), (5001, false), (50_000, false)] {
        let tags: Vec<String> = (0..count).map(|n| format!("a:{n}")).collect();
        let mut tree = archive(&["a/layer.tar"], &[b"A"], &json!(tags));
        tree.0.insert("a/layer.tar".to_owned(), b"A".to_vec());
        let bench = Bench::new();
        let spec = SourceSpec::DockerArchive { file: bench.file("a.tar", &tree.tar()), reference: None };
        let source = bench.open(&spec).unwrap();
        match select(&*source, &spec) {
            Ok(images) => assert!(good && images[0].names.len() == count),
            Err(error) => assert!(!good && error.to_string().contains("the limit is 5000"), "{error}"),
        }
    }
}

#[test]
fn an_archive_of_docker_25_may_be_read_either_way() {
    let bench = Bench::new();
    let mut tree = Tree::layout();
    let packed = gzip(b"layer");
    let config = tree.blob(OCI_CONFIG, config("linux/amd64", &[b"layer"]).to_string().as_bytes());
    let layer = tree.blob("application/vnd.oci.image.layer.v1.tar+gzip", &packed);
    let mut image = tree.manifest(&config, std::slice::from_ref(&layer));
    image["annotations"] = json!({
        "io.containerd.image.name": "docker.io/library/x:1", "org.opencontainers.image.ref.name": "1",
    });
    tree.top(std::slice::from_ref(&image));
    let path = |blob: &Value| format!("blobs/{}", blob["digest"].as_str().unwrap().replace(':', "/"));
    tree.json("manifest.json", &json!([{ "Config": path(&config), "RepoTags": ["x:1"], "Layers": [path(&layer)] }]));
    let file = bench.file("a.tar", &tree.tar());
    let bare = bench.open(&SourceSpec::Path(file.clone())).unwrap();
    let docker = bench.open(&SourceSpec::DockerArchive { file, reference: None }).unwrap();
    assert_eq!((bare.kind(), docker.kind()), (Kind::DockerLayout, Kind::DockerArchive));
    let (real, made) = (bare.images().unwrap().remove(0), docker.images().unwrap().remove(0));
    assert_eq!(real.names, made.names);
    assert_eq!(real.descriptor.digest, descriptor(&image).digest);
    let (real, made) = (resolve(&*bare, &real.descriptor, None), resolve(&*docker, &made.descriptor, None));
    assert_eq!(real.unwrap().manifest.layers, made.unwrap().manifest.layers);
}

#[test]
fn all_layers_that_are_missing_are_named_with_their_diff_ids() {
    let mut tree = archive(&["a", "b", "./c", "d"], &[b"a", b"b", b"c", b"d"], &Value::Null);
    tree.put("b", b"b");
    tree.put("c", b"c");
    let [a, d] = [b"a", b"d"].map(|layer| Digest::of(layer));
    let words = format!("layer a is missing (diff ID {a}), layer d is missing (diff ID {d})");
    refused(Bench::new().open_file(&tree.tar()), &words);
}
