//! Official images, in every form that they may come in, against the exact trees that are known of them.

use std::fs;
use std::path::{Path, PathBuf};

use overlay_tests::cases;
use overlay_tests::fixture::tar_directory;
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::{listing, read_tree};

/// Names of the `.truth` files, and the platforms.
const PLATFORMS: [(&str, &str); 8] = [
    ("386", "linux/386"),
    ("amd64", "linux/amd64"),
    ("arm64v8", "linux/arm64/v8"),
    ("armv5", "linux/arm/v5"),
    ("armv7", "linux/arm/v7"),
    ("ppc64le", "linux/ppc64le"),
    ("riscv64", "linux/riscv64"),
    ("s390x", "linux/s390x"),
];

pub fn cases() -> Vec<Case> {
    cases![
        alpine_from_a_directory => Need::Images;
        alpine_from_an_oci_archive => Need::Images;
        alpine_on_ext4_and_xfs => Need::Images, Need::FileSystem("ext4"), Need::FileSystem("xfs");
        busybox_for_every_platform => Need::Images;
        busybox_of_all_platforms_at_once => Need::Images;
        docker_archive_by_skopeo => Need::Images, Need::Tool("skopeo");
        oci_archive_by_skopeo => Need::Images, Need::Tool("skopeo");
        zstd_by_skopeo => Need::Images, Need::Tool("skopeo");
        docker_manifests_by_skopeo => Need::Images, Need::Tool("skopeo");
        reencoded_by_umoci => Need::Images, Need::Tool("umoci");
        imported_root_file_systems => Need::Images, Need::Tool("tar")
    ]
}

#[track_caller]
fn assert_truth(context: &Context, merged: &Path, name: &str) {
    let expected = fs::read_to_string(context.images().join(format!("{name}.truth"))).unwrap();
    let actual = listing(&read_tree(merged).unwrap());
    if expected != actual {
        let only = |these: &str, those: &str, sign: char| -> String {
            let those: std::collections::BTreeSet<&str> = those.lines().collect();
            let lines = these.lines().filter(|line| !those.contains(line)).map(|line| format!("{sign}{line}\n"));
            lines.collect::<Vec<_>>().concat()
        };
        panic!("{name}\n{}{}", only(&expected, &actual, '-'), only(&actual, &expected, '+'));
    }
}

/// Loads a source, mounts what it became, and compares.
#[track_caller]
fn check(context: &Context, arguments: &[&str], truth: &str) -> String {
    let stdout = context.rootlay([&["load"], arguments].concat()).ok();
    let image = stdout.lines().last().unwrap().rsplit_once(": ").unwrap().1.to_owned();
    let id = context.rootlay(["images", "-q", "--no-trunc"]).ok();
    let merged = context.mount([id.lines().next().unwrap()]);
    assert_truth(context, &merged, truth);
    context.umount(&merged);
    fs::remove_dir_all(context.root()).unwrap();
    image
}

fn layout(context: &Context, name: &str) -> PathBuf {
    context.images().join(name)
}

fn alpine_from_a_directory(context: &Context) {
    let dir = layout(context, "alpine");
    check(context, &[&format!("oci:{}", dir.display())], "alpine");
    check(context, &[&format!("oci:{}:latest", dir.display())], "alpine");
    check(context, &[dir.to_str().unwrap()], "alpine");
}

fn alpine_from_an_oci_archive(context: &Context) {
    let path = context.fresh("alpine.tar");
    fs::write(&path, tar_directory(&layout(context, "alpine"))).unwrap();
    check(context, &[&format!("oci-archive:{}", path.display())], "alpine");
    check(context, &["-i", path.to_str().unwrap()], "alpine");
}

fn alpine_on_ext4_and_xfs(context: &Context) {
    for file_system in ["ext4", "xfs"] {
        let root = context.mount_image(file_system, "512M").join("root");
        let source = format!("oci:{}", layout(context, "alpine").display());
        context.output(&mut context.command_on(&root, ["load", &source])).ok();
        let id = context.output(&mut context.command_on(&root, ["images", "-q", "--no-trunc"])).ok();
        let merged = context.output(&mut context.command_on(&root, ["mount", id.trim()])).ok();
        assert_truth(context, merged.trim_end().as_ref(), "alpine");
        context.output(&mut context.command_on(&root, ["umount", merged.trim_end()])).ok();
    }
}

fn busybox_for_every_platform(context: &Context) {
    let source = format!("oci:{}", layout(context, "busybox-multiarch").display());
    for (name, platform) in PLATFORMS {
        check(context, &["--platform", platform, &source], &format!("busybox-multiarch.{name}"));
    }
}

/// In one store: what they share is unpacked once, and each is what it was alone.
fn busybox_of_all_platforms_at_once(context: &Context) {
    let source = format!("oci:{}", layout(context, "busybox-multiarch").display());
    let mut seen = Vec::new();
    for (name, platform) in PLATFORMS {
        context.rootlay(["load", "--platform", platform, &source]).ok();
        let all = context.rootlay(["images", "-a", "-q", "--no-trunc"]).ok();
        let id = all.lines().find(|id| !seen.contains(&(*id).to_owned())).unwrap().to_owned();
        seen.push(id.clone());
        let merged = context.mount(["--name", name, &id]);
        assert_truth(context, &merged, &format!("busybox-multiarch.{name}"));
    }
    for (name, _) in PLATFORMS {
        assert_truth(
            context,
            &context.root().join(format!("views/{name}/merged")),
            &format!("busybox-multiarch.{name}"),
        );
    }
    context.rootlay(["umount", "-a"]).ok();
}

