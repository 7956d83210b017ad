//! Section A: whiteouts and opaque directories.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{
    Entry, Image, block, char_device, dir, file, hardlink, opaque, special, symlink, whiteout,
};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::{names, read_tree};

pub fn cases() -> Vec<Case> {
    cases![
        row_001_whiteout_then_directory; row_003_whiteout_and_a_non_directory; row_004_whiteout_and_an_implied_directory;
        row_005_whiteout_below_a_whiteout; row_006_opaque_after_children; row_007_opaque_root;
        row_007_opaque_root_in_the_middle; row_008_whiteout_inside_an_opaque_directory;
        row_009_whiteout_without_a_counterpart; row_009_directory_is_removable; row_010_whiteout_below_missing_directories;
        row_011_whiteout_through_a_symlink_of_the_layer; row_012_whiteout_through_a_lower_symlink;
        row_013_invalid_names; row_014_aufs_metadata; row_015_prefix_on_a_directory; row_016_whiteout_of_any_type;
        row_017_long_names; row_018_whiteout_metadata; row_019_char_device_0_0; row_020_block_device_0_0;
        row_023_marks_twice; row_024_opaque_below_a_file; row_025_opaque_in_a_missing_directory
    ]
}

fn old_foo() -> Vec<Entry> {
    vec![
        dir("foo", 0o700).uid(3),
        file("foo/old", "old"),
        dir("foo/sub", 0o755),
        file("foo/sub/x", "x"),
        file("other", ""),
    ]
}

/// Rows 1 and 2: the directory is new, in whatever order.
fn row_001_whiteout_then_directory(context: &Context) {
    let top = vec![whiteout("foo"), dir("foo", 0o755), file("foo/new", "new")];
    context
        .row(&[old_foo(), top])
        .in_any_order()
        .also_nested()
        .shows(&["foo/", "foo/new", "other"]);
}

fn row_003_whiteout_and_a_non_directory(context: &Context) {
    let base = vec![file("f", "old")];
    for (top, shown) in [
        (file("f", "new"), "f"),
        (symlink("f", "x"), "f -> x"),
        (block("f", 7, 0), "f"),
    ] {
        let row = context.row(&[base.clone(), vec![whiteout("f"), top]]);
        row.in_any_order().also_nested().shows(&[shown]);
    }
    // The lower thing is a directory.
    context
        .row(&[old_foo(), vec![whiteout("foo"), file("foo", "")]])
        .in_any_order()
        .shows(&["foo", "other"]);
}

fn row_004_whiteout_and_an_implied_directory(context: &Context) {
    let top = vec![whiteout("foo"), file("foo/bar", "")];
    context
        .row(&[old_foo(), top])
        .in_any_order()
        .also_nested()
        .shows(&["foo/", "foo/bar", "other"]);
    let top = vec![whiteout("foo"), file("foo/sub/y", "")];
    context.row(&[old_foo(), top]).in_any_order().shows(&[
        "foo/",
        "foo/sub/",
        "foo/sub/y",
        "other",
    ]);
}

fn row_005_whiteout_below_a_whiteout(context: &Context) {
    let top = vec![whiteout("foo"), whiteout("foo/old"), whiteout("foo/sub/x")];
    context
        .row(&[old_foo(), top])
        .in_any_order()
        .also_nested()
        .shows(&["other"]);
}

/// The example of the image-spec.
fn row_006_opaque_after_children(context: &Context) {
    let base = vec![
        dir("a", 0o755),
        dir("a/b", 0o755),
        dir("a/b/c", 0o700),
        file("a/b/c/bar", "bar"),
    ];
    let explicit = vec![
        dir("a", 0o755),
        dir("a/b", 0o755),
        dir("a/b/c", 0o755),
        file("a/b/c/foo", "foo"),
        opaque("a"),
    ];
    let shown = ["a/", "a/b/", "a/b/c/", "a/b/c/foo"];
    context
        .row(&[base.clone(), explicit])
        .in_both_orders()
        .also_nested()
        .shows(&shown);
    // The directories below the mark are implied, and so they are fresh.
    context
        .row(&[base, vec![opaque("a"), file("a/b/c/foo", "foo")]])
        .in_any_order()
        .also_nested()
        .shows(&shown);
}

fn row_007_opaque_root(context: &Context) {
    context
        .row(&[old_foo(), vec![opaque(""), file("new", "")]])
        .in_any_order()
        .shows(&["new"]);
    context
        .row(&[old_foo(), vec![opaque(""), file("foo/new", "")]])
        .in_any_order()
        .shows(&["foo/", "foo/new"]);
    context.row(&[old_foo(), vec![opaque("")]]).shows(&[]);
    let spelled = vec![file("./.wh..wh..opq", ""), file("new", "")];
    context
        .row(&[old_foo(), spelled])
        .in_any_order()
        .shows(&["new"]);
}

