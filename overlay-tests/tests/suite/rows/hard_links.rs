//! Rows 65 and 70: hard links, also into lower layers.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, char_device, dir, fifo, file, hardlink, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context, Need};

pub fn cases() -> Vec<Case> {
    cases![
        row_065_metadata_of_links_is_ignored;
        row_070_link_to_a_lower_file;
        row_070_link_to_anything_lower;
        row_070_link_into_a_lower_group;
        row_070_links_in_several_layers;
        row_070_copy_up_of_a_linked_pair => Need::WritableViews
    ]
}

fn row_065_metadata_of_links_is_ignored(context: &Context) {
    let link = |target: &str| hardlink("h", target).mode(0).uid(9).gid(9).mtime(1, 0).xattr("user.h", "1");
    let target = || file("f", "x").mode(0o4711).uid(3).xattr("user.f", "1");
    context.row(&[vec![target(), link("f")]]).in_both_orders().also_nested().shows(&["f", "h"]);
    context.row(&[vec![target()], vec![link("f")]]).also_nested().shows(&["f", "h"]);
}

fn row_070_link_to_a_lower_file(context: &Context) {
    let lower = || file("a", "content").mode(0o4755).uid(4).mtime(77, 5).xattr("user.x", "1").xattr("trusted.y", "2");
    context.row(&[vec![lower()], vec![hardlink("b", "a")]]).also_nested().shows(&["a", "b"]);
    context
        .row(&[vec![lower()], vec![], vec![file("c", "")], vec![hardlink("d/b", "a")]])
        .shows(&["a", "c", "d/", "d/b"]);
    // Two links in one layer, and one over a file that is there.
    let top = vec![hardlink("b", "a"), hardlink("c", "a"), hardlink("d", "b")];
    context.row(&[vec![lower(), file("c", "old")], top]).also_nested().shows(&["a", "b", "c", "d"]);
    let id = context.load(&Image::of([vec![lower()], vec![hardlink("b", "a")]])).image_id;
    let merged = context.mount([&id]);
    let inode = |name: &str| fs::symlink_metadata(merged.join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("b"));
    assert_eq!(fs::read(merged.join("b")).unwrap(), b"content");
    context.umount(&merged);
}

fn row_070_link_to_anything_lower(context: &Context) {
    for target in [symlink("a", "nowhere"), fifo("a"), char_device("a", 1, 3), file("a", "")] {
        context.row(&[vec![target], vec![hardlink("b", "a")]]).also_nested().does_as_the_model_says();
    }
    // Through symlinks of lower layers, on both sides.
    let base = vec![dir("usr", 0o755), dir("usr/lib", 0o711), symlink("lib", "usr/lib"), file("usr/lib/a", "x")];
    context.row(&[base, vec![hardlink("lib/b", "lib/a")]]).also_nested().shows(&[
        "lib -> usr/lib",
        "usr/",
        "usr/lib/",
        "usr/lib/a",
        "usr/lib/b",
    ]);
}

/// All names of the lower file become one inode with the new one, as in one directory.
fn row_070_link_into_a_lower_group(context: &Context) {
    let base = vec![file("a", "x"), hardlink("c", "a"), dir("d", 0o755), hardlink("d/e", "a")];
    context.row(&[base.clone(), vec![hardlink("b", "c")]]).also_nested().shows(&["a", "b", "c", "d/", "d/e"]);
    context.row(&[base, vec![whiteout("c"), hardlink("b", "a")]]).in_any_order().shows(&["a", "b", "d/", "d/e"]);
}

fn row_070_links_in_several_layers(context: &Context) {
    let layers = [vec![file("a", "x")], vec![hardlink("b", "a")], vec![hardlink("c", "b")], vec![hardlink("d", "a")]];
    context.row(&layers).also_nested().shows(&["a", "b", "c", "d"]);
    // What one layer linked, the next one takes apart.
    context.row(&[vec![file("a", "x")], vec![hardlink("b", "a")], vec![file("b", "y")]]).shows(&["a", "b"]);
    context.row(&[vec![file("a", "x")], vec![hardlink("b", "a")], vec![whiteout("a")]]).shows(&["b"]);
    context.row(&[vec![file("d/a", "x")], vec![hardlink("b", "d/a")], vec![opaque("d")]]).shows(&["b", "d/"]);
}

/// In a writable view a write through one name must at least not damage the other.
fn row_070_copy_up_of_a_linked_pair(context: &Context) {
    let id = context.load(&Image::of([vec![file("a", "old")], vec![hardlink("b", "a")]])).image_id;
    let merged = context.mount(["-w", &id]);
    fs::write(merged.join("a"), "new").unwrap();
    assert_eq!(fs::read(merged.join("a")).unwrap(), b"new");
    assert!([&b"old"[..], b"new"].contains(&fs::read(merged.join("b")).unwrap().as_slice()));
    context.umount(&merged);
    let merged = context.mount([&id]);
    assert_eq!(fs::read(merged.join("a")).unwrap(), b"old");
    context.umount(&merged);
}
