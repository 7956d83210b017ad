//! The archive itself: read by rootlay and by skopeo.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Compression, Image, media, sha256};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::registry::noise;
use serde_json::Value;

use super::{
    assert_same, copy, digest, in_another_store, json, layer, load, load_on, manifest, mounted, other, save, unpacked,
};

pub fn cases() -> Vec<Case> {
    cases![
        loaded_again_it_is_the_same_image;
        skopeo_reads_both_forms => Need::Tool("skopeo");
        compressed_layers_are_read_by_skopeo => Need::Tool("skopeo");
        manifests_of_docker_stay_what_they_are => Need::Tool("skopeo");
        official_images_come_out_as_they_are => Need::Images, Need::Tool("skopeo");
        the_same_images_give_the_same_bytes;
        a_damaged_blob_is_refused
    ]
}

fn loaded_again_it_is_the_same_image(context: &Context) {
    let odd = |manifest: &mut Value| manifest["annotations"] = serde_json::json!({"z": "1", "a": "2"});
    let image = Image::of([layer("a"), layer("b").compressed(Compression::Zstd), layer("a")]).manifest(odd);
    let written = load(context, &image, "localhost/app:1");
    let tree = context.tree_of_loaded("localhost/app:1");
    for format in ["docker-archive", "oci-archive"] {
        let path = save(context, &["--format", format, "localhost/app:1"]);
        let files = unpacked(context, &path);
        assert_eq!(files.join("manifest.json").exists(), format == "docker-archive");
        let blobs = fs::read_dir(files.join("blobs/sha256")).unwrap().count();
        assert_eq!(blobs, 1 + 1 + 2, "each blob once");
        let bytes = fs::read(files.join("blobs").join(digest(&written).replace(':', "/"))).unwrap();
        assert_eq!(sha256(&bytes), digest(&written));
        for source in [path.to_str().unwrap(), &format!("oci-archive:{}", path.display())] {
            let root = context.fresh("other");
            let there = other(context, &root);
            assert_eq!(there(&["load", source]).ok(), "Loaded image: localhost/app:1\n");
            let listed = there(&["images", "--no-trunc", "--digests", "--format", "json"]).ok();
            let listed: Value = serde_json::from_str(&listed).unwrap();
            assert_eq!(
                (listed["ID"].as_str(), listed["Digest"].as_str()),
                (Some(written.image_id.as_str()), Some(digest(&written)))
            );
            assert_same(&tree, &mounted(&there, "localhost/app:1"));
        }
    }
    // Read as Docker's, the layers and the ID are the same; a manifest is made.
    let path = save(context, &["localhost/app:1"]);
    let root = context.fresh("other");
    let source = format!("docker-archive:{}", path.display());
    assert_eq!(other(context, &root)(&["load", &source]).ok(), "Loaded image: localhost/app:1\n");
    let id = other(context, &root)(&["images", "-q", "--no-trunc"]).ok();
    assert_eq!(id.trim(), written.image_id);
    let grouped = context.fresh("grouped");
    context.rootlay(["image", "save", "localhost/app:1", "--output", grouped.to_str().unwrap()]).ok();
    assert_eq!(fs::read(grouped).unwrap(), fs::read(path).unwrap());
}

fn skopeo_reads_both_forms(context: &Context) {
    let written = load(context, &Image::of([noise(1, 64), noise(2, 64)]), "localhost/app:1");
    for format in ["docker-archive", "oci-archive"] {
        let path = save(context, &["--format", format, "localhost/app:1"]);
        let shown = path.display();
        for from in [format!("oci-archive:{shown}"), format!("oci-archive:{shown}:1")] {
            let (found, document) = manifest(&copy(context, &from));
            assert_eq!(
                (found.as_str(), &document["config"]["digest"]),
                (digest(&written), &written.image_id.clone().into())
            );
            let raw = context.run("skopeo", &["inspect", "--raw", &from]).ok();
            assert_eq!(sha256(raw.as_bytes()), digest(&written));
        }
    }
    let path = save(context, &["localhost/app:1"]);
    for from in ["", ":localhost/app:1", ":@0"] {
        let from = format!("docker-archive:{}{from}", path.display());
        let inspected = context.run("skopeo", &["inspect", "--config", "--raw", &from]).ok();
        assert_eq!(sha256(inspected.as_bytes()), written.image_id, "{from}");
        // On its way into a layout skopeo makes a configuration of its own; in its directories it keeps Docker's.
        let dir = context.fresh("dir");
        context.run("skopeo", &["copy", "-q", "--insecure-policy", &from, &format!("dir:{}", dir.display())]).ok();
        assert_eq!(json(&dir.join("manifest.json"))["config"]["digest"], written.image_id.as_str());
    }
}

