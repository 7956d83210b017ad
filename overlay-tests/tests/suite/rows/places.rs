//! Rows 21, 136, 153 to 155, 166 and 170: odd, small, strange and private places for the store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use overlay_tests::cases;
use overlay_tests::fixture::{
    Compression, Entry, Image, Layer, dir, file, hardlink, media, opaque, pax_entry, pax_record, symlink, whiteout,
};
use overlay_tests::harness::{Case, Context, Need, OLD_XFS, Output, StoreListing};
use overlay_tests::tree::{names, read_tree};

pub fn cases() -> Vec<Case> {
    let mut all = cases![
        row_136_many_entries;
        row_186_disk_full;
        row_136_header_floods;
        row_153_long_state_root;
        row_155_odd_state_roots;
        row_166_no_xattrs;
        row_170_state_root_is_private;
        row_021_store_on_an_overlay => Need::Kernel(6, 8);
        row_021_store_on_an_overlay_of_any_kernel;
        row_021_lowest_layer_on_an_overlay => Need::Kernel(6, 8);
        row_166_ext4_without_entry_types => Need::FileSystem("ext4");
        row_166_xfs_without_ftype => Need::FileSystem("xfs"), Need::OldXfs
    ];
    for (name, file_system) in
        [("row_166_ext4", "ext4"), ("row_166_xfs", "xfs"), ("row_166_btrfs", "btrfs"), ("row_166_tmpfs", "tmpfs")]
    {
        all.push(Case::new(module_path!(), name, row_166_file_systems).on(file_system));
    }
    all
}

/// A little of everything that needs the file system's help.
pub fn demanding() -> Vec<Vec<Entry>> {
    vec![
        vec![
            dir("d", 0o1777).uid(5).mtime(9, 500_000_000),
            file("d/a", "a").xattr("trusted.t", "1"),
            dir("o", 0o755),
            file("o/x", ""),
        ],
        vec![symlink("ln", "d"), whiteout("o/nothing"), file("plain/f", "")],
        vec![file("ln/b", "b"), hardlink("c", "d/a"), opaque("o"), whiteout("plain/f"), file("o/y", "")],
        vec![dir("base", 0o755), whiteout("base/x"), file("base/y", "").mode(0o4755)],
    ]
}

pub const DEMANDED: [&str; 10] = ["base/", "base/y", "c", "d/", "d/a", "d/b", "ln -> d", "o/", "o/y", "plain/"];

#[track_caller]
fn shows_demanding(context: &Context) {
    context.row(&demanding()).shows(&DEMANDED);
}

fn row_136_many_entries(context: &Context) {
    let files: Vec<Entry> = (0..20_000).map(|n| file(format!("d{}/f{n}", n % 100), "")).collect();
    let marks: Vec<Entry> = (0..20_000).map(|n| whiteout(format!("d{}/f{n}", n % 100))).collect();
    let tree = context.tree_of(&Image::of([files, vec![file("d0/keep", "")], marks]));
    // The directories were implied by the base, and so they stay.
    assert_eq!(tree.len(), 1 + 100 + 1);
}

/// A bomb meets a small file system: exit code 1, the words, and nothing left.
fn row_186_disk_full(context: &Context) {
    let small = context.fresh_dir("small");
    nix::mount::mount(Some("tmpfs"), &small, Some("tmpfs"), nix::mount::MsFlags::empty(), Some("size=8m")).unwrap();
    let root = small.join("root");
    let load = |image: &Image| {
        let layout = context.fresh("layout");
        image.write_oci(&layout);
        let source = format!("oci:{}", layout.display());
        let output = context.output(&mut context.command_on(&root, ["load", &source]));
        fs::remove_dir_all(layout).unwrap();
        output
    };
    load(&Image::of([vec![file("keep", "")]])).ok();
    let before = StoreListing::read(&root);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let zeros = Layer::of(&[file("zeros", vec![0; 64 << 20])]).compressed(compression);
        let output = load(&Image::of([Layer::of(&[file("first", "")]), zeros])).exits(1);
        assert!(output.stderr.contains("no space left"), "{}", output.stderr);
        before.assert_unchanged(&root);
    }
    load(&Image::of([vec![file("still", "works")]])).ok();
}

/// Each header is small enough; all of them together are not kept.
fn row_136_header_floods(context: &Context) {
    let flood: Vec<u8> =
        (0..200).flat_map(|n| pax_entry(&pax_record(format!("comment{n}"), "c".repeat(900_000)))).collect();
    let layer = Layer::pieces(&[
        flood,
        overlay_tests::fixture::encode_entry(&file("f", ""), overlay_tests::fixture::Format::Pax),
    ]);
    let (_, output) = context
        .try_load(&Image::of([layer.compressed(Compression::Custom(media::LAYER_GZIP, overlay_tests::fixture::gzip))]));
    assert!(matches!(output.code, 0 | 3), "{output:?}");
}

/// Longer than the 255 bytes that `fsconfig` takes as a string, and than what a page of `mount(2)` options holds.
fn row_153_long_state_root(context: &Context) {
    let deep = context.dir().join(vec!["p".repeat(200); 10].join("/"));
    fs::create_dir_all(&deep).unwrap();
    works_on(context, &deep.join("root"));
}

fn row_155_odd_state_roots(context: &Context) {
    for name in ["a:b", "a,b", "a\\b", "a b", "a\nb", "a\"b'c", "a=b", "\u{e4}\u{f6}", "a\\:b,c\\,d:\\\\e", "-o", "%s#"]
    {
        let parent = context.dir().join(name);
        fs::create_dir(&parent).unwrap();
        works_on(context, &parent.join("root"));
    }
}

