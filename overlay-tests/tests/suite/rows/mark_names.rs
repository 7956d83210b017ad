//! Rows 13 to 20: names and types of marks.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, block, char_device, dir, file, hardlink, special, symlink, whiteout};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::names;

pub fn cases() -> Vec<Case> {
    cases![
        row_013_invalid_names;
        row_014_aufs_metadata;
        row_015_prefix_on_a_directory;
        row_016_whiteout_of_any_type;
        row_017_long_names;
        row_018_whiteout_metadata;
        row_019_char_device_0_0;
        row_020_block_device_0_0
    ]
}

fn row_013_invalid_names(context: &Context) {
    let canary = context.fresh("canary");
    fs::write(&canary, "alive").unwrap();
    for name in [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh...", "./.wh...", "d/e/.wh.."] {
        let row = context.row(&[vec![dir("d", 0o755), file("d/f", "")], vec![file(name, "")]]);
        row.refused(name.strip_prefix("./").unwrap_or(name));
    }
    assert_eq!(fs::read(&canary).unwrap(), b"alive");
}

fn row_014_aufs_metadata(context: &Context) {
    let aufs = vec![
        dir(".wh..wh.plnk", 0o700),
        file(".wh..wh.plnk/123.4", "linked").mode(0o640).uid(7),
        file(".wh..wh.aufs", ""),
        dir(".wh..wh.orph", 0o700),
        file(".wh..wh.orph/x", ""),
    ];
    context.row(&[[aufs.clone(), vec![file("f", "")]].concat()]).shows(&["f"]);
    let links = vec![hardlink("a", ".wh..wh.plnk/123.4"), dir("d", 0o755), hardlink("d/b", ".wh..wh.plnk/123.4")];
    let tree = context.tree_of(&Image::of([[aufs, links].concat()]));
    assert_eq!(names(&tree), ["a", "d/", "d/b"]);
    let node = &tree[b"/d/b".as_slice()];
    let expected = tree[b"/a".as_slice()].kind.clone();
    assert_eq!((node.mode, node.uid, node.nlink, node.kind.clone()), (0o640, 7, Some(2), expected));
    assert_eq!(node.group.as_deref(), Some(b"/a".as_slice()));
}

fn row_015_prefix_on_a_directory(context: &Context) {
    let layers = [vec![dir("etc", 0o755), file("etc/passwd", "")], vec![file(".wh.etc/somefile", "")]];
    context.row(&layers).shows(&[".wh.etc/", ".wh.etc/somefile", "etc/", "etc/passwd"]);
}

/// The rule says "regular file", but every tool takes any type; data, link name and xattrs are not looked at.
fn row_016_whiteout_of_any_type(context: &Context) {
    let base = vec![file("f", "old"), file("g", ""), dir("d", 0o755), file("d/x", "")];
    for mark in [
        file(".wh.f", "data"),
        dir(".wh.f", 0o755),
        symlink(".wh.f", "/etc/passwd"),
        hardlink(".wh.f", "g"),
        hardlink(".wh.f", "nowhere"),
        char_device(".wh.f", 0, 0),
        special(".wh.f", b'7', ""),
        file(".wh.f", "").xattr("trusted.overlay.opaque", "y"),
    ] {
        let tree = context.tree_of(&Image::of([base.clone(), vec![mark]]));
        assert_eq!(names(&tree), ["d/", "d/x", "g"]);
    }
    for mark in [dir("d/.wh..wh..opq", 0o755), symlink("d/.wh..wh..opq", "/"), file("d/.wh..wh..opq", "data")] {
        assert_eq!(names(&context.tree_of(&Image::of([base.clone(), vec![mark]]))), ["d/", "f", "g"]);
    }
}

fn row_017_long_names(context: &Context) {
    for length in [251, 252, 255] {
        let name = "n".repeat(length);
        context.row(&[vec![file(&name, ""), file("z", "")], vec![whiteout(&name)]]).also_nested().shows(&["z"]);
    }
}

/// Whiteouts have no metadata: nothing of it shows, and neither does the mark itself.
fn row_018_whiteout_metadata(context: &Context) {
    let marks: Vec<Entry> = (0..200).map(|n| whiteout(format!("f{n}")).uid(5).mode(0o4777).mtime(9, 9)).collect();
    let base: Vec<Entry> = (0..200).map(|n| file(format!("f{n}"), "")).chain([file("z", "")]).collect();
    context.row(&[base, marks]).also_nested().shows(&["z"]);
}

/// Not created, warned about, and the lower file of that name is hidden.
fn row_019_char_device_0_0(context: &Context) {
    let image =
        Image::of([vec![file("f", "old"), file("g", "")], vec![char_device("f", 0, 0), char_device("new", 0, 0)]]);
    let (written, output) = context.try_load(&image);
    let output = output.exits(0).says("0:0");
    assert!(output.stderr.contains('f'), "{}", output.stderr);
    assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["g"]);
}

fn row_020_block_device_0_0(context: &Context) {
    context.row(&[vec![file("f", "old")], vec![block("f", 0, 0)]]).also_nested().shows(&["f"]);
}