fn row_007_opaque_root_in_the_middle(context: &Context) {
    let middle = vec![opaque(""), dir("foo", 0o711), file("foo/mid", "")];
    let layers = [
        old_foo(),
        middle,
        vec![file("foo/top", ""), file("top", "")],
    ];
    context
        .row(&layers)
        .shows(&["foo/", "foo/mid", "foo/top", "top"]);
}

fn row_008_whiteout_inside_an_opaque_directory(context: &Context) {
    let top = vec![
        opaque("foo"),
        whiteout("foo/old"),
        whiteout("foo/sub/x"),
        file("foo/new", ""),
    ];
    context
        .row(&[old_foo(), top])
        .in_both_orders()
        .also_nested()
        .shows(&["foo/", "foo/new", "other"]);
    // A directory of the same layer stands between the mark and the whiteout: still below the mark.
    let top = vec![opaque("foo"), dir("foo/sub", 0o755), whiteout("foo/sub/x")];
    context
        .row(&[old_foo(), top])
        .in_any_order()
        .also_nested()
        .shows(&["foo/", "foo/sub/", "other"]);
}

fn row_009_whiteout_without_a_counterpart(context: &Context) {
    context
        .row(&[vec![dir("d", 0o755), file("d/f", ""), whiteout("d/g")]])
        .in_any_order()
        .shows(&["d/", "d/f"]);
    context
        .row(&[vec![whiteout("g"), file("f", "")]])
        .in_any_order()
        .shows(&["f"]);
    let top = vec![dir("new", 0o755), whiteout("new/y"), file("new/f", "")];
    context
        .row(&[old_foo(), top.clone()])
        .in_any_order()
        .also_nested()
        .shows(&[
            "foo/",
            "foo/old",
            "foo/sub/",
            "foo/sub/x",
            "new/",
            "new/f",
            "other",
        ]);
    // With a layer above that touches the same directory, and one that does not.
    context
        .row(&[top.clone(), vec![file("new/g", "")]])
        .shows(&["new/", "new/f", "new/g"]);
    context
        .row(&[top, vec![file("z", "")]])
        .shows(&["new/", "new/f", "z"]);
}

/// What a phantom whiteout breaks first: `rm -rf` and creating the name again.
fn row_009_directory_is_removable(context: &Context) {
    let id = context
        .load(&Image::of([vec![
            dir("d", 0o755),
            file("d/f", ""),
            whiteout("d/g"),
        ]]))
        .image_id;
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
    context
        .row(&[vec![whiteout("x/y/z"), file("f", "")]])
        .in_any_order()
        .shows(&["f"]);
    context
        .row(&[vec![file("f", "")], vec![whiteout("x/y/z")]])
        .shows(&["f"]);
    // The directories appear where something else is in them.
    let top = vec![whiteout("x/y/z"), file("x/y/w", "")];
    context
        .row(&[vec![file("f", "")], top])
        .in_any_order()
        .shows(&["f", "x/", "x/y/", "x/y/w"]);
    // A lower file is not replaced by a directory that would only hold a whiteout.
    context
        .row(&[vec![file("f", "")], vec![whiteout("f/x")]])
        .shows(&["f"]);
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
    context
        .row(&[base, vec![symlink("ln", "d"), opaque("ln")]])
        .in_any_order()
        .shows(&["d/", "ln -> d"]);
}

fn row_012_whiteout_through_a_lower_symlink(context: &Context) {
    let libs = vec![
        dir("usr", 0o755),
        dir("usr/lib", 0o755),
        file("usr/lib/libc.so", "c"),
        file("usr/lib/libm.so", "m"),
    ];
    for target in ["usr/lib", "/usr/lib"] {
        let base: Vec<Entry> = libs
            .iter()
            .cloned()
            .chain([symlink("lib", target)])
            .collect();
        let link = format!("lib -> {target}");
        let row = context.row(&[base.clone(), vec![whiteout("lib/libc.so")]]);
        row.also_nested()
            .shows(&[&link, "usr/", "usr/lib/", "usr/lib/libm.so"]);
        let row = context.row(&[base.clone(), vec![opaque("lib"), file("lib/new", "")]]);
        row.in_any_order()
            .also_nested()
            .shows(&[&link, "usr/", "usr/lib/", "usr/lib/new"]);
        // With the symlink in one layer and the directory in another.
        let row = context.row(&[
            libs.clone(),
            vec![symlink("lib", target)],
            vec![whiteout("lib/libc.so")],
        ]);
        row.shows(&[&link, "usr/", "usr/lib/", "usr/lib/libm.so"]);
    }
}

