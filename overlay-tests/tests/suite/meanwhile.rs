//! What others do while a command works, and what an earlier boot left.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;

use nix::errno::Errno;
use overlay_tests::cases;
use overlay_tests::fixture::{Layer, dir, file};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::oracle::apply_stack;
use overlay_tests::trace::{Step, trace};
use overlay_tests::tree::{Nlink, differences};
use rustix::fs::{FlockOperation, flock};

use super::writable::{SHOWN, load, shows};

pub fn cases() -> Vec<Case> {
    cases![
        a_view_that_took_the_place_of_another_one_stays;
        views_that_are_mounted_at_once_have_names_of_their_own;
        nobody_waits_for_the_disk_while_a_view_gets_its_name;
        an_image_that_is_removed_during_its_mount_leaves_nothing;
        an_import_does_not_trust_what_an_earlier_boot_left
    ]
}

/// `umount` tries again where only commands of ours look at the view. Meanwhile another one may be mounted in its place, and
/// get the same numbers from the kernel.
fn a_view_that_took_the_place_of_another_one_stays(context: &Context) {
    let id = load(context);
    let target = context.fresh_dir("target");
    let place = target.to_str().unwrap();
    context.mount(["--name", "first", "--target", place, &id]);
    let mut is_replaced = false;
    let run = trace(&context.command(["umount", "first"]), &context.root(), &mut |_, call| {
        if is_replaced || call.name != "umount2" {
            return Step::Go;
        }
        context.run("umount", &[place]).ok();
        context.mount(["--name", "second", "--target", place, &id]);
        is_replaced = true;
        Step::Fail(Errno::EBUSY)
    });
    assert!(is_replaced, "{:?}", run.calls);
    let output = run.output.exits(1);
    assert!(output.one_line().contains("not mounted"), "{}", output.stderr);
    shows(&target, &SHOWN);
    context.rootlay(["umount", "second"]).ok();
}

fn views_that_are_mounted_at_once_have_names_of_their_own(context: &Context) {
    let id = load(context);
    let arguments = [&["mount", &id][..], &["mount", "-w", &id]];
    let started = (0..12).map(|turn| context.command(arguments[turn % 2]).stdout(Stdio::piped()).spawn().unwrap());
    let started: Vec<_> = started.collect();
    let outputs: Vec<_> = started.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    assert!(outputs.iter().all(|output| output.status.success()), "{outputs:?}");
    let places: BTreeSet<String> =
        outputs.into_iter().map(|output| String::from_utf8(output.stdout).unwrap()).collect();
    let stem = places.first().unwrap().rsplit_once('-').unwrap().0;
    // The first free ones, without a gap.
    let expected = (1..=12).map(|number| format!("{stem}-{number}/merged\n"));
    assert_eq!(places, expected.collect());
    context.rootlay(["umount", "-a"]).ok();
}

/// Whoever changes records, or leases something, waits for the store lock: it is not held during a sync.
fn nobody_waits_for_the_disk_while_a_view_gets_its_name(context: &Context) {
    let id = load(context);
    for _ in 0..3 {
        context.mount([&id]);
    }
    let lock = File::open(context.root().join("locks/store")).unwrap();
    let (mut free, mut held) = (0, Vec::new());
    let run = trace(&context.command(["mount", "-w", &id]), &context.root(), &mut |_, call| {
        if call.name.contains("sync") {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => free += 1,
                Err(_) => held.push(call.to_string()),
            }
            flock(&lock, FlockOperation::Unlock).unwrap();
        }
        Step::Go
    });
    run.output.ok();
    assert!(held.is_empty() && free > 0, "{free} without the lock, with it: {held:?}");
    context.rootlay(["umount", "-a"]).ok();
}

/// Its lease kept the layers from going with the image; nothing else would ever take them away but a system prune.
fn an_image_that_is_removed_during_its_mount_leaves_nothing(context: &Context) {
    for access in [&[][..], &["-w"]] {
        let id = load(context);
        let mut is_removed = false;
        let mount = context.command([&["mount"][..], access, &[id.as_str()]].concat());
        let run = trace(&mount, &context.root(), &mut |_, call| {
            if !is_removed && call.name.starts_with("mkdir") && call.path.contains("/view-") {
                context.rootlay(["rmi", &id]).ok();
                is_removed = true;
            }
            Step::Go
        });
        assert!(is_removed, "{:?}", run.calls);
        let output = run.output.exits(1);
        assert!(output.one_line().contains("it was removed meanwhile"), "{}", output.stderr);
        let left = StoreListing::read(&context.root());
        assert_eq!((left.layers(), left.blobs()), (vec![], vec![]), "{}", left.paths());
        for folder in ["corrections/sha256", "staging", "views"] {
            assert!(left.children(folder).is_empty(), "{}", left.paths());
        }
    }
}

/// The directory of the only layer.
fn layer(context: &Context) -> PathBuf {
    let mut layers = fs::read_dir(context.root().join("layers/sha256")).unwrap();
    let layer = layers.next().unwrap().unwrap().path();
    assert!(layers.next().is_none());
    layer
}

/// A power cut leaves a layer that no record names yet with its name, but perhaps without its content. The diff ID of a tar
/// that is imported is known only when it is unpacked.
fn an_import_does_not_trust_what_an_earlier_boot_left(context: &Context) {
    let entries = vec![dir("d", 0o755), file("d/f", "content")];
    let tar = context.fresh("tar");
    fs::write(&tar, Layer::of(&entries).tar()).unwrap();
    let import = || context.rootlay(["import", tar.to_str().unwrap()]).ok().trim().to_owned();
    let id = import();
    let (place, aside) = (layer(context), context.fresh("aside"));
    let copy = |from: &PathBuf, to: &PathBuf| {
        context.run("cp", &["-a", from.to_str().unwrap(), to.to_str().unwrap()]).ok();
    };
    copy(&place, &aside);
    context.rootlay(["rmi", &id]).ok();
    copy(&aside, &place);
    fs::write(place.join("diff/d/f"), "").unwrap();
    fs::write(place.join("commit.json"), "{\"boot\": \"an earlier one\"}\n").unwrap();
    let id = import();
    let lines = differences(&apply_stack(&[entries]).unwrap(), &context.tree_of_loaded(&id), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
