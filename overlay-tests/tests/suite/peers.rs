//! Another implementation on the same images: `umoci unpack` into a plain directory.
//!
//! Only stacks on which umoci 0.4.7 is known to be right: every directory is described, marks name what is there, and no
//! layer has a mark and an entry of one path. It checks the model, the fixtures and the program at once.

use std::collections::BTreeSet;

use overlay_tests::fixture::{
    Compression, Entry, Image, Layer, block, dir, fifo, file, opaque, root, symlink, whiteout,
};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::oracle::apply_stack;
use overlay_tests::random::{Rng, to_source};
use overlay_tests::tree::{Nlink, NodeKind, Tree, differences, read_tree};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(module_path!(), "umoci_agrees_on_clean_images", umoci_agrees_on_clean_images)
            .needs(Need::Tool("umoci")),
    ]
}

fn umoci_agrees_on_clean_images(context: &Context) {
    for seed in 0..25 {
        let stack = clean_stack(seed);
        let layers = stack.iter().map(|entries| Layer::of(entries).compressed(Compression::Gzip));
        let image = Image::of(layers).tag("latest");
        let layout = context.fresh("layout");
        let bundle = context.fresh("bundle");
        image.write_oci(&layout);
        let source = format!("{}:latest", layout.display());
        context.run("umoci", &["unpack", "--image", &source, bundle.to_str().unwrap()]).ok();
        let theirs = read_tree(&bundle.join("rootfs")).unwrap();
        let ours = context.tree_of(&image);
        let lines = differences(&theirs, &ours, Nlink::Ignore);
        assert!(lines.is_empty(), "{}\n{}", lines.join("\n"), to_source(&stack));
        let lines = differences(&apply_stack(&stack).unwrap(), &theirs, Nlink::Ignore);
        assert!(lines.is_empty(), "{}\n{}", lines.join("\n"), to_source(&stack));
    }
}

fn clean_stack(seed: u64) -> Vec<Vec<Entry>> {
    let mut rng = Rng::new(seed);
    let mut stack: Vec<Vec<Entry>> = vec![vec![root(0o755).mtime(1000, 0)]];
    for _ in 0..=rng.below(4) {
        let tree = apply_stack(&stack).unwrap();
        let mut layer = vec![root(0o711).mtime(2000, 0)];
        let mut touched: BTreeSet<Vec<u8>> = BTreeSet::new();
        for _ in 0..2 + rng.below(8) {
            add(&mut rng, &tree, &mut layer, &mut touched);
        }
        stack.push(layer);
    }
    stack
}

/// Adds one change, at a place that this layer has not touched yet: neither itself, nor what is above or below it.
fn add(rng: &mut Rng, tree: &Tree, layer: &mut Vec<Entry>, touched: &mut BTreeSet<Vec<u8>>) {
    let dirs: Vec<&Vec<u8>> =
        tree.iter().filter(|(_, node)| node.kind == NodeKind::Dir).map(|(path, _)| path).collect();
    let parent = (*rng.pick(&dirs)).clone();
    let name = [b"a", b"b", b"c", b"d"][rng.below(4)];
    let path = [parent.as_slice(), b"/", name].concat();
    let path = if parent == b"/" { path[1..].to_vec() } else { path };
    let related = |other: &Vec<u8>| {
        let within = |a: &[u8], b: &[u8]| a == b || (a.starts_with(b) && a.get(b.len()) == Some(&b'/'));
        within(other, &path) || within(&path, other)
    };
    if touched.iter().any(related) {
        return;
    }
    let relative = &path[1..];
    let there = tree.get(&path).map(|node| node.kind == NodeKind::Dir);
    // Every directory on the way is described as it was.
    for depth in relative.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at) {
        let above = &path[..=depth];
        let node = &tree[above];
        let entry = dir(&above[1..], u64::from(node.mode)).uid(i128::from(node.uid)).mtime(node.mtime.0, node.mtime.1);
        if !layer.contains(&entry) {
            layer.push(entry);
        }
    }
    match (there, rng.below(10)) {
        (Some(_), 0..4) => layer.push(whiteout(relative)),
        (Some(true), 4..6) => {
            layer.push(dir(relative, 0o750).uid(3));
            layer.push(opaque(relative));
        }
        (Some(true), _) => layer.push(dir(relative, 0o711).mtime(77, 0)),
        (_, 0..4) => layer.push(file(relative, [b'x'; 700]).mode(0o4755).uid(5)),
        (_, 4..7) => layer.push(dir(relative, 0o1777).mtime(5, 0)),
        (_, 7) => layer.push(symlink(relative, "../some/where")),
        (_, 8) => layer.push(block(relative, 7, 3)),
        _ => layer.push(fifo(relative)),
    }
    touched.insert(path);
}
