//! Rows 38, 44, 54, 64, 83, 106, 151 and 161 to 165: what the kernel and the file system do, and how we stand to it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink as make_symlink};
use std::path::{Path, PathBuf};

use overlay_tests::cases;
use overlay_tests::fixture::{Image, dir, file, hardlink, special, symlink, whiteout};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::{names, read_tree};

use super::{acl, node};

pub fn cases() -> Vec<Case> {
    cases![
        row_038_directories_that_nobody_may_write;
        row_044_a_file_between_two_directories;
        row_054_attributes_that_do_not_fit;
        row_064_sockets_are_no_type_of_tar;
        row_083_a_rival_in_staging;
        row_106_a_sibling_with_a_longer_name;
        row_151_layers_are_never_nested;
        row_161_hard_links_break_on_copy_up => Need::WritableViews;
        rows_162_to_165_options_of_a_mount => Need::WritableViews
    ]
}

fn row_038_directories_that_nobody_may_write(context: &Context) {
    let layer = vec![dir("d", 0o555), file("d/f", "x"), dir("d/e", 0), file("d/e/g", "y")];
    context.row(&[layer]).also_nested().shows(&["d/", "d/e/", "d/e/g", "d/f"]);
}

fn row_044_a_file_between_two_directories(context: &Context) {
    let below = vec![dir("foo", 0o755), file("foo/old", ""), dir("foo/sub", 0o755), file("foo/sub/x", "")];
    for between in [file("foo", "f"), symlink("foo", "bar")] {
        let above = vec![dir("foo", 0o700), file("foo/new", "")];
        let layers = [below.clone(), vec![between], above];
        context.row(&layers).also_nested().shows(&["foo/", "foo/new"]);
    }
}

/// The kernel takes 64 KiB; a file system may take less and says so.
fn row_054_attributes_that_do_not_fit(context: &Context) {
    let image = |len: usize| Image::of([vec![file("f", "").xattr("user.big", "x".repeat(len))]]);
    let tree = context.tree_of(&image(3000));
    assert_eq!(node(&tree, "/f").xattrs[&b"user.big"[..]].len(), 3000);
    context.refuse(&image(70_000), &["f", "user.big", "70000"]);
    // What the kernel finds wrong with an attribute is wrong with the image.
    for (name, value) in [
        ("security.capability", b"garbage".to_vec()),
        ("system.posix_acl_access", acl()[..11].to_vec()),
        ("system.posix_acl_default", acl()),
    ] {
        context.refuse(&Image::of([vec![file("f", "").xattr(name, value)]]), &["`f`", name]);
    }
    let ext4 = context.mount_image("ext4", "64M");
    let layout = context.fresh("layout");
    image(60_000).write_oci(&layout);
    let source = format!("oci:{}", layout.display());
    let output = context.output(&mut context.command_on(&ext4.join("root"), ["load", &source]));
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains("user.big"), "{}", output.stderr);
}

/// Tar has no type for a socket; `s` is the letter that some tool might choose.
fn row_064_sockets_are_no_type_of_tar(context: &Context) {
    context.refuse(&Image::of([vec![special("socket", b's', "")]]), &["socket"]);
}

/// Another process of root puts symlinks where directories are made, as fast as it can.
fn row_083_a_rival_in_staging(context: &Context) {
    let canary = context.fresh_dir("canary");
    let entries =
        (0..400).flat_map(|n| [dir(format!("d{n}"), 0o755), file(format!("d{n}/f"), "x"), whiteout(format!("d{n}/w"))]);
    let layout = context.fresh("layout");
    Image::of([entries.collect::<Vec<_>>()]).write_oci(&layout);
    let staging = context.root().join("staging");
    let mut swapped = 0;
    for _ in 0..6 {
        let mut load = context.command(["load", &format!("oci:{}", layout.display())]).spawn().unwrap();
        while load.try_wait().unwrap().is_none() {
            swapped += swap_directories(&staging, &canary);
        }
    }
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0, "after {swapped} swaps");
    assert!(swapped > 0, "the rival never came in time");
    // The next command finds nothing but debris.
    context.rootlay(["images"]).ok();
}