/// Loads and mounts on another state root, read-only and writable, and at a target.
#[track_caller]
pub fn works_on(context: &Context, root: &Path) {
    let layout = context.fresh("layout");
    let id = Image::of(demanding()).write_oci(&layout).image_id;
    let run = |arguments: &[&str]| context.output(&mut context.command_on(root, arguments)).ok();
    run(&["load", &format!("oci:{}", layout.display())]);
    let target = context.fresh_dir("target");
    for arguments in [
        &["mount", "--target", target.to_str().unwrap(), &id][..],
        &["mount", "-w", "--name", "w", "--target", target.to_str().unwrap(), &id],
    ] {
        run(arguments);
        assert_eq!(names(&read_tree(&target).unwrap()), DEMANDED);
        run(&["umount", target.to_str().unwrap()]);
    }
    run(&["mount", "--name", "v", &id]);
    assert_eq!(names(&read_tree(&root.join("views/v/merged")).unwrap()), DEMANDED);
    run(&["umount", "v"]);
}

fn row_166_file_systems(context: &Context) {
    shows_demanding(context);
    context.row(&[vec![file("f", ""), whiteout("g"), opaque("d")]]).in_any_order().shows(&["d/", "f"]);
}

/// Without xattrs there are no opaque directories: better no image than a wrong one.
fn row_166_no_xattrs(context: &Context) {
    let small = context.fresh_dir("ramfs");
    nix::mount::mount(Some("ramfs"), &small, Some("ramfs"), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
    let layout = context.fresh("layout");
    Image::of([vec![file("d/x", "")], vec![opaque("d"), whiteout("y")]]).write_oci(&layout);
    let source = format!("oci:{}", layout.display());
    let output = context.output(&mut context.command_on(&small.join("root"), ["load", &source]));
    assert_eq!(output.code, 4, "{output:?}");
    output.one_line();
}

/// CVE-2021-41091: setuid files of layers must be out of reach of other users.
fn row_170_state_root_is_private(context: &Context) {
    context.load(&Image::of([vec![file("su", "").mode(0o4755)]]));
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&context.root()), 0o700);
    // Also where it was there with another mode.
    let other = context.fresh_dir("other");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let _ = context.output(&mut context.command_on(&other, ["images"]));
    context.output(&mut context.command_on(&other, ["load", "/does/not/exist"])).exits(1).one_line();
    assert_eq!(mode(&other) & 0o077, 0, "an existing directory keeps its mode {:o}", mode(&other));
}

/// Inside of a container: no device 0:0 can be made there.
fn row_021_store_on_an_overlay(context: &Context) {
    let root = context.mount_overlay().join("root");
    let output = shows_demanding_or_refuses(context, &root);
    assert!(output.is_none(), "{output:?}");
}

/// Whiteouts that hide nothing, where nothing lies below them; also of the lowest of as many layers as the kernel takes.
fn row_021_lowest_layer_on_an_overlay(context: &Context) {
    let root = context.mount_overlay().join("root");
    let lowest = vec![dir("d", 0o755), file("d/f", ""), whiteout("d/g"), whiteout("h")];
    for count in [1, 2, 498, 499, 500] {
        let above = (1..count).map(|n| vec![file(format!("f{n}"), "")]);
        let layout = context.fresh("layout");
        let id = Image::of([lowest.clone()].into_iter().chain(above)).write_oci(&layout).image_id;
        let run = |arguments: &[&str]| context.output(&mut context.command_on(&root, arguments)).ok();
        run(&["load", &format!("oci:{}", layout.display())]);
        let merged = run(&["mount", &id]);
        let shown = names(&read_tree(merged.trim_end().as_ref()).unwrap());
        assert_eq!(shown.len(), 2 + count - 1, "{count} layers");
        assert_eq!(shown[..2], ["d/", "d/f"]);
        run(&["umount", "-a"]);
    }
}

/// Before Linux 6.7 the marks of an overlay cannot be set on another one, before 6.8 they mean nothing.
fn row_021_store_on_an_overlay_of_any_kernel(context: &Context) {
    let root = context.mount_overlay().join("root");
    if let Some(output) = shows_demanding_or_refuses(context, &root) {
        assert!(output.one_line().contains("overlay"), "{}", output.stderr);
    }
}

/// Row 166: without types of entries the kernel takes whiteouts for files when it lists a directory.
fn row_166_ext4_without_entry_types(context: &Context) {
    let root = context.mount_image_with("ext4", &["-O", "^filetype"], "64M").join("root");
    let output = shows_demanding_or_refuses(context, &root).expect("expected a refusal");
    assert!(output.one_line().contains("types of directory entries"), "{}", output.stderr);
}

/// The same, as it is met: file systems of before 2014.
fn row_166_xfs_without_ftype(context: &Context) {
    let root = context.mount_image_with("xfs", OLD_XFS, "512M").join("root");
    let output = shows_demanding_or_refuses(context, &root).expect("expected a refusal");
    assert!(output.one_line().contains("types of directory entries"), "{}", output.stderr);
}

/// Loads and mounts on a state root that may not be fit for it: the right tree, or exit code 4, never another tree.
fn shows_demanding_or_refuses(context: &Context, root: &Path) -> Option<Output> {
    let layout = context.fresh("layout");
    let id = Image::of(demanding()).write_oci(&layout).image_id;
    let run = |arguments: &[&str]| context.output(&mut context.command_on(root, arguments));
    let output = run(&["load", &format!("oci:{}", layout.display())]);
    if output.code == 0 {
        let merged = run(&["mount", &id]).ok();
        assert_eq!(names(&read_tree(merged.trim_end().as_ref()).unwrap()), DEMANDED);
        return None;
    }
    assert_eq!(run(&["images", "-q"]).ok(), "");
    Some(output.exits(4))
}
