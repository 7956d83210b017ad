//! Which images are meant, and what they are called in the archive.

use std::fs;
use std::path::Path;

use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context};
use serde_json::Value;

use super::{digest, json, layer, load, manifest, other, save, unpacked};

pub fn cases() -> Vec<Case> {
    cases![
        several_images_and_tags;
        a_repository_is_all_its_tags;
        ids_have_no_names;
        one_platform_of_two;
        what_is_not_here
    ]
}

/// What an archive says about its images: names in `index.json`, and in `manifest.json`.
fn names(context: &Context, archive: &Path) -> (Vec<(String, String)>, Vec<Value>) {
    let files = unpacked(context, archive);
    let index = json(&files.join("index.json"));
    let annotation = |entry: &Value, key: &str| entry["annotations"][key].as_str().unwrap_or_default().to_owned();
    let entries = index["manifests"].as_array().unwrap().iter().map(|entry| {
        (annotation(entry, "io.containerd.image.name"), annotation(entry, "org.opencontainers.image.ref.name"))
    });
    let docker = json(&files.join("manifest.json"));
    (entries.collect(), docker.as_array().unwrap().iter().map(|entry| entry["RepoTags"].clone()).collect())
}

fn several_images_and_tags(context: &Context) {
    let base = layer("base");
    let one = load(context, &Image::of([base.clone(), layer("one")]), "localhost/one:1");
    let copy = Image::of([base.clone(), layer("one")]);
    load(context, &copy, "localhost/same:2");
    let two = load(context, &Image::of([base, layer("two")]), "busybox:1");
    let path = save(context, &["localhost/one:1", "busybox:1", "localhost/same:2", "localhost/one:1"]);
    let (index, docker) = names(context, &path);
    let pair = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
    assert_eq!(
        index,
        [
            pair("localhost/one:1", "localhost/one:1"),
            pair("localhost/same:2", "2"),
            pair("docker.io/library/busybox:1", "docker.io/library/busybox:1"),
        ]
    );
    assert_eq!(docker, [serde_json::json!(["localhost/one:1", "localhost/same:2"]), serde_json::json!(["busybox:1"])]);
    // The base is there once.
    let blobs = fs::read_dir(unpacked(context, &path).join("blobs/sha256")).unwrap().count();
    assert_eq!(blobs, 2 * 2 + 3);
    let root = context.fresh("other");
    let there = other(context, &root);
    let loaded = there(&["load", "-i", path.to_str().unwrap()]).ok();
    let mut lines: Vec<&str> = loaded.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["Loaded image: busybox:1", "Loaded image: localhost/one:1", "Loaded image: localhost/same:2"]);
    for (name, written) in [("localhost/one:1", &one), ("localhost/same:2", &one), ("busybox:1", &two)] {
        let inspected: Value = serde_json::from_str(&there(&["inspect", name]).ok()).unwrap();
        assert_eq!(inspected[0]["Id"], written.image_id.as_str());
    }
}

fn a_repository_is_all_its_tags(context: &Context) {
    load(context, &Image::of([layer("one")]), "localhost/app:1");
    load(context, &Image::of([layer("two")]), "localhost/app:2");
    load(context, &Image::of([layer("three")]), "localhost/app/more:3");
    let (_, docker) = names(context, &save(context, &["localhost/app"]));
    assert_eq!(docker, [serde_json::json!(["localhost/app:1"]), serde_json::json!(["localhost/app:2"])]);
    let (_, docker) = names(context, &save(context, &["localhost/app:2"]));
    assert_eq!(docker, [serde_json::json!(["localhost/app:2"])]);
    let output = context.rootlay(["save", "-o", context.fresh("x").to_str().unwrap(), "localhost/app:latest"]).exits(1);
    assert!(output.one_line().contains("No such image: localhost/app:latest"), "{}", output.stderr);
}

fn ids_have_no_names(context: &Context) {
    let one = load(context, &Image::of([layer("one")]), "localhost/one:1");
    let two = load(context, &Image::of([layer("two")]), "localhost/two:1");
    let path = save(context, &[&one.image_id, &two.image_id[7..19], digest(&one)]);
    let (index, docker) = names(context, &path);
    assert_eq!(index, vec![(String::new(), String::new()); 2]);
    assert_eq!(docker, [Value::Null, Value::Null]);
    let root = context.fresh("other");
    let loaded = other(context, &root)(&["load", "-i", path.to_str().unwrap()]).ok();
    assert_eq!(loaded, format!("Loaded image ID: {}\nLoaded image ID: {}\n", one.image_id, two.image_id));
    // A name beside an ID of the same image is one image with one name.
    let (_, docker) = names(context, &save(context, &[&one.image_id, "localhost/one:1"]));
    assert_eq!(docker, [serde_json::json!(["localhost/one:1"])]);
}

fn one_platform_of_two(context: &Context) {
    let other_architecture = if cfg!(target_arch = "s390x") { "amd64" } else { "s390x" };
    let own = load(context, &Image::of([layer("own")]), "localhost/app:1");
    let foreign =
        Image::of([layer("foreign")]).config(move |config| config["architecture"] = other_architecture.into());
    let foreign = load(context, &foreign, "localhost/app:1");
    let config_of = |arguments: &[&str]| {
        let files = unpacked(context, &save(context, arguments));
        manifest(&files).1["config"]["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(config_of(&["localhost/app:1"]), own.image_id);
    assert_eq!(config_of(&["localhost/app"]), own.image_id);
    let platform = format!("linux/{other_architecture}");
    assert_eq!(config_of(&["--platform", &platform, "localhost/app:1"]), foreign.image_id);
    assert_eq!(config_of(&["localhost/app", "--platform", &platform]), foreign.image_id);
    let output = context.rootlay(["save", "--platform", "linux/mips64le", "localhost/app:1"]).exits(1);
    assert!(output.one_line().contains("linux/mips64le"), "{}", output.stderr);
}

fn what_is_not_here(context: &Context) {
    load(context, &Image::of([layer("a")]), "localhost/app:1");
    let path = context.fresh("saved");
    let to = path.to_str().unwrap();
    let output = context.rootlay(["save", "-o", to, "localhost/app:1", "busybox"]).exits(1);
    assert!(output.one_line().contains("No such image: busybox:latest"), "{}", output.stderr);
    assert!(!path.exists());
    let _ = context.rootlay(["save", "-o", to]).exits(125);
    let _ = context.rootlay(["save", "--format", "zip", "-o", to, "localhost/app:1"]).exits(125);
}
