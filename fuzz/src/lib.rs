//! What must hold for any input, one function for each target. `fuzz_targets` and `replay` call these.

mod documents;
mod gunzip;
mod layer;
mod names;

pub use documents::{documents, reference};
pub use gunzip::gunzip;
pub use layer::layer;
pub use names::{mountinfo, whiteout};

/// A target: any bytes, and it returns.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("documents", documents),
    ("gunzip", gunzip),
    ("layer", layer),
    ("mountinfo", mountinfo),
    ("reference", reference),
    ("whiteout", whiteout),
];
