//! Rows 71 to 77: what hard links may name, and when.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, dir, file, hardlink, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context};

pub fn cases() -> Vec<Case> {
    cases![
        row_071_link_to_a_later_entry;
        row_071_link_to_nothing;
        row_071_waiting_links_keep_their_place;
        row_072_waiting_link_below_a_symlink;
        row_073_link_to_a_symlink;
        row_074_link_to_a_directory;
        row_075_link_to_itself;
        row_076_spellings_of_targets;
        row_076_escaping_targets;
        row_077_link_to_a_whiteout
    ]
}

fn row_071_link_to_a_later_entry(context: &Context) {
    context.row(&[vec![hardlink("b", "a"), file("a", "x")]]).also_nested().shows(&["a", "b"]);
    let layer = vec![hardlink("d/b", "e/a"), hardlink("c", "e/a"), file("e/a", "x").uid(4)];
    context.row(&[layer]).also_nested().shows(&["c", "d/", "d/b", "e/", "e/a"]);
    // The lower target is whited out and comes again.
    let top = vec![whiteout("a"), hardlink("b", "a"), file("a", "new")];
    context.row(&[vec![file("a", "old")], top]).also_nested().shows(&["a", "b"]);
}

fn row_071_link_to_nothing(context: &Context) {
    context.row(&[vec![file("f", ""), hardlink("b", "a")]]).also_nested().refused("b");
    context.row(&[vec![hardlink("b", "a"), file("b", "")]]).also_nested().refused("b");
    context.row(&[vec![hardlink("b", "a/x"), file("a", "")]]).refused("b");
    // In a lower layer, but hidden there; only the stack can tell.
    let base = || vec![file("d/a", "x"), file("f", "")];
    for mark in [whiteout("d"), whiteout("d/a"), opaque("d"), opaque("")] {
        context.row(&[base(), vec![mark.clone(), hardlink("b", "d/a")]]).in_any_order().refused("b");
        context.row(&[base(), vec![mark], vec![hardlink("b", "d/a")]]).refused("b");
    }
    context.row(&[vec![file("f", "")], vec![hardlink("b", "a")]]).refused("b");
}

fn row_071_waiting_links_keep_their_place(context: &Context) {
    let link = || hardlink("b", "a");
    context.row(&[vec![link(), file("b", "other"), file("a", "x")]]).shows(&["a", "b"]);
    context.row(&[vec![link(), dir("b", 0o755), file("b/x", ""), file("a", "x")]]).shows(&["a", "b/", "b/x"]);
    let layer = vec![dir("d", 0o755), hardlink("d/b", "a"), file("d", "now a file"), file("a", "x")];
    context.row(&[layer]).also_nested().shows(&["a", "d"]);
    // It replaces what was there before it.
    context.row(&[vec![file("b", "old")], vec![link(), file("a", "x")]]).also_nested().shows(&["a", "b"]);
    context.row(&[vec![file("b", "old"), link(), file("a", "x")]]).also_nested().shows(&["a", "b"]);
    context.row(&[vec![dir("b", 0o755), file("b/x", "")], vec![link(), file("a", "x")]]).shows(&["a", "b"]);
}

fn row_072_waiting_link_below_a_symlink(context: &Context) {
    let outside = context.fresh_dir("outside");
    let target = outside.to_str().unwrap();
    let canary = outside.join("x");
    fs::write(&canary, "alive").unwrap();
    for door in [target, "../../../outside-1", "../.."] {
        let layer = vec![hardlink("door/x", "victim"), symlink("door", door), file("victim", "pwned")];
        context.row(std::slice::from_ref(&layer)).in_any_order().does_as_the_model_says();
        context
            .row(&[vec![symlink("door", door)], vec![hardlink("door/x", "victim"), file("victim", "v")]])
            .does_as_the_model_says();
        context.row(&[vec![hardlink("h", "door/x"), symlink("door", door)]]).refused("h");
    }
    assert_eq!(fs::read(&canary).unwrap(), b"alive");
    assert_eq!(fs::metadata(&canary).unwrap().nlink(), 1);
}

