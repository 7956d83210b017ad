//! Which layers of a stack are mounted. Pure.

use std::collections::HashSet;
use std::hash::Hash;

/// How many lower directories one overlay takes (`OVL_MAX_STACK` of the kernel).
pub const MAX_LOWERS: usize = 500;

/// What the plan needs to know of one layer of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanLayer<'a, I> {
    /// Two layers of the same identity are the same directory.
    pub id: &'a I,
    /// It has no entry below its root.
    pub empty: bool,
    /// Its root hides everything below it.
    pub opaque_root: bool,
}

/// The layers to mount, as indexes into the stack; both are base first.
///
/// Mounted alone they show what the full stack would, by the image-spec's rules:
/// * below the topmost layer with an opaque root nothing is left: the kernel ignores that mark on a root;
/// * of a layer that is there more than once only its topmost place is left: everything it says is decided there,
///   and the kernel refuses the same directory twice (`ELOOP`);
/// * empty layers are left out.
pub fn plan_layers<I: Eq + Hash>(stack: &[PlanLayer<'_, I>]) -> Vec<usize> {
    let base = stack.iter().rposition(|layer| layer.opaque_root).unwrap_or(0);
    let mut seen = HashSet::new();
    let mut planned: Vec<usize> = stack
        .iter()
        .enumerate()
        .skip(base)
        .rev()
        .filter(|(_, layer)| !layer.empty && seen.insert(layer.id))
        .map(|(index, _)| index)
        .collect();
    planned.reverse();
    planned
}

/// How many of the lowest planned layers must become one, so that they and `others` (the correction layer, the
/// empty directory that a read-only overlay may need) are at most [`MAX_LOWERS`]; 0 when all fit.
pub fn lowest_to_merge(planned: usize, others: usize) -> usize {
    match (planned + others).checked_sub(MAX_LOWERS) {
        None | Some(0) => 0,
        Some(excess) => planned.min(excess + 1),
    }
}