/// Replaces the directories of all staged layers by symlinks to `canary`, and says how many.
fn swap_directories(staging: &Path, canary: &Path) -> usize {
    let subdirectories = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
    };
    let layers = subdirectories(staging).into_iter().flat_map(|unique| subdirectories(&unique));
    let directories = layers.flat_map(|layer| subdirectories(&layer.join("diff")));
    let mut swapped = 0;
    for (number, path) in directories.enumerate() {
        let aside = staging.parent().unwrap().join(format!("aside-{number}"));
        let _ = fs::remove_dir_all(&aside);
        if fs::rename(&path, &aside).is_ok() && make_symlink(canary, &path).is_ok() {
            swapped += 1;
        }
        let _ = fs::remove_dir_all(&aside);
    }
    swapped
}

/// `diff` and `diff-of-somebody-else`: a prefix is no parent.
fn row_106_a_sibling_with_a_longer_name(context: &Context) {
    context.refuse(&Image::of([vec![file("../diff2/f", "")]]), &["../diff2/f"]);
    let layers = [
        vec![dir("root", 0o755), dir("root2", 0o755), file("root2/f", "2")],
        vec![symlink("root/ln", "../root2"), file("root/ln/g", "g"), whiteout("root/ln/f")],
    ];
    context.row(&layers).shows(&["root/", "root/ln -> ../root2", "root2/", "root2/g"]);
}

fn row_151_layers_are_never_nested(context: &Context) {
    let id = context.load(&Image::of([vec![file("a", "")], vec![file("b", "")], vec![file("c", "")]])).image_id;
    let shown = context.rootlay(["inspect", &id]).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let lower = shown[0]["GraphDriver"]["Data"]["LowerDir"].as_str().unwrap();
    let directories: BTreeSet<&Path> = lower.split(':').map(Path::new).collect();
    assert_eq!(directories.len(), 4, "three layers and the correction: {lower}");
    for one in &directories {
        assert!(one.is_dir(), "{}", one.display());
        assert_eq!(directories.iter().filter(|other| other.starts_with(one)).count(), 1, "{lower}");
    }
}

/// What overlayfs does with `index=off`, and what the documentation says.
fn row_161_hard_links_break_on_copy_up(context: &Context) {
    let id = context.load(&Image::of([vec![file("a", "old"), hardlink("b", "a")]])).image_id;
    let merged = context.mount(["-w", "--name", "w", &id]);
    let inode = |name: &str| fs::metadata(merged.join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("b"));
    fs::write(merged.join("a"), "new").unwrap();
    assert_eq!(fs::read(merged.join("a")).unwrap(), b"new");
    assert_eq!(fs::read(merged.join("b")).unwrap(), b"old");
    context.umount(&merged);
    assert_eq!(names(&context.tree_of_loaded(&id)), ["a", "b"]);
}

/// Never volatile, marks in the namespace of root, nothing mapped, no label: none of it happens unasked.
fn rows_162_to_165_options_of_a_mount(context: &Context) {
    let layers = [vec![dir("d", 0o755), file("d/x", "")], vec![dir("d", 0o755).xattr("user.overlay.opaque", "y")]];
    let id = context.load(&Image::of(layers)).image_id;
    for arguments in [vec!["--name", "ro", &id], vec!["-w", "--name", "rw", &id]] {
        let merged = context.mount(arguments);
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let shown = merged.to_str().unwrap();
        let line = table.lines().find(|line| line.split(' ').nth(4) == Some(shown)).unwrap();
        for option in ["volatile", "userxattr", "idmapped", "context=", "metacopy=on", "redirect_dir=on", "index=on"] {
            assert!(!line.contains(option), "{option}: {line}");
        }
        let tree = read_tree(&merged).unwrap();
        assert_eq!(names(&tree), ["d/", "d/x"]);
        assert!(node(&tree, "/d").xattrs.contains_key(&b"user.overlay.opaque"[..]));
        assert!(!context.root().join("views/rw/work/work/incompat").exists());
        context.umount(&merged);
    }
}
