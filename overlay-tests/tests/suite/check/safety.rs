//! What a repair must not do, and what must not disturb it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};
use overlay_tests::oracle::apply_stack;
use overlay_tests::random::Rng;
use overlay_tests::trace::{Call, Step, trace};
use overlay_tests::tree::{Nlink, differences, read_tree};

use super::damage::{Damage, damage};
use super::{Bench, check, findings, stack, text};

pub fn cases() -> Vec<Case> {
    cases![
        what_a_mounted_view_shows_stays;
        a_saved_view_is_mounted_again_over_repaired_layers;
        a_load_leaves_what_a_view_shows;
        a_repair_that_is_killed;
        a_record_that_comes_back_meanwhile_stays;
        nothing_is_computed_by_damaged_records;
        what_keeps_a_check_from_comparing_is_no_damage;
        an_interrupted_check
    ]
}

/// An overlay holds the directories of its layers: what replaces them it would not see, and what is removed it would
/// lack.
fn what_a_mounted_view_shows_stays(context: &Context) {
    let bench = Bench::new(context);
    for arguments in [&["--name", "v", "damaged:1"][..], &["-w", "--name", "v", "damaged:1"]] {
        let merged = context.mount(arguments);
        let before = read_tree(&merged).unwrap();
        damage(&bench.layer(2).join("diff/d/last"), Damage::Owner);
        let left = findings(context, &["--repair"], 1);
        let result = text(&left[0], "Result");
        assert!(result.contains("the view v") && result.contains("rootlay umount v"), "{result}");
        let shown: Vec<_> = read_tree(&merged).unwrap().into_keys().collect();
        assert_eq!(shown, before.into_keys().collect::<Vec<_>>());
        bench.others_work("beside a mounted view");
        // What the line says helps.
        context.rootlay(["umount", "v"]).ok();
        check(context, &["--repair"]).ok();
        bench.is_sound("after it was unmounted");
        bench.is_as_the_model_says("after it was unmounted");
    }
}

