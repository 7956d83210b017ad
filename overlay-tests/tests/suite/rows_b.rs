//! Section B: directories, metadata, ordering.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{
    Entry, Image, dir, fifo, file, hardlink, opaque, root, special, symlink, whiteout,
};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::{Node, Tree, names, read_tree};

pub fn cases() -> Vec<Case> {
    cases![
        row_030_implied_parent_keeps_lower_metadata; row_030_implied_parent_of_nothing_is_fresh;
        row_030_a_mark_in_between_makes_it_fresh; row_030_nearest_lower_layer_wins; row_030_umask_does_not_matter;
        row_031_implied_parent_is_a_lower_symlink; row_031_chains_of_lower_symlinks; row_032_directory_over_a_lower_symlink;
        row_033_root_entry; row_033_root_in_a_writable_view; row_034_root_spellings; row_034_empty_name;
        row_035_root_that_is_not_a_directory; row_036_dot_dot_in_names; row_036_escaping_names;
        row_037_directory_times; row_037_times_of_replaced_directories; row_039_nothing_is_inherited;
        row_040_directory_twice; row_041_file_over_a_directory; row_042_directory_over_a_file;
        row_043_types_that_alternate; row_045_duplicate_files; row_046_entry_below_a_file; row_066_same_tree_every_time
    ]
}

fn node<'t>(tree: &'t Tree, path: &str) -> &'t Node {
    tree.get(path.as_bytes())
        .unwrap_or_else(|| panic!("{path} is missing: {:?}", names(tree)))
}

/// An ACL: `u::rwx, u:5:rw-, g::r-x, m::rwx, o::---`, as the kernel's xattr (version 2).
fn acl() -> Vec<u8> {
    let entry = |tag: u16, permissions: u16, id: u32| {
        [
            &tag.to_le_bytes()[..],
            &permissions.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    };
    let none = u32::MAX;
    let entries = [
        entry(1, 7, none),
        entry(2, 6, 5),
        entry(4, 5, none),
        entry(16, 7, none),
        entry(32, 0, none),
    ];
    [2_u32.to_le_bytes().to_vec(), entries.concat()].concat()
}

fn row_030_implied_parent_keeps_lower_metadata(context: &Context) {
    let tmp = dir("tmp", 0o1777)
        .uid(5)
        .gid(6)
        .mtime(1_234_567_890, 500_000_000)
        .xattr("trusted.t", "1")
        .xattr("user.u", "2");
    let layers = [
        vec![tmp.clone(), dir("tmp/deep", 0o2750).uid(9)],
        vec![file("tmp/deep/x", "")],
    ];
    context
        .row(&layers)
        .also_nested()
        .shows(&["tmp/", "tmp/deep/", "tmp/deep/x"]);
    let layers = [
        layers.to_vec(),
        vec![vec![file("tmp/y", "")], vec![file("z", "")]],
    ]
    .concat();
    context
        .row(&layers)
        .shows(&["tmp/", "tmp/deep/", "tmp/deep/x", "tmp/y", "z"]);
    // The mode of an ACL's owner is its mask.
    let with_acl = tmp
        .mode(0o770)
        .xattr("system.posix_acl_access", acl())
        .xattr("system.posix_acl_default", acl());
    let tree = context.tree_of(&Image::of([vec![with_acl], vec![file("tmp/x", "")]]));
    let tmp = node(&tree, "/tmp");
    assert_eq!(tmp.mode, 0o770);
    assert_eq!(tmp.xattrs[b"system.posix_acl_access".as_slice()], acl());
    assert_eq!(tmp.xattrs[b"system.posix_acl_default".as_slice()], acl());
    assert!(node(&tree, "/tmp/x").xattrs.is_empty());
}

fn row_030_implied_parent_of_nothing_is_fresh(context: &Context) {
    context
        .row(&[vec![file("a/b/x", "")]])
        .also_nested()
        .shows(&["a/", "a/b/", "a/b/x"]);
    context
        .row(&[vec![file("f", "")], vec![file("a/b/x", "")]])
        .shows(&["a/", "a/b/", "a/b/x", "f"]);
}

fn row_030_a_mark_in_between_makes_it_fresh(context: &Context) {
    let base = vec![
        dir("d", 0o700).uid(1),
        dir("d/e", 0o711).uid(2),
        file("d/e/old", ""),
    ];
    let new = || file("d/e/new", "");
    let shown = ["d/", "d/e/", "d/e/new"];
    // In the layer itself, and in a layer between.
    for mark in [
        whiteout("d"),
        whiteout("d/e"),
        opaque("d"),
        opaque("d/e"),
        opaque(""),
    ] {
        context
            .row(&[base.clone(), vec![mark.clone(), new()]])
            .in_any_order()
            .also_nested()
            .shows(&shown);
        context
            .row(&[base.clone(), vec![mark], vec![new()]])
            .also_nested()
            .shows(&shown);
    }
    for between in [file("d", ""), file("d/e", ""), symlink("d/e", "nowhere")] {
        let top = vec![dir("d/e", 0o755), new()];
        context
            .row(&[base.clone(), vec![between.clone()], top])
            .shows(&shown);
    }
    context
        .row(&[base, vec![file("d/e", "")], vec![new()]])
        .also_nested()
        .shows(&shown);
}

fn row_030_nearest_lower_layer_wins(context: &Context) {
    let layers = [
        vec![dir("d", 0o700)],
        vec![dir("d", 0o711).uid(4).mtime(77, 0)],
        vec![file("d/x", "")],
        vec![file("d/y", "")],
    ];
    context
        .row(&layers)
        .also_nested()
        .shows(&["d/", "d/x", "d/y"]);
    let tree = context.tree_of(&Image::of(layers));
    assert_eq!(
        (
            node(&tree, "/d").mode,
            node(&tree, "/d").uid,
            node(&tree, "/d").mtime
        ),
        (0o711, 4, (77, 0))
    );
}

fn row_030_umask_does_not_matter(context: &Context) {
    for umask in [0o000, 0o077] {
        let old = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(umask));
        let name = format!("u{umask:o}");
        context
            .row(&[vec![file(format!("{name}/x"), ""), dir("d", 0o777)]])
            .shows(&["d/", &format!("{name}/"), &format!("{name}/x")]);
        nix::sys::stat::umask(old);
    }
}