fn row_013_invalid_names(context: &Context) {
    let canary = context.fresh("canary");
    fs::write(&canary, "alive").unwrap();
    for name in [
        ".wh.",
        ".wh..",
        ".wh...",
        "d/.wh.",
        "d/.wh..",
        "d/.wh...",
        "./.wh...",
        "d/e/.wh..",
    ] {
        let row = context.row(&[vec![dir("d", 0o755), file("d/f", "")], vec![file(name, "")]]);
        row.refused(&[name.strip_prefix("./").unwrap_or(name)]);
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
    context
        .row(&[[aufs.clone(), vec![file("f", "")]].concat()])
        .shows(&["f"]);
    let links = vec![
        hardlink("a", ".wh..wh.plnk/123.4"),
        dir("d", 0o755),
        hardlink("d/b", ".wh..wh.plnk/123.4"),
    ];
    let tree = context.tree_of(&Image::of([[aufs, links].concat()]));
    assert_eq!(names(&tree), ["a", "d/", "d/b"]);
    let node = &tree[b"/d/b".as_slice()];
    let expected = tree[b"/a".as_slice()].kind.clone();
    assert_eq!(
        (node.mode, node.uid, node.nlink, node.kind.clone()),
        (0o640, 7, Some(2), expected)
    );
    assert_eq!(node.group.as_deref(), Some(b"/a".as_slice()));
}

fn row_015_prefix_on_a_directory(context: &Context) {
    let layers = [
        vec![dir("etc", 0o755), file("etc/passwd", "")],
        vec![file(".wh.etc/somefile", "")],
    ];
    context
        .row(&layers)
        .shows(&[".wh.etc/", ".wh.etc/somefile", "etc/", "etc/passwd"]);
}

/// The rule says "regular file", but every tool takes any type; data, link name and xattrs are not looked at.
fn row_016_whiteout_of_any_type(context: &Context) {
    let base = vec![
        file("f", "old"),
        file("g", ""),
        dir("d", 0o755),
        file("d/x", ""),
    ];
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
    for mark in [
        dir("d/.wh..wh..opq", 0o755),
        symlink("d/.wh..wh..opq", "/"),
        file("d/.wh..wh..opq", "data"),
    ] {
        assert_eq!(
            names(&context.tree_of(&Image::of([base.clone(), vec![mark]]))),
            ["d/", "f", "g"]
        );
    }
}

fn row_017_long_names(context: &Context) {
    for length in [251, 252, 255] {
        let name = "n".repeat(length);
        context
            .row(&[vec![file(&name, ""), file("z", "")], vec![whiteout(&name)]])
            .also_nested()
            .shows(&["z"]);
    }
}

/// Whiteouts have no metadata: nothing of it shows, and neither does the mark itself.
fn row_018_whiteout_metadata(context: &Context) {
    let marks: Vec<Entry> = (0..200)
        .map(|n| whiteout(format!("f{n}")).uid(5).mode(0o4777).mtime(9, 9))
        .collect();
    let base: Vec<Entry> = (0..200)
        .map(|n| file(format!("f{n}"), ""))
        .chain([file("z", "")])
        .collect();
    context.row(&[base, marks]).also_nested().shows(&["z"]);
}

/// Not created, warned about, and the lower file of that name is hidden.
fn row_019_char_device_0_0(context: &Context) {
    let image = Image::of([
        vec![file("f", "old"), file("g", "")],
        vec![char_device("f", 0, 0), char_device("new", 0, 0)],
    ]);
    let (written, output) = context.try_load(&image);
    let output = output.exits(0).says("0:0");
    assert!(output.stderr.contains('f'), "{}", output.stderr);
    assert_eq!(names(&context.tree_of_loaded(&written.image_id)), ["g"]);
}

fn row_020_block_device_0_0(context: &Context) {
    context
        .row(&[vec![file("f", "old")], vec![block("f", 0, 0)]])
        .also_nested()
        .shows(&["f"]);
}

fn row_023_marks_twice(context: &Context) {
    let top = vec![opaque("foo"), opaque("foo"), file("foo/new", "")];
    context
        .row(&[old_foo(), top])
        .in_any_order()
        .shows(&["foo/", "foo/new", "other"]);
    let top = vec![
        whiteout("foo"),
        whiteout("foo"),
        opaque("foo"),
        file("foo/new", ""),
    ];
    context
        .row(&[old_foo(), top])
        .in_both_orders()
        .also_nested()
        .shows(&["foo/", "foo/new", "other"]);
}

fn row_024_opaque_below_a_file(context: &Context) {
    context
        .row(&[old_foo(), vec![file("f", ""), opaque("f")]])
        .also_nested()
        .refused(&["f/.wh..wh..opq"]);
    // Over a lower file the mark makes a directory.
    context
        .row(&[vec![file("f", "")], vec![opaque("f")]])
        .also_nested()
        .shows(&["f/"]);
}

fn row_025_opaque_in_a_missing_directory(context: &Context) {
    context
        .row(&[vec![file("f", "")], vec![opaque("a/b/c")]])
        .also_nested()
        .shows(&["a/", "a/b/", "a/b/c/", "f"]);
    let top = vec![opaque("a/b"), file("a/b/c/x", "")];
    context
        .row(&[vec![file("f", "")], top])
        .in_any_order()
        .shows(&["a/", "a/b/", "a/b/c/", "a/b/c/x", "f"]);
}
