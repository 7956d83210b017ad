//! Rows 33 to 36: the root entry, and `..` in names.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, Kind, dir, fifo, file, hardlink, opaque, root, special, symlink};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::read_tree;

use super::node;

pub fn cases() -> Vec<Case> {
    cases![
        row_033_root_entry;
        row_033_root_in_a_writable_view => Need::WritableViews;
        row_034_root_spellings;
        row_034_empty_name;
        row_035_root_that_is_not_a_directory;
        row_036_dot_dot_in_names;
        row_036_escaping_names
    ]
}

fn row_033_root_entry(context: &Context) {
    let base = || vec![root(0o711).uid(5).gid(6).mtime(123, 456_000_000).xattr("user.r", "1"), file("f", "")];
    for layers in [vec![base()], vec![base(), vec![file("g", "")]], vec![base(), vec![opaque(""), file("g", "")]]] {
        let tree = context.tree_of(&Image::of(layers));
        let root = node(&tree, "/");
        assert_eq!((root.mode, root.uid, root.gid, root.mtime), (0o711, 5, 6, (123, 456_000_000)));
        assert_eq!(root.xattrs[b"user.r".as_slice()], b"1");
    }
    // The nearest layer that has one; none of the xattrs of the others.
    context.row(&[base(), vec![root(0o755)], vec![file("h", "")]]).shows(&["f", "h"]);
    // No layer has one: 0755 0:0, mtime 0.
    let tree = context.tree_of(&Image::of([vec![file("f", "")]]));
    let root = node(&tree, "/");
    assert_eq!((root.mode, root.uid, root.gid, root.mtime), (0o755, 0, 0, (0, 0)));
}

/// The upper directory is the one that the kernel shows.
fn row_033_root_in_a_writable_view(context: &Context) {
    let id =
        context.load(&Image::of([vec![root(0o711).uid(5).mtime(123, 0).xattr("user.r", "1"), file("f", "")]])).image_id;
    let merged = context.mount(["-w", &id]);
    let tree = read_tree(&merged).unwrap();
    let root = node(&tree, "/");
    assert_eq!((root.mode, root.uid, root.mtime, root.xattrs.len()), (0o711, 5, (123, 0), 1));
    context.umount(&merged);
}

fn row_034_root_spellings(context: &Context) {
    for name in [".", "./", "/", "//", "./.", "././"] {
        context.row(&[vec![dir(name, 0o711).uid(5).mtime(9, 0), file("f", "")]]).in_any_order().shows(&["f"]);
    }
}

fn row_034_empty_name(context: &Context) {
    for entry in [file("", "x"), symlink("", "x"), special("", b'0', "")] {
        context.row(&[vec![file("f", ""), entry]]).refused("");
    }
}

fn row_035_root_that_is_not_a_directory(context: &Context) {
    let canary = context.fresh_dir("canary");
    let target = canary.to_str().unwrap();
    for name in [".", "/", "./", "./."] {
        let entries = [symlink(name, target), file(name, ""), hardlink(name, "f"), fifo(name)];
        // A file whose name ends with a slash is a directory (row 84).
        let is_dir = |entry: &Entry| name.ends_with('/') && matches!(entry.kind, Kind::File(_));
        for entry in entries.into_iter().filter(|entry| !is_dir(entry)) {
            context.row(&[vec![file("f", "")], vec![entry, file("pwned", "")]]).refused("");
        }
    }
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

fn row_036_dot_dot_in_names(context: &Context) {
    context.row(&[vec![dir("a", 0o700), file("a/../b", "")]]).shows(&["a/", "b"]);
    context.row(&[vec![file("x/y/../../c/./d", "")]]).shows(&["c/", "c/d"]);
    context.row(&[vec![file("f", "old")], vec![file("q/../.wh.f", "")]]).shows(&[]);
}

fn row_036_escaping_names(context: &Context) {
    for name in ["../x", "/../x", "a/../../x", "a/b/../../../x", "..", "../../etc/passwd"] {
        context.row(&[vec![file("f", ""), file(name, "pwned")]]).refused(name);
        context.row(&[vec![file("f", ""), dir(name, 0o777)]]).refused(name);
    }
    assert!(!context.dir().join("x").exists());
    context.row(&[vec![file("f", ""), hardlink("h", "../../f")]]).refused("h");
}