fn usrmerge(target: &str) -> Vec<Entry> {
    vec![
        symlink("lib", target),
        dir("usr", 0o755),
        dir("usr/lib", 0o755),
        file("usr/lib/ld.so", "ld"),
    ]
}

fn row_031_implied_parent_is_a_lower_symlink(context: &Context) {
    for target in ["usr/lib", "/usr/lib", "usr/../usr/lib", "../../usr/lib/."] {
        let link = format!("lib -> {target}");
        let shown = [&link, "usr/", "usr/lib/", "usr/lib/foo", "usr/lib/ld.so"];
        let layers = [
            usrmerge(target),
            vec![
                file("lib/foo", "foo")
                    .mode(0o755)
                    .uid(3)
                    .xattr("user.x", "y"),
            ],
        ];
        context.row(&layers).also_nested().shows(&shown);
        let below = vec![
            dir("lib/sub", 0o700),
            file("lib/sub/x", ""),
            file("lib/imp/y", ""),
            symlink("lib/s", "ld.so"),
        ];
        context
            .row(&[usrmerge(target), below])
            .in_both_orders()
            .shows(&[
                &link,
                "usr/",
                "usr/lib/",
                "usr/lib/imp/",
                "usr/lib/imp/y",
                "usr/lib/ld.so",
                "usr/lib/s -> ld.so",
                "usr/lib/sub/",
                "usr/lib/sub/x",
            ]);
        // It replaces what is there, and a layer above may delete it under its real name.
        let layers = [usrmerge(target), vec![file("lib/ld.so", "new")]];
        context
            .row(&layers)
            .shows(&[&link, "usr/", "usr/lib/", "usr/lib/ld.so"]);
        let layers = [
            usrmerge(target),
            vec![file("lib/foo", "")],
            vec![whiteout("usr/lib/foo")],
        ];
        context
            .row(&layers)
            .shows(&[&link, "usr/", "usr/lib/", "usr/lib/ld.so"]);
    }
}

