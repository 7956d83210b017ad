//! Rows 125, 126 and 134: which image of a layout.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Algorithm, Descriptor, Image, Layout, file, host_architecture, media};
use overlay_tests::harness::{Case, Context, Output};
use overlay_tests::tree::names;
use serde_json::{Value, json};

pub fn cases() -> Vec<Case> {
    cases![
        row_125_variants;
        row_125_the_host_is_the_default;
        row_125_no_match;
        row_125_attestations_are_no_images;
        row_125_platform_of_the_config;
        row_125_nested_indexes;
        row_126_tags;
        row_126_ambiguous_tags;
        row_134_layout_file;
        row_134_other_files_and_missing_blobs
    ]
}

fn load(context: &Context, layout: &Layout, tag: &str, platform: Option<&str>) -> Output {
    let mut arguments = vec!["load".to_owned()];
    arguments.extend(platform.map(|platform| format!("--platform={platform}")));
    arguments.push(format!("oci:{}{tag}", layout.dir().display()));
    context.rootlay(arguments)
}

fn platform(text: &str) -> Value {
    let mut parts = text.split('/');
    let mut platform = json!({"os": parts.next(), "architecture": parts.next()});
    if let Some(variant) = parts.next() {
        platform["variant"] = variant.into();
    }
    platform
}

/// An image for a platform: its only file is named after it.
fn image_for(layout: &Layout, name: &str) -> (String, Descriptor) {
    let stated = platform(name);
    let image = Image::of([vec![file(name.replace('/', "-"), "")]]).config(move |config| {
        for (key, value) in stated.as_object().unwrap() {
            config[key] = value.clone();
        }
    });
    let written = image.write_into(layout);
    let mut descriptor = written.manifest;
    descriptor["platform"] = platform(name);
    (written.image_id, descriptor)
}

/// A layout whose only entry is an index of images for these platforms; their image IDs.
fn index_of(context: &Context, platforms: &[&str]) -> (Layout, Vec<String>) {
    let mut layout = Layout::create(&context.fresh("layout"), Algorithm::Sha256);
    let (ids, manifests): (Vec<_>, Vec<_>) = platforms.iter().map(|name| image_for(&layout, name)).unzip();
    let index = layout.document(media::INDEX, &index(&manifests));
    layout.add(index, Some("latest"));
    (layout, ids)
}

fn index(manifests: &[Descriptor]) -> Value {
    json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests})
}

#[track_caller]
fn loads(context: &Context, layout: &Layout, wanted: Option<&str>, id: &str) {
    let output = load(context, layout, "", wanted).exits(0);
    let stored = context.rootlay(["images", "--quiet", "--no-trunc"]).ok();
    assert_eq!(stored.trim(), id, "{wanted:?}: {}", output.stdout);
    context.rootlay(["rmi", "--force", id]).ok();
}

fn row_125_variants(context: &Context) {
    let (layout, ids) = index_of(context, &["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"]);
    for (wanted, index) in
        [("linux/arm/v7", 1), ("linux/arm/v6", 2), ("linux/arm/v5", 0), ("linux/arm", 1), ("linux/arm/v8", 1)]
    {
        loads(context, &layout, Some(wanted), &ids[index]);
    }
    let (layout, ids) = index_of(context, &["linux/arm/v5", "linux/arm/v7"]);
    loads(context, &layout, Some("linux/arm/v6"), &ids[0]);
    // `arm64/v8` and no variant are the same.
    for (listed, wanted) in
        [("linux/arm64", "linux/arm64/v8"), ("linux/arm64/v8", "linux/arm64"), ("linux/arm64/v8", "arm64")]
    {
        let (layout, ids) = index_of(context, &["linux/amd64", listed]);
        loads(context, &layout, Some(wanted), &ids[1]);
    }
    let (layout, ids) = index_of(context, &["linux/amd64/v3", "linux/amd64", "linux/amd64/v2"]);
    for (wanted, index) in [("linux/amd64", 1), ("linux/amd64/v3", 0), ("linux/amd64/v2", 2), ("linux/amd64/v4", 0)] {
        loads(context, &layout, Some(wanted), &ids[index]);
    }
    // The first of several that fit equally well.
    let (layout, ids) = index_of(context, &["linux/s390x", "linux/s390x"]);
    assert_eq!(ids[0], ids[1]);
    loads(context, &layout, Some("linux/s390x"), &ids[0]);
}

fn row_125_the_host_is_the_default(context: &Context) {
    let host = format!("linux/{}", host_architecture());
    let other = if host.ends_with("s390x") { "linux/amd64" } else { "linux/s390x" };
    let windows = format!("windows/{}", host_architecture());
    let (layout, ids) = index_of(context, &[other, &windows, &host]);
    loads(context, &layout, None, &ids[2]);
    loads(context, &layout, Some(&host), &ids[2]);
}

fn row_125_no_match(context: &Context) {
    let (layout, _) = index_of(context, &["linux/s390x", "linux/arm/v7"]);
    let output = load(context, &layout, "", Some("linux/riscv64")).exits(1);
    let line = output.one_line();
    assert!(line.contains("riscv64") && line.contains("s390x"), "the candidates are not named: {line}");
    let _ = load(context, &layout, "", Some("linux/arm/v5")).exits(1);
    let _ = load(context, &layout, "", Some("not/a/plat/form")).exits(125);
}

fn row_125_attestations_are_no_images(context: &Context) {
    let host = format!("linux/{}", host_architecture());
    let (layout, ids) = index_of(context, &["unknown/unknown", &host]);
    loads(context, &layout, None, &ids[1]);
    let (layout, _) = index_of(context, &["unknown/unknown"]);
    assert_ne!(load(context, &layout, "", None).code, 0);
}

