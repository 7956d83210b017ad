//! What a plain overlay of a stack gets wrong, as the contents of one more layer on top (architecture, decision 1).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::flat::{FlatTree, Node, Origin};
use super::paths::PathId;
use super::stack::Stack;

/// What the correction layer has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A directory with the metadata of the model; it merges with what is below.
    Directory(Node),
    /// A file, symlink or device of the model.
    Content(Node),
    /// A whiteout.
    Whiteout,
}

/// The contents of a layer by path; every parent of a path is there.
pub type Changes = BTreeMap<PathId, Change>;

/// The difference between what the specification wants and what the kernel shows.
pub fn difference(stack: &Stack<'_>) -> Changes {
    let mut changes = Changes::new();
    let mut todo = vec![PathId::ROOT];
    while let Some(directory) = todo.pop() {
        for path in stack.paths.children(directory) {
            match (stack.model.get(path), stack.overlay.get(path)) {
                (None, None) => {}
                (None, Some(_)) => {
                    changes.insert(path, Change::Whiteout);
                }
                (Some(model), Some(overlay)) if model.is_directory() && overlay.is_directory() => {
                    if !same_attributes(stack, model.origin, overlay.origin) {
                        changes.insert(path, Change::Directory(model));
                    }
                    todo.push(path);
                }
                (Some(model), Some(overlay))
                    if !model.is_directory() && !overlay.is_directory() && model.origin == overlay.origin => {}
                (Some(_), _) => whole(stack, path, &mut changes),
            }
        }
    }
    restore_hard_links(stack, &mut changes);
    add_parents(stack, &mut changes);
    changes
}

/// Everything that a tree shows, as the contents of a layer of its own.
pub fn everything(stack: &Stack<'_>, tree: &FlatTree) -> Changes {
    let mut changes = Changes::new();
    let mut todo: Vec<PathId> = stack.paths.children(PathId::ROOT).collect();
    while let Some(path) = todo.pop() {
        if let Some(node) = tree.get(path) {
            changes.insert(path, change(node));
            todo.extend(stack.paths.children(path));
        }
    }
    changes
}

fn change(node: Node) -> Change {
    if node.is_directory() { Change::Directory(node) } else { Change::Content(node) }
}

fn same_attributes(stack: &Stack<'_>, one: Origin, other: Origin) -> bool {
    one == other
        || one.metadata(&stack.layers) == other.metadata(&stack.layers)
            && one.xattrs(&stack.layers) == other.xattrs(&stack.layers)
}

/// The model's path with everything below it: nothing of it is below.
fn whole(stack: &Stack<'_>, top: PathId, changes: &mut Changes) {
    let mut todo = vec![top];
    while let Some(path) = todo.pop() {
        if let Some(node) = stack.model.get(path) {
            changes.insert(path, change(node));
            todo.extend(stack.paths.children(path));
        }
    }
}

/// A file whose names are not exactly those that its own layer gave it is written anew with all of them, so that the
/// names are one inode and `st_nlink` counts them (row 70).
fn restore_hard_links(stack: &Stack<'_>, changes: &mut Changes) {
    let mut suspects: BTreeSet<Origin> = stack.linked().collect();
    let nodes = || stack.paths.all().filter_map(|path| stack.model.get(path).map(|node| (path, node)));
    // A name that another layer than the content's gave it is a hard link across layers.
    let across = nodes().filter(|(_, node)| !node.is_directory() && node.placed != node.origin.layer);
    suspects.extend(across.map(|(_, node)| node.origin));
    for change in changes.values() {
        if let Change::Content(node) = change {
            suspects.insert(node.origin);
        }
    }
    if suspects.is_empty() {
        return;
    }
    let mut names: HashMap<Origin, Vec<(PathId, Node)>> = HashMap::new();
    for (path, node) in nodes().filter(|(_, node)| !node.is_directory() && suspects.contains(&node.origin)) {
        names.entry(node.origin).or_default().push((path, node));
    }
    for (origin, names) in names {
        let own = stack.hard_links(origin);
        let links_below = own.len().max(1);
        let shown_from_below = names.iter().all(|(path, _)| {
            !changes.contains_key(path) && stack.overlay.get(*path).is_some_and(|node| node.origin == origin)
        });
        if shown_from_below && names.len() == links_below {
            continue;
        }
        for (path, node) in names {
            changes.insert(path, Change::Content(node));
        }
    }
}

fn add_parents(stack: &Stack<'_>, changes: &mut Changes) {
    let paths: Vec<PathId> = changes.keys().copied().collect();
    for path in paths {
        let mut here = stack.paths.parent(path);
        while here != PathId::ROOT && !changes.contains_key(&here) {
            if let Some(node) = stack.model.get(here) {
                changes.insert(here, Change::Directory(node));
            }
            here = stack.paths.parent(here);
        }
    }
}
