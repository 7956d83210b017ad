//! Records of images and views, files that nobody knows, and debris.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context};

use super::damage::{Damage, damage};
use super::{Bench, check, findings, text};

pub fn cases() -> Vec<Case> {
    cases![
        image_records_that_contradict_their_documents;
        image_records_that_cannot_be_read;
        what_a_recovered_image_names_is_checked_in_the_same_run;
        a_pin_of_a_recovered_image;
        views_that_hold_nothing;
        views_that_hold_what_was_written;
        unknown_files_are_named_and_stay;
        files_among_records_are_named_with_what_helps;
        what_an_earlier_boot_made_may_be_torn;
        debris_is_no_damage_and_goes;
        debris_that_cannot_be_removed_is_not_said_to_be;
        a_file_that_nobody_can_repair_is_named_with_what_helps;
        output_and_exit_codes
    ]
}

fn image_records_that_contradict_their_documents(context: &Context) {
    let bench = Bench::new(context);
    let sound = fs::read_to_string(bench.record()).unwrap();
    let last = &bench.written.diff_ids[2];
    let architecture = format!("\"architecture\": \"{}\"", overlay_tests::fixture::host_architecture());
    for (old, new) in [
        (architecture.as_str(), "\"architecture\": \"riscv64\""),
        (&format!("\"{last}\""), &format!("\"{}\"", bench.written.diff_ids[0])),
        ("\"size\": ", "\"size\": 1"),
    ] {
        assert!(sound.contains(old), "{old} is not in {sound}");
        fs::write(bench.record(), sound.replacen(old, new, 1)).unwrap();
        let found = findings(context, &[], 1);
        assert!(found.iter().any(|finding| text(finding, "Kind") == "image"), "{new}: {found:?}");
        bench.others_work(new);
        check(context, &["--repair"]).ok();
        bench.is_sound(new);
        bench.is_as_the_model_says(new);
        assert_eq!(fs::read_to_string(bench.record()).unwrap(), sound, "{new}");
    }
}