fn row_125_platform_of_the_config(context: &Context) {
    let mut layout = Layout::create(&context.fresh("layout"), Algorithm::Sha256);
    let host = format!("linux/{}", host_architecture());
    let other = if host.ends_with("s390x") { "linux/amd64" } else { "linux/s390x" };
    let without = |name: &str| {
        let (id, mut descriptor) = image_for(&layout, name);
        descriptor.as_object_mut().unwrap().remove("platform");
        (id, descriptor)
    };
    let (foreign, own) = (without(other), without(&host));
    let descriptor = layout.document(media::INDEX, &index(&[foreign.1, own.1]));
    layout.add(descriptor, None);
    loads(context, &layout, None, &own.0);
    loads(context, &layout, Some(other), &foreign.0);
}

fn row_125_nested_indexes(context: &Context) {
    let host = format!("linux/{}", host_architecture());
    let nested = |depth: usize| {
        let mut layout = Layout::create(&context.fresh("layout"), Algorithm::Sha256);
        let (id, mut descriptor) = image_for(&layout, &host);
        for _ in 0..depth {
            descriptor = layout.document(media::INDEX, &index(&[descriptor]));
        }
        layout.add(descriptor, None);
        (layout, id)
    };
    for depth in [0, 1, 2, 4] {
        let (layout, id) = nested(depth);
        loads(context, &layout, None, &id);
    }
    let (layout, _) = nested(20);
    context.refuse_load(&[], || load(context, &layout, "", None));
}

fn tagged(context: &Context, tags: &[Option<&str>]) -> (Layout, Vec<String>) {
    let mut layout = Layout::create(&context.fresh("layout"), Algorithm::Sha256);
    let mut ids = Vec::new();
    for (index, tag) in tags.iter().enumerate() {
        let written = Image::of([vec![file(format!("image-{index}"), "")]]).write_into(&layout);
        layout.add(written.manifest, *tag);
        ids.push(written.image_id);
    }
    (layout, ids)
}

fn row_126_tags(context: &Context) {
    let (layout, ids) = tagged(context, &[Some("one"), Some("two"), None, Some("example.org/three:3")]);
    for (tag, index) in [(":one", 0), (":two", 1), (":example.org/three:3", 3)] {
        load(context, &layout, tag, None).ok();
        let stored = context.rootlay(["images", "--quiet", "--no-trunc"]).ok();
        assert_eq!(stored.trim(), ids[index]);
        context.rootlay(["rmi", "--force", &ids[index]]).ok();
    }
    let output = load(context, &layout, ":three", None).exits(1);
    assert!(output.stderr.contains("three"), "{}", output.stderr);
    // Only `index.json` has tags: names further down count for nothing.
    let (layout, ids) = tagged(context, &[None]);
    load(context, &layout, "", None).ok();
    assert_eq!(names(&context.tree_of_loaded(&ids[0])), ["image-0"]);
}

fn row_126_ambiguous_tags(context: &Context) {
    let (layout, _) = tagged(context, &[Some("one"), Some("two")]);
    let output = load(context, &layout, "", None).exits(1);
    let line = output.one_line();
    assert!(line.contains("one") && line.contains("two"), "the candidates are not named: {line}");
    let (layout, _) = tagged(context, &[Some("same"), Some("same")]);
    let _ = load(context, &layout, ":same", None).exits(1);
}

fn row_134_layout_file(context: &Context) {
    let version = |text: &str| {
        let layout = context.fresh("layout");
        Image::of([vec![file("f", "")]]).write_oci(&layout);
        fs::write(layout.join("oci-layout"), text).unwrap();
        format!("oci:{}", layout.display())
    };
    for text in [r#"{"imageLayoutVersion":"2.0.0"}"#, r#"{"imageLayoutVersion":"1.0.1"}"#, "{}", "", "not json", "[]"] {
        let source = version(text);
        context.refuse_load(&[], || context.rootlay(["load", &source]));
    }
    let source = version(r#"{"imageLayoutVersion":"1.0.0","more":1}"#);
    context.rootlay(["load", &source]).ok();
    let source = version("");
    fs::remove_file(format!("{}/oci-layout", &source[4..])).unwrap();
    let output = context.rootlay(["load", &source]);
    assert!(matches!(output.code, 1 | 3) && output.stderr.contains("oci-layout"), "{output:?}");
    let output = context.rootlay(["load", "oci:/does/not/exist"]).exits(1);
    assert!(output.stderr.contains("/does/not/exist"), "{}", output.stderr);
}

fn row_134_other_files_and_missing_blobs(context: &Context) {
    let layout = context.fresh("layout");
    let written = Image::of([vec![file("f", "")]]).write_oci(&layout);
    fs::write(layout.join("README"), "").unwrap();
    fs::create_dir(layout.join("blobs/blake3")).unwrap();
    fs::write(layout.join("blobs/sha256/garbage"), "").unwrap();
    let source = format!("oci:{}", layout.display());
    context.rootlay(["load", &source]).ok();
    context.rootlay(["rmi", "--force", &written.image_id]).ok();
    for digest in [written.layers[0].clone(), written.image_id, written.manifest["digest"].as_str().unwrap().to_owned()]
    {
        let path = layout.join("blobs/sha256").join(&digest[7..]);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let output = context.rootlay(["load", &source]);
        assert!(matches!(output.code, 1 | 3), "{output:?}");
        assert!(output.stderr.contains(&digest[7..19]), "{digest} is not named: {}", output.stderr);
        fs::write(&path, bytes).unwrap();
    }
}
