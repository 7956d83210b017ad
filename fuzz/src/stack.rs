//! Stacks of layers against the model: what the kernel would show of the unpacked layers is what the image specification
//! says, or the image is refused where the model refuses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use overlay_tests::fixture::{
    Entry, Layer, block, char_device, dir, fifo, file, hardlink, opaque, root, symlink, whiteout,
};
use overlay_tests::oracle::{Stop, apply_stack};
use overlay_tests::random::to_source;
use overlay_tests::tree::{Nlink, Node, NodeKind, Tree, differences, read_tree};

/// Most layers, and most entries of one: what is wrong shows in small stacks, and small ones are fast.
const LAYERS: usize = 4;
const ENTRIES: usize = 12;

/// Names that meet each other, and that lead out if anything does. None ends in a slash: what that makes of a file (row 84)
/// the model does not know.
const NAMES: [&str; 28] = [
    "a",
    "a/b",
    "a/b/c",
    "a/x",
    "b",
    "b/c",
    "b/x",
    "c",
    "d",
    "d/x",
    "s",
    "s/x",
    "s/b",
    "s/b/c",
    "t",
    "t/x",
    "./a",
    "/a/b",
    "a/../b",
    "a//b",
    "../x",
    "a/../../x",
    ".wh.a/x",
    "x",
    "a/b/..",
    "e/f/g",
    "e/f",
    "canary",
];

/// Targets of links.
const TARGETS: [&str; 20] = [
    "a",
    "a/b",
    "/a/b",
    "b",
    "../b",
    "d",
    "/d",
    "..",
    "../../..",
    "s",
    "t",
    "s/x",
    "a/x",
    "nowhere",
    "nowhere/..",
    "/",
    ".",
    "/proc/self/fd/99",
    "../canary",
    "a/../d",
];

/// The stack that the bytes stand for: three for each entry, and 255 ends a layer.
fn decode(input: &[u8]) -> Vec<Vec<Entry>> {
    let mut stack = vec![Vec::new()];
    let mut rest = input;
    while let [kind, rest_of_it @ ..] = rest {
        rest = rest_of_it;
        if *kind == 255 {
            if stack.len() == LAYERS {
                break;
            }
            stack.push(Vec::new());
            continue;
        }
        let [name, more, rest_of_it @ ..] = rest else { break };
        rest = rest_of_it;
        let layer = stack.last_mut().unwrap();
        if layer.len() < ENTRIES {
            layer.push(entry(*kind, *name, *more));
        }
    }
    stack
}

fn entry(kind: u8, name: u8, more: u8) -> Entry {
    let target = TARGETS[usize::from(more) % TARGETS.len()];
    let name = NAMES[usize::from(name) % NAMES.len()];
    let content = [b'0' + more % 8];
    let entry = match kind % 16 {
        0 | 1 => file(name, content),
        2 => file(name, content).mode(0o4755).xattr("user.a", content),
        3 | 4 => dir(name, 0o755),
        5 => dir(name, 0o1777).xattr("trusted.overlay.opaque", "y"),
        6 | 7 => symlink(name, target),
        8 | 9 => hardlink(name, target),
        10 => whiteout(name.trim_end_matches('/')),
        11 => opaque(name.trim_end_matches('/')),
        12 => char_device(name, u64::from(more % 2), 0),
        13 => block(name, 7, u64::from(more)),
        14 if more % 8 == 0 => root(0o711),
        14 if more % 8 == 1 => opaque(""),
        14 => fifo(name),
        _ => file(name, "").mode(0o600),
    };
    entry.uid(i128::from(more % 4)).mtime(1_600_000_000 + i64::from(more), 0)
}

