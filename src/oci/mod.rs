//! The nouns of the OCI image specification: digests, references, platforms, documents.
//!
//! Everything here is pure: bytes or text in, a checked value out. What comes from an image is refused with
//! [`ErrorKind::Refused`](crate::ErrorKind::Refused), what a user typed with [`ErrorKind::Usage`](crate::ErrorKind::Usage).

pub mod check;
pub mod config;
pub mod descriptor;
pub mod digest;
pub mod document;
pub mod json;
pub mod media_type;
pub mod platform;
pub mod reference;
mod sha256;
pub mod timestamp;

pub use check::{check_image, check_manifest};
pub use config::{ContainerConfig, HistoryEntry, ImageConfig};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, ChainId, DiffId, Digest, Hasher};
pub use document::{Document, Index, Manifest, parse_document};
pub use json::MAX_DOCUMENT;
pub use platform::Platform;
pub use reference::Reference;
pub use timestamp::Timestamp;
