//! The model against results written by hand.

use super::*;
use crate::fixture::{block, dir, file, hardlink, opaque, root, symlink, whiteout};
use crate::tree::names;

fn shows(layers: &[Vec<Entry>]) -> Vec<String> {
    names(&apply_stack(layers).unwrap())
}

fn refused(layers: &[Vec<Entry>]) -> bool {
    matches!(apply_stack(layers), Err(Stop::Refused(_)))
}

fn open(layers: &[Vec<Entry>]) -> bool {
    matches!(apply_stack(layers), Err(Stop::Open(_)))
}

/// The example of `layer.md`, "Opaque Whiteout": both forms delete `b/c` but keep what the layer brings.
#[test]
fn the_example_of_the_image_spec() {
    let base = vec![dir("a", 0o755), dir("a/b", 0o755), dir("a/b/c", 0o755), file("a/b/c/bar", "")];
    let one = vec![dir("a", 0o755), opaque("a"), dir("a/b", 0o755), dir("a/b/c", 0o755), file("a/b/c/foo", "")];
    let two = vec![dir("a", 0o755), dir("a/b", 0o755), dir("a/b/c", 0o755), file("a/b/c/foo", ""), opaque("a")];
    let expected = ["a/", "a/b/", "a/b/c/", "a/b/c/foo"];
    assert_eq!(shows(&[base.clone(), one]), expected);
    assert_eq!(shows(&[base, two]), expected);
}

#[test]
fn whiteouts_touch_only_lower_layers() {
    let base = vec![dir("foo", 0o700), file("foo/old", "")];
    assert_eq!(
        shows(&[base.clone(), vec![whiteout("foo"), dir("foo", 0o755), file("foo/new", "")]]),
        ["foo/", "foo/new"]
    );
    assert_eq!(
        shows(&[base.clone(), vec![dir("foo", 0o755), file("foo/new", ""), whiteout("foo")]]),
        ["foo/", "foo/new"]
    );
    assert_eq!(shows(&[base.clone(), vec![whiteout("foo"), whiteout("foo/old")]]), [""; 0]);
    assert_eq!(shows(&[base, vec![opaque(""), file("new", "")]]), ["new"]);
    assert_eq!(shows(&[vec![whiteout("x/y/z"), file("f", "")]]), ["f"]);
}

#[test]
fn implied_directories_keep_lower_metadata() {
    let base = vec![dir("tmp", 0o1777).uid(5).mtime(7, 8)];
    let tree = apply_stack(&[base.clone(), vec![file("tmp/x", "")]]).unwrap();
    let node = &tree[b"/tmp".as_slice()];
    assert_eq!((node.mode, node.uid, node.mtime), (0o1777, 5, (7, 8)));
    let tree = apply_stack(&[base, vec![file("tmp/x", ""), whiteout("tmp")]]).unwrap();
    let node = &tree[b"/tmp".as_slice()];
    assert_eq!((node.mode, node.uid, node.mtime), (0o755, 0, (0, 0)));
}

#[test]
fn parents_are_resolved_in_the_tree() {
    let base = vec![symlink("lib", "usr/lib"), dir("usr", 0o755), dir("usr/lib", 0o755), file("usr/lib/ld.so", "")];
    let merged = ["lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/foo", "usr/lib/ld.so"];
    assert_eq!(shows(&[base.clone(), vec![file("lib/foo", "")]]), merged);
    assert_eq!(shows(&[base.clone(), vec![whiteout("lib/ld.so")]]), ["lib -> usr/lib", "usr/", "usr/lib/"]);
    assert_eq!(shows(&[base.clone(), vec![dir("lib", 0o755), file("lib/foo", "")]])[..2], ["lib/", "lib/foo"]);
    assert_eq!(shows(&[base.clone(), vec![whiteout("lib"), file("lib/foo", "")]])[..2], ["lib/", "lib/foo"]);
    // A symlink of the same layer, seen by a mark that comes before it (row 11).
    assert_eq!(
        shows(&[base, vec![whiteout("ln/ld.so"), symlink("ln", "/usr/lib")]])[1..],
        ["ln -> /usr/lib", "usr/", "usr/lib/"]
    );
    assert_eq!(shows(&[vec![symlink("ln", "/dne"), file("ln/x", "")]]), ["dne/", "dne/x", "ln -> /dne"]);
    assert_eq!(shows(&[vec![symlink("ln", "../../../up"), file("ln/x", "")]]), ["ln -> ../../../up", "up/", "up/x"]);
    assert!(refused(&[vec![symlink("a", "b"), symlink("b", "a"), file("a/x", "")]]));
}

