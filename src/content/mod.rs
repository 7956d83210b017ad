//! Blobs by digest. Nothing unverified ever gets a name here.
//!
//! A blob arrives through [`Ingest`], which writes a nameless-looking temporary file elsewhere on the same file
//! system, and checks size and digest. Then it waits ([`Ready`]) until it is on the disk, and is renamed to
//! `<algorithm>/<hex>`. [`ContentStore`] finds it there.
//! The layout is that of `blobs/` in an OCI layout, so other tools can read it.

mod ingest;
mod store;

pub use ingest::{FileState, Hashing, Ingest, PartialFile, Place, Ready, Writing};
pub use store::ContentStore;

#[cfg(test)]
mod tests;
