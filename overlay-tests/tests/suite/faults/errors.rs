//! Full and failing: each system call that changes the disk fails once.

use std::collections::BTreeSet;
use std::fs;

use nix::errno::Errno;
use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context, Need, Output, StoreListing};
use overlay_tests::oracle::apply_stack;
use overlay_tests::registry::Bed;
use overlay_tests::trace::{Call, Step, exhaustive, select, trace};
use overlay_tests::tree::{Nlink, differences};

use super::ground::{Ground, image};
use super::scenarios::{Scenario, Tries};

pub fn cases() -> Vec<Case> {
    let all = cases![
        errors_in_load;
        errors_in_the_first_load;
        errors_in_pull => Need::Tool("docker-registry"), Need::Tool("skopeo");
        errors_in_mount;
        errors_in_mount_of_a_writable_view;
        errors_in_mount_of_a_saved_view;
        errors_in_umount;
        errors_in_umount_of_a_writable_view;
        errors_in_rm;
        errors_in_rmi;
        errors_in_prune;
        errors_in_tag
    ];
    let mut all: Vec<Case> = all.into_iter().map(|case| case.minutes(30)).collect();
    all.push(Case::new(module_path!(), "hints_may_fail", hints_may_fail).on("ext4"));
    all
}

/// What may go wrong with any call. `EINTR` has rules of its own.
const ERRORS: [Errno; 7] =
    [Errno::ENOSPC, Errno::EIO, Errno::EDQUOT, Errno::EROFS, Errno::EMFILE, Errno::ENOMEM, Errno::ENFILE];

/// Of calls of one kind so many between the first and the last.
const MORE: usize = 0;

/// Calls whose failure is no failure of the command, and why. They succeed, and what comes of it is right.
const IGNORED: [(&str, &str); 9] = [
    ("fallocate(", "room that is set aside makes writing faster, no more"),
    ("sync_file_range(", "writing back early makes the syncfs at the end faster, which also tells of errors"),
    ("close(", "what a write-back did not manage, syncfs and fsync tell"),
    ("ioctl(", "content that cannot be shared is copied"),
    ("(used/", "a time of use that is lost makes an image look older"),
    ("unlinkat(staging/", "what cannot be removed of it is removed by the next command"),
    ("unlinkat(locks/layer", "the file of a lock that nobody holds is used again"),
    ("renameat(index.json", "it repeats the records, which have changed; the next command writes it again"),
    ("fsconfig(rootlay", "a question to the kernel, which any error answers"),
];

/// Calls that come from several places, some of which ignore their failure. Those who do succeed.
const EITHER: [(&str, &str); 4] = [
    ("(locks/store", "debris is no reason to fail: the next command removes it"),
    ("(locks/sync", "whoever needs an era tries again to begin one"),
    ("(locks/next-era", "the same"),
    ("(locks/era", "the same"),
];

/// What a line has to name: one of the things that there are.
const OBJECTS: [&str; 13] = [
    "state root",
    "store lock",
    "layer ",
    "record",
    "blob",
    "view",
    "staging director",
    "lease",
    "stack sha256:",
    "correction sha256:",
    "partial download",
    "images/",
    "rootlay:",
];

/// What a call that fails makes of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fails,
    Succeeds,
    Either,
}

fn outcome(calls: &[Call], stop: usize, call: &Call, error: Errno) -> Outcome {
    let kind = call.kind();
    let in_list = |list: &[(&str, &str)]| list.iter().any(|(what, _)| kind.contains(what));
    if error == Errno::EINTR || in_list(&IGNORED) || is_of_the_index(calls, stop) {
        return Outcome::Succeeds;
    }
    if in_list(&EITHER) { Outcome::Either } else { Outcome::Fails }
}

