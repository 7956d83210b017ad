//! Random stacks: the overlay of a stack with its correction on top is, path by path, what the model wants; every
//! content that the correction copies is in the diff directory of its layer or was kept beside it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::LayerIndex;
use super::diff_tree::{DiffTree, Raw, Slot};
use super::difference::{Change, Changes, difference};
use super::flat::{FlatTree, Kind, Node, Origin};
use super::metadata::Metadata;
use super::paths::{PathId, PathTable};
use super::records::{Records, What};
use super::stack::{Stack, Wanted};
use super::tar::Time;
use crate::cancel::Cancel;
use crate::oci::{DiffId, Digest};

/// A sequence of numbers that look random (`SplitMix64`), the same for a seed everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn path(&mut self, paths: &mut PathTable) -> PathId {
        let depth = self.pick(&[1, 1, 1, 2, 2, 3]);
        (0..depth).fold(PathId::ROOT, |parent, _| paths.child(parent, self.pick(&[b"a", b"b", b"c"])).unwrap())
    }
}

/// A layer with its diff directory and what unpacking keeps beside it.
struct Layer {
    index: LayerIndex,
    tree: DiffTree,
    kept: HashSet<u32>,
}

fn layer(dice: &mut Dice) -> Option<Layer> {
    let mut paths = PathTable::new(u64::MAX);
    let mut records = Records::default();
    for _ in 0..=dice.roll(7) {
        let path = dice.path(&mut paths);
        let source = paths.below(PathId::ROOT, [&b".wh..wh.plnk"[..], b"1"]).unwrap();
        let (path, what) = match dice.roll(32) {
            0..=8 => (path, What::File { size: 0, hash: 0 }),
            9..=13 => (path, What::Directory),
            14..=17 => {
                let targets: [&[u8]; 9] = [b"a", b"b", b"/c", b"a/b", b"../b", b"c/../a", b"/", b".", b"/b/c"];
                (path, What::Symlink(records.add_text(dice.pick(&targets)).unwrap()))
            }
            18..=22 => (path, What::Link(dice.path(&mut paths))),
            23 => (path, What::Link(source)),
            24..=26 => (path, What::Whiteout),
            27 => (path, What::Opaque),
            28 => (PathId::ROOT, dice.pick(&[What::Directory, What::Opaque])),
            29 => (path, What::NullDevice),
            30 => (path, dice.pick(&[What::Fifo, What::Device { block: true, major: 0, minor: 0 }])),
            _ => (source, What::Plink { size: 0, hash: 0 }),
        };
        let mtime = Time { seconds: i64::try_from(dice.roll(2)).unwrap(), nanos: 0 };
        let xattrs = if dice.roll(4) == 0 { vec![(b"user.a".to_vec(), b"1".to_vec())] } else { Vec::new() };
        records.push(path, what, Metadata { mtime, ..Metadata::IMPLIED }, xattrs).unwrap();
    }
    let (tree, kept) = unpack(&mut paths, &records)?;
    let summary = format!(
        r#"{{"format":1,"diff_id":"{}","entries":{},"bytes":0,"marks":0,"opaque_root":false,"empty":false,"sparse":"blocks"}}"#,
        DiffId(Digest::of(b"")),
        records.len(),
    );
    let summary = serde_json::from_str(&summary).unwrap();
    Some(Layer { index: LayerIndex { summary, paths, records, tree: Some(tree.clone()) }, tree, kept })
}

/// As [`super::unpack()`] does it. Nothing for a layer that is refused.
fn unpack(paths: &mut PathTable, records: &Records) -> Option<(DiffTree, HashSet<u32>)> {
    let mut tree = DiffTree::default();
    let mut kept = HashSet::new();
    for (number, record) in records.iter() {
        let target = if let What::Link(target) = record.what { Some(target) } else { None };
        let placed = tree.place(paths, records, number, Raw { path: record.path, target }).ok()?;
        kept.extend(placed.into_iter().flat_map(|placed| placed.displaced).map(|(_, number)| number));
        kept.extend(matches!(record.what, What::Plink { .. }).then_some(number));
    }
    tree.finish(paths, records).ok()?;
    for (path, slot) in tree.paths(paths) {
        assert!(tree.slot(paths.parent(path)).is_directory() || paths.parent(path) == PathId::ROOT, "no parent");
        let hidden = slot == Slot::Whiteout && tree.is_opaque(paths.parent(path));
        assert!(!hidden, "whiteout in an opaque directory");
        if let Slot::Content(number) = slot {
            kept.remove(&number);
        }
    }
    Some((tree, kept))
}

