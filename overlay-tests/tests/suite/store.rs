//! The store: several processes at once, crashes, removal, privileges.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use overlay_tests::cases;
use overlay_tests::fixture::{Compression, Entry, Image, Layer, dir, file, symlink};
use overlay_tests::harness::{Case, Context, Need, StoreListing};
use overlay_tests::random::Rng;
use overlay_tests::tree::names;

pub fn cases() -> Vec<Case> {
    let mut all = cases![
        row_182_loads_at_once;
        row_182_two_images_that_share_layers_at_once;
        loading_again_changes_nothing;
        row_180_killed_while_loading;
        interrupted_while_loading;
        rmi_keeps_shared_layers;
        rmi_removes_everything_of_the_last_image;
        refused_images_take_their_layers_along;
        names_and_ids;
        newer_stores_are_left_alone;
        without_root => Need::Tool("setpriv");
        without_a_capability => Need::Tool("setpriv")
    ];
    all.push(
        Case::new(module_path!(), "row_180_killed_while_loading_on_ext4", row_180_killed_while_loading).on("ext4"),
    );
    all
}

/// A layer that takes a moment.
fn large(seed: usize) -> Layer {
    let mut rng = Rng::new(seed as u64);
    let noise: Vec<u8> = (0..1 << 16).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
    let entries: Vec<Entry> = (0..400).map(|n| file(format!("d{seed}/{}/f{n}", n % 10), &noise[n..])).collect();
    Layer::of(&entries).compressed(Compression::Gzip)
}

fn layout(context: &Context, image: &Image) -> (String, String) {
    let dir = context.fresh("layout");
    let written = image.write_oci(&dir);
    (format!("oci:{}", dir.display()), written.image_id)
}

fn spawn(context: &Context, arguments: &[&str]) -> Child {
    context.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The inodes of the layers' directories: another inode would mean that a layer was unpacked again.
fn inodes(context: &Context) -> BTreeMap<String, u64> {
    let layers = StoreListing::read(&context.root()).layers();
    let inode = |layer: &String| fs::metadata(context.root().join("layers").join(layer).join("diff")).unwrap().ino();
    layers.iter().map(|layer| (layer.clone(), inode(layer))).collect()
}

#[track_caller]
fn nothing_is_staged(context: &Context) {
    let staged = StoreListing::read(&context.root()).children("staging");
    assert!(staged.is_empty(), "left in staging: {staged:?}");
}

fn row_182_loads_at_once(context: &Context) {
    let (source, id) = layout(context, &Image::of([large(1), large(2), Layer::of(&[file("f", "")])]));
    let children: Vec<Child> = (0..6).map(|_| spawn(context, &["load", &source])).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(StoreListing::read(&context.root()).layers().len(), 3);
    nothing_is_staged(context);
    let before = inodes(context);
    context.rootlay(["load", &source]).ok();
    assert_eq!(inodes(context), before);
    assert_eq!(context.tree_of_loaded(&id).len(), 1 + 2 * (1 + 10 + 400) + 1);
}

fn row_182_two_images_that_share_layers_at_once(context: &Context) {
    for round in 0..5 {
        let own = |n: usize| Layer::of(&[file(format!("own{n}"), round.to_string())]);
        let images = [1, 2, 3].map(|n| layout(context, &Image::of([large(round), own(n)])));
        let children = images.each_ref().map(|(source, _)| spawn(context, &["load", source]));
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(StoreListing::read(&context.root()).layers().len(), 4);
        // Remove two while the third is mounted.
        let merged = context.mount([&images[0].1]);
        let removals = [1, 2].map(|n| spawn(context, &["rmi", &images[n].1]));
        for child in removals {
            assert!(child.wait_with_output().unwrap().status.success());
        }
        assert!(merged.join("own1").exists());
        context.umount(&merged);
        context.rootlay(["rmi", &images[0].1]).ok();
        assert!(StoreListing::read(&context.root()).layers().is_empty());
    }
}

fn loading_again_changes_nothing(context: &Context) {
    let (source, _) = layout(context, &Image::of([Layer::of(&[file("f", "")]), Layer::of(&[file("g", "")])]));
    let first = context.rootlay(["load", &source]).ok();
    let (before, listing) = (inodes(context), StoreListing::read(&context.root()));
    let second = context.rootlay(["load", &source]).ok();
    assert_eq!(first, second);
    assert_eq!(inodes(context), before);
    assert_eq!(StoreListing::read(&context.root()).layers(), listing.layers());
}

/// Nothing that is half done is ever seen, and it does not stay either.
fn row_180_killed_while_loading(context: &Context) {
    let (source, id) = layout(context, &Image::of([large(1), large(2), large(3)]));
    let start = Instant::now();
    context.rootlay(["load", &source]).ok();
    let whole = start.elapsed();
    context.rootlay(["rmi", &id]).ok();
    let empty = StoreListing::read(&context.root()).layers();
    assert!(empty.is_empty(), "{empty:?}");
    let mut rng = Rng::new(11);
    let mut unfinished = 0;
    for _ in 0..25 {
        let mut child = spawn(context, &["load", &source]);
        sleep(whole.mul_f64(f64::from(u32::try_from(rng.below(1100)).unwrap()) / 1000.0));
        child.kill().unwrap();
        child.wait().unwrap();
        let listed = context.rootlay(["images", "-q", "--no-trunc"]).ok();
        if listed.is_empty() {
            unfinished += 1;
            let _ = context.rootlay(["mount", &id]).exits(1);
        } else {
            assert_eq!(context.tree_of_loaded(&id).len(), 1 + 3 * (1 + 10 + 400));
            context.rootlay(["rmi", &id]).ok();
        }
    }
    assert!(unfinished > 0, "no load was killed before its end");
    nothing_is_staged(context);
    context.rootlay(["load", &source]).ok();
    assert_eq!(context.tree_of_loaded(&id).len(), 1 + 3 * (1 + 10 + 400));
}

/// SIGINT and SIGTERM: the exit code, and empty staging, at once.
fn interrupted_while_loading(context: &Context) {
    let (source, id) = layout(context, &Image::of([large(1), large(2), large(3), large(4)]));
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut interrupted = 0;
        for _ in 0..10 {
            let child = spawn(context, &["load", &source]);
            let staging = context.root().join("staging");
            let end = Instant::now() + Duration::from_secs(20);
            let busy = |dir: &Path| fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
            while !busy(&staging) && Instant::now() < end {
                sleep(Duration::from_millis(1));
            }
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {}
                found => {
                    assert_eq!(found, Some(code), "{stderr}");
                    interrupted += 1;
                    assert!(!busy(&staging), "staging is not empty");
                    assert_eq!(context.rootlay(["images", "-q"]).ok(), "");
                }
            }
            context.rootlay(["rmi", "--force", &id]);
        }
        assert!(interrupted > 0, "no load was interrupted before its end");
    }
}

