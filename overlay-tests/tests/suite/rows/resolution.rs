//! Rows 78 to 84: symlinks on the way, and odd names. Canaries stand outside of the state root.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{
    Entry, Format, Header, Image, Layer, dir, encode_entry, file, hardlink, opaque, symlink, whiteout,
};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::names;
use rustix::fs::{CWD, Mode, OFlags, openat};

pub fn cases() -> Vec<Case> {
    cases![
        row_078_parent_is_a_symlink;
        row_078_breakouts;
        row_078_symlink_races_in_one_layer;
        row_079_symlink_loops;
        row_079_long_chains;
        row_080_symlink_targets;
        row_081_dangling_parents;
        row_082_names;
        row_082_long_names;
        row_082_long_paths;
        row_082_deep_paths;
        row_084_trailing_slashes;
        row_107_names_that_differ_in_case
    ]
}

fn row_078_parent_is_a_symlink(context: &Context) {
    for target in ["/etc", "etc", "../../etc", "/../etc/", "./etc/."] {
        let link = format!("ln -> {target}");
        let shown = ["etc/", "etc/x", link.as_str()];
        context
            .row(&[vec![dir("etc", 0o711), symlink("ln", target), file("ln/x", "x")]])
            .also_nested()
            .does_as_the_model_says();
        context.row(&[vec![dir("etc", 0o711), symlink("ln", target), file("ln/x", "x")]]).shows(&shown);
        context.row(&[vec![symlink("ln", target)], vec![file("ln/x", "x")]]).shows(&shown);
    }
}

/// After containerd's `TestBreakouts`, with a canary where each of them would break out to.
fn row_078_breakouts(context: &Context) {
    let outside = context.fresh_dir("outside");
    fs::write(outside.join("passwd"), "alive").unwrap();
    let before = overlay_tests::tree::read_tree(&outside).unwrap();
    let out = outside.to_str().unwrap();
    let up = format!("../../../../../../../../../..{out}");
    let passwd = format!("{out}/passwd");
    let layers: Vec<Vec<Entry>> = vec![
        vec![symlink("localetc", out), file("/localetc/unbroken", "")],
        vec![symlink("localetc", &up), file("/localetc/unbroken", "")],
        vec![symlink("localetc", out), symlink("/localetc/localetc", out), file("/localetc/localetc/unbroken", "")],
        vec![symlink("localetc", &up), symlink("/localetc/localetc", &up), file("/localetc/localetc/unbroken", "")],
        vec![symlink("passwd", &passwd), file("passwd", "pwned")],
        vec![symlink("passwd", &passwd), hardlink("link", "passwd"), file("link", "pwned")],
        vec![dir("breakouts", 0o755), symlink("breakouts/d1", out), hardlink("breakouts/h", "breakouts/d1/passwd")],
        vec![dir("breakouts", 0o755), symlink("breakouts/d1", &up), hardlink("breakouts/h", "breakouts/d1/passwd")],
        vec![symlink("d", out), dir("d/sub", 0o777), file("d/sub/x", "")],
        vec![symlink("d", out), symlink("d/passwd", "x")],
        vec![symlink("d", out), hardlink("d/passwd", "x"), file("x", "pwned")],
        vec![symlink("a", out), symlink("b", "a"), symlink("c", "b"), file("c/unbroken", "")],
        vec![symlink("d", out), whiteout("d/passwd")],
        vec![symlink("d", &up), whiteout("d/passwd")],
        vec![symlink("d", out), opaque("d")],
        vec![symlink("d", &up), opaque("d")],
        vec![symlink("d", out), dir("d", 0o777).uid(9).mtime(1, 0)],
        vec![symlink("d", out), dir("d/.", 0o777).uid(9).mtime(1, 0)],
        vec![symlink("deep/er/ln", format!("../../../../../../..{out}")), file("deep/er/ln/x", "")],
        vec![symlink("proc", "/proc/1/root"), file(format!("proc{out}/x"), "")],
        vec![symlink("self", "/proc/self/cwd"), file("self/x", "")],
    ];
    for layer in layers {
        context.row(std::slice::from_ref(&layer)).also_nested().does_as_the_model_says();
        // One entry a layer: the symlink is a lower one.
        let apart: Vec<Vec<Entry>> = layer.into_iter().map(|entry| vec![entry]).collect();
        context.row(&apart).does_as_the_model_says();
        let lines = overlay_tests::tree::differences(
            &before,
            &overlay_tests::tree::read_tree(&outside).unwrap(),
            overlay_tests::tree::Nlink::Compare,
        );
        assert!(lines.is_empty(), "{lines:?}");
    }
}