/// What the kernel shows with the correction on top, and the paths whose content the correction has.
fn corrected(stack: &mut Stack<'_>, changes: &Changes) -> (FlatTree, HashSet<PathId>) {
    let mut tree = std::mem::replace(&mut stack.overlay, FlatTree::new());
    let mut written = HashSet::new();
    for (&path, &change) in changes {
        let parent = stack.paths.parent(path);
        assert!(parent == PathId::ROOT || matches!(changes.get(&parent), Some(Change::Directory(_))), "no parent");
        let merges = matches!(change, Change::Directory(_)) && tree.get(path).is_some_and(Node::is_directory);
        if !merges {
            tree.remove(path);
        }
        if let Change::Directory(node) | Change::Content(node) = change {
            tree.set(&stack.paths, path, node);
        }
        if matches!(change, Change::Content(_)) {
            written.insert(path);
        }
    }
    (tree, written)
}

fn check(layers: &[&Layer], stack: &mut Stack<'_>) {
    let changes = difference(stack);
    let (tree, written) = corrected(stack, &changes);
    let mut names: BTreeMap<Origin, Vec<PathId>> = BTreeMap::new();
    for path in stack.paths.all() {
        let text = String::from_utf8(stack.paths.text(path)).unwrap();
        match (stack.model.get(path), tree.get(path)) {
            (None, None) => {}
            (Some(model), Some(shown)) if model.is_directory() && shown.is_directory() => {
                assert_eq!(model.origin.metadata(&stack.layers), shown.origin.metadata(&stack.layers), "{text}");
                assert_eq!(model.origin.xattrs(&stack.layers), shown.origin.xattrs(&stack.layers), "{text}");
            }
            (Some(model), Some(shown)) => {
                assert_eq!((model.kind, model.origin), (shown.kind, shown.origin), "{text}");
                names.entry(model.origin).or_default().push(path);
            }
            (model, shown) => panic!("{text}: expected {model:?}, got {shown:?}"),
        }
    }
    for (origin, names) in names {
        let copied = names.iter().filter(|name| written.contains(name)).count();
        let links = if copied == 0 { stack.hard_links(origin).len().max(1) } else { copied };
        assert_eq!(links, names.len(), "{origin:?}: st_nlink");
        let has_data = matches!(origin.record(&stack.layers).unwrap().what, What::File { .. } | What::Plink { .. });
        let found = stack.place(origin).is_some() || layers[usize::from(origin.layer)].kept.contains(&origin.record);
        assert!(found || !has_data, "{origin:?}: its content is neither in the diff directory nor kept");
    }
}

/// What the kernel finds from the top down in diff directories, each mounted only at its topmost place (row 150) and
/// none below an opaque root (row 7): written without a look at `overlay.rs`.
fn kernel(layers: &[&Layer]) -> BTreeMap<Vec<u8>, Kind> {
    let mut seen = HashSet::new();
    let mut lowers: Vec<&Layer> =
        layers.iter().rev().copied().filter(|&layer| seen.insert(std::ptr::from_ref(layer))).collect();
    if let Some(opaque) = lowers.iter().position(|layer| layer.tree.is_opaque(PathId::ROOT)) {
        lowers.truncate(opaque + 1);
    }
    let mut shown = BTreeMap::new();
    let mut todo = vec![(Vec::new(), lowers.iter().map(|&layer| (layer, PathId::ROOT)).collect::<Vec<_>>())];
    while let Some((text, places)) = todo.pop() {
        for name in [b"a", b"b", b"c"] {
            let text = [&text[..], &b"/"[..usize::from(!text.is_empty())], name].concat();
            let (mut merged, mut file) = (Vec::new(), None);
            for &(layer, directory) in &places {
                let Some(path) = layer.index.paths.find(directory, name) else { continue };
                match layer.tree.slot(path) {
                    Slot::Absent => continue,
                    Slot::Implied | Slot::Directory(_) => merged.push((layer, path)),
                    Slot::Symlink(_) => file = Some(Kind::Symlink),
                    Slot::Content(_) => file = Some(Kind::Other),
                    Slot::Whiteout | Slot::Pending(_) => break,
                }
                if file.is_some() || layer.tree.is_opaque(path) {
                    break;
                }
            }
            if !merged.is_empty() {
                shown.insert(text.clone(), Kind::Directory);
                todo.push((text, merged));
            } else if let Some(kind) = file {
                shown.insert(text, kind);
            }
        }
    }
    shown
}