fn row_031_chains_of_lower_symlinks(context: &Context) {
    let base = vec![
        symlink("a", "b"),
        symlink("b", "/c/d"),
        symlink("c", "e"),
        dir("e", 0o755),
        dir("e/d", 0o711),
    ];
    context
        .row(&[base.clone(), vec![file("a/x", "")]])
        .also_nested()
        .shows(&["a -> b", "b -> /c/d", "c -> e", "e/", "e/d/", "e/d/x"]);
    // Each link in a layer of its own; the directory is the last one.
    let layers: Vec<Vec<Entry>> = base
        .into_iter()
        .map(|entry| vec![entry])
        .chain([vec![file("a/x", "")]])
        .collect();
    context
        .row(&layers)
        .shows(&["a -> b", "b -> /c/d", "c -> e", "e/", "e/d/", "e/d/x"]);
}

fn row_032_directory_over_a_lower_symlink(context: &Context) {
    let top = vec![dir("lib", 0o755), file("lib/foo", "")];
    context
        .row(&[usrmerge("usr/lib"), top])
        .also_nested()
        .shows(&["lib/", "lib/foo", "usr/", "usr/lib/", "usr/lib/ld.so"]);
}

fn row_033_root_entry(context: &Context) {
    let base = || {
        vec![
            root(0o711)
                .uid(5)
                .gid(6)
                .mtime(123, 456_000_000)
                .xattr("user.r", "1"),
            file("f", ""),
        ]
    };
    for layers in [
        vec![base()],
        vec![base(), vec![file("g", "")]],
        vec![base(), vec![opaque(""), file("g", "")]],
    ] {
        let tree = context.tree_of(&Image::of(layers));
        let root = node(&tree, "/");
        assert_eq!(
            (root.mode, root.uid, root.gid, root.mtime),
            (0o711, 5, 6, (123, 456_000_000))
        );
        assert_eq!(root.xattrs[b"user.r".as_slice()], b"1");
    }
    // The nearest layer that has one; none of the xattrs of the others.
    context
        .row(&[base(), vec![root(0o755)], vec![file("h", "")]])
        .shows(&["f", "h"]);
    // No layer has one: 0755 0:0, mtime 0.
    let tree = context.tree_of(&Image::of([vec![file("f", "")]]));
    let root = node(&tree, "/");
    assert_eq!(
        (root.mode, root.uid, root.gid, root.mtime),
        (0o755, 0, 0, (0, 0))
    );
}

/// The upper directory is the one that the kernel shows.
fn row_033_root_in_a_writable_view(context: &Context) {
    let id = context
        .load(&Image::of([vec![
            root(0o711).uid(5).mtime(123, 0).xattr("user.r", "1"),
            file("f", ""),
        ]]))
        .image_id;
    let merged = context.mount(["-w", &id]);
    let tree = read_tree(&merged).unwrap();
    let root = node(&tree, "/");
    assert_eq!(
        (root.mode, root.uid, root.mtime, root.xattrs.len()),
        (0o711, 5, (123, 0), 1)
    );
    context.umount(&merged);
}

fn row_034_root_spellings(context: &Context) {
    for name in [".", "./", "/", "//", "./.", "././"] {
        context
            .row(&[vec![dir(name, 0o711).uid(5).mtime(9, 0), file("f", "")]])
            .in_any_order()
            .shows(&["f"]);
    }
}

fn row_034_empty_name(context: &Context) {
    for entry in [file("", "x"), symlink("", "x"), special("", b'0', "")] {
        context.row(&[vec![file("f", ""), entry]]).refused(&[]);
    }
}

