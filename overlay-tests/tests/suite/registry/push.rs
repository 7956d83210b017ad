//! `push`: what comes out is what went in.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Written, sha256};
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Bed, Fault, Proxy, noise};

use super::{assert_tree, digest, saying, short};

pub fn cases() -> Vec<Case> {
    cases![
        push_writes_the_same_manifest;
        push_of_a_loaded_image;
        push_skips_what_is_there;
        push_mounts_from_other_repositories;
        push_says_what_it_does;
        push_survives_faults;
        push_that_may_not;
        push_of_nothing
    ]
}

fn image() -> Image {
    Image::of([noise(1, 64), noise(2, 64)])
}

fn load_as(bed: &Bed<'_>, name: &str) -> Written {
    let layout = bed.fresh("layout");
    let written = image().write_oci(&layout);
    bed.rootlay(["load", "--name", name, &format!("oci:{}", layout.display())]).ok();
    written
}

/// The blobs whose bytes were sent.
fn uploads(proxy: &Proxy) -> usize {
    proxy.records().iter().filter(|record| record.method == "PUT" && record.target.contains("/blobs/uploads/")).count()
}

fn push_writes_the_same_manifest(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let manifest = |manifest: &mut serde_json::Value| manifest["annotations"] = serde_json::json!({"z": "1", "a": "2"});
    let written = registry.publish(&image().manifest(manifest), "app:1");
    bed.pull(&proxy.name("app:1"));
    let output = bed.rootlay(["push", &proxy.name("app:1"), &proxy.name("copy/app:2")]).exits(0);
    let size = written.manifest["size"].as_u64().unwrap();
    assert_eq!(output.stdout.lines().last().unwrap(), format!("2: digest: {} size: {size}", digest(&written)));
    assert_eq!(registry.raw_manifest("copy/app:2"), registry.raw_manifest("app:1"));
    let out = context.fresh("out");
    registry.copy_out("copy/app:2", &out);
    for blob in written.layers.iter().chain([&written.image_id]) {
        assert_eq!(sha256(&fs::read(out.join("blobs").join(blob.replace(':', "/"))).unwrap()), *blob);
    }
}

fn push_of_a_loaded_image(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let name = proxy.name("app:1");
    let written = load_as(&bed, &name);
    bed.rootlay(["push", &name]).ok();
    assert_eq!(sha256(&registry.raw_manifest("app:1")), digest(&written));
    // And back.
    bed.rootlay(["rmi", "--force", &written.image_id]).ok();
    bed.pull(&name);
    assert_tree(context, &name, &image());
}

fn push_skips_what_is_there(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&Image::of([noise(1, 64)]), "app:base");
    load_as(&bed, &proxy.name("app:1"));
    let output = bed.plain(["push", &proxy.name("app:1")]).exits(0).says("Layer already exists");
    // The configuration and the other layer.
    assert_eq!(uploads(&proxy), 2, "{:?}", proxy.records());
    assert!(output.stderr.contains("Pushed"), "{}", output.stderr);
    proxy.take_records();
    bed.rootlay(["push", &proxy.name("app:1")]).ok();
    assert_eq!(uploads(&proxy), 0, "{:?}", proxy.records());
    assert!(registry.has("app", "1"));
}

fn push_mounts_from_other_repositories(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "team/app:1");
    bed.pull(&proxy.name("team/app:1"));
    proxy.take_records();
    let output = bed.plain(["push", &proxy.name("team/app:1"), &proxy.name("copy/app:1")]).exits(0);
    for layer in &written.layers {
        let mounted = proxy.records().iter().any(|record| {
            let target = record.target.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/");
            record.method == "POST"
                && record.status == 201
                && target.contains(&format!("mount={layer}"))
                && target.contains("from=team/app")
        });
        assert!(mounted, "{:?}", proxy.records());
        assert!(output.stderr.contains(&format!("{}: Mounted from team/app", short(layer))), "{}", output.stderr);
    }
    assert_eq!(registry.raw_manifest("copy/app:1"), registry.raw_manifest("team/app:1"));
    // A registry that does not mount gets the bytes.
    proxy.take_records();
    proxy.fault("POST mount=", .., Fault::Path("mount=".into(), "nothing=".into()));
    bed.rootlay(["push", &proxy.name("team/app:1"), &proxy.name("third/app:1")]).ok();
    assert!(uploads(&proxy) >= 2);
    assert!(registry.has("third/app", "1"));
}

fn push_says_what_it_does(context: &Context) {
    let (bed, _registry, _) = Bed::hub(context);
    bed.load(&saying("x").tag("team/app:1"));
    let output = bed.plain(["push", "team/app:1"]).exits(0);
    assert_eq!(output.stderr.lines().next(), Some("The push refers to repository [docker.io/team/app]"));
    let last = output.stdout.lines().last().unwrap();
    assert!(last.starts_with("1: digest: sha256:") && last.contains(" size: "), "{last}");
    let quiet = bed.rootlay(["push", "-q", "team/app:1"]).ok();
    assert_eq!(quiet, "docker.io/team/app:1\n");
}

fn push_survives_faults(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = load_as(&bed, &proxy.name("app:1"));
    proxy.fault("HEAD /blobs/", 1..=1, Fault::status(503));
    proxy.fault("POST /blobs/uploads/", 1..=1, Fault::Reset);
    proxy.fault("PUT /blobs/uploads/", 1..=1, Fault::status(500));
    proxy.fault("PUT /manifests/", 1..=1, Fault::busy("0"));
    bed.rootlay(["push", "--retry-delay", "1ms", &proxy.name("app:1")]).ok();
    assert_eq!(sha256(&registry.raw_manifest("app:1")), digest(&written));
    proxy.heal();
    proxy.fault("PUT /manifests/", .., Fault::status(503));
    let _ = bed.rootlay(["push", "--retry-delay", "1ms", &proxy.name("app:1"), &proxy.name("app:2")]).exits(10);
    assert!(!registry.has("app", "2"));
}

fn push_that_may_not(context: &Context) {
    let (bed, _registry, proxy) = Bed::htpasswd(context);
    load_as(&bed, "app:1");
    bed.refuses(["push", "app:1", &proxy.name("app:1")], 11, &[]);
    bed.refuses(["push", "--retry", "0", "app:1", "127.0.0.1:5999/app:1"], 10, &[]);
}

fn push_of_nothing(context: &Context) {
    let bed = Bed::new(context);
    let _ = bed.rootlay(["push", "nothing:1"]).exits(1).says("nothing:1");
    let _ = bed.rootlay(["push"]).exits(125);
}