/// A name that is a directory, then a symlink, then a directory again.
fn row_078_symlink_races_in_one_layer(context: &Context) {
    let outside = context.fresh_dir("outside");
    let out = outside.to_str().unwrap();
    let layer = vec![
        dir("d", 0o755),
        file("d/1", ""),
        symlink("d", out),
        file("d/2", ""),
        dir("d", 0o711).uid(4),
        file("d/3", ""),
        symlink("e", "d"),
        file("e/4", ""),
        symlink("d", "../../.."),
        file("d/5", ""),
    ];
    context.row(std::slice::from_ref(&layer)).also_nested().does_as_the_model_says();
    context.row(&[vec![file("d/0", "")], layer.clone(), layer]).does_as_the_model_says();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

fn row_079_symlink_loops(context: &Context) {
    context.row(&[vec![symlink("a", "b"), symlink("b", "a"), file("a/x", "")]]).also_nested().refused("a/x");
    context.row(&[vec![symlink("a", "a"), file("a/x", "")]]).refused("a/x");
    context.row(&[vec![symlink("a", "b"), symlink("b", "a")], vec![file("a/x", "")]]).refused("a/x");
    context.row(&[vec![symlink("a", "a/b"), file("a/x", "")]]).refused("a/x");
    // A loop that nothing goes through is only a symlink.
    context.row(&[vec![symlink("a", "b"), symlink("b", "a")]]).shows(&["a -> b", "b -> a"]);
}

fn row_079_long_chains(context: &Context) {
    let chain = |length: usize| -> Vec<Entry> {
        (0..length)
            .map(|n| symlink(format!("l{n}"), format!("l{}", n + 1)))
            .chain([dir(format!("l{length}"), 0o755)])
            .collect()
    };
    context.row(&[[chain(30), vec![file("l0/x", "")]].concat()]).also_nested().does_as_the_model_says();
    context.row(&[chain(30), vec![file("l0/x", "")]]).does_as_the_model_says();
    context.row(&[[chain(60), vec![file("l0/x", "")]].concat()]).refused("l0/x");
    context.row(&[chain(60), vec![file("l0/x", "")]]).refused("l0/x");
}

fn row_080_symlink_targets(context: &Context) {
    let long = "t/".repeat(2000);
    let targets: [&[u8]; 9] = [
        b"/etc/passwd",
        b"trailing/",
        b"\xe4\xf6\xfc",
        b"new\nline",
        b"a//b/./c/..",
        b" ",
        b"-",
        long.as_bytes(),
        b"a,b:c\\d\"e'f",
    ];
    let layer = targets.iter().enumerate().map(|(index, target)| symlink(format!("s{index}"), target)).collect();
    context.row(&[layer]).also_nested().does_as_the_model_says();
    context.row(&[vec![file("f", ""), symlink("s", "")]]).refused("s");
    context.refuse(&Image::of([vec![symlink("s", "t".repeat(4096))]]), &["s"]);
    // A symlink that is copied into the correction layer.
    let base = vec![dir("d", 0o755), symlink("ln", "d")];
    context.row(&[base, vec![symlink("ln/s", b"\xff/\xfe")]]).shows(&["d/", "d/s -> \\xff/\\xfe", "ln -> d"]);
}

fn row_081_dangling_parents(context: &Context) {
    for target in ["/dne", "dne", "../../dne", "dne/deeper", "/dne/./deeper/"] {
        context.row(&[vec![symlink("ln", target), file("ln/x", "x")]]).also_nested().does_as_the_model_says();
        context.row(&[vec![symlink("ln", target)], vec![file("ln/x", "x")]]).also_nested().does_as_the_model_says();
    }
    context.row(&[vec![symlink("ln", "/dne"), file("ln/x", "x")]]).shows(&["dne/", "dne/x", "ln -> /dne"]);
    // The directory comes later and says what it is.
    let layer = vec![symlink("ln", "/dne"), file("ln/x", "x"), dir("dne", 0o711).uid(4)];
    context.row(&[layer]).shows(&["dne/", "dne/x", "ln -> /dne"]);
}

fn row_082_names(context: &Context) {
    let odd: [&[u8]; 14] = [
        b"\xff\xfe",
        b"new\nline",
        b"tab\t",
        b"\x01\x7f\x1b[31m",
        b" leading",
        b"trailing ",
        b"a:b",
        b"a,b",
        b"a\\b",
        b"a\"b'c",
        b"...",
        b"-rf",
        b"%s%n",
        b".wh",
    ];
    let files = odd.iter().map(|name| file(name, name));
    let dirs = odd.iter().flat_map(|name| {
        let inner = [b"d-", *name].concat();
        [dir(&inner, 0o755), file([&inner, b"/".as_slice(), name].concat(), "")]
    });
    let layer: Vec<Entry> = files.chain(dirs).collect();
    context.row(std::slice::from_ref(&layer)).also_nested().does_as_the_model_says();
    let marks = odd.iter().map(whiteout).collect();
    context.row(&[layer, marks]).does_as_the_model_says();
}

fn row_082_long_names(context: &Context) {
    let name = "n".repeat(255);
    context
        .row(&[vec![file(&name, "x"), dir(format!("d/{name}"), 0o755), file(format!("d/{name}/{name}"), "")]])
        .does_as_the_model_says();
    for name in ["n".repeat(256), format!("d/{}", "n".repeat(300)), format!("{}/x", "n".repeat(256))] {
        context.refuse(&Image::of([vec![file(&name, "")]]), &[]);
    }
    for format in [Format::Gnu, Format::Ustar] {
        let name = format!("{}/{}", "d".repeat(99), "f".repeat(99));
        let layer = Layer::in_format(&[file(&name, "x"), symlink("s", "t".repeat(90))], format);
        let tree = context.tree_of(&Image::of([layer]));
        assert_eq!(names(&tree)[1], name);
    }
}

/// Longer than `PATH_MAX`: only a walk by descriptors reaches it.
fn row_082_long_paths(context: &Context) {
    let part = "p".repeat(250);
    let name = vec![part.as_str(); 20].join("/");
    assert!(name.len() > 5000);
    let layer = vec![file(format!("{name}/f"), "deep"), hardlink("h", format!("{name}/f")), file("z", "")];
    let id = context.load(&Image::of([layer, vec![file(format!("{name}/g"), "")]])).image_id;
    let merged = context.mount([&id]);
    let mut dir = openat(CWD, &merged, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..20 {
        dir = openat(&dir, part.as_str(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let f = rustix::fs::statat(&dir, "f", rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    assert_eq!((f.st_size, f.st_nlink), (4, 2));
    rustix::fs::statat(&dir, "g", rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    drop(dir);
    context.umount(&merged);
    context.rootlay(["rmi", &id]).ok();
    assert!(overlay_tests::harness::StoreListing::read(&context.root()).layers().is_empty());
}

fn row_082_deep_paths(context: &Context) {
    let deep = |depth: usize| vec!["d"; depth].join("/");
    let (_, output) = context.try_load(&Image::of([vec![file(deep(1000), "")]]));
    output.ok();
    context.refuse(&Image::of([vec![file(deep(5000), "")]]), &[]);
}

/// GNU tar and bsdtar take a file whose name ends with a slash for a directory; with data it is neither.
fn row_084_trailing_slashes(context: &Context) {
    for header in [Header::ustar(), Header::v7(), Header::gnu()] {
        let pieces = [header.clone().name("vd/").mode(0o711).finish(), encode_entry(&file("vd/x", ""), Format::Pax)];
        let tree = context.tree_of(&Image::of([Layer::pieces(&pieces)]));
        assert_eq!(names(&tree), ["vd/", "vd/x"]);
        assert_eq!(tree[b"/vd".as_slice()].mode, 0o711);
        let mut data = header.name("vd/").size(1).finish();
        data.extend([&b"x"[..], &[0; 511]].concat());
        context.refuse(&Image::of([Layer::pieces(&[data])]), &["vd"]);
    }
}

fn row_107_names_that_differ_in_case(context: &Context) {
    let layer = vec![
        file("A", "1"),
        file("a", "2"),
        file("\u{e9}", "3"),
        file("e\u{301}", "4"),
        dir("D", 0o700),
        file("d", ""),
    ];
    context.row(&[layer, vec![whiteout("A"), whiteout("d")]]).also_nested().does_as_the_model_says();
}