#[test]
fn hard_links_share_inodes_across_layers() {
    let tree = apply_stack(&[vec![file("a", "1")], vec![hardlink("b", "a")]]).unwrap();
    assert_eq!(tree[b"/b".as_slice()].group.as_deref(), Some(b"/a".as_slice()));
    assert_eq!(tree[b"/b".as_slice()].nlink, Some(2));
    let tree = apply_stack(&[vec![file("f", "1"), hardlink("h", "f"), file("f", "22")]]).unwrap();
    assert_eq!(tree[b"/h".as_slice()].group, None);
    // Forward, and the waiting link is replaced.
    let tree = apply_stack(&[vec![hardlink("b", "a"), file("a", "1")]]).unwrap();
    assert_eq!(tree[b"/a".as_slice()].nlink, Some(2));
    assert_eq!(shows(&[vec![hardlink("b", "a"), file("a", "1"), dir("b", 0o755)]]), ["a", "b/"]);
    assert!(refused(&[vec![hardlink("b", "a"), file("b", "1")]]));
    assert!(refused(&[vec![file("a", ""), dir("d", 0o755)], vec![hardlink("h", "d")]]));
    assert!(refused(&[vec![file("a", "")], vec![whiteout("a"), hardlink("b", "a")]]));
    assert!(open(&[vec![file("a", "1")], vec![hardlink("b", "a"), file("a", "2")]]));
    assert_eq!(shows(&[vec![file("a", "1")], vec![hardlink("a", "a")]]), ["a"]);
}

#[test]
fn duplicates_and_files_in_the_way() {
    assert_eq!(shows(&[vec![dir("d", 0o755), file("d/x", ""), file("d", "")]]), ["d"]);
    assert_eq!(shows(&[vec![symlink("s", "/etc"), dir("s", 0o755)]]), ["s/"]);
    assert!(refused(&[vec![file("f", ""), file("f/x", "")]]));
    assert!(refused(&[vec![file("f", ""), opaque("f")]]));
    assert_eq!(shows(&[vec![file("f", "")], vec![file("f/x", "")]]), ["f/", "f/x"]);
    assert_eq!(shows(&[vec![file("f", "")], vec![whiteout("f/x")]]), ["f"]);
    let old = dir("d", 0o700).xattr("user.a", "1");
    let tree = apply_stack(&[vec![old, file("d/x", ""), dir("d", 0o755)]]).unwrap();
    assert!(tree[b"/d".as_slice()].xattrs.is_empty());
    assert_eq!(names(&tree), ["d/", "d/x"]);
}

#[test]
fn names_are_cleaned_or_refused() {
    assert_eq!(shows(&[vec![file("/a/./b//../c", "")]]), ["a/", "a/c"]);
    for name in ["../x", "a/../../x", "", ".wh.", ".wh..", ".wh...", "d/.wh..."] {
        assert!(refused(&[vec![file(name, "")]]), "{name}");
    }
    assert!(refused(&[vec![symlink(".", "/etc")]]));
    assert_eq!(shows(&[vec![file(".wh..wh.plnk/1.2", "")]]), [""; 0]);
    assert_eq!(shows(&[vec![file(".wh.etc/x", "")]]), [".wh.etc/", ".wh.etc/x"]);
    assert_eq!(shows(&[vec![block("b", 0, 0)]]), ["b"]);
    let tree = apply_stack(&[vec![root(0o711)], vec![file("x", "")]]).unwrap();
    assert_eq!(tree[b"/".as_slice()].mode, 0o711);
}

#[test]
fn opaque_marks_make_their_directories() {
    assert_eq!(shows(&[vec![opaque("a/b")]]), ["a/", "a/b/"]);
    let base = vec![dir("d", 0o700), dir("d/e", 0o700), file("d/e/f", "")];
    let tree = apply_stack(&[base.clone(), vec![opaque("d"), file("d/e/g", "")]]).unwrap();
    assert_eq!(names(&tree), ["d/", "d/e/", "d/e/g"]);
    assert_eq!((tree[b"/d".as_slice()].mode, tree[b"/d/e".as_slice()].mode), (0o700, 0o755));
    assert_eq!(shows(&[base, vec![whiteout("d"), opaque("d")]]), ["d/"]);
}
