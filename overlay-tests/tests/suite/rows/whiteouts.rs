//! Rows 1 to 5 and 9 to 12: whiteouts, and what the same layer puts in their place.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, block, dir, file, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::{names, read_tree};

use super::old_foo;

pub fn cases() -> Vec<Case> {
    cases![
        row_001_whiteout_then_directory;
        row_003_whiteout_and_a_non_directory;
        row_004_whiteout_and_an_implied_directory;
        row_005_whiteout_below_a_whiteout;
        row_009_whiteout_without_a_counterpart;
        row_009_directory_is_removable => Need::WritableViews;
        row_010_whiteout_below_missing_directories;
        row_011_whiteout_through_a_symlink_of_the_layer;
        row_012_whiteout_through_a_lower_symlink
    ]
}

/// Rows 1 and 2: the directory is new, in whatever order.
fn row_001_whiteout_then_directory(context: &Context) {
    let top = vec![whiteout("foo"), dir("foo", 0o755), file("foo/new", "new")];
    context.row(&[old_foo(), top]).in_any_order().also_nested().shows(&["foo/", "foo/new", "other"]);
}

fn row_003_whiteout_and_a_non_directory(context: &Context) {
    let base = vec![file("f", "old")];
    for (top, shown) in [(file("f", "new"), "f"), (symlink("f", "x"), "f -> x"), (block("f", 7, 0), "f")] {
        let row = context.row(&[base.clone(), vec![whiteout("f"), top]]);
        row.in_any_order().also_nested().shows(&[shown]);
    }
    // The lower thing is a directory.
    context.row(&[old_foo(), vec![whiteout("foo"), file("foo", "")]]).in_any_order().shows(&["foo", "other"]);
}

fn row_004_whiteout_and_an_implied_directory(context: &Context) {
    let top = vec![whiteout("foo"), file("foo/bar", "")];
    context.row(&[old_foo(), top]).in_any_order().also_nested().shows(&["foo/", "foo/bar", "other"]);
    let top = vec![whiteout("foo"), file("foo/sub/y", "")];
    context.row(&[old_foo(), top]).in_any_order().shows(&["foo/", "foo/sub/", "foo/sub/y", "other"]);
}

fn row_005_whiteout_below_a_whiteout(context: &Context) {
    let top = vec![whiteout("foo"), whiteout("foo/old"), whiteout("foo/sub/x")];
    context.row(&[old_foo(), top]).in_any_order().also_nested().shows(&["other"]);
}

fn row_009_whiteout_without_a_counterpart(context: &Context) {
    context.row(&[vec![dir("d", 0o755), file("d/f", ""), whiteout("d/g")]]).in_any_order().shows(&["d/", "d/f"]);
    context.row(&[vec![whiteout("g"), file("f", "")]]).in_any_order().shows(&["f"]);
    let top = vec![dir("new", 0o755), whiteout("new/y"), file("new/f", "")];
    context.row(&[old_foo(), top.clone()]).in_any_order().also_nested().shows(&[
        "foo/",
        "foo/old",
        "foo/sub/",
        "foo/sub/x",
        "new/",
        "new/f",
        "other",
    ]);
    // With a layer above that touches the same directory, and one that does not.
    context.row(&[top.clone(), vec![file("new/g", "")]]).shows(&["new/", "new/f", "new/g"]);
    context.row(&[top, vec![file("z", "")]]).shows(&["new/", "new/f", "z"]);
}

/// What a phantom whiteout breaks first: `rm -rf` and creating the name again.
fn row_009_directory_is_removable(context: &Context) {
    let id = context.load(&Image::of([vec![dir("d", 0o755), file("d/f", ""), whiteout("d/g")]])).image_id;
    let merged = context.mount(["-w", &id]);
    assert_eq!(names(&read_tree(&merged).unwrap()), ["d/", "d/f"]);
    fs::write(merged.join("d/g"), "again").unwrap();
    assert_eq!(fs::read(merged.join("d/g")).unwrap(), b"again");
    fs::remove_dir_all(merged.join("d")).unwrap();
    fs::create_dir(merged.join("d")).unwrap();
    assert_eq!(names(&read_tree(&merged).unwrap()), ["d/"]);
    context.umount(&merged);
}

fn row_010_whiteout_below_missing_directories(context: &Context) {
    context.row(&[vec![whiteout("x/y/z"), file("f", "")]]).in_any_order().shows(&["f"]);
    context.row(&[vec![file("f", "")], vec![whiteout("x/y/z")]]).shows(&["f"]);
    // The directories appear where something else is in them.
    let top = vec![whiteout("x/y/z"), file("x/y/w", "")];
    context.row(&[vec![file("f", "")], top]).in_any_order().shows(&["f", "x/", "x/y/", "x/y/w"]);
    // A lower file is not replaced by a directory that would only hold a whiteout.
    context.row(&[vec![file("f", "")], vec![whiteout("f/x")]]).shows(&["f"]);
}

fn row_011_whiteout_through_a_symlink_of_the_layer(context: &Context) {
    let base = vec![dir("d", 0o755), file("d/f", ""), file("d/g", "")];
    for target in ["d", "/d", "./x/../d", "../../d"] {
        let link = format!("ln -> {target}");
        let mut expected = vec!["d/", "d/g", link.as_str()];
        let mut layers = vec![base.clone(), vec![symlink("ln", target), whiteout("ln/f")]];
        if target.contains('x') {
            layers[0].push(dir("x", 0o755));
            expected.push("x/");
        }
        context.row(&layers).in_any_order().shows(&expected);
    }
    context.row(&[base, vec![symlink("ln", "d"), opaque("ln")]]).in_any_order().shows(&["d/", "ln -> d"]);
}

fn row_012_whiteout_through_a_lower_symlink(context: &Context) {
    let libs =
        vec![dir("usr", 0o755), dir("usr/lib", 0o755), file("usr/lib/libc.so", "c"), file("usr/lib/libm.so", "m")];
    for target in ["usr/lib", "/usr/lib"] {
        let base: Vec<Entry> = libs.iter().cloned().chain([symlink("lib", target)]).collect();
        let link = format!("lib -> {target}");
        let row = context.row(&[base.clone(), vec![whiteout("lib/libc.so")]]);
        row.also_nested().shows(&[&link, "usr/", "usr/lib/", "usr/lib/libm.so"]);
        let row = context.row(&[base.clone(), vec![opaque("lib"), file("lib/new", "")]]);
        row.in_any_order().also_nested().shows(&[&link, "usr/", "usr/lib/", "usr/lib/new"]);
        // With the symlink in one layer and the directory in another.
        let row = context.row(&[libs.clone(), vec![symlink("lib", target)], vec![whiteout("lib/libc.so")]]);
        row.shows(&[&link, "usr/", "usr/lib/", "usr/lib/libm.so"]);
    }
}
