//! The image-spec's result of a stack: its layers applied one after another to an empty directory, in memory.
//!
//! Written from `layer.md` of the image-spec and from sections A to C and L of `docs/layer-semantics.md` alone, and as simply
//! as that goes: speed, symmetry with the program and cleverness are not wanted here.
//!
//! Where the rules do not decide, the model says so ([`Stop::Open`]) and tests only ask for an orderly answer. Its readings:
//!
//! * Marks come first, against the tree below; entries follow in archive order, and the last one of a path wins.
//! * The parent of a mark is looked up in the tree as the layer leaves it. A layer whose marks change that answer is open.
//! * A whiteout whose parent is missing, or is a file of a lower layer, does nothing (row 10). An opaque mark makes its
//!   directory as an entry would (row 25); a directory that was there keeps its metadata, since the mark hides only what is
//!   in it.
//! * A hard link names what is there when its turn comes, in the tree below too (row 70). If nothing is there, it waits for the
//!   end of the layer (row 71), and its place is taken meanwhile. If the target is of a lower layer and this layer replaces it
//!   later, the rules contradict each other: open.
//! * A file of a lower layer that a *symlink* leads to is replaced by a directory or not: open.
//! * A hard link to a symlink of a lower layer, or that symlink itself, which the same layer uses as a directory: open.
//! * A hard link whose name lies below its target's, a file of a lower layer: open.
//! * An entry that replaces a symlink on its own way: open.
//! * A mark that goes through a symlink which its layer put elsewhere than it says, by a lower symlink: open.
//! * A mark below the name of an entry of its layer that is not at that place in the end: open.
//! * An entry below the name of a file of its layer that is not there (any more), by a lower symlink: open.
//! * A mark below what is a file when its turn comes, and something else at the end of the layer: open.
//! * An opaque mark below a character device 0:0 of its layer, which is not created (row 19): open.
//! * `..` in a symlink's target behind something that is missing: open.

mod apply;
mod links;
mod marks;
mod model;
mod names;
mod resolve;
#[cfg(test)]
mod tests;

pub use model::{Model, Stop};

use crate::fixture::Entry;
use crate::tree::Tree;

/// The tree of a stack, base first, or why there is none.
pub fn apply_stack(layers: &[Vec<Entry>]) -> Result<Tree, Stop> {
    model_of(layers).map(|model| model.tree())
}

/// The model of a stack, base first.
pub fn model_of(layers: &[Vec<Entry>]) -> Result<Model, Stop> {
    let mut model = Model::empty();
    for layer in layers {
        model.apply(layer)?;
    }
    Ok(model)
}
