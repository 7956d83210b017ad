//! Rows 6 to 8 and 23 to 25: opaque marks.

use overlay_tests::cases;
use overlay_tests::fixture::{dir, file, opaque, whiteout};
use overlay_tests::harness::{Case, Context};

use super::old_foo;

pub fn cases() -> Vec<Case> {
    cases![
        row_006_opaque_after_children;
        row_007_opaque_root;
        row_007_opaque_root_in_the_middle;
        row_008_whiteout_inside_an_opaque_directory;
        row_023_marks_twice;
        row_024_opaque_below_a_file;
        row_025_opaque_in_a_missing_directory
    ]
}

/// The example of the image-spec.
fn row_006_opaque_after_children(context: &Context) {
    let base = vec![dir("a", 0o755), dir("a/b", 0o755), dir("a/b/c", 0o700), file("a/b/c/bar", "bar")];
    let explicit = vec![dir("a", 0o755), dir("a/b", 0o755), dir("a/b/c", 0o755), file("a/b/c/foo", "foo"), opaque("a")];
    let shown = ["a/", "a/b/", "a/b/c/", "a/b/c/foo"];
    context.row(&[base.clone(), explicit]).in_both_orders().also_nested().shows(&shown);
    // The directories below the mark are implied, and so they are fresh.
    context.row(&[base, vec![opaque("a"), file("a/b/c/foo", "foo")]]).in_any_order().also_nested().shows(&shown);
}

fn row_007_opaque_root(context: &Context) {
    context.row(&[old_foo(), vec![opaque(""), file("new", "")]]).in_any_order().shows(&["new"]);
    context.row(&[old_foo(), vec![opaque(""), file("foo/new", "")]]).in_any_order().shows(&["foo/", "foo/new"]);
    context.row(&[old_foo(), vec![opaque("")]]).shows(&[]);
    let spelled = vec![file("./.wh..wh..opq", ""), file("new", "")];
    context.row(&[old_foo(), spelled]).in_any_order().shows(&["new"]);
}

fn row_007_opaque_root_in_the_middle(context: &Context) {
    let middle = vec![opaque(""), dir("foo", 0o711), file("foo/mid", "")];
    let layers = [old_foo(), middle, vec![file("foo/top", ""), file("top", "")]];
    context.row(&layers).shows(&["foo/", "foo/mid", "foo/top", "top"]);
}

fn row_008_whiteout_inside_an_opaque_directory(context: &Context) {
    let top = vec![opaque("foo"), whiteout("foo/old"), whiteout("foo/sub/x"), file("foo/new", "")];
    context.row(&[old_foo(), top]).in_both_orders().also_nested().shows(&["foo/", "foo/new", "other"]);
    // A directory of the same layer stands between the mark and the whiteout: still below the mark.
    let top = vec![opaque("foo"), dir("foo/sub", 0o755), whiteout("foo/sub/x")];
    context.row(&[old_foo(), top]).in_any_order().also_nested().shows(&["foo/", "foo/sub/", "other"]);
}

fn row_023_marks_twice(context: &Context) {
    let top = vec![opaque("foo"), opaque("foo"), file("foo/new", "")];
    context.row(&[old_foo(), top]).in_any_order().shows(&["foo/", "foo/new", "other"]);
    let top = vec![whiteout("foo"), whiteout("foo"), opaque("foo"), file("foo/new", "")];
    context.row(&[old_foo(), top]).in_both_orders().also_nested().shows(&["foo/", "foo/new", "other"]);
}

fn row_024_opaque_below_a_file(context: &Context) {
    context.row(&[old_foo(), vec![file("f", ""), opaque("f")]]).also_nested().refused("f/.wh..wh..opq");
    // Over a lower file the mark makes a directory.
    context.row(&[vec![file("f", "")], vec![opaque("f")]]).also_nested().shows(&["f/"]);
}

fn row_025_opaque_in_a_missing_directory(context: &Context) {
    context.row(&[vec![file("f", "")], vec![opaque("a/b/c")]]).also_nested().shows(&["a/", "a/b/", "a/b/c/", "f"]);
    let top = vec![opaque("a/b"), file("a/b/c/x", "")];
    context.row(&[vec![file("f", "")], top]).in_any_order().shows(&["a/", "a/b/", "a/b/c/", "a/b/c/x", "f"]);
}