fn compressed_layers_are_read_by_skopeo(context: &Context) {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Xz, Compression::Bzip2] {
        let name = "localhost/app:1";
        load(context, &Image::of([layer("a").compressed(compression), layer("b")]), name);
        let tree = context.tree_of_loaded(name);
        let path = save(context, &[name]);
        // Another tool unpacks the layers and packs them in its own way; what they hold stays.
        let copied = copy(context, &format!("docker-archive:{}", path.display()));
        let (_, again) = in_another_store(context, &format!("oci:{}", copied.display()));
        assert_same(&tree, &again);
    }
}

fn manifests_of_docker_stay_what_they_are(context: &Context) {
    let docker = |manifest: &mut Value| {
        manifest["mediaType"] = media::DOCKER_MANIFEST.into();
        manifest["config"]["mediaType"] = media::DOCKER_CONFIG.into();
        manifest["layers"][0]["mediaType"] = media::DOCKER_LAYER_GZIP.into();
    };
    let image = Image::of([layer("a").compressed(Compression::Gzip)]).manifest(docker);
    let written = load(context, &image, "localhost/app:1");
    let path = save(context, &["localhost/app:1"]);
    let raw = context.run("skopeo", &["inspect", "--raw", &format!("oci-archive:{}", path.display())]).ok();
    assert_eq!(sha256(raw.as_bytes()), digest(&written));
    copy(context, &format!("docker-archive:{}", path.display()));
}

fn official_images_come_out_as_they_are(context: &Context) {
    for (name, reference) in [("alpine", "alpine:3.20"), ("busybox-multiarch", "busybox:1.36")] {
        let source = format!("oci:{}:latest", context.images().join(name).display());
        context.rootlay(["load", "--name", reference, &source]).ok();
        let tree = context.tree_of_loaded(reference);
        let id = context.rootlay(["images", "-q", "--no-trunc"]).ok().lines().next().unwrap().to_owned();
        let path = save(context, &[reference]);
        let files = unpacked(context, &path);
        let (found, _) = manifest(&files);
        let original = context.images().join(name).join("blobs").join(found.replace(':', "/"));
        let written = fs::read(files.join("blobs").join(found.replace(':', "/"))).unwrap();
        assert_eq!(fs::read(original).unwrap(), written);
        for from in ["oci-archive", "docker-archive"] {
            let copied = copy(context, &format!("{from}:{}", path.display()));
            let (found, again) = in_another_store(context, &format!("oci:{}", copied.display()));
            assert_same(&tree, &again);
            // Skopeo makes a configuration of its own of Docker's.
            assert!(found == id || from == "docker-archive");
        }
        context.rootlay(["rmi", reference]).ok();
    }
}

fn the_same_images_give_the_same_bytes(context: &Context) {
    let image = || Image::of([noise(1, 64), noise(2, 64)]);
    load(context, &image(), "localhost/app:1");
    let first = fs::read(save(context, &["localhost/app:1"])).unwrap();
    // Another store, at another time.
    let root = context.fresh("other");
    load_on(context, &root, &image(), "localhost/app:1");
    let path = context.fresh("saved");
    let arguments = ["save", "-o", path.to_str().unwrap(), "localhost/app:1"];
    other(context, &root)(&arguments).ok();
    assert_eq!(fs::read(&path).unwrap(), first);
    let dated = |time: &str| context.output(context.command(arguments).env("SOURCE_DATE_EPOCH", time));
    dated("1700000000").ok();
    let listed = context.run("tar", &["--utc", "-tvf", path.to_str().unwrap()]).ok();
    assert!(listed.lines().all(|line| line.contains("2023-11-14 22:13")), "{listed}");
    assert_eq!(fs::read(&path).unwrap().len(), first.len());
    dated("").ok();
    assert_eq!(fs::read(&path).unwrap(), first);
    assert!(dated("yesterday").exits(125).stderr.contains("SOURCE_DATE_EPOCH"));
}

fn a_damaged_blob_is_refused(context: &Context) {
    let written = load(context, &Image::of([layer("a"), noise(1, 512)]), "localhost/app:1");
    let path = context.fresh("saved");
    for blob in [&written.layers[1], &written.image_id, &digest(&written).to_owned()] {
        let stored = context.root().join("blobs").join(blob.replace(':', "/"));
        let bytes = fs::read(&stored).unwrap();
        let mut other = bytes.clone();
        *other.last_mut().unwrap() ^= 1;
        for damaged in [&other[..], &bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat()] {
            fs::write(&stored, damaged).unwrap();
            let output = context.rootlay(["save", "-o", path.to_str().unwrap(), "localhost/app:1"]).exits(3);
            assert!(output.one_line().contains(blob.as_str()), "{}", output.stderr);
            assert!(!path.exists());
            // A stream has no end: nobody takes it for whole.
            let piped = context.command(["save", "localhost/app:1"]).output().unwrap();
            assert_eq!(piped.status.code(), Some(3));
            assert!(!piped.stdout.ends_with(&[0; 1024]) || piped.stdout.is_empty());
        }
        fs::write(&stored, &bytes).unwrap();
    }
    context.rootlay(["save", "-o", path.to_str().unwrap(), "localhost/app:1"]).ok();
}