/// A stack that is not refused: of random layers, some of them twice, those that fit on what is below.
fn order<'a>(dice: &mut Dice, layers: &'a [Layer]) -> Vec<&'a Layer> {
    let mut order: Vec<&Layer> = Vec::new();
    for layer in layers {
        let again = (dice.roll(4) == 0).then(|| dice.pick(&layers.iter().collect::<Vec<_>>()));
        for layer in again.into_iter().chain([layer]) {
            order.push(layer);
            if Stack::new(&indexes(&order), Wanted::ModelAndOverlay, &Cancel::new()).is_err() {
                order.pop();
            }
        }
    }
    order
}

fn indexes<'a>(order: &[&'a Layer]) -> Vec<&'a LayerIndex> {
    order.iter().map(|layer| &layer.index).collect()
}

#[test]
fn the_overlay_of_a_random_stack_and_its_correction_is_the_model() {
    let stacks: u64 = std::env::var("ROOTLAY_STACKS").map_or(20_000, |count| count.parse().unwrap());
    let mut checked = 0;
    for seed in 0..stacks {
        let mut dice = Dice(seed);
        let layers: Vec<Layer> = (0..=dice.roll(4)).filter_map(|_| layer(&mut dice)).collect();
        let order = order(&mut dice, &layers);
        let indexes = indexes(&order);
        let outcome = std::panic::catch_unwind(|| {
            let mut stack = Stack::new(&indexes, Wanted::ModelAndOverlay, &Cancel::new()).unwrap();
            let node = |path| stack.overlay.get(path).map(|node| (stack.paths.text(path), node.kind));
            let shown: BTreeMap<_, _> = stack.paths.all().filter_map(node).collect();
            assert_eq!(shown, kernel(&order), "what the kernel shows without the correction");
            let read: Vec<LayerIndex> = indexes.iter().map(|index| read_back(index)).collect();
            let later = Stack::new(&read.iter().collect::<Vec<_>>(), Wanted::ModelAndOverlay, &Cancel::new()).unwrap();
            assert_eq!(
                look(&stack),
                look(&later),
                "layers that were just unpacked, and the same read from their indexes"
            );
            check(&order, &mut stack);
        });
        outcome.unwrap_or_else(|_| panic!("seed {seed}: {}", text(&indexes)));
        checked += order.len();
    }
    assert!(checked as u64 > stacks, "only {checked} layers in {stacks} stacks were not refused");
}

fn read_back(index: &LayerIndex) -> LayerIndex {
    let mut lines = Vec::new();
    index.write_to(&mut lines).unwrap();
    LayerIndex::read_from(&mut lines.as_slice()).unwrap()
}

/// All that a stack says, by path.
fn look(stack: &Stack<'_>) -> BTreeMap<Vec<u8>, String> {
    let paths = |paths: &[PathId]| -> BTreeSet<Vec<u8>> { paths.iter().map(|&path| stack.paths.text(path)).collect() };
    let node = |path| {
        let (model, overlay) = (stack.model.get(path), stack.overlay.get(path));
        let content = model.map(|node| (stack.place(node.origin).is_some(), paths(stack.hard_links(node.origin))));
        model.or(overlay).map(|_| (stack.paths.text(path), format!("{model:?} {overlay:?} {content:?}")))
    };
    stack.paths.all().filter_map(node).collect()
}

/// The layers as their indexes are written.
fn text(indexes: &[&LayerIndex]) -> String {
    let mut lines = Vec::new();
    for index in indexes {
        index.write_to(&mut lines).unwrap();
    }
    String::from_utf8(lines).unwrap()
}
