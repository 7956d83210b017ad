//! S13, S14: layers that images share, and what else is never fetched.

use std::fs;
use std::time::Duration;

use overlay_tests::cases;
use overlay_tests::fixture::{Format, Image, Layer, Written, encode_entry, file, gzip, sha256, zstd_frame};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::registry::{Bed, Fault, OTHER, Proxy, Registry, noise};
use serde_json::{Value, json};

use super::{assert_tree, digest, said, saying};

pub fn cases() -> Vec<Case> {
    cases![
        s14_a_shared_layer_is_fetched_and_stored_once;
        s13_an_image_that_is_here_under_another_name;
        s13_layers_that_were_loaded;
        s14_a_layer_twice_in_one_image;
        s13_pulls_at_once_share_downloads;
        s13_the_same_pull_twice_at_once;
        s13_a_pull_goes_on_where_another_was_killed;
        foreign_urls_are_never_fetched;
        refused_layers_end_the_download;
        docker_manifests
    ]
}

/// How many bytes of a blob were sent in all, and how many it has.
fn cost(registry: &Registry, proxy: &Proxy, digest: &str) -> (usize, usize) {
    let sent = proxy.blob_requests(digest).iter().map(|record| record.sent).sum();
    (sent, usize::try_from(fs::metadata(registry.blob_path(digest)).unwrap().len()).unwrap())
}

#[track_caller]
fn fetched_once(registry: &Registry, proxy: &Proxy, written: &[Written]) {
    for layer in written.iter().flat_map(|written| &written.layers) {
        assert_eq!(proxy.blob_requests(layer).len(), 1, "{layer}");
        let (sent, size) = cost(registry, proxy, layer);
        assert_eq!(sent, size, "{layer}");
    }
}

fn s14_a_shared_layer_is_fetched_and_stored_once(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let images = [2, 3].map(|own| Image::of([noise(1, 64), noise(own, 64)]));
    let written = [registry.publish(&images[0], "a:1"), registry.publish(&images[1], "b:1")];
    bed.pull(&proxy.name("a:1"));
    bed.pull(&proxy.name("b:1"));
    fetched_once(&registry, &proxy, &written);
    assert_eq!(StoreListing::read(&bed.root()).layers().len(), 3);
    assert_tree(context, &proxy.name("a:1"), &images[0]);
    assert_tree(context, &proxy.name("b:1"), &images[1]);
}

fn s13_an_image_that_is_here_under_another_name(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    for name in ["a:1", "b:2"] {
        registry.publish(&Image::of([noise(1, 16), noise(2, 16)]), name);
    }
    bed.pull(&proxy.name("a:1"));
    proxy.take_records();
    let stdout = bed.pull(&proxy.name("b:2"));
    assert!(stdout.contains("Status: Downloaded newer image for "), "{stdout}");
    assert!(proxy.blob_requests("").is_empty(), "{:?}", proxy.records());
}

fn s13_layers_that_were_loaded(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    bed.load(&Image::of([noise(1, 16)]));
    let written = registry.publish(&Image::of([noise(1, 16), noise(2, 16)]), "a:1");
    bed.pull(&proxy.name("a:1"));
    assert!(proxy.blob_requests(&written.layers[0]).is_empty());
    assert_eq!(proxy.blob_requests(&written.layers[1]).len(), 1);
}

fn s14_a_layer_twice_in_one_image(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let image = Image::of([noise(1, 16), noise(2, 16), noise(1, 16)]);
    let written = registry.publish(&image, "a:1");
    bed.pull(&proxy.name("a:1"));
    fetched_once(&registry, &proxy, &[written]);
    assert_tree(context, &proxy.name("a:1"), &image);
}

fn all_at_once(bed: &Bed<'_>, names: &[String]) {
    let children: Vec<_> = names.iter().map(|name| bed.spawn(["pull", name])).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn s13_pulls_at_once_share_downloads(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    proxy.fault("GET /blobs/", .., Fault::Slow(16 << 10, Duration::from_millis(5)));
    let images: Vec<Image> = (2..6).map(|own| Image::of([noise(1, 512), noise(own, 128)])).collect();
    let names: Vec<String> = (2..6).map(|own| format!("app:{own}")).collect();
    let written: Vec<Written> = images.iter().zip(&names).map(|(image, name)| registry.publish(image, name)).collect();
    let names: Vec<String> = names.iter().map(|name| proxy.name(name)).collect();
    all_at_once(&bed, &names);
    fetched_once(&registry, &proxy, &written);
    for (name, image) in names.iter().zip(&images) {
        assert_tree(context, name, image);
    }
}

fn s13_the_same_pull_twice_at_once(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    proxy.fault("GET /blobs/", .., Fault::Slow(16 << 10, Duration::from_millis(5)));
    let image = Image::of([noise(1, 256), noise(2, 256), noise(3, 256)]);
    let written = registry.publish(&image, "app:1");
    all_at_once(&bed, &[proxy.name("app:1"), proxy.name("app:1")]);
    fetched_once(&registry, &proxy, &[written]);
    assert_tree(context, &proxy.name("app:1"), &image);
}

/// One of two that fetch the same layer dies: the other takes over, from the bytes that are there.
fn s13_a_pull_goes_on_where_another_was_killed(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    proxy.fault("GET /blobs/", .., Fault::Slow(16 << 10, Duration::from_millis(20)));
    let image = Image::of([noise(1, 512)]);
    let written = registry.publish(&image, "app:1");
    let mut first = bed.spawn(["pull", &proxy.name("app:1")]);
    while bed.partial(&written.layers[0]) == 0 {
        assert!(first.try_wait().unwrap().is_none(), "the first pull ended early");
        std::thread::sleep(Duration::from_millis(2));
    }
    let second = bed.spawn(["pull", &proxy.name("app:1")]);
    std::thread::sleep(Duration::from_millis(100));
    first.kill().unwrap();
    first.wait().unwrap();
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let requests = proxy.blob_requests(&written.layers[0]);
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests.iter().any(|request| request.offset() > 0), "{requests:?}");
    assert_tree(context, &proxy.name("app:1"), &image);
}

