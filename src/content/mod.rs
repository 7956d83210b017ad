//! Blobs by digest. Nothing unverified ever gets a name here.
//!
//! A blob arrives through [`Ingest`], which writes a nameless-looking temporary file elsewhere on the same file
//! system, checks size and digest, and only then renames it to `<algorithm>/<hex>`. [`ContentStore`] finds it there.
//! The layout is that of `blobs/` in an OCI layout, so other tools can read it.

mod ingest;
mod store;

pub use ingest::{Hashing, Ingest, PartialFile, Writing};
pub use store::ContentStore;

#[cfg(test)]
mod tests;
