//! The plan against a small model of overlay, in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::mount::{MAX_LOWERS, PlanLayer, lowest_to_merge, plan_layers};

fn plan(stack: &[(&str, bool, bool)]) -> Vec<usize> {
    let layers: Vec<_> = stack
        .iter()
        .map(|(id, empty, opaque_root)| PlanLayer { id, empty: *empty, opaque_root: *opaque_root })
        .collect();
    plan_layers(&layers)
}

#[test]
fn row_150_a_repeated_layer_keeps_its_topmost_place_and_empty_ones_go() {
    assert_eq!(plan(&[]), Vec::<usize>::new());
    assert_eq!(plan(&[("x", false, false), ("a", false, false), ("x", false, false)]), [1, 2]);
    assert_eq!(plan(&[("e", true, false), ("a", false, false), ("e", true, false)]), [1]);
    assert_eq!(plan(&[("a", false, false), ("b", false, false)]), [0, 1]);
}

#[test]
fn row_7_nothing_is_left_below_an_opaque_root() {
    assert_eq!(plan(&[("a", false, false), ("b", false, true), ("c", false, false)]), [1, 2]);
    assert_eq!(plan(&[("a", false, true), ("b", false, true)]), [1]);
    assert_eq!(plan(&[("a", false, false), ("b", true, true), ("c", false, false)]), [2]);
    assert_eq!(plan(&[("a", false, false), ("b", true, true)]), Vec::<usize>::new());
}

#[test]
fn row_154_the_lowest_are_merged_beyond_500() {
    assert_eq!(MAX_LOWERS, 500);
    assert_eq!(lowest_to_merge(500, 0), 0);
    assert_eq!(lowest_to_merge(499, 1), 0);
    assert_eq!(lowest_to_merge(500, 1), 2);
    assert_eq!(lowest_to_merge(1000, 1), 502);
    for planned in 400..700 {
        for others in 0..3 {
            let merged = lowest_to_merge(planned, others);
            let lowers = if merged == 0 { planned } else { planned - merged + 1 } + others;
            assert!(lowers <= 500 && (merged == 0 || lowers == 500), "{planned} and {others}: {lowers}");
        }
    }
}

/// What a layer has at one name.
#[derive(Debug, Clone)]
enum Node {
    File(u8),
    Whiteout,
    Dir { opaque: bool, names: BTreeMap<u8, Node> },
}

/// What a merged tree has at one name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    File(u8),
    Dir(BTreeMap<u8, Shown>),
}

#[derive(Debug, Clone)]
struct Layer {
    opaque_root: bool,
    names: BTreeMap<u8, Node>,
}

fn lay(names: &BTreeMap<u8, Node>, over: &mut BTreeMap<u8, Shown>) {
    for (&name, node) in names {
        match node {
            Node::Whiteout => {
                over.remove(&name);
            }
            Node::File(content) => {
                over.insert(name, Shown::File(*content));
            }
            Node::Dir { opaque, names } => {
                let mut below = match over.remove(&name) {
                    Some(Shown::Dir(below)) if !opaque => below,
                    _ => BTreeMap::new(),
                };
                lay(names, &mut below);
                over.insert(name, Shown::Dir(below));
            }
        }
    }
}

/// What the image-spec says that the stack is; the kernel does the same but for an opaque root.
fn merge<'a>(stack: impl Iterator<Item = &'a Layer>, root_mark_counts: bool) -> BTreeMap<u8, Shown> {
    let mut tree = BTreeMap::new();
    for layer in stack {
        if root_mark_counts && layer.opaque_root {
            tree.clear();
        }
        lay(&layer.names, &mut tree);
    }
    tree
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![2 => any::<u8>().prop_map(Node::File), 1 => Just(Node::Whiteout)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        (any::<bool>(), prop::collection::btree_map(0..3_u8, inner, 0..4))
            .prop_map(|(opaque, names)| Node::Dir { opaque, names })
    })
}

fn layer() -> impl Strategy<Value = Layer> {
    (prop::bool::weighted(0.15), prop::collection::btree_map(0..3_u8, node(), 0..4))
        .prop_map(|(opaque_root, names)| Layer { opaque_root, names })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_plan_shows_what_the_full_stack_would(
        pool in prop::collection::vec(layer(), 4),
        picks in prop::collection::vec(0..4_usize, 0..9),
    ) {
        let stack: Vec<PlanLayer<'_, usize>> = picks
            .iter()
            .map(|id| PlanLayer { id, empty: pool[*id].names.is_empty(), opaque_root: pool[*id].opaque_root })
            .collect();
        let planned = plan_layers(&stack);
        prop_assert!(planned.is_sorted());
        let full = merge(picks.iter().map(|&id| &pool[id]), true);
        let shown = merge(planned.iter().map(|&index| &pool[picks[index]]), false);
        prop_assert_eq!(full, shown);
        let mut ids: Vec<usize> = planned.iter().map(|&index| picks[index]).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), planned.len());
    }
}