fn skopeo(context: &Context, arguments: &[&str]) {
    context.run("skopeo", &[&["copy", "-q", "--insecure-policy"], arguments].concat()).ok();
}

fn alpine_source(context: &Context) -> String {
    format!("oci:{}:latest", layout(context, "alpine").display())
}

fn docker_archive_by_skopeo(context: &Context) {
    let path = context.fresh("docker.tar");
    skopeo(context, &[&alpine_source(context), &format!("docker-archive:{}:alpine:3.20", path.display())]);
    let source = format!("docker-archive:{}", path.display());
    assert_eq!(check(context, &[&source], "alpine"), "alpine:3.20");
    assert_eq!(check(context, &[&format!("{source}:alpine:3.20")], "alpine"), "alpine:3.20");
    check(context, &[path.to_str().unwrap()], "alpine");
    // Two platforms of a multi-platform image.
    for (name, platform) in [("arm64v8", "arm64"), ("s390x", "s390x")] {
        let path = context.fresh("docker.tar");
        let from = format!("oci:{}:latest", layout(context, "busybox-multiarch").display());
        let to = format!("docker-archive:{}:busybox:1", path.display());
        context.run("skopeo", &["--override-arch", platform, "copy", "-q", "--insecure-policy", &from, &to]).ok();
        let arguments = ["--platform", &format!("linux/{platform}"), path.to_str().unwrap()];
        check(context, &arguments, &format!("busybox-multiarch.{name}"));
    }
}

fn oci_archive_by_skopeo(context: &Context) {
    let path = context.fresh("oci.tar");
    skopeo(context, &[&alpine_source(context), &format!("oci-archive:{}:latest", path.display())]);
    check(context, &[&format!("oci-archive:{}:latest", path.display())], "alpine");
    check(context, &[path.to_str().unwrap()], "alpine");
}

fn zstd_by_skopeo(context: &Context) {
    for format in ["zstd", "gzip"] {
        let dir = context.fresh("reencoded");
        let to = format!("oci:{}:latest", dir.display());
        let level = if format == "gzip" { "9" } else { "5" };
        let compression = ["--dest-compress-format", format, "--dest-compress-level", level];
        skopeo(context, &[&compression[..], &[&alpine_source(context), &to]].concat());
        check(context, &[&to], "alpine");
    }
}

fn docker_manifests_by_skopeo(context: &Context) {
    let dir = context.fresh("v2s2");
    let to = format!("oci:{}:latest", dir.display());
    skopeo(context, &["--format", "oci", &alpine_source(context), &to]);
    check(context, &[&to], "alpine");
}

/// Unpacked, packed into one new layer, and loaded again.
fn reencoded_by_umoci(context: &Context) {
    for (name, truth) in [("alpine", "alpine"), ("busybox-multiarch", "busybox-multiarch.amd64")] {
        let [old, new, made] = ["old", "new", "made"].map(|stem| context.fresh(stem));
        let shown = |path: &Path| path.to_str().unwrap().to_owned();
        let from = format!("{}:latest", layout(context, name).display());
        let to = format!("{}:latest", made.display());
        let umoci = |arguments: &[&str]| context.run("umoci", arguments).exits(0).code;
        if context.run("umoci", &["unpack", "--image", &from, &shown(&old)]).code != 0 {
            // umoci asks for one platform where an index has several.
            let single = context.fresh("single");
            skopeo_platform(context, name, &single);
            umoci(&["unpack", "--image", &format!("{}:latest", single.display()), &shown(&old)]);
        }
        umoci(&["init", "--layout", &shown(&made)]);
        umoci(&["new", "--image", &to]);
        umoci(&["unpack", "--image", &to, &shown(&new)]);
        let rootfs = format!("{}/.", old.join("rootfs").display());
        context.run("cp", &["-a", &rootfs, &shown(&new.join("rootfs"))]).ok();
        umoci(&["repack", "--image", &to, &shown(&new)]);
        check(context, &[&format!("oci:{to}")], truth);
    }
}

fn skopeo_platform(context: &Context, name: &str, to: &Path) {
    let from = format!("oci:{}:latest", layout(context, name).display());
    let to = format!("oci:{}:latest", to.display());
    context.run("skopeo", &["--override-arch", "amd64", "copy", "-q", "--insecure-policy", &from, &to]).ok();
}

/// The merged tree as a tar, imported as a one-layer image.
fn imported_root_file_systems(context: &Context) {
    context.rootlay(["load", &alpine_source(context)]).ok();
    let id = context.rootlay(["images", "-q", "--no-trunc"]).ok();
    let merged = context.mount([id.trim()]);
    let path = context.fresh("rootfs.tar");
    let tar = [
        "--xattrs",
        "--format=posix",
        "--sort=name",
        "-C",
        merged.to_str().unwrap(),
        "-cf",
        path.to_str().unwrap(),
        ".",
    ];
    context.run("tar", &tar).ok();
    let imported = context.rootlay(["import", "--name", "imported:1", path.to_str().unwrap()]).ok();
    assert!(imported.starts_with("sha256:"), "{imported}");
    let view = context.mount(["imported:1"]);
    assert_truth(context, &view, "alpine");
    let view = context.mount([imported.trim()]);
    assert_truth(context, &view, "alpine");
    context.rootlay(["umount", "-a"]).ok();
}
