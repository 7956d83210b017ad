//! Views: read-only and writable mounts, where they are, and how they end.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};

use super::writable::{SHOWN, load, shows};

pub fn cases() -> Vec<Case> {
    cases![
        two_views_are_independent;
        default_directory;
        targets;
        targets_that_are_refused;
        names_of_views;
        listing_of_views;
        umount_of_everything;
        umount_by_every_name;
        umount_by_other_means;
        flags_of_mounts;
        mounts_of_parts_of_a_stack;
        no_process_stays
    ]
}

fn two_views_are_independent(context: &Context) {
    let id = load(context);
    let (one, two) = (context.mount([&id]), context.mount([&id]));
    assert_ne!(one, two);
    shows(&one, &SHOWN);
    context.umount(&one);
    shows(&two, &SHOWN);
    assert!(!one.exists() || fs::read_dir(&one).unwrap().next().is_none());
    let (w1, w2) = (context.mount(["-w", &id]), context.mount(["-w", &id]));
    fs::write(w1.join("f"), "written").unwrap();
    assert_eq!(fs::read(w2.join("f")).unwrap(), b"two");
    assert_eq!(fs::read(two.join("f")).unwrap(), b"two");
    for view in [w1, w2, two] {
        context.umount(&view);
    }
}

fn default_directory(context: &Context) {
    let id = load(context);
    let merged = context.mount(["--name", "mine", &id]);
    assert_eq!(merged, context.root().join("views/mine/merged"));
    context.rootlay(["umount", "mine"]).ok();
    // A view of an inspection leaves no name behind.
    let merged = context.mount(["--name", "mine", &id]);
    shows(&merged, &SHOWN);
}

fn targets(context: &Context) {
    let id = load(context);
    let target = context.fresh_dir("target");
    fs::write(target.join("below"), "kept").unwrap();
    let merged = context.mount(["--target", target.to_str().unwrap(), &id]);
    assert_eq!(merged, target);
    shows(&target, &SHOWN);
    context.rootlay(["umount", target.to_str().unwrap()]).ok();
    shows(&target, &["below"]);
    assert_eq!(fs::read(target.join("below")).unwrap(), b"kept");
    // Relative, and with odd characters.
    let odd = context.fresh_dir("a b\\,:\n\u{e4}");
    let name = Path::new(".").join(odd.file_name().unwrap());
    for _ in 0..2 {
        let mut command = context.command(["mount", "--target"]);
        let output = context.output(command.arg(&name).arg(&id).current_dir(context.dir())).exits(0);
        assert!(output.stdout.starts_with('/'), "{}", output.stdout);
        shows(&odd, &SHOWN);
        let mut command = context.command(["umount"]);
        context.output(command.arg(&name).current_dir(context.dir())).ok();
        shows(&odd, &[]);
    }
    // Through a symlink, to the directory itself.
    let link = context.fresh("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    context.rootlay(["mount", "--target", link.to_str().unwrap(), &id]).ok();
    shows(&target, &SHOWN);
    context.rootlay(["umount", link.to_str().unwrap()]).ok();
    shows(&target, &["below"]);
}

fn targets_that_are_refused(context: &Context) {
    let id = load(context);
    let missing = context.fresh("missing");
    let output = context.rootlay(["mount", "--target", missing.to_str().unwrap(), &id]).exits(1);
    assert!(output.one_line().contains("missing"), "{}", output.stderr);
    let plain = context.fresh("plain");
    fs::write(&plain, "").unwrap();
    let _ = context.rootlay(["mount", "--target", plain.to_str().unwrap(), &id]).exits(1);
    let target = context.fresh_dir("target");
    let target = target.to_str().unwrap();
    context.mount(["--target", target, &id]);
    context.rootlay(["mount", "--target", target, &id]).exits(2).one_line();
    context.rootlay(["umount", target]).ok();
    shows(target.as_ref(), &[]);
    // A view there would hide what unmounting it needs.
    let root = context.root();
    for target in [&root, root.parent().unwrap(), Path::new("/"), Path::new("/proc")] {
        let output = context.rootlay(["mount".as_ref(), "--target".as_ref(), target.as_os_str(), id.as_ref()]).exits(1);
        assert!(output.one_line().contains("would hide"), "{}", output.stderr);
    }
    let _ = context.rootlay(["mount", "--pull", "never", "absent"]).exits(1);
    let _ = context.rootlay(["mount", &"0".repeat(64)]).exits(1);
    assert!(context.rootlay(["mounts", "--format", "json"]).ok().is_empty());
}

fn names_of_views(context: &Context) {
    let id = load(context);
    context.mount(["--name", "v", &id]);
    let output = context.rootlay(["mount", "--name", "v", &id]);
    assert!(matches!(output.code, 1 | 2), "{output:?}");
    for name in ["..", ".", "", "a/b", "../x", "a\nb", "/"] {
        let output = context.rootlay(["mount", "--name", name, &id]);
        assert!(matches!(output.code, 1 | 125), "{output:?}");
    }
    let _ = context.rootlay(["umount", "absent"]).exits(1);
    let _ = context.rootlay(["mount", "--name", "absent"]).exits(1);
    context.rootlay(["umount", "v"]).ok();
}

fn listing_of_views(context: &Context) {
    let id = load(context);
    let target = context.fresh_dir("target");
    context.mount(["--name", "reader", "--target", target.to_str().unwrap(), &id]);
    context.mount(["-w", "--name", "writer", &id]);
    for command in [vec!["mounts"], vec!["mount"]] {
        let table = context.rootlay(command).ok();
        assert!(table.starts_with("NAME"), "{table}");
        let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(row("reader").contains(target.to_str().unwrap()), "{table}");
        assert!(row("reader").contains(&id[7..19]) && row("writer").contains(&id[7..19]), "{table}");
    }
    let json = context.rootlay(["mounts", "--format", "json"]).ok();
    let rows: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    context.rootlay(["umount", "reader"]).ok();
    assert_eq!(context.rootlay(["mounts", "--format", "json"]).ok().lines().count(), 1);
    context.rootlay(["umount", "writer"]).ok();
    // It is saved, and says so.
    assert!(context.rootlay(["mounts"]).ok().contains("writer"));
}

fn umount_of_everything(context: &Context) {
    let id = load(context);
    let target = context.fresh_dir("target");
    context.mount([&id]);
    context.mount(["-w", "--name", "w", &id]);
    context.mount(["--target", target.to_str().unwrap(), &id]);
    context.rootlay(["umount", "-a"]).ok();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("rootlay:"), "{mounts}");
    context.rootlay(["umount", "-a"]).ok();
    shows(&target, &[]);
}