fn rmi_keeps_shared_layers(context: &Context) {
    let shared = || Layer::of(&[file("shared", "s")]);
    let image = |name: &str| Image::of([shared(), Layer::of(&[file(name, "")])]);
    let [a, b] = ["a", "b"].map(|name| context.load(&image(name)));
    assert_eq!(StoreListing::read(&context.root()).layers().len(), 3);
    context.rootlay(["rmi", &a.image_id]).ok();
    assert_eq!(StoreListing::read(&context.root()).layers().len(), 2);
    assert_eq!(names(&context.tree_of_loaded(&b.image_id)), ["b", "shared"]);
    let _ = context.rootlay(["mount", &a.image_id]).exits(1);
    context.load(&image("a"));
    assert_eq!(names(&context.tree_of_loaded(&a.image_id)), ["a", "shared"]);
}

fn rmi_removes_everything_of_the_last_image(context: &Context) {
    let first = context.load(&Image::of([vec![file("keep", "")]]));
    let before = StoreListing::read(&context.root());
    let layers = [
        vec![dir("d", 0o1777), file("d/f", ""), symlink("ln", "d")],
        vec![file("ln/g", "")],
        (0..50).map(|n| file(format!("d/{n}"), "")).collect(),
    ];
    let id = context.load(&Image::of(layers)).image_id;
    context.rootlay(["rmi", &id]).ok();
    before.assert_unchanged(&context.root());
    context.rootlay(["rmi", &first.image_id]).ok();
    let after = StoreListing::read(&context.root());
    assert!(after.layers().is_empty() && after.blobs().is_empty(), "{}", after.paths());
    let _ = context.rootlay(["rmi", &id]).exits(1);
}

