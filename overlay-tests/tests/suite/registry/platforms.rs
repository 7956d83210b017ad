//! S19: images for several platforms.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Algorithm, Image, Layout, file, host_architecture, media};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::registry::{Bed, Registry};
use overlay_tests::tree::{listing, read_tree};
use serde_json::{Value, json};

use super::said;

pub fn cases() -> Vec<Case> {
    cases![
        s19_the_host_is_the_default;
        s19_a_platform_by_flag_and_variable;
        s19_the_best_variant;
        s19_no_matching_platform;
        s19_attestations_are_no_images;
        s19_two_platforms_of_one_tag;
        s19_one_image_for_another_platform;
        s19_the_official_busybox => Need::Images
    ]
}

fn platform(text: &str) -> Value {
    let parts: Vec<&str> = text.split('/').collect();
    let mut platform = json!({"os": parts[0], "architecture": parts[1]});
    if let Some(variant) = parts.get(2) {
        platform["variant"] = json!(variant);
    }
    platform
}

/// Puts an index there, of images that say for which platform they are.
fn publish(context: &Context, registry: &Registry, platforms: &[&str], name: &str) -> Value {
    let mut layout = Layout::create(&context.fresh("layout"), Algorithm::Sha256);
    let manifests: Vec<Value> = platforms
        .iter()
        .map(|name| {
            let own = platform(name);
            let image = Image::of([vec![file("says", name)]]).config(move |config| {
                for (key, value) in own.as_object().unwrap() {
                    config[key] = value.clone();
                }
            });
            let mut descriptor = image.write_into(&layout).manifest;
            descriptor["platform"] = platform(name);
            if *name == "unknown/unknown" {
                descriptor["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
            }
            descriptor
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests});
    let descriptor = layout.document(media::INDEX, &index);
    layout.add(descriptor.clone(), Some("latest"));
    registry.publish_layout(&layout, name);
    descriptor
}

fn host() -> String {
    format!("linux/{}", host_architecture())
}

fn other() -> &'static str {
    if host_architecture() == "s390x" { "linux/ppc64le" } else { "linux/s390x" }
}

fn s19_the_host_is_the_default(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let index = publish(context, &registry, &[other(), "windows/amd64", &host()], "app:1");
    let stdout = bed.pull(&proxy.name("app:1"));
    // The digest is that of what the tag names.
    assert!(stdout.starts_with(&format!("Digest: {}\n", index["digest"].as_str().unwrap())), "{stdout}");
    assert_eq!(said(context, &proxy.name("app:1")), host());
    // Nothing of the others was asked for: index, manifest, configuration, layer.
    let gets = proxy.records().into_iter().filter(|record| record.method == "GET" && record.target != "/v2/");
    assert_eq!(gets.count(), 4);
}

fn s19_a_platform_by_flag_and_variable(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let third = if host_architecture() == "riscv64" { "linux/386" } else { "linux/riscv64" };
    publish(context, &registry, &[&host(), other(), third], "app:1");
    let name = proxy.name("app:1");
    let pulled = |arguments: &[&str], expected: &str| {
        bed.rootlay([&["pull"], arguments, &[&name]].concat()).ok();
        assert_eq!(said(context, &name), expected);
        bed.rootlay(["rmi", &name]).ok();
    };
    pulled(&["--platform", other()], other());
    bed.set("DOCKER_DEFAULT_PLATFORM", other());
    bed.pull(&name);
    assert_eq!(said(context, &name), other());
    bed.rootlay(["rmi", &name]).ok();
    pulled(&["--platform", third], third);
    let _ = bed.rootlay(["pull", "--platform", "a/b/c/d", &name]).exits(125);
}

fn s19_the_best_variant(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    publish(context, &registry, &["linux/arm/v5", "linux/arm/v6", "linux/arm64", &host()], "app:1");
    let name = proxy.name("app:1");
    for (wanted, got) in
        [("linux/arm/v7", "linux/arm/v6"), ("linux/arm/v5", "linux/arm/v5"), ("linux/arm64/v8", "linux/arm64")]
    {
        bed.rootlay(["pull", "--platform", wanted, &name]).ok();
        let merged = bed.mount(["--platform", wanted, &name]);
        assert_eq!(fs::read_to_string(merged.join("says")).unwrap(), got, "{wanted}");
        bed.umount(&merged);
        bed.rootlay(["rmi", &name]).ok();
    }
}

fn s19_no_matching_platform(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    publish(context, &registry, &["windows/amd64", other()], "app:1");
    let says = ["no matching manifest for linux/", "in the manifest list entries"];
    let output = bed.rootlay(["pull", &proxy.name("app:1")]);
    assert!(output.code == 12 || output.code == 1, "{} {}", output.code, output.stderr);
    for text in says {
        assert!(output.stderr.contains(text), "{}", output.stderr);
    }
    assert!(proxy.blob_requests("").is_empty());
    assert_eq!(bed.rootlay(["images", "-q"]).ok(), "");
}

fn s19_attestations_are_no_images(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    publish(context, &registry, &["unknown/unknown", &host(), "unknown/unknown"], "app:1");
    bed.pull(&proxy.name("app:1"));
    assert_eq!(said(context, &proxy.name("app:1")), host());
    publish(context, &registry, &["unknown/unknown"], "app:2");
    assert_ne!(bed.rootlay(["pull", &proxy.name("app:2")]).code, 0);
}

fn s19_two_platforms_of_one_tag(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    publish(context, &registry, &[&host(), other()], "app:1");
    let name = proxy.name("app:1");
    bed.pull(&name);
    bed.rootlay(["pull", "--platform", other(), &name]).ok();
    let host = host();
    let views = [host.as_str(), other()].map(|platform| (platform, bed.mount(["--platform", platform, &name])));
    for (platform, merged) in &views {
        assert_eq!(fs::read_to_string(merged.join("says")).unwrap(), *platform);
    }
    // A pull of one takes nothing away from the other.
    bed.pull(&name);
    assert_eq!(bed.rootlay(["images", "-q"]).ok().lines().count(), 2);
    for (_, merged) in &views {
        bed.umount(merged);
    }
}

/// A manifest without an index says in its configuration what it is for.
fn s19_one_image_for_another_platform(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let image = super::saying("other").config(|config| config["architecture"] = json!(&other()["linux/".len()..]));
    registry.publish(&image, "app:1");
    let name = proxy.name("app:1");
    bed.rootlay(["pull", "--platform", other(), &name]).ok();
    assert_eq!(said(context, &name), "other");
}

fn s19_the_official_busybox(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.copy_in(&context.images().join("busybox-multiarch"), "library/busybox:latest");
    let name = proxy.name("library/busybox");
    for (truth, platform) in [("arm64v8", "linux/arm64"), ("armv7", "linux/arm/v7"), ("386", "linux/386")] {
        bed.rootlay(["pull", "--platform", platform, &name]).ok();
        let merged = bed.mount(["--platform", platform, &name]);
        let expected = fs::read_to_string(context.images().join(format!("busybox-multiarch.{truth}.truth"))).unwrap();
        assert!(listing(&read_tree(&merged).unwrap()) == expected, "{platform}");
        bed.umount(&merged);
    }
    assert_eq!(bed.rootlay(["images", "-q"]).ok().lines().count(), 3);
}
