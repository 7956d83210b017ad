//! Rows 8 to 10, 19 and 21: whiteouts that hide nothing are never seen, on whatever the state root lies.
//!
//! The kernel filters whiteouts where it merges directories. Which it merges depends on what else the stack has; so each
//! stack puts its whiteouts in a directory that others have, or have below an opaque one, or that nobody else has.

use std::fs;

use overlay_tests::fixture::{Entry, Image, char_device, dir, file, hardlink, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::oracle::apply_stack;
use overlay_tests::random::to_source;
use overlay_tests::tree::{Nlink, differences, names};

/// Layers, and the names that have to be seen.
type Stack = (Vec<Vec<Entry>>, &'static [&'static str]);

pub fn cases() -> Vec<Case> {
    let case = |name, function: fn(&Context)| Case::new(module_path!(), name, function);
    vec![
        case("row_009_on_tmpfs", row_009_each).on("tmpfs"),
        case("row_009_on_ext4", row_009_together).on("ext4"),
        case("row_009_on_xfs", row_009_together).on("xfs"),
        case("row_009_on_btrfs", row_009_together).on("btrfs"),
        case("row_021_on_an_overlay", row_021_on_an_overlay).on("overlay").needs(Need::Kernel(6, 8)),
    ]
}

fn stacks() -> Vec<Stack> {
    let kept = |directory: &str| file(format!("{directory}/kept"), "");
    let gone = |directory: &str| whiteout(format!("{directory}/gone"));
    vec![
        // One layer: in the root, in a directory, below it, where nothing else is.
        (vec![vec![whiteout("gone"), file("kept", "")]], &["kept"]),
        (vec![vec![dir("d", 0o755), gone("d")]], &["d/"]),
        (vec![vec![kept("a/b/c"), gone("a/b/c"), gone("a/b"), gone("a")]], &["a/", "a/b/", "a/b/c/", "a/b/c/kept"]),
        // Several: on top, in the middle, at the bottom.
        (
            vec![
                vec![file("x", "")],
                vec![dir("new", 0o755), dir("new/in", 0o750), gone("new"), gone("new/in"), kept("new/in")],
                vec![file("y", "")],
            ],
            &["new/", "new/in/", "new/in/kept", "x", "y"],
        ),
        (
            vec![vec![gone("p/q"), kept("p/q"), gone("p/r")], vec![file("p/q/top", ""), whiteout("p/q/kept")]],
            &["p/", "p/q/", "p/q/top"],
        ),
        (
            vec![vec![kept("p")], vec![gone("p/q/r"), kept("p/q/r")], vec![file("p/top", "")]],
            &["p/", "p/kept", "p/q/", "p/q/r/", "p/q/r/kept", "p/top"],
        ),
        // What is below ends at an opaque directory, at a file, at a whiteout.
        (
            vec![vec![kept("o/p/d")], vec![opaque("o"), file("o/mid", "")], vec![gone("o/p/d"), file("o/p/d/new", "")]],
            &["o/", "o/mid", "o/p/", "o/p/d/", "o/p/d/new"],
        ),
        (
            vec![
                vec![kept("o/p")],
                vec![opaque("o"), gone("o"), gone("o/p"), dir("o/e", 0o755), gone("o/e")],
                vec![gone("o/p"), gone("o/e"), file("o/e/new", "")],
            ],
            &["o/", "o/e/", "o/e/new"],
        ),
        (
            vec![
                vec![file("r", ""), symlink("s", "r")],
                vec![dir("r", 0o755), gone("r"), gone("r/in"), kept("r/in"), dir("s", 0o700), gone("s")],
            ],
            &["r/", "r/in/", "r/in/kept", "s/"],
        ),
        (
            vec![vec![kept("a/b")], vec![whiteout("a")], vec![gone("a/b"), file("a/b/new", "")]],
            &["a/", "a/b/", "a/b/new"],
        ),
        (
            vec![vec![kept("a/b")], vec![whiteout("a"), gone("a"), dir("a", 0o755), dir("a/n", 0o755), gone("a/n")]],
            &["a/", "a/n/"],
        ),
        // The same name deleted again and again, also by a layer that comes twice.
        (
            vec![vec![gone("d"), kept("d")], vec![gone("d")], vec![gone("d/e"), kept("d/e")], vec![gone("d")]],
            &["d/", "d/e/", "d/e/kept", "d/kept"],
        ),
        // Beside hard links, of which the correction layer has its own copies, and below a lower symlink.
        (
            vec![
                vec![file("h/l/a", "x"), hardlink("h/l/b", "h/l/a"), gone("h/l")],
                vec![hardlink("h/m/c", "h/l/a"), gone("h/m"), gone("h/l/none")],
            ],
            &["h/", "h/l/", "h/l/a", "h/l/b", "h/m/", "h/m/c"],
        ),
        (
            vec![
                vec![symlink("lib", "usr/lib"), kept("usr/lib")],
                vec![gone("lib"), gone("lib/deep"), kept("lib/deep")],
            ],
            &["lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/deep/", "usr/lib/deep/kept", "usr/lib/kept"],
        ),
        // A device 0:0 is none, and hides what is below.
        (
            vec![vec![kept("n")], vec![dir("v", 0o755), char_device("v/w", 0, 0), char_device("n/kept", 0, 0)]],
            &["n/", "v/"],
        ),
    ]
}

/// All stacks in one, each below a directory of its own.
fn together() -> Vec<Vec<Entry>> {
    let mut all = Vec::new();
    for (number, (layers, _)) in stacks().into_iter().enumerate() {
        all.resize(all.len().max(layers.len()), Vec::new());
        for (layer, entries) in all.iter_mut().zip(layers) {
            layer.extend(entries.into_iter().map(|entry| entry.below(&format!("{number}/e"))));
        }
    }
    all
}

/// Two mounts show what the model says: the first makes the correction layer, the second finds it. Returns the image.
fn shown(context: &Context, layers: &[Vec<Entry>]) -> String {
    let model = apply_stack(layers).unwrap();
    let id = context.load(&Image::of(layers.iter().cloned())).image_id;
    for _ in 0..2 {
        let lines = differences(&model, &context.tree_of_loaded(&id), Nlink::Compare);
        assert!(lines.is_empty(), "{}\n{}", lines.join("\n"), to_source(layers));
    }
    id
}

fn shown_each(context: &Context) {
    for (layers, expected) in stacks() {
        assert_eq!(names(&apply_stack(&layers).unwrap()), expected, "the model itself is wrong: {layers:?}");
        shown(context, &layers);
    }
}

fn row_021_on_an_overlay(context: &Context) {
    shown_each(context);
    shown(context, &together());
}

fn row_009_each(context: &Context) {
    shown_each(context);
    row_009_together(context);
}

/// Also in a writable view, where a phantom name would keep its directory from being removed.
fn row_009_together(context: &Context) {
    let id = shown(context, &together());
    let merged = context.mount(["-w", &id]);
    for number in 0..stacks().len() {
        fs::remove_dir_all(merged.join(number.to_string())).unwrap();
    }
    assert_eq!(fs::read_dir(&merged).unwrap().count(), 0);
    context.umount(&merged);
}