fn row_035_root_that_is_not_a_directory(context: &Context) {
    let canary = context.fresh_dir("canary");
    let target = canary.to_str().unwrap();
    for name in [".", "/", "./", "./."] {
        let entries = [
            symlink(name, target),
            file(name, ""),
            hardlink(name, "f"),
            fifo(name),
        ];
        for entry in entries {
            context
                .row(&[vec![file("f", "")], vec![entry, file("pwned", "")]])
                .refused(&[]);
        }
    }
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

fn row_036_dot_dot_in_names(context: &Context) {
    context
        .row(&[vec![dir("a", 0o700), file("a/../b", "")]])
        .shows(&["a/", "b"]);
    context
        .row(&[vec![file("x/y/../../c/./d", "")]])
        .shows(&["c/", "c/d"]);
    context
        .row(&[vec![file("f", "old")], vec![file("q/../.wh.f", "")]])
        .shows(&[]);
}

fn row_036_escaping_names(context: &Context) {
    for name in [
        "../x",
        "/../x",
        "a/../../x",
        "a/b/../../../x",
        "..",
        "../../etc/passwd",
    ] {
        context
            .row(&[vec![file("f", ""), file(name, "pwned")]])
            .refused(&[".."]);
        context
            .row(&[vec![file("f", ""), dir(name, 0o777)]])
            .refused(&[".."]);
    }
    assert!(!context.dir().join("x").exists());
    context
        .row(&[vec![file("f", ""), hardlink("h", "../../f")]])
        .refused(&["h"]);
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
        .row(&[base.clone()])
        .in_both_orders()
        .also_nested()
        .shows(&["d/", "d/e/", "d/e/f", "d/late", "d/s -> e", "z/"]);
    let top = vec![
        time(dir("d", 0o755), 70),
        whiteout("d/late"),
        time(dir("d/e", 0o700), 80),
        opaque("d/e"),
    ];
    context
        .row(&[base, top])
        .in_any_order()
        .shows(&["d/", "d/e/", "d/s -> e", "z/"]);
}

/// The times of a directory never reach what took its place, nor what that points to.
fn row_037_times_of_replaced_directories(context: &Context) {
    let canary = context.fresh_dir("canary");
    let before = fs::symlink_metadata(&canary).unwrap().modified().unwrap();
    let target = canary.to_str().unwrap();
    let layer = vec![
        dir("d", 0o777).uid(7).mtime(5, 0),
        file("d/x", ""),
        symlink("d", target),
    ];
    context.row(&[layer]).shows(&[&format!("d -> {target}")]);
    let layer = vec![
        dir("other", 0o700).mtime(6, 0),
        dir("d", 0o777).uid(7).mtime(5, 0),
        symlink("d", "other"),
    ];
    context
        .row(&[layer])
        .also_nested()
        .shows(&["d -> other", "other/"]);
    assert_eq!(
        fs::symlink_metadata(&canary).unwrap().modified().unwrap(),
        before
    );
}

/// setgid and default ACLs of a directory are its own; what is in it has what the archive says.
fn row_039_nothing_is_inherited(context: &Context) {
    let children = || {
        vec![
            file("p/c", ""),
            dir("p/d", 0o755),
            file("p/implied/x", ""),
            fifo("p/q"),
            symlink("p/s", "c"),
        ]
    };
    let shown = [
        "p/",
        "p/c",
        "p/d/",
        "p/implied/",
        "p/implied/x",
        "p/q",
        "p/s -> c",
    ];
    let layer = [vec![dir("p", 0o2755).gid(50)], children()].concat();
    context
        .row(&[layer.clone()])
        .in_both_orders()
        .also_nested()
        .shows(&shown);
    context
        .row(&[vec![dir("p", 0o2755).gid(50)], children()])
        .shows(&shown);
    let parent = dir("p", 0o2770)
        .gid(50)
        .xattr("system.posix_acl_default", acl());
    for layers in [
        vec![[vec![parent.clone()], children()].concat()],
        vec![vec![parent], children()],
    ] {
        let tree = context.tree_of(&Image::of(layers));
        for path in ["/p/c", "/p/d", "/p/implied", "/p/implied/x", "/p/q"] {
            assert!(
                node(&tree, path).xattrs.is_empty(),
                "{path}: {:?}",
                node(&tree, path)
            );
            assert_eq!(node(&tree, path).gid, 0, "{path}");
        }
        assert_eq!(node(&tree, "/p/d").mode, 0o755);
        assert_eq!(
            node(&tree, "/p").xattrs[b"system.posix_acl_default".as_slice()],
            acl()
        );
    }
}

fn row_040_directory_twice(context: &Context) {
    let layer = vec![
        dir("d", 0o700).uid(1).xattr("user.a", "1").mtime(3, 0),
        file("d/x", ""),
        dir("d", 0o755).mtime(4, 0),
    ];
    context
        .row(&[layer.clone()])
        .also_nested()
        .shows(&["d/", "d/x"]);
    let tree = context.tree_of(&Image::of([layer]));
    assert_eq!(
        (
            node(&tree, "/d").mode,
            node(&tree, "/d").uid,
            node(&tree, "/d").xattrs.len()
        ),
        (0o755, 0, 0)
    );
    // Over a lower directory too: its attributes are replaced.
    let layers = [
        vec![dir("d", 0o700).xattr("user.a", "1"), file("d/x", "")],
        vec![dir("d", 0o755).xattr("user.b", "2")],
    ];
    context.row(&layers).also_nested().shows(&["d/", "d/x"]);
}

fn row_041_file_over_a_directory(context: &Context) {
    for top in [file("d", "new"), fifo("d")] {
        context
            .row(&[vec![
                dir("d", 0o755),
                file("d/x", ""),
                dir("d/e", 0o755),
                top.clone(),
            ]])
            .also_nested()
            .shows(&["d"]);
        context
            .row(&[vec![dir("d", 0o755), file("d/x", "")], vec![top]])
            .also_nested()
            .shows(&["d"]);
    }
}

fn row_042_directory_over_a_file(context: &Context) {
    let canary = context.fresh_dir("canary");
    let target = canary.to_str().unwrap();
    for below in [
        symlink("s", target),
        symlink("s", "etc"),
        file("s", "x"),
        fifo("s"),
    ] {
        let layer = vec![dir("etc", 0o755), below, dir("s", 0o711), file("s/x", "")];
        context
            .row(&[layer])
            .also_nested()
            .shows(&["etc/", "s/", "s/x"]);
    }
    // CVE-2026-33056: a directory spelled `foo/.` changes the mode of what the symlink points to.
    context
        .row(&[vec![
            symlink("s", target),
            dir("s/.", 0o777),
            file("s/./x", ""),
        ]])
        .shows(&["s/", "s/x"]);
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

fn row_043_types_that_alternate(context: &Context) {
    let directory = |name: &str| vec![dir("foo", 0o755), file(format!("foo/{name}"), "")];
    let plain = || vec![file("foo", "file")];
    context
        .row(&[directory("1"), plain(), directory("3")])
        .also_nested()
        .shows(&["foo/", "foo/3"]);
    context
        .row(&[plain(), directory("2"), plain()])
        .also_nested()
        .shows(&["foo"]);
    context
        .row(&[
            directory("1"),
            plain(),
            directory("3"),
            plain(),
            directory("5"),
        ])
        .shows(&["foo/", "foo/5"]);
    context
        .row(&[directory("1"), vec![whiteout("foo")], directory("3")])
        .also_nested()
        .shows(&["foo/", "foo/3"]);
    context
        .row(&[directory("1"), vec![symlink("foo", "x")], directory("3")])
        .also_nested()
        .shows(&["foo/", "foo/3"]);
}

fn row_045_duplicate_files(context: &Context) {
    context
        .row(&[vec![file("f", "1"), file("f", "22")]])
        .also_nested()
        .shows(&["f"]);
    let layer = vec![
        file("f", "1"),
        hardlink("h", "f"),
        file("f", "22").mode(0o600),
    ];
    context
        .row(&[layer.clone()])
        .also_nested()
        .shows(&["f", "h"]);
    let id = context.load(&Image::of([layer])).image_id;
    let merged = context.mount([&id]);
    assert_eq!(fs::read(merged.join("h")).unwrap(), b"1");
    assert_eq!(fs::read(merged.join("f")).unwrap(), b"22");
    context.umount(&merged);
}

fn row_046_entry_below_a_file(context: &Context) {
    for way in [file("f", ""), fifo("f")] {
        context
            .row(&[vec![way.clone(), file("f/x", "")]])
            .also_nested()
            .refused(&["f/x"]);
        context
            .row(&[vec![way.clone(), dir("f/x/y", 0o755)]])
            .refused(&["f/x/y"]);
        context
            .row(&[vec![way], vec![file("f/x", "")]])
            .also_nested()
            .shows(&["f/", "f/x"]);
    }
    context
        .row(&[vec![file("f", ""), symlink("s", "f"), file("s/x", "")]])
        .refused(&["s/x"]);
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