/// The documents are blobs, and `index.json` has the names.
fn image_records_that_cannot_be_read(context: &Context) {
    let bench = Bench::new(context);
    context.rootlay(["tag", "damaged:1", "second:name"]).ok();
    for one in [Damage::Flip, Damage::Truncate, Damage::Directory, Damage::Symlink, Damage::Pipe, Damage::Endless] {
        damage(&bench.record(), one);
        let found = findings(context, &[], 1);
        assert!(found.iter().any(|finding| text(finding, "Name") == bench.written.image_id), "{one:?}: {found:?}");
        bench.others_work("beside an image that nobody can read");
        // Changes of other images do not forget the names.
        context.rootlay(["tag", "other:1", "other:2"]).ok();
        context.rootlay(["untag", "other:2"]).ok();
        context.rootlay(["system", "prune", "-af"]).ok();
        context.load(&Image::of([super::Layer::of(&[file("other", "other")])]).tag("other:1"));
        check(context, &["--repair"]).ok();
        bench.is_sound(&format!("{one:?}"));
        bench.is_as_the_model_says(&format!("{one:?}"));
        let names = context.rootlay(["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok();
        assert!(names.contains("damaged:1\n") && names.contains("second:name\n"), "{one:?}: {names}");
    }
    // Nothing is freed as long as nobody knows what it names, and without the manifest nobody can.
    damage(&bench.record(), Damage::Truncate);
    fs::remove_file(bench.blob(&bench.manifest())).unwrap();
    let found = findings(context, &["--repair"], 1);
    assert!(text(&found[0], "Result").contains("rootlay rmi "), "{found:?}");
    assert!(bench.layer(0).exists());
    context.rootlay(["rmi", &bench.written.image_id]).ok();
    check(context, &["--repair"]).ok();
    bench.is_sound("without the image");
}

fn what_a_recovered_image_names_is_checked_in_the_same_run(context: &Context) {
    let bench = Bench::new(context);
    damage(&bench.record(), Damage::Truncate);
    damage(&bench.layer(0).join("diff/d/f"), Damage::Flip);
    damage(&bench.layer(1), Damage::Remove);
    damage(&bench.correction().join("diff/e/x"), Damage::Remove);
    let found = findings(context, &["--deep", "--repair"], 0);
    for kind in ["image", "layer", "stack"] {
        assert!(found.iter().any(|finding| text(finding, "Kind") == kind), "{kind}: {found:?}");
    }
    bench.is_sound("after one repair");
    bench.is_as_the_model_says("after one repair");
}

/// What is left of the record tells it; or nobody knows, and that is said.
fn a_pin_of_a_recovered_image(context: &Context) {
    let bench = Bench::new(context);
    for (one, is_told) in [(Damage::Flip, "; pinned"), (Damage::Truncate, "nobody knows whether it was pinned")] {
        context.rootlay(["pin", "damaged:1"]).ok();
        damage(&bench.record(), one);
        let found = findings(context, &["--repair"], 0);
        assert!(text(&found[0], "Result").ends_with(is_told), "{one:?}: {found:?}");
        bench.is_sound("with its record again");
        if one == Damage::Flip {
            context.rootlay(["image", "prune", "-af"]).ok();
            bench.is_as_the_model_says("after `image prune`");
        }
    }
}

fn views_that_hold_nothing(context: &Context) {
    let bench = Bench::new(context);
    for one in [Damage::Flip, Damage::Truncate, Damage::Remove, Damage::Directory, Damage::Symlink, Damage::Pipe] {
        let merged = context.mount(["--name", "broken", "damaged:1"]);
        let record = context.root().join("views/broken/view.json");
        damage(&record, one);
        let found = findings(context, &[], 1);
        let named = found.iter().any(|finding| text(finding, "Path") == "views/broken/view.json");
        assert!(named && found.len() == 1, "{one:?}: {found:?}");
        bench.others_work("beside a broken view");
        // As long as it is mounted nobody touches it.
        let left = findings(context, &["--repair"], 1);
        assert!(left[0]["Result"].as_str().unwrap().contains("rootlay rm broken"), "{left:?}");
        assert!(merged.join("d/f").exists());
        nix::mount::umount(&merged).unwrap();
        // It holds nothing. Whoever comes first removes it, where it can be what a power cut leaves.
        let left = findings(context, &[], 0);
        assert!(left.iter().all(|finding| text(finding, "Severity") == "debris"), "{left:?}");
        check(context, &["--repair"]).ok();
        bench.is_sound("after a broken view");
        assert!(!context.root().join("views/broken").exists());
    }
}

fn views_that_hold_what_was_written(context: &Context) {
    let bench = Bench::new(context);
    let merged = context.mount(["-w", "--name", "mine", "damaged:1"]);
    fs::write(merged.join("precious"), "work of weeks").unwrap();
    context.umount(&merged);
    let view = context.root().join("views/mine");
    let record = fs::read(view.join("view.json")).unwrap();
    damage(&view.join("view.json"), Damage::Truncate);
    for _ in 0..2 {
        let found = findings(context, &["--repair"], 1);
        let result = text(&found[0], "Result");
        assert!(result.contains("views/mine/upper") && result.contains("rootlay rm mine"), "{result}");
        assert_eq!(fs::read(view.join("upper/precious")).unwrap(), b"work of weeks");
    }
    bench.others_work("beside a broken view");
    fs::write(view.join("view.json"), record).unwrap();
    bench.is_sound("with its record again");
    // What can be made anew.
    for part in ["work", "merged"] {
        fs::remove_dir_all(view.join(part)).unwrap();
        let found = findings(context, &[], 1);
        assert_eq!(text(&found[0], "Path"), format!("views/mine/{part}"));
        check(context, &["--repair"]).ok();
        bench.is_sound(part);
    }
    let merged = context.mount(["--name", "mine"]);
    assert_eq!(fs::read(merged.join("precious")).unwrap(), b"work of weeks");
    context.umount(&merged);
    // What cannot.
    fs::remove_dir_all(view.join("upper")).unwrap();
    let found = findings(context, &["--repair"], 1);
    assert!(text(&found[0], "Result").contains("rootlay rm mine"), "{found:?}");
    context.rootlay(["rm", "mine"]).ok();
    bench.is_sound("after `rm`");
}

fn unknown_files_are_named_and_stay(context: &Context) {
    let bench = Bench::new(context);
    let merged = context.mount(["--name", "v", "damaged:1"]);
    context.umount(&merged);
    context.mount(["-w", "--name", "w", "damaged:1"]);
    let layer = bench.layer(0).strip_prefix(context.root()).unwrap().display().to_string();
    let correction = bench.correction().strip_prefix(context.root()).unwrap().display().to_string();
    let files = [
        "notes".to_owned(),
        "blobs/notes".to_owned(),
        "blobs/sha256/notes".to_owned(),
        "layers/notes".to_owned(),
        "layers/sha256/notes".to_owned(),
        format!("{layer}/notes"),
        format!("{correction}/notes"),
        "corrections/sha256/notes".to_owned(),
        "used/sha256/notes".to_owned(),
        "partial/sha256/notes".to_owned(),
        "locks/notes".to_owned(),
        "views/w/notes".to_owned(),
    ];
    for name in &files {
        fs::write(context.root().join(name), "mine").unwrap();
    }
    for arguments in [&[][..], &["--deep", "--repair"]] {
        let found = findings(context, arguments, 0);
        let mut named: Vec<&str> = found.iter().map(|finding| text(finding, "Path")).collect();
        named.sort_unstable();
        let mut expected: Vec<&str> = files.iter().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(named, expected);
        assert!(found.iter().all(|finding| text(finding, "Severity") == "unknown"), "{found:?}");
    }
    for name in &files {
        assert_eq!(fs::read(context.root().join(name)).unwrap(), b"mine", "{name}");
    }
    bench.others_work("beside unknown files");
    bench.is_as_the_model_says("beside unknown files");
}

/// They keep what nobody needs from being freed, so they are more than unknown.
fn files_among_records_are_named_with_what_helps(context: &Context) {
    let bench = Bench::new(context);
    for name in ["images/sha256/notes", "views/notes"] {
        let path = context.root().join(name);
        fs::write(&path, "mine").unwrap();
        let found = findings(context, &["--repair"], 1);
        assert!(found.len() == 1 && text(&found[0], "Path").starts_with(name), "{found:?}");
        assert!(text(&found[0], "Result").contains("removed by hand"), "{found:?}");
        bench.others_work(name);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        fs::remove_file(&path).unwrap();
        bench.is_sound(name);
    }
}

/// A merged directory or a correction that an earlier boot made for a mount was never synced.
fn what_an_earlier_boot_made_may_be_torn(context: &Context) {
    let bench = Bench::new(context);
    let merged = context.mount(["--upto", "2", "damaged:1"]);
    context.umount(&merged);
    let part = overlay_tests::fixture::chain_id(&bench.written.diff_ids[..2]).replace(':', "/");
    let part = context.root().join("corrections").join(part);
    fs::write(part.join("commit.json"), r#"{"boot":"00000000-0000-4000-8000-000000000000"}"#).unwrap();
    damage(&part.join("diff/e/x"), Damage::Truncate);
    let found = findings(context, &["--deep"], 0);
    assert!(found.len() == 1 && text(&found[0], "Severity") == "debris", "{found:?}");
    check(context, &["--repair"]).ok();
    bench.is_sound("without it");
    assert!(!part.exists());
}

fn debris_is_no_damage_and_goes(context: &Context) {
    let bench = Bench::new(context);
    let root = context.root();
    let hex = "0123456789abcdef".repeat(4);
    let debris = [
        format!("blobs/sha256/{hex}"),
        format!("partial/sha256/{hex}"),
        format!("used/sha256/{hex}"),
        format!("locks/layer-{hex}"),
    ];
    for name in &debris {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), "").unwrap();
    }
    for folder in ["layers", "corrections", "merged"] {
        fs::create_dir_all(root.join(folder).join("sha256").join(&hex).join("diff")).unwrap();
    }
    let found = findings(context, &["--deep"], 0);
    assert!(found.iter().all(|finding| text(finding, "Severity") == "debris"), "{found:?}");
    let named = |name: &str| found.iter().any(|finding| text(finding, "Path") == name);
    assert!(debris.iter().all(|name| named(name)), "{found:?}");
    assert!(["layers", "corrections", "merged"].iter().all(|folder| named(&format!("{folder}/sha256/{hex}"))));
    check(context, &["--repair"]).ok();
    bench.is_sound("after a repair");
    assert!(debris.iter().all(|name| !root.join(name).exists()));
    // Directories where files were.
    for name in debris.iter().filter(|name| !name.starts_with("locks/")) {
        fs::create_dir(root.join(name)).unwrap();
        assert!(findings(context, &[], 0).iter().any(|finding| text(finding, "Path") == name), "{name}");
        check(context, &["--repair"]).ok();
        bench.is_sound(name);
    }
}

fn debris_that_cannot_be_removed_is_not_said_to_be(context: &Context) {
    let bench = Bench::new(context);
    let staging = context.root().join("staging");
    for name in ["1-dead-0", "2-dead-0", "3-dead-0"] {
        fs::create_dir(staging.join(name)).unwrap();
    }
    // What is mounted there keeps a directory from being removed.
    let held = staging.join("2-dead-0/held");
    fs::create_dir(&held).unwrap();
    nix::mount::mount(Some("tmpfs"), &held, Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
    let found = findings(context, &["--repair"], 0);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((text(&found[0], "Path"), text(&found[0], "Status")), ("staging/2-dead-0", "left"), "{found:?}");
    assert!(text(&found[0], "Result").contains("EBUSY"), "{found:?}");
    assert!(held.exists() && !staging.join("1-dead-0").exists() && !staging.join("3-dead-0").exists());
    nix::mount::umount(&held).unwrap();
    bench.is_sound("unmounted");
}

fn a_file_that_nobody_can_repair_is_named_with_what_helps(context: &Context) {
    let bench = Bench::new(context);
    fs::remove_dir_all(&bench.layout).unwrap();
    // Neither the layer nor its blob is anywhere.
    damage(&bench.layer(0).join("diff/d/f"), Damage::Flip);
    damage(&bench.blob(&bench.written.layers[0]), Damage::Flip);
    let found = findings(context, &["--deep", "--repair"], 1);
    assert_eq!(found.len(), 2, "{found:?}");
    let of = |kind: &str| found.iter().find(|finding| text(finding, "Kind") == kind).unwrap();
    assert_eq!((text(of("layer"), "Status"), text(of("blob"), "Status")), ("left", "left"));
    let result = text(of("layer"), "Result");
    assert!(result.contains("rootlay rmi --force damaged:1"), "{result}");
    bench.others_work("beside what nobody can repair");
    // What the line says helps.
    context.rootlay(["rmi", "--force", "damaged:1"]).ok();
    check(context, &["--repair"]).ok();
    context.load(&Image::of(super::stack()).tag("damaged:1"));
    bench.is_sound("loaded again");
    bench.is_as_the_model_says("loaded again");
}

fn output_and_exit_codes(context: &Context) {
    let bench = Bench::new(context);
    let output = check(context, &[]).exits(0);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("2 images, 4 layers, 8 blobs, 0 views: nothing is wrong"), "{}", output.stderr);
    let quiet = check(context, &["-q"]).exits(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let target = bench.layer(0).join("diff/d/f");
    damage(&target, Damage::Mode);
    let name = target.strip_prefix(context.root()).unwrap().display().to_string();
    let quiet = check(context, &["--quiet"]).exits(1);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), (format!("{name}\n").as_str(), ""));
    let table = check(context, &[]).exits(1);
    let lines: Vec<&str> = table.stdout.lines().collect();
    let short = &bench.written.diff_ids[0][7..19];
    assert_eq!(lines.len(), 2, "{}", table.stdout);
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["WHAT", "ID", "FILE", "PROBLEM"]);
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
        format!("layer {short} diff/d/f mode: expected 4755, got 4754")
    );
    assert!(table.stderr.contains("1 wrong"), "{}", table.stderr);
    let templated = check(context, &["--format", "{{.Kind}} {{.Severity}} {{.Path}}"]).exits(1);
    assert_eq!(templated.stdout, format!("layer wrong {name}\n"));
    let _ = check(context, &["--format", "{{.Foo}}"]).exits(1);
    let _ = check(context, &["--no-such-flag"]).exits(125);
    let repaired = check(context, &["--repair"]).exits(0);
    assert!(repaired.stdout.contains("unpacked again from its blob"), "{}", repaired.stdout);
    assert!(repaired.stderr.contains("1 repaired"), "{}", repaired.stderr);
    // A record that nobody can read names its image by the file.
    let one = context.load(&Image::of([vec![file("x", "")]]).tag("third:1")).image_id;
    let record = context.root().join("images").join(format!("{}.json", one.replace(':', "/")));
    damage(&record, Damage::Truncate);
    let found = findings(context, &[], 1);
    assert_eq!(text(&found[0], "Name"), one);
}
