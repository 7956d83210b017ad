//! What must hold for any input, one function for each target. `fuzz_targets` and `replay` call these.

mod documents;
mod layer;
mod names;

pub use documents::{documents, reference};
pub use layer::layer;
pub use names::{mountinfo, whiteout};

/// A target: any bytes, and it returns.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("documents", documents),
    ("layer", layer),
    ("mountinfo", mountinfo),
    ("reference", reference),
    ("whiteout", whiteout),
];
