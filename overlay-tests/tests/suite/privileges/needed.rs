//! What commands cannot do without: with exactly that they do their whole work, and without one of it nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Layer};
use overlay_tests::harness::{Case, Context, Need, Output, StoreListing};
use overlay_tests::oracle::apply_stack;
use overlay_tests::registry::{Bed, Proxy, Registry};
use overlay_tests::tree::{Nlink, differences, read_tree};

use super::{DAC_OVERRIDE, FOWNER, MOUNT, SYS_ADMIN, UNPACK, confined, debris, layers, load, name, only, write};

pub fn cases() -> Vec<Case> {
    cases![
        load_with_what_it_needs => Need::Tool("setpriv");
        import_with_what_it_needs => Need::Tool("setpriv");
        pull_with_what_it_needs => Need::Tool("setpriv");
        mount_and_umount_with_what_they_need => Need::Tool("setpriv");
        removal_with_what_it_needs => Need::Tool("setpriv");
        reading_needs_nothing => Need::Tool("setpriv");
        asking_needs_nothing => Need::Tool("setpriv");
        printing_needs_nothing => Need::Tool("setpriv");
        debris_waits_for_who_may_remove_it => Need::Tool("setpriv");
        every_missing_capability_is_named_before_anything_changes => Need::Tool("setpriv")
    ]
}

fn run(context: &Context, capabilities: &[u32], arguments: &[&str]) -> Output {
    context.output(&mut confined(context, &only(capabilities), arguments))
}