fn umount_by_every_name(context: &Context) {
    let id = load(context);
    context.mount(["--name", "a", &id]);
    assert_eq!(context.rootlay(["umount", "a"]).ok(), "a\n");
    context.mount(["--name", "a", &id]);
    let merged = context.mount(["--name", "b", &id]);
    // All views of the image.
    let stdout = context.rootlay(["unmount", &id]).ok();
    assert_eq!(stdout.lines().collect::<std::collections::BTreeSet<_>>(), ["a", "b"].into());
    assert!(!merged.join("f").exists());
    // One of several is wrong: the others are done all the same.
    context.mount(["--name", "a", &id]);
    let output = context.rootlay(["umount", "absent", "a"]);
    assert_ne!(output.code, 0);
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("rootlay:a"));
    let _ = context.rootlay(["umount", "/proc"]).exits(1);
    let here = context.fresh_dir("here");
    let line = format!("cd {} && rootlay mount --name a --target . {id} && rootlay umount .", here.display());
    assert_eq!(context.shell(&line).ok(), format!("{}\na\n", here.display()));
}

/// Someone used `umount(8)`.
fn umount_by_other_means(context: &Context) {
    let id = load(context);
    let plain = |path: &Path| nix::mount::umount(path).unwrap();
    let reader = context.mount(["--name", "r", &id]);
    let writer = context.mount(["-w", "--name", "w", &id]);
    fs::write(writer.join("f"), "written").unwrap();
    plain(&reader);
    plain(&writer);
    assert!(!context.rootlay(["mounts"]).ok().contains("r "), "a view that is gone is listed as mounted");
    context.rootlay(["umount", "-a"]).ok();
    context.mount(["--name", "w"]);
    assert_eq!(fs::read(writer.join("f")).unwrap(), b"written");
    plain(&writer);
    context.rootlay(["rm", "w"]).ok();
    context.rootlay(["rmi", &id]).ok();
}

fn flags_of_mounts(context: &Context) {
    let id = load(context);
    let options = |arguments: &[&str]| {
        let merged = context.mount([arguments, &[&id]].concat());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = mounts.lines().find(|line| line.contains(" - overlay ")).unwrap().to_owned();
        context.umount(&merged);
        line.split(' ').nth(5).unwrap().split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    let has = |options: Vec<String>| ["ro", "nosuid", "nodev"].map(|flag| options.iter().any(|option| option == flag));
    assert_eq!(has(options(&[])), [true, true, true]);
    assert_eq!(has(options(&["--suid"])), [true, false, true]);
    assert_eq!(has(options(&["--suid", "--dev"])), [true, false, false]);
    assert_eq!(has(options(&["-w"])), [false, false, true]);
    assert_eq!(has(options(&["-w", "--nosuid"])), [false, true, true]);
    assert_eq!(has(options(&["-w", "--dev"])), [false, false, false]);
}

fn mounts_of_parts_of_a_stack(context: &Context) {
    let id = load(context);
    let base = ["d/", "d/old", "f", "gone/", "gone/x"];
    for (upto, shown) in [("1", &base[..]), ("2", &base[..3]), ("3", &SHOWN)] {
        let merged = context.mount(["--upto", upto, &id]);
        shows(&merged, shown);
        context.umount(&merged);
    }
    for upto in ["0", "4", "x", "-1"] {
        assert_ne!(context.rootlay(["mount", "--upto", upto, &id]).code, 0, "{upto}");
    }
}

/// No daemon: in the PID namespace of a case every process is of the case.
fn no_process_stays(context: &Context) {
    let processes = || {
        fs::read_dir("/proc")
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().parse::<u32>().is_ok())
    };
    let before = processes().count();
    let id = load(context);
    let merged = context.mount(["-w", &id]);
    assert_eq!(processes().count(), before);
    assert_ne!(fs::metadata(&merged).unwrap().dev(), fs::metadata(context.root()).unwrap().dev());
    context.umount(&merged);
}
