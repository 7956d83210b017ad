//! Writable views: what was written survives `umount`, and only that view has it.

use std::fs;
use std::path::Path;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, dir, file, opaque, whiteout};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::{names, read_tree};

pub fn cases() -> Vec<Case> {
    cases![
        writable_views_come_back;
        writable_views_are_apart;
        writable_views_hide_and_replace;
        row_159_writable_view_in_use;
        rm_forgets_a_writable_view;
        rm_leaves_a_view_that_is_mounted_somewhere
    ]
}

fn layers() -> [Vec<Entry>; 3] {
    [
        vec![dir("d", 0o755), file("d/old", "old"), file("f", "one"), dir("gone", 0o755), file("gone/x", "")],
        vec![file("f", "two"), whiteout("gone")],
        vec![opaque("d"), file("d/new", "new")],
    ]
}

pub const SHOWN: [&str; 3] = ["d/", "d/new", "f"];

pub fn load(context: &Context) -> String {
    context.load(&Image::of(layers())).image_id
}

#[track_caller]
pub fn shows(merged: &Path, expected: &[&str]) {
    assert_eq!(names(&read_tree(merged).unwrap()), expected);
}

fn writable_views_come_back(context: &Context) {
    let id = load(context);
    let merged = context.mount(["-w", "--name", "w", &id]);
    fs::write(merged.join("f"), "written").unwrap();
    fs::write(merged.join("created"), "c").unwrap();
    fs::create_dir(merged.join("dir")).unwrap();
    fs::remove_file(merged.join("d/new")).unwrap();
    for _ in 0..2 {
        context.rootlay(["umount", "w"]).ok();
        assert!(!merged.join("f").exists());
        assert_eq!(context.mount(["--name", "w"]), merged);
        shows(&merged, &["created", "d/", "dir/", "f"]);
        assert_eq!(fs::read(merged.join("f")).unwrap(), b"written");
    }
    // While it is mounted, and while it is not, the image stays.
    let _ = context.rootlay(["rmi", &id]).exits(2);
    context.rootlay(["umount", "w"]).ok();
    assert_ne!(context.rootlay(["rmi", &id]).code, 0);
    // The image itself has not changed.
    assert_eq!(names(&context.tree_of_loaded(&id)), SHOWN);
}

fn writable_views_are_apart(context: &Context) {
    let id = load(context);
    let [one, two] = ["one", "two"].map(|name| context.mount(["-w", "--name", name, &id]));
    fs::write(one.join("only-one"), "").unwrap();
    shows(&two, &SHOWN);
    context.rootlay(["umount", "one", "two"]).ok();
    assert_eq!(context.mount(["--name", "two"]), two);
    shows(&two, &SHOWN);
    context.umount(&two);
}

/// The kernel's own whiteouts and opaque directories in the upper directory, on top of ours.
fn writable_views_hide_and_replace(context: &Context) {
    let id = load(context);
    let merged = context.mount(["-w", "--name", "w", &id]);
    fs::remove_dir_all(merged.join("d")).unwrap();
    fs::create_dir(merged.join("d")).unwrap();
    fs::create_dir(merged.join("gone")).unwrap();
    fs::rename(merged.join("f"), merged.join("gone/f")).unwrap();
    shows(&merged, &["d/", "gone/", "gone/f"]);
    context.umount(&merged);
    context.mount(["--name", "w"]);
    shows(&merged, &["d/", "gone/", "gone/f"]);
    context.umount(&merged);
}

/// Where a view with a damaged record is mounted, only the table of mounts knows.
fn rm_leaves_a_view_that_is_mounted_somewhere(context: &Context) {
    let id = load(context);
    let target = context.fresh_dir("target");
    context.mount(["-w", "--name", "w", "--target", target.to_str().unwrap(), &id]);
    fs::write(target.join("precious"), "work of weeks").unwrap();
    let record = context.root().join("views/w/view.json");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    let _ = context.rootlay(["rm", "w"]).exits(2);
    assert_eq!(fs::read(context.root().join("views/w/upper/precious")).unwrap(), b"work of weeks");
    nix::mount::umount(&target).unwrap();
    context.rootlay(["rm", "w"]).ok();
}

/// Row 159: two mounts of one upper directory are undefined behaviour.
fn row_159_writable_view_in_use(context: &Context) {
    let id = load(context);
    context.mount(["-w", "--name", "w", &id]);
    context.rootlay(["mount", "--name", "w"]).exits(2).one_line();
    let _ = context.rootlay(["rm", "w"]).exits(2);
    context.rootlay(["umount", "w"]).ok();
}

fn rm_forgets_a_writable_view(context: &Context) {
    let id = load(context);
    let merged = context.mount(["-w", "--name", "w", &id]);
    fs::write(merged.join("f"), "written").unwrap();
    context.umount(&merged);
    assert_eq!(context.rootlay(["rm", "w"]).ok(), "w\n");
    let _ = context.rootlay(["mount", "--name", "w"]).exits(1);
    let _ = context.rootlay(["rm", "w"]).exits(1);
    assert!(!context.root().join("views/w").exists());
    let merged = context.mount(["-w", "--name", "w", &id]);
    assert_eq!(fs::read(merged.join("f")).unwrap(), b"two");
    context.umount(&merged);
    context.rootlay(["rm", "w"]).ok();
    context.rootlay(["rmi", &id]).ok();
}
