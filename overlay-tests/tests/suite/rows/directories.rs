//! Rows 37 to 40 and 66: what a directory has of its own.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, dir, fifo, file, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context};

use super::{acl, node};

pub fn cases() -> Vec<Case> {
    cases![
        row_037_directory_times;
        row_037_times_of_replaced_directories;
        row_039_nothing_is_inherited;
        row_040_directory_twice;
        row_066_same_tree_every_time
    ]
}

fn row_037_directory_times(context: &Context) {
    let time = |entry: Entry, seconds| entry.mtime(seconds, 987_000_000);
    let base = vec![
        time(dir("d", 0o555), 10),
        time(dir("d/e", 0o755), 20),
        time(file("d/e/f", ""), 30),
        time(dir("z", 0o755), 40),
        time(symlink("d/s", "e"), 50),
        time(file("d/late", ""), 60),
    ];
    context
        .row(std::slice::from_ref(&base))
        .in_both_orders()
        .also_nested()
        .shows(&["d/", "d/e/", "d/e/f", "d/late", "d/s -> e", "z/"]);
    let top = vec![time(dir("d", 0o755), 70), whiteout("d/late"), time(dir("d/e", 0o700), 80), opaque("d/e")];
    context.row(&[base, top]).in_any_order().shows(&["d/", "d/e/", "d/s -> e", "z/"]);
}

/// The times of a directory never reach what took its place, nor what that points to.
fn row_037_times_of_replaced_directories(context: &Context) {
    let canary = context.fresh_dir("canary");
    let before = fs::symlink_metadata(&canary).unwrap().modified().unwrap();
    let target = canary.to_str().unwrap();
    let layer = vec![dir("d", 0o777).uid(7).mtime(5, 0), file("d/x", ""), symlink("d", target)];
    context.row(&[layer]).shows(&[&format!("d -> {target}")]);
    let layer = vec![dir("other", 0o700).mtime(6, 0), dir("d", 0o777).uid(7).mtime(5, 0), symlink("d", "other")];
    context.row(&[layer]).also_nested().shows(&["d -> other", "other/"]);
    assert_eq!(fs::symlink_metadata(&canary).unwrap().modified().unwrap(), before);
}

/// setgid and default ACLs of a directory are its own; what is in it has what the archive says.
fn row_039_nothing_is_inherited(context: &Context) {
    let children =
        || vec![file("p/c", ""), dir("p/d", 0o755), file("p/implied/x", ""), fifo("p/q"), symlink("p/s", "c")];
    let shown = ["p/", "p/c", "p/d/", "p/implied/", "p/implied/x", "p/q", "p/s -> c"];
    let layer = [vec![dir("p", 0o2755).gid(50)], children()].concat();
    context.row(std::slice::from_ref(&layer)).in_both_orders().also_nested().shows(&shown);
    context.row(&[vec![dir("p", 0o2755).gid(50)], children()]).shows(&shown);
    let parent = dir("p", 0o2770).gid(50).xattr("system.posix_acl_default", acl());
    for layers in [vec![[vec![parent.clone()], children()].concat()], vec![vec![parent], children()]] {
        let tree = context.tree_of(&Image::of(layers));
        for path in ["/p/c", "/p/d", "/p/implied", "/p/implied/x", "/p/q"] {
            assert!(node(&tree, path).xattrs.is_empty(), "{path}: {:?}", node(&tree, path));
            assert_eq!(node(&tree, path).gid, 0, "{path}");
        }
        assert_eq!(node(&tree, "/p/d").mode, 0o755);
        assert_eq!(node(&tree, "/p").xattrs[b"system.posix_acl_default".as_slice()], acl());
    }
}

fn row_040_directory_twice(context: &Context) {
    let layer =
        vec![dir("d", 0o700).uid(1).xattr("user.a", "1").mtime(3, 0), file("d/x", ""), dir("d", 0o755).mtime(4, 0)];
    context.row(std::slice::from_ref(&layer)).also_nested().shows(&["d/", "d/x"]);
    let tree = context.tree_of(&Image::of([layer]));
    assert_eq!((node(&tree, "/d").mode, node(&tree, "/d").uid, node(&tree, "/d").xattrs.len()), (0o755, 0, 0));
    // Over a lower directory too: its attributes are replaced.
    let layers =
        [vec![dir("d", 0o700).xattr("user.a", "1"), file("d/x", "")], vec![dir("d", 0o755).xattr("user.b", "2")]];
    context.row(&layers).also_nested().shows(&["d/", "d/x"]);
}

/// The same image in two stores gives the same tree to the nanosecond.
fn row_066_same_tree_every_time(context: &Context) {
    let image = Image::of((0..12).map(|n| {
        vec![
            dir("d", 0o755).mtime(n, 0),
            file(format!("d/{n}"), "x"),
            file(format!("imp{n}/x"), ""),
            whiteout(format!("d/{}", n - 2)),
        ]
    }));
    let first = context.tree_of(&image);
    fs::remove_dir_all(context.root()).unwrap();
    assert_eq!(first, context.tree_of(&image));
}
