//! Where damaged blobs come from again.

use std::fs;
use std::path::Path;

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
        relative_names_of_origins;
        pipes_in_the_place_of_an_origin_are_not_opened => Need::Tool("tar");
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

/// They are found from everywhere, except those of older records, which nobody looks for where he happens to be.
fn relative_names_of_origins(context: &Context) {
    let layout = context.dir().join("here");
    let written = Image::of(stack()).tag("damaged:1").write_oci(&layout);
    context.shell("rootlay load oci:here:damaged:1").ok();
    let config = context.root().join("blobs").join(written.image_id.replace(':', "/"));
    damage(&config, Damage::Flip);
    let output = context.shell("cd / && rootlay system check --repair").exits(0);
    let origin = format!("oci:{}:damaged:1", layout.display());
    assert!(output.stdout.contains(&format!("fetched again from {origin}")), "{}", output.stdout);
    let record = context.root().join("images").join(format!("{}.json", written.image_id.replace(':', "/")));
    let text = fs::read_to_string(&record).unwrap();
    assert!(text.contains(&origin), "{text}");
    fs::write(&record, text.replace(&origin, "oci:here:damaged:1")).unwrap();
    damage(&config, Damage::Flip);
    let output = context.shell("rootlay system check --repair").exits(1);
    assert!(output.stdout.contains("no absolute path of where it came from"), "{}", output.stdout);
    context.shell("rootlay load oci:here:damaged:1").ok();
    assert_eq!(check(context, &["--deep"]).ok(), "");
}

/// Whoever opens a pipe waits for somebody to write to it.
fn pipes_in_the_place_of_an_origin_are_not_opened(context: &Context) {
    let pipe = |path: &Path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let layout = context.fresh("layout");
    let written = Image::of(stack()).tag("damaged:1").write_oci(&layout);
    let archive = context.fresh("archive");
    let (from, to) = (layout.to_str().unwrap(), archive.to_str().unwrap());
    assert_eq!(context.run("tar", &["-C", from, "-cf", to, "."]).code, 0);
    let blob = |digest: &str| context.root().join("blobs").join(digest.replace(':', "/"));
    for origin in [format!("oci-archive:{to}"), to.to_owned(), format!("oci:{from}")] {
        context.rootlay(["load", &origin]).ok();
        let place = match origin.strip_prefix("oci:") {
            // The directory stays; what is wanted of it is a pipe.
            Some(_) => layout.join("blobs").join(written.layers[0].replace(':', "/")),
            None => archive.clone(),
        };
        let aside = context.fresh("aside");
        fs::rename(&place, &aside).unwrap();
        pipe(&place);
        damage(&blob(&written.layers[0]), Damage::Truncate);
        // The layer is made of it.
        let layer = context.root().join("layers").join(written.diff_ids[0].replace(':', "/"));
        damage(&layer.join("diff/d/f"), Damage::Mode);
        let output = context.shell("timeout 30 rootlay system check --deep --repair");
        assert_eq!(output.code, 1, "{origin}: {}{}", output.stdout, output.stderr);
        assert!(output.stdout.contains("not repaired"), "{origin}: {}", output.stdout);
        fs::rename(&aside, &place).unwrap();
        check(context, &["--deep", "--repair"]).ok();
        assert_eq!(check(context, &["--deep"]).ok(), "", "{origin}");
        context.rootlay(["rmi", "damaged:1"]).ok();
    }
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
