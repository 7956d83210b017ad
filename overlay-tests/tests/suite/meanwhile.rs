//! What others do while a command works on a view.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::Stdio;

use nix::errno::Errno;
use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};
use overlay_tests::trace::{Step, trace};
use rustix::fs::{FlockOperation, flock};

use super::writable::{SHOWN, load, shows};

pub fn cases() -> Vec<Case> {
    cases![
        a_view_that_took_the_place_of_another_one_stays;
        views_that_are_mounted_at_once_have_names_of_their_own;
        nobody_waits_for_the_disk_while_a_view_gets_its_name
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
    let stem = places.first().unwrap().rsplit_once("-").unwrap().0;
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
