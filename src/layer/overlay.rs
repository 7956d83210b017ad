//! What the kernel shows for a stack of diff directories (kernel `Documentation/filesystems/overlayfs.rst`).

use super::diff_tree::{DiffTree, Slot};
use super::flat::{FlatTree, Node, Origin};
use super::paths::{PathId, PathTable};
use super::records::Records;

/// Lays the diff directory of layer `layer` over what is below it.
///
/// Working from the base up gives what the kernel finds from the top down: a directory merges with the directory
/// below it and has the upper one's metadata; a whiteout, an opaque directory and a file hide what is below.
///
/// `paths` is the table of the tree, and what the paths of the layer are in it.
pub fn lay_over(
    tree: &mut FlatTree,
    (paths, known): (&PathTable, &[PathId]),
    layer: u16,
    diff: &DiffTree,
    records: &Records,
) {
    // The kernel ignores an opaque root; the plan of the mount drops the layers below instead (row 7).
    if diff.is_opaque(PathId::ROOT) {
        tree.clear(PathId::ROOT);
    }
    tree.root = diff.root().map_or(Origin::IMPLIED, |record| Origin { layer, record });
    let mut todo: Vec<PathId> = diff.contents(PathId::ROOT).collect();
    while let Some(own) = todo.pop() {
        let path = known[own.index()];
        let below_is_directory = tree.get(path).is_some_and(Node::is_directory);
        match diff.slot(own) {
            Slot::Absent | Slot::Pending(_) => {}
            Slot::Whiteout => tree.remove(path),
            Slot::Content(record) | Slot::Symlink(record) => {
                tree.remove(path);
                tree.set(paths, path, Node::of(layer, record, records.get(record).what));
            }
            slot @ (Slot::Implied | Slot::Directory(_)) => {
                if diff.is_opaque(own) || !below_is_directory {
                    tree.remove(path);
                }
                let node = match slot {
                    Slot::Directory(record) => Node::of(layer, record, records.get(record).what),
                    _ => Node::implied(layer),
                };
                tree.set(paths, path, node);
                todo.extend(diff.contents(own));
            }
        }
    }
}