/// The good layers of a bad image go, unless another image has them.
fn refused_images_take_their_layers_along(context: &Context) {
    let good = || Layer::of(&[file("good", "")]);
    let bad = || Layer::of(&[file("../bad", "")]);
    context.refuse(&Image::of([good(), bad()]), &[]);
    context.refuse(&Image::of([bad(), good()]), &[]);
    let kept = context.load(&Image::of([good()]));
    context.refuse(&Image::of([good(), bad()]), &[]);
    assert_eq!(names(&context.tree_of_loaded(&kept.image_id)), ["good"]);
}

fn names_and_ids(context: &Context) {
    let (source, id) = layout(context, &Image::of([vec![file("f", "")]]));
    let loaded = context.rootlay(["load", "--name", "example.org/app:1", &source]).ok();
    assert_eq!(loaded, "Loaded image: example.org/app:1\n");
    for name in ["example.org/app:1", &id, &id[7..], &id[7..19], &id[..19]] {
        assert_eq!(names(&context.tree_of_loaded(name)), ["f"], "{name}");
    }
    let other = context.load(&Image::of([vec![file("g", "")]])).image_id;
    context
        .rootlay(["load", "--name", "example.org/app:1", &layout(context, &Image::of([vec![file("g", "")]])).0])
        .ok();
    assert_eq!(names(&context.tree_of_loaded("example.org/app:1")), ["g"]);
    assert_eq!(names(&context.tree_of_loaded(&id)), ["f"]);
    let listed = context.rootlay(["images", "-q", "--no-trunc"]).ok();
    assert!(listed.contains(&id) && listed.contains(&other), "{listed}");
    let _ = context.rootlay(["load", "--name", "NOT A NAME", &source]).exits(125);
}

fn newer_stores_are_left_alone(context: &Context) {
    let (source, id) = layout(context, &Image::of([vec![file("f", "")]]));
    context.rootlay(["load", &source]).ok();
    let version = context.root().join("version");
    let old = fs::read_to_string(&version).unwrap();
    fs::write(&version, "999999\n").unwrap();
    let before = StoreListing::read(&context.root());
    for arguments in [vec!["load", &source], vec!["images"], vec!["mount", &id], vec!["rmi", &id]] {
        let output = context.rootlay(arguments);
        assert_ne!(output.code, 0);
        assert!(output.one_line().contains("999999"), "{}", output.stderr);
    }
    before.assert_unchanged(&context.root());
    fs::write(&version, old).unwrap();
    assert_eq!(names(&context.tree_of_loaded(&id)), ["f"]);
}

/// As the user `nobody`, whose reach ends at a directory that is not its own either.
fn without_root(context: &Context) {
    let program = context.dir().join("rootlay");
    fs::copy(context.program(), &program).unwrap();
    let run = |arguments: &[&str]| {
        let user = ["--reuid=65534", "--regid=65534", "--clear-groups", program.to_str().unwrap(), "--root"];
        let root = context.root();
        context.run("setpriv", &[&user[..], &[root.to_str().unwrap()], arguments].concat())
    };
    let (source, id) = layout(context, &Image::of([vec![file("f", "")]]));
    for arguments in [&["load", &source][..], &["mount", &id], &["images"], &["umount", "-a"], &["rmi", &id]] {
        let output = run(arguments).exits(4);
        assert!(output.one_line().contains("CAP_"), "{}", output.stderr);
    }
    for arguments in [&["--help"][..], &["version"], &["--version"], &["load", "--help"]] {
        run(arguments).ok();
    }
    assert!(!context.root().exists());
}

/// Overlayfs keeps the mounter's credentials: a mount that lacks a capability would fail later, and elsewhere.
fn without_a_capability(context: &Context) {
    let (source, id) = layout(context, &Image::of([vec![file("f", "")]]));
    context.rootlay(["load", &source]).ok();
    for name in ["dac_override", "dac_read_search", "chown", "fowner", "fsetid", "setfcap", "mknod", "sys_admin"] {
        let root = context.root();
        let program = context.program();
        let arguments = [
            &format!("--bounding-set=-{name}"),
            program.to_str().unwrap(),
            "--root",
            root.to_str().unwrap(),
            "mount",
            &id,
        ];
        let output = context.run("setpriv", &arguments).exits(4);
        let capability = format!("CAP_{}", name.to_uppercase());
        assert!(output.one_line().contains(&capability), "{capability}: {}", output.stderr);
    }
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("rootlay:"));
}
