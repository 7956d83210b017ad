//! The nouns of the OCI image specification: digests, references, platforms, documents.

pub mod digest;

pub use digest::{Algorithm, ChainId, DiffId, Digest, Hasher};
