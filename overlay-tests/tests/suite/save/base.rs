//! Layers that are left out, and blobs that are not here.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Compression, Image, sha256};
use overlay_tests::harness::{Case, Context, Need, StoreListing};
use overlay_tests::registry::{Bed, noise};

use super::{assert_same, digest, json, layer, load, load_on, mounted, other, save, unpacked};

pub fn cases() -> Vec<Case> {
    cases![
        without_a_base;
        without_something_else;
        blobs_that_are_not_here_are_fetched => Need::Tool("docker-registry"), Need::Tool("skopeo")
    ]
}

fn without_a_base(context: &Context) {
    let (base, middle) = (noise(1, 64), noise(2, 64));
    let lower = load(context, &Image::of([base.clone(), middle.clone()]), "localhost/base:1");
    let upper = Image::of([base.clone(), middle.clone(), layer("top"), layer("last")]);
    let written = load(context, &upper, "localhost/app:1");
    let path = save(context, &["--without", "localhost/base:1", "localhost/app:1"]);
    let files = unpacked(context, &path);
    let has = |digest: &str| files.join("blobs").join(digest.replace(':', "/")).exists();
    assert_eq!(written.layers.iter().map(|layer| has(layer)).collect::<Vec<_>>(), [false, false, true, true]);
    assert!(has(&written.image_id) && has(digest(&written)));
    assert_eq!(json(&files.join("manifest.json"))[0]["Layers"].as_array().unwrap().len(), 4);

    // Without the base it is refused, and every layer that is missing is named.
    let root = context.fresh("other");
    let there = other(context, &root);
    load_on(context, &root, &Image::of([layer("something")]), "localhost/keep:1");
    let before = StoreListing::read(&root);
    for source in [path.to_str().unwrap(), &format!("oci-archive:{}", path.display())] {
        let output = there(&["load", source]).exits(3);
        let line = output.one_line();
        for (layer, diff_id) in written.layers.iter().zip(&written.diff_ids).take(2) {
            assert!(line.contains(&format!("blob {layer} (diff ID {diff_id})")), "{line}");
        }
        assert!(!line.contains(&written.layers[2]), "{line}");
        before.assert_unchanged(&root);
    }
    let output = there(&["load", &format!("docker-archive:{}", path.display())]).exits(3);
    assert!(lower.diff_ids.iter().all(|id| output.one_line().contains(id)), "{}", output.stderr);
    before.assert_unchanged(&root);

    // With a base whose layers are compressed in another way, its layers are used.
    let zstd = Image::of([base.compressed(Compression::Zstd), middle.compressed(Compression::Zstd)]);
    load_on(context, &root, &zstd, "localhost/base:1");
    assert_eq!(there(&["load", path.to_str().unwrap()]).ok(), "Loaded image: localhost/app:1\n");
    assert_eq!(there(&["load", path.to_str().unwrap()]).ok(), "Loaded image: localhost/app:1\n");
    assert_same(&context.tree_of_loaded("localhost/app:1"), &mounted(&there, "localhost/app:1"));
    // It cannot be saved as a whole there: those blobs are nowhere.
    let whole = context.fresh("whole");
    let output = there(&["save", "-o", whole.to_str().unwrap(), "localhost/app:1"]).exits(1);
    assert!(output.one_line().contains(&written.layers[0]), "{}", output.stderr);
    assert!(!whole.exists());
    // But without the base it can, with the same bytes.
    let arguments = ["save", "-o", whole.to_str().unwrap(), "--without", "localhost/base:1", "localhost/app:1"];
    there(&arguments).ok();
    assert_eq!(fs::read(&whole).unwrap(), fs::read(&path).unwrap());
    // A layer that goes takes the image's with it only when nothing needs it.
    there(&["rmi", "localhost/base:1"]).ok();
    mounted(&there, "localhost/app:1");
}

fn without_something_else(context: &Context) {
    load(context, &Image::of([layer("one")]), "localhost/one:1");
    load(context, &Image::of([layer("two")]), "localhost/two:1");
    let path = context.fresh("saved");
    let to = path.to_str().unwrap();
    let output = context.rootlay(["save", "-o", to, "--without", "localhost/two:1", "localhost/one:1"]).exits(0);
    assert!(output.stderr.contains("nothing is left out"), "{}", output.stderr);
    assert_eq!(fs::read(&path).unwrap(), fs::read(save(context, &["localhost/one:1"])).unwrap());
    let output = context.rootlay(["save", "-o", to, "--without", "localhost/three:1", "localhost/one:1"]).exits(1);
    assert!(output.one_line().contains("No such image: localhost/three:1"), "{}", output.stderr);
    // Of itself: documents alone, and here everything else is here.
    let path = save(context, &["--without", "localhost/one:1", "--without", "localhost/two:1", "localhost/one:1"]);
    assert_eq!(fs::read_dir(unpacked(context, &path).join("blobs/sha256")).unwrap().count(), 2);
    context.rootlay(["load", "-i", path.to_str().unwrap()]).ok();
}

/// A layer that came with another image, in another compression: its blob is fetched for the archive.
fn blobs_that_are_not_here_are_fetched(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let base = noise(1, 64);
    registry.publish(&Image::of([base.clone().compressed(Compression::Zstd)]), "base:1");
    let written = registry.publish(&Image::of([base, noise(2, 64)]), "app:1");
    bed.pull(&proxy.name("base:1"));
    bed.pull(&proxy.name("app:1"));
    let stored = context.root().join("blobs").join(written.layers[0].replace(':', "/"));
    assert!(!stored.exists(), "the layer was here already");
    let path = context.fresh("saved");
    let arguments = ["save", "-o", path.to_str().unwrap(), &proxy.name("app:1")];
    bed.rootlay(arguments).ok();
    let files = unpacked(context, &path);
    for layer in &written.layers {
        assert_eq!(&sha256(&fs::read(files.join("blobs").join(layer.replace(':', "/"))).unwrap()), layer);
    }
    assert!(stored.exists());
    // It is not needed where the base is left out.
    fs::remove_file(&stored).unwrap();
    proxy.take_records();
    fs::remove_file(&path).unwrap();
    bed.rootlay(["save", "-o", path.to_str().unwrap(), "--without", &proxy.name("base:1"), &proxy.name("app:1")]).ok();
    assert!(proxy.records().is_empty(), "{:?}", proxy.records());
    // A registry that is gone is an error that names the blob, and there is no archive.
    fs::remove_file(&path).unwrap();
    registry.stop();
    let output = bed.rootlay([&["save", "--retry", "0"], &arguments[1..]].concat());
    assert!(output.code != 0 && output.stderr.contains(&written.layers[0]), "{output:?}");
    assert!(!path.exists());
}
