//! Rows 41 to 46: entries that replace others.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, dir, fifo, file, hardlink, symlink, whiteout};
use overlay_tests::harness::{Case, Context};

pub fn cases() -> Vec<Case> {
    cases![
        row_041_file_over_a_directory;
        row_042_directory_over_a_file;
        row_043_types_that_alternate;
        row_045_duplicate_files;
        row_046_entry_below_a_file
    ]
}

fn row_041_file_over_a_directory(context: &Context) {
    for top in [file("d", "new"), fifo("d")] {
        context
            .row(&[vec![dir("d", 0o755), file("d/x", ""), dir("d/e", 0o755), top.clone()]])
            .also_nested()
            .shows(&["d"]);
        context.row(&[vec![dir("d", 0o755), file("d/x", "")], vec![top]]).also_nested().shows(&["d"]);
    }
}

fn row_042_directory_over_a_file(context: &Context) {
    let canary = context.fresh_dir("canary");
    let target = canary.to_str().unwrap();
    for below in [symlink("s", target), symlink("s", "etc"), file("s", "x"), fifo("s")] {
        let layer = vec![dir("etc", 0o755), below, dir("s", 0o711), file("s/x", "")];
        context.row(&[layer]).also_nested().shows(&["etc/", "s/", "s/x"]);
    }
    // CVE-2026-33056: a directory spelled `foo/.` changes the mode of what the symlink points to.
    context.row(&[vec![symlink("s", target), dir("s/.", 0o777), file("s/./x", "")]]).shows(&["s/", "s/x"]);
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

fn row_043_types_that_alternate(context: &Context) {
    let directory = |name: &str| vec![dir("foo", 0o755), file(format!("foo/{name}"), "")];
    let plain = || vec![file("foo", "file")];
    context.row(&[directory("1"), plain(), directory("3")]).also_nested().shows(&["foo/", "foo/3"]);
    context.row(&[plain(), directory("2"), plain()]).also_nested().shows(&["foo"]);
    context.row(&[directory("1"), plain(), directory("3"), plain(), directory("5")]).shows(&["foo/", "foo/5"]);
    context.row(&[directory("1"), vec![whiteout("foo")], directory("3")]).also_nested().shows(&["foo/", "foo/3"]);
    context.row(&[directory("1"), vec![symlink("foo", "x")], directory("3")]).also_nested().shows(&["foo/", "foo/3"]);
}

fn row_045_duplicate_files(context: &Context) {
    context.row(&[vec![file("f", "1"), file("f", "22")]]).also_nested().shows(&["f"]);
    let layer = vec![file("f", "1"), hardlink("h", "f"), file("f", "22").mode(0o600)];
    context.row(std::slice::from_ref(&layer)).also_nested().shows(&["f", "h"]);
    let id = context.load(&Image::of([layer])).image_id;
    let merged = context.mount([&id]);
    assert_eq!(fs::read(merged.join("h")).unwrap(), b"1");
    assert_eq!(fs::read(merged.join("f")).unwrap(), b"22");
    context.umount(&merged);
}

fn row_046_entry_below_a_file(context: &Context) {
    for way in [file("f", ""), fifo("f")] {
        context.row(&[vec![way.clone(), file("f/x", "")]]).also_nested().refused("f/x");
        context.row(&[vec![way.clone(), dir("f/x/y", 0o755)]]).refused("f/x/y");
        context.row(&[vec![way], vec![file("f/x", "")]]).also_nested().shows(&["f/", "f/x"]);
    }
    context.row(&[vec![file("f", ""), symlink("s", "f"), file("s/x", "")]]).refused("s/x");
    // A hard link below the very file that it names.
    context.row(&[vec![file("f", ""), hardlink("f/x", "f")]]).also_nested().refused("f/x");
    context.row(&[vec![file("f", ""), hardlink("f/d/x", "f")]]).also_nested().refused("f/d/x");
}