/// CVE-2021-32760: the link's mode and owner must not reach what the symlink points to.
fn row_073_link_to_a_symlink(context: &Context) {
    let canary = context.fresh("canary");
    fs::write(&canary, "alive").unwrap();
    let before = fs::metadata(&canary).unwrap();
    let target = canary.to_str().unwrap();
    let layer = || vec![symlink("s", target).uid(3), hardlink("h", "s").mode(0o7777).uid(9).mtime(1, 0)];
    let link = |name: &str| format!("{name} -> {target}");
    context.row(&[layer()]).in_both_orders().also_nested().shows(&[&link("h"), &link("s")]);
    context.row(&[vec![layer().remove(0)], vec![layer().remove(1)]]).also_nested().shows(&[&link("h"), &link("s")]);
    let after = fs::metadata(&canary).unwrap();
    assert_eq!((before.mode(), before.uid(), before.mtime()), (after.mode(), after.uid(), after.mtime()));
    assert_eq!(after.nlink(), 1);
}

fn row_074_link_to_a_directory(context: &Context) {
    context.row(&[vec![dir("d", 0o755), hardlink("h", "d")]]).in_both_orders().also_nested().refused("h");
    context.row(&[vec![dir("d", 0o755)], vec![hardlink("h", "d")]]).also_nested().refused("h");
    context.row(&[vec![file("d/x", ""), hardlink("h", "d/")]]).refused("h");
    context.row(&[vec![hardlink("h", "/")]]).does_as_the_model_says();
}

fn row_075_link_to_itself(context: &Context) {
    context.row(&[vec![file("a", "x").uid(4), hardlink("a", "a").uid(5)]]).also_nested().shows(&["a"]);
    context.row(&[vec![file("a", "x").uid(4)], vec![hardlink("a", "a").uid(5)]]).also_nested().shows(&["a"]);
    context.row(&[vec![file("a", "x"), hardlink("b", "a"), hardlink("a", "b"), hardlink("b", "b")]]).shows(&["a", "b"]);
    context
        .row(&[vec![dir("d", 0o755), file("d/a", "x"), symlink("s", "d"), hardlink("s/a", "d/a")]])
        .shows(&["d/", "d/a", "s -> d"]);
    context.row(&[vec![file("f", ""), hardlink("a", "a")]]).also_nested().refused("a");
}

/// kaniko writes absolute targets.
fn row_076_spellings_of_targets(context: &Context) {
    for target in ["/a", "./a", "//a", "x/../a", "./././a", "a/."] {
        let layer = vec![file("a", "x"), hardlink("b", target)];
        context.row(std::slice::from_ref(&layer)).shows(&["a", "b"]);
        let layers: Vec<Vec<Entry>> = layer.into_iter().map(|entry| vec![entry]).collect();
        context.row(&layers).shows(&["a", "b"]);
    }
    let layer = vec![
        dir("d", 0o755),
        file("d/a", "x"),
        symlink("ln", "/d"),
        hardlink("b", "/ln/a"),
        hardlink("c", "ln/../d/a"),
    ];
    context.row(&[layer]).does_as_the_model_says();
    let layer = vec![dir("d", 0o755), file("d/a", "x"), symlink("up", "../../../d"), hardlink("b", "up/a")];
    context.row(&[layer]).also_nested().does_as_the_model_says();
}

fn row_076_escaping_targets(context: &Context) {
    let canary = context.fresh("canary");
    fs::write(&canary, "alive").unwrap();
    for target in ["../a", "../../../../../../../../etc/passwd", "/../a", "x/../../a", ".."] {
        context.row(&[vec![file("a", "x"), hardlink("b", target)]]).refused("b");
    }
    // In the root's own terms this path does not exist.
    context.row(&[vec![file("a", "x"), hardlink("b", canary.to_str().unwrap())]]).refused("b");
    assert_eq!(fs::metadata(&canary).unwrap().nlink(), 1);
}

fn row_077_link_to_a_whiteout(context: &Context) {
    let base = || vec![file("f", "x"), file("g", "")];
    context.row(&[base(), vec![whiteout("f"), hardlink("h", ".wh.f")]]).in_any_order().refused("h");
    context.row(&[base(), vec![whiteout("f"), hardlink("h", "f")]]).in_any_order().refused("h");
    context.row(&[base(), vec![whiteout("f")], vec![hardlink("h", "f")]]).refused("h");
}
