//! The layers that are computed: the correction of a stack (architecture, decision 1), and its lowest layers merged
//! into one for stacks beyond the kernel's limit (decision 10).

use std::os::fd::AsFd;

use super::difference::{difference, everything};
use super::index::LayerIndex;
use super::materialize::materialize;
use super::stack::{Stack, Wanted};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::sys::dir::Dir;
use crate::sys::{owner, xattr};

/// One layer of a stack.
pub struct StackLayer<'a> {
    /// What it says.
    pub index: &'a LayerIndex,
    /// Opens its directories; only layers whose content is copied are opened.
    pub open: Box<dyn Fn() -> Result<Places> + 'a>,
}

impl std::fmt::Debug for StackLayer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StackLayer").field("summary", &self.index.summary).finish_non_exhaustive()
    }
}

/// Where a layer lies on disk.
#[derive(Debug)]
pub struct Places {
    /// What was unpacked of it.
    pub diff: Dir,
    /// The directory of the layer, which holds what was kept beside `diff`.
    pub aside: Dir,
}

/// Writes the correction of a stack, base first, into the empty directory `out`: mounted on top of the layers it
/// makes the kernel show what the image specification wants. Its root has the metadata of the image's root.
///
/// # Errors
/// [`ErrorKind::Refused`](crate::ErrorKind::Refused) where a layer contradicts the layers below it, such as a hard
/// link whose target is nowhere.
pub fn correct(layers: &[StackLayer<'_>], out: &Dir, cancel: &Cancel) -> Result<()> {
    let indexes: Vec<&LayerIndex> = layers.iter().map(|layer| layer.index).collect();
    let stack = Stack::new(&indexes, Wanted::ModelAndOverlay, cancel)?;
    let changes = difference(&stack);
    materialize(&stack, layers, &stack.model, &changes, out, cancel)
}

/// Writes what the kernel would show for these layers, base first, into the empty directory `out`: as the lowest
/// layer it stands for all of them.
pub fn merge_lowest(layers: &[StackLayer<'_>], out: &Dir, cancel: &Cancel) -> Result<()> {
    let indexes: Vec<&LayerIndex> = layers.iter().map(|layer| layer.index).collect();
    let stack = Stack::new(&indexes, Wanted::Overlay, cancel)?;
    let changes = everything(&stack, &stack.overlay);
    materialize(&stack, layers, &stack.overlay, &changes, out, cancel)
}

/// Gives the root of an upper directory the owner, mode, attributes and times of the root of `from`.
pub fn apply_root(from: &Dir, upper: &Dir) -> Result<()> {
    let root = from.stat(b".")?;
    owner::set_owner(upper.as_fd(), root.st_uid, root.st_gid)?;
    owner::set_mode(upper.as_fd(), root.st_mode & 0o7777)?;
    for (name, value) in xattr::all_fd(from)? {
        // Marks are for this directory alone; an escaped attribute of the image is content (row 52).
        let is_mark = name.starts_with(b"trusted.overlay.") && !name.starts_with(b"trusted.overlay.overlay.");
        if !is_mark {
            xattr::set_fd(upper, &name, &value)?;
        }
    }
    let nanos = |value| u32::try_from(value).unwrap_or(0);
    // The file system has stored this time already.
    let _ = owner::set_times(
        upper.as_fd(),
        (root.st_atime, nanos(root.st_atime_nsec)),
        (root.st_mtime, nanos(root.st_mtime_nsec)),
    )?;
    Ok(())
}