/// Unpacks a stack and compares it.
pub fn stack(input: &[u8]) {
    let layers = decode(input);
    let temp = tempfile::tempdir().unwrap();
    let fresh = |name: String| -> PathBuf {
        let path = temp.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let places: Vec<[PathBuf; 2]> =
        (0..layers.len()).map(|at| ["diff", "kept"].map(|name| fresh(format!("layer-{at}/{name}")))).collect();
    let correction = fresh("correction".to_owned());
    let blobs: Vec<_> = layers.iter().map(|entries| Layer::of(entries).tar().to_vec()).collect();
    let all: Vec<_> = blobs.into_iter().zip(&places).map(|(blob, [diff, aside])| (blob, &**diff, &**aside)).collect();
    let result = rootlay::fuzzing::stack(&all, &correction);
    match (apply_stack(&layers), result) {
        (Ok(expected), Ok(opaque_roots)) => {
            // Topmost first; what lies below a root that hides everything is not mounted.
            let mut dirs = vec![read_tree(&correction).unwrap()];
            for ([diff, _], hides) in places.iter().zip(opaque_roots).rev() {
                dirs.push(read_tree(diff).unwrap());
                if hides {
                    break;
                }
            }
            let lines = differences(&expected, &merged(&dirs), Nlink::Ignore);
            assert!(lines.is_empty(), "{}\n{}", lines.join("\n"), to_source(&layers));
        }
        (Ok(_), Err(error)) => panic!("refused, but the model has a tree: {error}\n{}", to_source(&layers)),
        (Err(Stop::Refused(why)), Ok(_)) => panic!("the model refuses it: {why}\n{}", to_source(&layers)),
        (Err(_), _) => {}
    }
}

/// What overlayfs shows of these directories, topmost first (overlayfs.rst): whiteouts and opaque directories hide what is
/// below, directories are merged, and the topmost one gives the metadata.
fn merged(dirs: &[Tree]) -> Tree {
    let mut shown = Tree::new();
    let mut groups: BTreeMap<(usize, Vec<u8>), Vec<Vec<u8>>> = BTreeMap::new();
    let mut pending: Vec<(Vec<u8>, Vec<usize>)> = vec![(b"/".to_vec(), (0..dirs.len()).collect())];
    while let Some((path, layers)) = pending.pop() {
        shown.insert(path.clone(), visible(&dirs[layers[0]][&path]));
        let prefix = if path == b"/" { path.clone() } else { [&path[..], b"/"].concat() };
        let names: BTreeSet<&Vec<u8>> = layers.iter().flat_map(|&at| children(&dirs[at], &prefix)).collect();
        for name in names {
            let mut of_dir = Vec::new();
            for &at in &layers {
                let Some(node) = dirs[at].get(name) else { continue };
                match &node.kind {
                    NodeKind::Char(0, 0) => break,
                    NodeKind::Dir => {
                        of_dir.push(at);
                        if node.xattrs.get(&b"trusted.overlay.opaque"[..]).is_some_and(|value| value == b"y") {
                            break;
                        }
                    }
                    _ => {
                        if of_dir.is_empty() {
                            shown.insert(name.clone(), visible(node));
                            if let Some(group) = &node.group {
                                groups.entry((at, group.clone())).or_default().push(name.clone());
                            }
                        }
                        break;
                    }
                }
            }
            if !of_dir.is_empty() {
                pending.push((name.clone(), of_dir));
            }
        }
    }
    for mut paths in groups.into_values().filter(|paths| paths.len() > 1) {
        paths.sort();
        for path in &paths {
            shown.get_mut(path).unwrap().group = Some(paths[0].clone());
        }
    }
    shown
}

fn children<'t>(tree: &'t Tree, prefix: &[u8]) -> impl Iterator<Item = &'t Vec<u8>> {
    let prefix = prefix.to_vec();
    tree.keys().filter(move |path| {
        path.strip_prefix(&prefix[..]).is_some_and(|rest| !rest.is_empty() && !rest.contains(&b'/'))
    })
}

/// A node without the marks of overlayfs, and with the names of attributes that are escaped on disk.
fn visible(node: &Node) -> Node {
    let xattrs = node.xattrs.iter().filter_map(|(name, value)| {
        let name = match name.strip_prefix(b"trusted.overlay.") {
            Some(rest) => [b"trusted.overlay.", rest.strip_prefix(b"overlay.")?].concat(),
            None => name.clone(),
        };
        Some((name, value.clone()))
    });
    Node { xattrs: xattrs.collect(), group: None, ..node.clone() }
}