/// The view of the loaded image is what the model says.
#[track_caller]
fn assert_whole(context: &Context) {
    let expected = apply_stack(&layers()).unwrap();
    let id = context.rootlay(["images", "-q", "--no-trunc"]).ok();
    let lines = differences(&expected, &context.tree_of_loaded(id.trim()), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

fn load_with_what_it_needs(context: &Context) {
    run(context, &UNPACK, &["load", &write(context)]).ok();
    assert_whole(context);
}

fn import_with_what_it_needs(context: &Context) {
    let [base, _] = layers();
    let tar = context.fresh("tar");
    fs::write(&tar, Layer::of(&base).tar()).unwrap();
    let id = run(context, &UNPACK, &["import", tar.to_str().unwrap()]).ok();
    let lines = differences(&apply_stack(&[base]).unwrap(), &context.tree_of_loaded(id.trim()), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

fn with_image(context: &Context) -> (Bed<'_>, Registry, Proxy) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&Image::of(layers()), "app:1");
    (bed, registry, proxy)
}

fn pull_with_what_it_needs(context: &Context) {
    let (bed, _registry, proxy) = with_image(context);
    let mut command = confined(context, &only(&UNPACK), &["pull", &proxy.name("app:1")]);
    context.output(command.env("HOME", bed.home())).ok();
    assert_whole(context);
}

fn mount_and_umount_with_what_they_need(context: &Context) {
    let id = load(context);
    let stdout = run(context, &MOUNT, &["mount", "--name", "v", &id]).ok();
    let expected = apply_stack(&layers()).unwrap();
    let lines = differences(&expected, &read_tree(stdout.trim().as_ref()).unwrap(), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    run(context, &[SYS_ADMIN], &["umount", "v"]).ok();
    run(context, &MOUNT, &["mount", "-w", "--name", "w", &id]).ok();
    run(context, &[SYS_ADMIN], &["umount", "w"]).ok();
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("rootlay:"));
    run(context, &MOUNT, &["mount", "--name", "w"]).ok();
}

/// A saved view in which others have left what only they may remove.
fn saved_view(context: &Context, id: &str) {
    let merged = context.mount(["-w", "--name", "w", id]);
    let shut = merged.join("new/shut");
    fs::create_dir_all(&shut).unwrap();
    for path in [shut.join("f"), merged.join("sticky/new")] {
        fs::write(&path, "x").unwrap();
        chown(&path, Some(4000), None).unwrap();
    }
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    chown(&shut, Some(4001), None).unwrap();
    context.umount(&merged);
}

fn removal_with_what_it_needs(context: &Context) {
    let needs = [DAC_OVERRIDE, FOWNER];
    let id = load(context);
    saved_view(context, &id);
    run(context, &[DAC_OVERRIDE], &["system", "df", "-v"]).ok();
    run(context, &needs, &["rm", "w"]).ok();
    run(context, &needs, &["rmi", "-f", &id]).ok();
    for prune in [&["image", "prune", "-a", "-f"][..], &["system", "prune", "-a", "-f"]] {
        load(context);
        run(context, &needs, prune).ok();
    }
    let left = StoreListing::read(&context.root());
    assert!(left.layers().is_empty() && debris(&context.root()).is_empty(), "{}", left.paths());
    assert!(!context.root().join("views/w").exists());
}

/// The cells of a table but those that change while one looks.
fn without_ages(table: &str) -> Vec<Vec<&str>> {
    let lasts = |cell: &&str| !cell.is_empty() && !cell.ends_with(" ago");
    table.lines().map(|line| line.split("  ").map(str::trim).filter(lasts).collect()).collect()
}

fn reading_needs_nothing(context: &Context) {
    let id = load(context);
    saved_view(context, &id);
    let archive = context.fresh("archive");
    let archive = archive.to_str().unwrap();
    for arguments in [
        &["images", "--tree"][..],
        &["inspect", &id, "w"],
        &["history", &id],
        &["image", "tree", &id],
        &["image", "exists", &id],
        &["mounts"],
        &["mount"],
        &["tag", &id, "more:1"],
        &["untag", &id],
        &["pin", &id],
        &["unpin", &id],
        &["info"],
        &["save", "-o", archive, &id],
    ] {
        let all = context.rootlay(arguments);
        let few = run(context, &[], arguments);
        if arguments[0] == "info" {
            // It tells what it may not try as missing.
            few.ok();
            continue;
        }
        if matches!(arguments[0], "tag" | "untag" | "pin" | "unpin" | "save") {
            few.ok();
            continue;
        }
        let [few, all] = [few.ok(), all.ok()];
        if matches!(arguments[0], "mounts" | "mount") {
            assert_eq!(without_ages(&few), without_ages(&all), "{arguments:?}");
            continue;
        }
        assert_eq!(few, all, "{arguments:?}");
    }
    // What was saved is the image.
    context.rootlay(["rm", "w"]).ok();
    context.rootlay(["rmi", "-f", &id]).ok();
    context.rootlay(["load", "-i", archive]).ok();
    assert_whole(context);
}

fn asking_needs_nothing(context: &Context) {
    let (bed, _registry, proxy) = with_image(context);
    let (name, repository, term) = (proxy.name("app:1"), proxy.name("app"), proxy.name("ap"));
    for arguments in [
        &["tags", &repository][..],
        &["digest", &name],
        &["manifest", "inspect", &name],
        &["search", &term],
        &["pull", "--dry-run", &name],
        &["login", "-u", "x", "-p", "y", "127.0.0.1:5001"],
        &["logout", "127.0.0.1:5001"],
    ] {
        let mut command = confined(context, "-all", arguments);
        context.output(command.env("HOME", bed.home())).ok();
    }
    bed.load(&Image::of(layers()));
    let id = bed.rootlay(["images", "-q"]).ok();
    let mut command = confined(context, "-all", &["push", id.trim(), &proxy.name("pushed:1")]);
    context.output(command.env("HOME", bed.home())).ok();
}

fn printing_needs_nothing(context: &Context) {
    for arguments in [&["version"][..], &["--help"], &["completion", "bash"], &["man"]] {
        let all = context.rootlay(arguments).ok();
        assert_eq!(run(context, &[], arguments).ok(), all, "{arguments:?}");
    }
    assert!(!context.root().exists());
}

/// Who may not remove what a dead process left leaves it alone, and does its own work.
fn debris_waits_for_who_may_remove_it(context: &Context) {
    load(context);
    let dead = context.root().join("staging/1-0-0");
    fs::create_dir_all(dead.join("tree/shut")).unwrap();
    fs::write(dead.join("lease"), "").unwrap();
    fs::write(dead.join("tree/shut/f"), "").unwrap();
    chown(dead.join("tree/shut"), Some(1000), None).unwrap();
    fs::set_permissions(dead.join("tree/shut"), fs::Permissions::from_mode(0o500)).unwrap();
    run(context, &[], &["images"]).ok();
    assert!(dead.join("tree/shut/f").exists());
    context.rootlay(["images"]).ok();
    assert!(debris(&context.root()).is_empty());
}

fn every_missing_capability_is_named_before_anything_changes(context: &Context) {
    let (bed, _registry, proxy) = with_image(context);
    let source = write(context);
    let image = proxy.name("app:1");
    let unpacking = [&["load", &source][..], &["import", "/no/such/file"], &["pull", &image], &["mount", &image]];
    // Nothing changes: not even the state root is made.
    for arguments in unpacking {
        let needs: &[u32] = if arguments[0] == "mount" { &MOUNT } else { &UNPACK };
        refuses(&bed, arguments, needs);
        assert!(!context.root().exists(), "{arguments:?}");
    }
    assert!(proxy.records().is_empty(), "{:?}", proxy.records());
    let id = load(context);
    saved_view(context, &id);
    let view = context.mount(["--name", "v", &id]);
    let removing = [DAC_OVERRIDE, FOWNER];
    let before = StoreListing::read(&context.root());
    for (arguments, needs) in [
        (&["load", &source][..], &UNPACK[..]),
        (&["pull", &image], &UNPACK),
        (&["mount", &id], &MOUNT),
        (&["mount", "--name", "w"], &MOUNT),
        (&["umount", "v"], &[SYS_ADMIN]),
        (&["umount", "-a"], &[SYS_ADMIN]),
        (&["rm", "w"], &removing),
        (&["rmi", "-f", &id], &removing),
        (&["rmi", "--dry-run", &id], &removing),
        (&["image", "prune", "-a", "-f"], &removing),
        (&["system", "prune", "-a", "-f"], &removing),
        (&["system", "df"], &[DAC_OVERRIDE]),
    ] {
        refuses(&bed, arguments, needs);
        before.assert_unchanged(&context.root());
    }
    assert!(view.join("setuid").exists());
}

#[track_caller]
fn refuses(bed: &Bed<'_>, arguments: &[&str], needs: &[u32]) {
    for &one in needs {
        let mut command = confined(bed.context(), &format!("-{}", name(one)), arguments);
        let output = bed.output(command.env("HOME", bed.home())).exits(4);
        let expected = format!("Error: missing capability: CAP_{}", name(one).to_uppercase());
        assert_eq!(output.one_line(), expected, "{arguments:?}");
        assert_eq!(output.stdout, "");
    }
    let mut command = confined(bed.context(), "-all", arguments);
    let output = bed.output(command.env("HOME", bed.home())).exits(4);
    let missing = |one: &&u32| output.one_line().contains(&format!("CAP_{}", name(**one).to_uppercase()));
    assert_eq!(needs.iter().filter(missing).count(), needs.len(), "{}", output.stderr);
}
