//! One layer: a tar stream in, a diff directory in `OverlayFS` form out; and what a stack of layers means.
//!
//! ```text
//! blob ─► compression ─► tar ─► classify ─► DiffTree (decides) ─► Writer (carries out) ─► diff directory
//!                                  │
//!                                  └─► Records ─► LayerIndex (layer.json)
//! LayerIndex × n ─► Stack: model (what the specification wants), overlay (what the kernel shows)
//!                      └─► difference ─► materialize ─► correction layer
//! ```
//!
//! What can be decided without a disk is decided without one: names, marks, links and stacks are pure functions
//! over tables of paths; [`writer`](self) alone makes system calls. This module knows neither the store nor mounts.

mod batch;
mod changes;
mod classify;
mod closing;
mod content_hash;
mod contents;
mod correction;
mod crew;
mod data;
mod diff_tree;
mod difference;
mod dir_cache;
mod files;
mod flat;
mod fold;
#[cfg(fuzzing)]
mod fuzzing;
mod index;
mod late_links;
mod materialize;
mod metadata;
mod model;
mod name;
mod overlay;
mod paths;
mod records;
mod resolve;
mod stack;
#[cfg(test)]
mod stack_tests;
mod stream;
mod tar;
#[cfg(test)]
mod tests;
mod unpack;
mod verify;
mod whiteout;
mod writer;

use crate::compression::ZSTD_WINDOW_LOG;
use crate::error::Result;

pub use changes::{Changes, count_changes};
pub use correction::{Places, StackLayer, apply_root, correct, merge_lowest};
#[cfg(fuzzing)]
pub use fuzzing::{Kind, NameMeans, Node, Shape, count_entries, name_means, shape};
pub use index::{LayerIndex, Summary};
pub use unpack::{Claims, Unpacked, unpack};
pub use verify::{Content, Flaw, Verify};

/// What one layer may cost. The defaults let every real image pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most entries, and most paths.
    pub entries: u64,
    /// Most uncompressed bytes of the tar.
    pub bytes: u64,
    /// Longest PAX header or GNU long name.
    pub header_bytes: u64,
    /// Most components of a path.
    pub depth: usize,
    /// Largest zstd window, as its base-2 logarithm.
    pub zstd_window_log: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 20_000_000,
            bytes: 1 << 42,
            header_bytes: 1 << 20,
            depth: 4096,
            zstd_window_log: ZSTD_WINDOW_LOG,
        }
    }
}

/// What becomes of entries that other tools read in other ways, such as a whiteout with data or a device 0:0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Oddities {
    /// They are warned about, and read as Docker does.
    #[default]
    Warn,
    /// They are refused.
    Refuse,
}

/// Whether the work may go on.
pub type Check<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// How a layer is unpacked.
pub struct UnpackOptions<'a> {
    /// What it may cost.
    pub limits: Limits,
    /// What becomes of oddities.
    pub oddities: Oddities,
    /// How many threads create files beside the one that reads the archive.
    pub crew: usize,
    /// Stops the work by its error.
    pub check: Check<'a>,
    /// Receives warnings.
    pub warn: &'a (dyn Fn(&str) + Sync),
}

impl std::fmt::Debug for UnpackOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnpackOptions")
            .field("limits", &self.limits)
            .field("oddities", &self.oddities)
            .finish_non_exhaustive()
    }
}