/// Whether the call writes the draft of `index.json`, or makes its name durable.
fn is_of_the_index(calls: &[Call], stop: usize) -> bool {
    let is_rename = |call: &&Call| call.name.starts_with("rename");
    let is_index = |call: Option<&Call>| call.is_some_and(|call| call.path == "index.json");
    if calls[stop].kind().contains("(staging/*/record") {
        return is_index(calls[stop..].iter().find(is_rename));
    }
    calls[stop].kind() == "fsync()" && is_index(calls[..stop].iter().rev().find(is_rename))
}

/// Whether the image is recorded already: from there on the change is seen, whatever fails.
fn is_recorded(calls: &[Call], stop: usize) -> bool {
    calls[..stop].iter().any(|call| call.name.starts_with("rename") && call.path.starts_with("images/sha256/"))
}

fn fail_everywhere(scenario: &Scenario<'_>) {
    fail_except(scenario, &[]);
}

/// Leaves out what is of the same kind as these calls.
fn fail_except(scenario: &Scenario<'_>, known: &[Call]) {
    let calls = scenario.calls();
    assert!(calls.len() > 10, "{calls:?}");
    let is_new = |call: &Call| !is_lock(call) && !known.iter().any(|known| known.kind() == call.kind());
    let chosen: Vec<usize> = select(&calls, MORE).into_iter().filter(|stop| is_new(&calls[*stop])).collect();
    println!("{} calls, {} stops", calls.len(), chosen.len());
    let mut tries = Tries::default();
    let mut known = BTreeSet::new();
    for (turn, stop) in chosen.into_iter().enumerate() {
        let mut errors = if exhaustive() { ERRORS.to_vec() } else { vec![ERRORS[turn % ERRORS.len()]] };
        if exhaustive() || known.insert(calls[stop].kind()) {
            errors.push(Errno::EINTR);
        }
        if calls[stop].name == "umount2" {
            // It takes no room.
            errors.retain(|error| !matches!(error, Errno::ENOSPC | Errno::EDQUOT));
        }
        for error in errors {
            tries.attempt(|| fail_at(scenario, &calls, stop, error));
        }
    }
    tries.end();
}

#[track_caller]
fn fail_at(scenario: &Scenario<'_>, calls: &[Call], stop: usize, error: Errno) {
    let ground = scenario.ground;
    scenario.prepare();
    let before = StoreListing::read(&ground.context.root());
    let mut at = None;
    let failed = scenario.run_prepared(&mut |number, call| {
        if number != stop || is_lock(call) {
            return Step::Go;
        }
        at = Some(call.clone());
        Step::Fail(error)
    });
    let Some(call) = at else {
        // Pieces that come over a network are not the same in each run.
        assert_ne!(failed.calls.len(), calls.len(), "the run ended before");
        failed.output.ok();
        return;
    };
    println!("{error:?} of call {stop}, {call}: {} {}", failed.output.code, failed.output.stderr);
    assert!(!failed.output.stderr.contains("panicked"));
    let expected = if call.kind() == calls[stop].kind() { outcome(calls, stop, &call, error) } else { Outcome::Either };
    match (failed.output.code, expected) {
        (0, Outcome::Succeeds | Outcome::Either) => {
            scenario.assert_sound();
            assert_eq!(ground.listed(), scenario.ends.iter().cloned().collect());
        }
        (_, Outcome::Fails | Outcome::Either) => {
            assert_told(&failed.output.exits(1), error);
            // Of this run: over a network the calls do not come in the same order each time.
            if scenario.is_whole && !is_recorded(&failed.calls, stop) {
                // Nothing happened, as far as the next command can tell.
                assert_eq!(ground.listed(), scenario.stays.iter().cloned().collect());
                before.assert_unchanged(&ground.context.root());
                assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" rootlay:"), "a mount is left");
            }
            scenario.assert_sound();
        }
        (_, Outcome::Succeeds) => {
            failed.output.ok();
        }
    }
    scenario.assert_again();
}

