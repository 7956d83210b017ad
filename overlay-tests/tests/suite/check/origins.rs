//! Where damaged blobs come from again.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::registry::Bed;
use serde_json::Value;

use super::damage::{Damage, damage};
use super::{Bench, check, stack, text};

pub fn cases() -> Vec<Case> {
    cases![
        a_registry => Need::Tool("docker-registry"), Need::Tool("skopeo");
        a_damaged_blob_of_a_sound_layer_goes;
        documents_come_with_the_next_load
    ]
}

fn a_registry(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&Image::of(stack()), "app:1");
    bed.pull(&proxy.name("app:1"));
    let root = bed.root();
    let blob = |digest: &str| root.join("blobs").join(digest.replace(':', "/"));
    let layer = root.join("layers").join(written.diff_ids[0].replace(':', "/"));
    let manifest = written.manifest["digest"].as_str().unwrap().to_owned();
    for (file, one) in [
        (blob(&written.image_id), Damage::Flip),
        (blob(&manifest), Damage::Truncate),
        (blob(&manifest), Damage::Remove),
        (blob(&written.layers[0]), Damage::Flip),
        (layer.join("diff/d/f"), Damage::Flip),
    ] {
        let what = format!("{}: {one:?}", file.display());
        damage(&file, one);
        if file.starts_with(&layer) {
            // Its blob is missing too, as it may be.
            fs::remove_file(blob(&written.layers[0])).unwrap();
        }
        let _ = bed.rootlay(["system", "check", "--deep"]).exits(1);
        let output = bed.rootlay(["system", "check", "--deep", "--repair", "--format", "json"]);
        assert_eq!(output.code, 0, "{what}: {}{}", output.stdout, output.stderr);
        let finding: Value = serde_json::from_str(output.stdout.lines().next().unwrap()).unwrap();
        assert!(text(&finding, "Result").contains("fetched again from "), "{what}: {finding}");
        assert_eq!(bed.rootlay(["system", "check", "--deep"]).ok(), "", "{what}");
    }
    // Nobody answers any more.
    damage(&blob(&written.image_id), Damage::Flip);
    drop(proxy);
    fs::remove_file(registry.blob_path(&written.image_id)).unwrap();
    let output = bed.rootlay(["system", "check", "--repair", "--retry", "0"]).exits(1);
    assert!(output.stdout.contains("not repaired"), "{}", output.stdout);
}

/// The image does not need it, and nobody takes it for good again.
fn a_damaged_blob_of_a_sound_layer_goes(context: &Context) {
    let bench = Bench::new(context);
    fs::remove_dir_all(&bench.layout).unwrap();
    let blob = bench.blob(&bench.written.layers[0]);
    damage(&blob, Damage::Flip);
    assert_eq!(check(context, &[]).ok(), "", "its size is right");
    let _ = check(context, &["--deep"]).exits(1);
    check(context, &["--deep", "--repair"]).ok();
    assert!(!blob.exists());
    bench.is_sound("without the blob");
    bench.is_as_the_model_says("without the blob");
    context.load(&Image::of(stack()).tag("damaged:1"));
    assert!(blob.exists());
    bench.is_sound("with the blob again");
}

fn documents_come_with_the_next_load(context: &Context) {
    let bench = Bench::new(context);
    fs::remove_dir_all(&bench.layout).unwrap();
    for digest in [bench.written.image_id.clone(), bench.manifest()] {
        damage(&bench.blob(&digest), Damage::Flip);
        let output = check(context, &["--repair"]).exits(1);
        assert!(output.stdout.contains("load the image again"), "{}", output.stdout);
        context.load(&Image::of(stack()).tag("damaged:1"));
        bench.is_sound(&digest);
        bench.is_as_the_model_says(&digest);
    }
}