fn a_saved_view_is_mounted_again_over_repaired_layers(context: &Context) {
    let bench = Bench::new(context);
    let merged = context.mount(["-w", "--name", "w", "damaged:1"]);
    fs::write(merged.join("d/f"), "written").unwrap();
    fs::remove_file(merged.join("h")).unwrap();
    let before = read_tree(&merged).unwrap();
    context.umount(&merged);
    damage(&bench.layer(0).join("diff/d/g"), Damage::Flip);
    damage(&bench.correction().join("diff/e/x"), Damage::Remove);
    check(context, &["--deep", "--repair"]).ok();
    bench.is_sound("repaired");
    let merged = context.mount(["--name", "w"]);
    let lines = differences(&before, &read_tree(&merged).unwrap(), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// What an earlier boot made, and only a read-only view of this boot names since the record of its image is lost.
fn a_load_leaves_what_a_view_shows(context: &Context) {
    let bench = Bench::new(context);
    for dir in [bench.layer(0), bench.layer(1), bench.layer(2), bench.correction()] {
        fs::write(dir.join("commit.json"), r#"{"boot":"00000000-0000-4000-8000-000000000000"}"#).unwrap();
    }
    let merged = context.mount(["--name", "v", "damaged:1"]);
    let before = read_tree(&merged).unwrap();
    fs::remove_file(bench.record()).unwrap();
    check(context, &["--repair"]).ok();
    bench.is_sound("without the image");
    context.rootlay(["load", &format!("oci:{}", bench.layout.display())]).ok();
    let lines = differences(&before, &read_tree(&merged).unwrap(), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    bench.is_sound("with the image again");
}

/// Killed at any moment, the store is as damaged as it was, or repaired.
fn a_repair_that_is_killed(context: &Context) {
    let bench = Bench::new(context);
    let mut rng = Rng::new(5);
    for round in 0..12 {
        damage(&bench.layer(0).join("diff/d/f"), Damage::Flip);
        damage(&bench.blob(&bench.written.image_id), Damage::Flip);
        damage(&bench.correction().join("diff/e/x"), Damage::Flip);
        let mut command = context.command(["system", "check", "--deep", "--repair"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(rng.below(80) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        bench.others_work(&format!("round {round}"));
        check(context, &["--deep", "--repair"]).ok();
        bench.is_sound(&format!("round {round}"));
    }
    let lines =
        differences(&apply_stack(&stack()).unwrap(), &context.tree_of_loaded(&bench.written.image_id), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Somebody loads the image again, say, between the look at the record and the repair.
fn a_record_that_comes_back_meanwhile_stays(context: &Context) {
    let bench = Bench::new(context);
    let sound = fs::read(bench.record()).unwrap();
    damage(&bench.record(), Damage::Truncate);
    let (mut begun, mut back) = (false, false);
    let mut decide = |_: usize, call: &Call| {
        begun |= call.name == "mkdirat" && call.path.contains("/scratch-");
        // The next one who opens the store lock decides what becomes of the record.
        if begun && !back && call.path == "locks/store" {
            fs::write(bench.record(), &sound).unwrap();
            back = true;
        }
        Step::Go
    };
    let traced = trace(&context.command(["system", "check", "--repair"]), &context.root(), &mut decide);
    assert!(back, "{:?}", traced.calls);
    assert_eq!(traced.output.code, 0, "{}", traced.output.stderr);
    assert_eq!(fs::read(bench.record()).unwrap(), sound, "the record that came back was replaced");
    bench.is_sound("with the record that came back");
}

/// What would be computed might be wrong too, and nobody would find that later.
fn nothing_is_computed_by_damaged_records(context: &Context) {
    let bench = Bench::new(context);
    let record = bench.layer(0).join("layer.json");
    let text_of_record = fs::read_to_string(&record).unwrap();
    // The mode of `e`, which the correction layer has too.
    let wrong = text_of_record.replacen("[\"d\",\"e\",493,", "[\"d\",\"e\",448,", 1);
    assert_ne!(wrong, text_of_record);
    fs::write(&record, wrong).unwrap();
    fs::remove_dir_all(&bench.layout).unwrap();
    damage(&bench.blob(&bench.written.layers[0]), Damage::Remove);
    let lost = bench.correction().join("diff/e/x");
    damage(&lost, Damage::Remove);
    let found = findings(context, &["--repair"], 1);
    let stack: Vec<_> = found.iter().filter(|finding| text(finding, "Kind") == "stack").collect();
    assert!(!stack.is_empty(), "{found:?}");
    for finding in stack {
        assert!(text(finding, "Result").contains("has to be repaired first"), "{finding}");
    }
    assert!(!lost.exists(), "the correction layer was computed by a record that is damaged");
}

/// The check makes files to compare with. If it cannot, the layer is as good or bad as before, and nothing is replaced.
fn what_keeps_a_check_from_comparing_is_no_damage(context: &Context) {
    let bench = Bench::new(context);
    damage(&bench.layer(0).join("diff/d/f"), Damage::Time);
    let inode = || fs::metadata(bench.layer(0)).unwrap().ino();
    let before = inode();
    let traced = |arguments: &[&str], call: &str, errno: Errno| {
        let mut decide = |_: usize, made: &Call| {
            let fails = made.name == call && made.path.contains("/probe-");
            if fails { Step::Fail(errno) } else { Step::Go }
        };
        let traced = trace(&context.command(arguments), &context.root(), &mut decide);
        assert!(traced.hit, "{call}: {:?}", traced.calls);
        traced.output
    };
    for arguments in [&["system", "check"][..], &["system", "check", "--repair"]] {
        let output = traced(arguments, "openat", Errno::EPERM).exits(4);
        assert_eq!(output.stdout, "");
        assert!(output.one_line().contains("EPERM"), "{}", output.stderr);
        assert_eq!(inode(), before, "the layer was replaced");
    }
    // On a full disk what is known of file systems has to do: none of them makes such a time.
    let output = traced(&["system", "check"], "mkdirat", Errno::ENOSPC).exits(1);
    assert!(output.stdout.contains("diff/d/f"), "{}", output.stdout);
    assert_eq!(findings(context, &[], 1).len(), 1);
    check(context, &["--repair"]).ok();
    bench.is_sound("compared");
}

fn an_interrupted_check(context: &Context) {
    let bench = Bench::new(context);
    let mut command = context.command(["system", "check", "--deep"]);
    // A pipe in the place of a blob must not be waited for either.
    let blob = bench.blob(&bench.written.layers[0]);
    fs::remove_file(&blob).unwrap();
    nix::unistd::mkfifo(&blob, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    // It may have been killed before it could catch the signal, or have ended before that.
    let code = output.status.code();
    assert!(matches!(code, None | Some(1 | 130)), "{code:?} {}", String::from_utf8_lossy(&output.stderr));
    check(context, &["--deep", "--repair"]).ok();
    bench.is_sound("afterwards");
}