/// `urls` of a descriptor lead anywhere: what the registry does not have is not there.
fn foreign_urls_are_never_fetched(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let other = Proxy::start(OTHER, registry.address());
    let image = || {
        saying("x").manifest(|manifest| {
            let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
            manifest["layers"][0]["urls"] = json!([format!("http://{OTHER}/v2/elsewhere/blobs/{digest}")]);
        })
    };
    let layout = context.fresh("layout");
    let written = image().write_oci(&layout);
    let blob = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    for repository in ["app", "elsewhere"] {
        registry.put_blob(repository, &blob(&written.image_id));
        registry.put_blob(repository, &blob(&written.layers[0]));
    }
    let media_type = written.manifest["mediaType"].as_str().unwrap();
    registry.put_manifest("app", "here", media_type, &blob(digest(&written)));
    bed.pull(&proxy.name("app:here"));
    assert_eq!(said(context, &proxy.name("app:here")), "x");
    // Not in the registry, and of a type that says so.
    let mut manifest: Value = serde_json::from_slice(&blob(digest(&written))).unwrap();
    manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar");
    registry.put_manifest("app", "foreign", media_type, &serde_json::to_vec(&manifest).unwrap());
    bed.rootlay(["rmi", &proxy.name("app:here")]).ok();
    proxy.fault(&format!("/blobs/{}", written.layers[0]), .., Fault::status(404));
    let output = bed.rootlay(["pull", &proxy.name("app:foreign")]);
    assert!(matches!(output.code, 3 | 12), "{} {}", output.code, output.stderr);
    assert!(other.records().is_empty(), "{:?}", other.records());
}

/// CVE-2021-20291, over the network: who unpacks stops in the middle of a blob that is what its digest says, and who
/// downloads it must not wait for ever, nor keep a lock.
fn refused_layers_end_the_download(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let good = noise(1, 4096);
    let half = |mut blob: Vec<u8>| {
        blob.truncate(blob.len() / 2);
        blob
    };
    let mut flipped = gzip(good.tar());
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let escape = [encode_entry(&file("../x", ""), Format::Pax), good.tar().to_vec()].concat();
    let garbage = b"garbage".repeat(600_000);
    for (at, blob) in
        [half(gzip(good.tar())), half(zstd_frame(good.tar())), flipped, escape, garbage].into_iter().enumerate()
    {
        let layout = context.fresh("layout");
        let image = Image::of([Layer::raw(blob).claiming(sha256(good.tar())), Layer::of(&[file("f", "")])]);
        let written = image.write_oci(&layout);
        let blob = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
        for digest in written.layers.iter().chain([&written.image_id]) {
            registry.put_blob("app", &blob(digest));
        }
        let media_type = written.manifest["mediaType"].as_str().unwrap();
        registry.put_manifest("app", &format!("bad{at}"), media_type, &blob(digest(&written)));
        bed.refuses(["pull", &proxy.name(&format!("app:bad{at}"))], 3, &["layer "]);
    }
    registry.publish(&saying("x"), "app:good");
    bed.pull(&proxy.name("app:good"));
    assert_eq!(said(context, &proxy.name("app:good")), "x");
}

fn docker_manifests(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let layout = context.fresh("layout");
    Image::of([noise(1, 16), vec![file("says", "docker")].into()]).write_oci(&layout);
    let from = format!("oci:{}", layout.display());
    let to = format!("docker://{}", registry.name("app:1"));
    let form = ["--insecure-policy", "copy", "-q", "--format", "v2s2", "--dest-tls-verify=false", &from, &to];
    bed.run("skopeo", &form).ok();
    let raw = registry.raw_manifest("app:1");
    assert!(String::from_utf8_lossy(&raw).contains("vnd.docker.distribution.manifest.v2+json"));
    bed.pull(&proxy.name("app:1"));
    assert_eq!(said(context, &proxy.name("app:1")), "docker");
}