/// One clear line, which names the object.
#[track_caller]
fn assert_told(output: &Output, error: Errno) {
    let line = output.one_line();
    assert!(OBJECTS.iter().any(|object| line.contains(object)), "no object is named: {line}");
    if matches!(error, Errno::ENOSPC | Errno::EDQUOT) {
        assert!(line.contains("no space left"), "{line}");
    }
    // As strace writes it, or as the C library does.
    let words = [format!("{error:?}"), std::io::Error::from(error).to_string()].map(|words| words.to_lowercase());
    let told = line.to_lowercase();
    assert!(words.iter().any(|words| told.contains(words)), "none of {words:?} is in: {line}");
}

/// Closing gives the lock back in any case, which a call that does not take place does not do.
fn is_lock(call: &Call) -> bool {
    let holds = |path: &str| path.starts_with("locks/") || path.starts_with("partial/") || path.ends_with("/lease");
    call.name == "close" && holds(&call.path)
}

/// Room that is set aside, and write-back that is begun early: only large files have them, and only some file systems.
fn hints_may_fail(context: &Context) {
    let noise: Vec<u8> =
        (0..20_u32 << 20).step_by(4).flat_map(|number| number.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
    let layers = vec![vec![file("large", noise)]];
    let layout = context.fresh("layout");
    Image::of(layers.clone()).write_oci(&layout);
    let source = format!("oci:{}", layout.display());
    let mut command = context.command(["load", "--name", "large", &source]);
    command.env("ROOTLAY_THREADS", "1");
    let root = context.root();
    let is_hint = |call: &Call| ["fallocate", "sync_file_range"].contains(&call.name);
    for error in [Errno::ENOSPC, Errno::EOPNOTSUPP, Errno::EINTR] {
        let traced = trace(&command, &root, &mut |_, call| if is_hint(call) { Step::Fail(error) } else { Step::Go });
        let hints: BTreeSet<&str> = traced.calls.iter().filter(|call| is_hint(call)).map(|call| call.name).collect();
        traced.output.ok();
        assert_eq!(hints.into_iter().collect::<Vec<_>>(), ["fallocate", "sync_file_range"]);
        let tree = context.tree_of_loaded("large");
        let lines = differences(&apply_stack(&layers).unwrap(), &tree, Nlink::Compare);
        assert!(lines.is_empty(), "{}", lines.join("\n"));
        context.rootlay(["rmi", "large"]).ok();
    }
}

fn errors_in_load(context: &Context) {
    fail_everywhere(&Scenario::load(&Ground::new(context)));
}

fn errors_in_the_first_load(context: &Context) {
    let ground = Ground::new(context);
    let nothing = ground.nothing();
    let known = if exhaustive() { vec![] } else { Scenario::load(&ground).calls() };
    fail_except(&Scenario::first_load(&ground, &nothing), &known);
}

fn errors_in_pull(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    registry.publish(&image(), "image:1");
    let ground = Ground::new(context);
    fail_everywhere(&Scenario::pull(&ground, bed.command(["pull", "--jobs", "1", &registry.name("image:1")])));
}

fn errors_in_mount(context: &Context) {
    fail_everywhere(&Scenario::mount(&Ground::new(context)));
}

fn errors_in_mount_of_a_writable_view(context: &Context) {
    fail_everywhere(&Scenario::mount_writable(&Ground::new(context)));
}

fn errors_in_mount_of_a_saved_view(context: &Context) {
    fail_everywhere(&Scenario::remount(&Ground::new(context)));
}

fn errors_in_umount(context: &Context) {
    fail_everywhere(&Scenario::umount(&Ground::new(context)));
}

fn errors_in_umount_of_a_writable_view(context: &Context) {
    fail_everywhere(&Scenario::umount_writable(&Ground::new(context)));
}

fn errors_in_rm(context: &Context) {
    fail_everywhere(&Scenario::rm(&Ground::new(context)));
}

fn errors_in_rmi(context: &Context) {
    fail_everywhere(&Scenario::rmi(&Ground::new(context)));
}

fn errors_in_prune(context: &Context) {
    fail_everywhere(&Scenario::prune(&Ground::new(context)));
}

fn errors_in_tag(context: &Context) {
    fail_everywhere(&Scenario::tag(&Ground::new(context)));
}
