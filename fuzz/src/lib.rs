//! What must hold for any input, one function for each target. `fuzz_targets` and `replay` call these.

mod archive;
mod documents;
mod gunzip;
mod layer;
mod names;
mod registry;
mod stack;
mod texts;

pub use archive::archive;
pub use documents::{documents, reference};
pub use gunzip::gunzip;
pub use layer::layer;
pub use names::{mountinfo, whiteout};
pub use registry::{credentials, registry, settings};
pub use stack::stack;
pub use texts::{filter, template};

/// A target: any bytes, and it returns.
pub type Target = fn(&[u8]);

/// A descriptor of the directory around everything has this number while a target runs, so that an absolute symlink in the
/// corpus, `/proc/self/fd/99`, can point at the canary.
const DOOR: i32 = 99;

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("credentials", credentials),
    ("documents", documents),
    ("filter", filter),
    ("gunzip", gunzip),
    ("layer", layer),
    ("mountinfo", mountinfo),
    ("reference", reference),
    ("registry", registry),
    ("settings", settings),
    ("stack", stack),
    ("template", template),
    ("whiteout", whiteout),
];
