//! Rows 30 to 32: directories that a layer does not describe.

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, dir, file, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context};

use super::{acl, node, usrmerge};

pub fn cases() -> Vec<Case> {
    cases![
        row_030_implied_parent_keeps_lower_metadata;
        row_030_implied_parent_of_nothing_is_fresh;
        row_030_a_mark_in_between_makes_it_fresh;
        row_030_nearest_lower_layer_wins;
        row_030_umask_does_not_matter;
        row_031_implied_parent_is_a_lower_symlink;
        row_031_chains_of_lower_symlinks;
        row_032_directory_over_a_lower_symlink
    ]
}

fn row_030_implied_parent_keeps_lower_metadata(context: &Context) {
    let tmp =
        dir("tmp", 0o1777).uid(5).gid(6).mtime(1_234_567_890, 500_000_000).xattr("trusted.t", "1").xattr("user.u", "2");
    let layers = [vec![tmp.clone(), dir("tmp/deep", 0o2750).uid(9)], vec![file("tmp/deep/x", "")]];
    context.row(&layers).also_nested().shows(&["tmp/", "tmp/deep/", "tmp/deep/x"]);
    let layers = [layers.to_vec(), vec![vec![file("tmp/y", "")], vec![file("z", "")]]].concat();
    context.row(&layers).shows(&["tmp/", "tmp/deep/", "tmp/deep/x", "tmp/y", "z"]);
    // The mode of an ACL's owner is its mask.
    let with_acl = tmp.mode(0o770).xattr("system.posix_acl_access", acl()).xattr("system.posix_acl_default", acl());
    let tree = context.tree_of(&Image::of([vec![with_acl], vec![file("tmp/x", "")]]));
    let tmp = node(&tree, "/tmp");
    assert_eq!(tmp.mode, 0o770);
    assert_eq!(tmp.xattrs[b"system.posix_acl_access".as_slice()], acl());
    assert_eq!(tmp.xattrs[b"system.posix_acl_default".as_slice()], acl());
    assert!(node(&tree, "/tmp/x").xattrs.is_empty());
}

fn row_030_implied_parent_of_nothing_is_fresh(context: &Context) {
    context.row(&[vec![file("a/b/x", "")]]).also_nested().shows(&["a/", "a/b/", "a/b/x"]);
    context.row(&[vec![file("f", "")], vec![file("a/b/x", "")]]).shows(&["a/", "a/b/", "a/b/x", "f"]);
}

fn row_030_a_mark_in_between_makes_it_fresh(context: &Context) {
    let base = vec![dir("d", 0o700).uid(1), dir("d/e", 0o711).uid(2), file("d/e/old", "")];
    let new = || file("d/e/new", "");
    let shown = ["d/", "d/e/", "d/e/new"];
    // In the layer itself, and in a layer between.
    for mark in [whiteout("d"), whiteout("d/e"), opaque("d"), opaque("d/e"), opaque("")] {
        context.row(&[base.clone(), vec![mark.clone(), new()]]).in_any_order().also_nested().shows(&shown);
        context.row(&[base.clone(), vec![mark], vec![new()]]).also_nested().shows(&shown);
    }
    for between in [file("d", ""), file("d/e", ""), symlink("d/e", "nowhere")] {
        let top = vec![dir("d/e", 0o755), new()];
        context.row(&[base.clone(), vec![between.clone()], top]).shows(&shown);
    }
    context.row(&[base, vec![file("d/e", "")], vec![new()]]).also_nested().shows(&shown);
}

fn row_030_nearest_lower_layer_wins(context: &Context) {
    let layers = [
        vec![dir("d", 0o700)],
        vec![dir("d", 0o711).uid(4).mtime(77, 0)],
        vec![file("d/x", "")],
        vec![file("d/y", "")],
    ];
    context.row(&layers).also_nested().shows(&["d/", "d/x", "d/y"]);
    let tree = context.tree_of(&Image::of(layers));
    assert_eq!((node(&tree, "/d").mode, node(&tree, "/d").uid, node(&tree, "/d").mtime), (0o711, 4, (77, 0)));
}

fn row_030_umask_does_not_matter(context: &Context) {
    for umask in [0o000, 0o077] {
        let old = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(umask));
        let name = format!("u{umask:o}");
        context.row(&[vec![file(format!("{name}/x"), ""), dir("d", 0o777)]]).shows(&[
            "d/",
            &format!("{name}/"),
            &format!("{name}/x"),
        ]);
        nix::sys::stat::umask(old);
    }
}

fn row_031_implied_parent_is_a_lower_symlink(context: &Context) {
    for target in ["usr/lib", "/usr/lib", "usr/../usr/lib", "../../usr/lib/."] {
        let link = format!("lib -> {target}");
        let shown = [&link, "usr/", "usr/lib/", "usr/lib/foo", "usr/lib/ld.so"];
        let layers = [usrmerge(target), vec![file("lib/foo", "foo").mode(0o755).uid(3).xattr("user.x", "y")]];
        context.row(&layers).also_nested().shows(&shown);
        let below =
            vec![dir("lib/sub", 0o700), file("lib/sub/x", ""), file("lib/imp/y", ""), symlink("lib/s", "ld.so")];
        context.row(&[usrmerge(target), below]).in_both_orders().shows(&[
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
        context.row(&layers).shows(&[&link, "usr/", "usr/lib/", "usr/lib/ld.so"]);
        let layers = [usrmerge(target), vec![file("lib/foo", "")], vec![whiteout("usr/lib/foo")]];
        context.row(&layers).shows(&[&link, "usr/", "usr/lib/", "usr/lib/ld.so"]);
    }
}

fn row_031_chains_of_lower_symlinks(context: &Context) {
    let base = vec![symlink("a", "b"), symlink("b", "/c/d"), symlink("c", "e"), dir("e", 0o755), dir("e/d", 0o711)];
    context.row(&[base.clone(), vec![file("a/x", "")]]).also_nested().shows(&[
        "a -> b",
        "b -> /c/d",
        "c -> e",
        "e/",
        "e/d/",
        "e/d/x",
    ]);
    // Each link in a layer of its own; the directory is the last one.
    let layers: Vec<Vec<Entry>> = base.into_iter().map(|entry| vec![entry]).chain([vec![file("a/x", "")]]).collect();
    context.row(&layers).shows(&["a -> b", "b -> /c/d", "c -> e", "e/", "e/d/", "e/d/x"]);
}

fn row_032_directory_over_a_lower_symlink(context: &Context) {
    let top = vec![dir("lib", 0o755), file("lib/foo", "")];
    context.row(&[usrmerge("usr/lib"), top]).also_nested().shows(&[
        "lib/",
        "lib/foo",
        "usr/",
        "usr/lib/",
        "usr/lib/ld.so",
    ]);
}
