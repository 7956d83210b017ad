//! Push: an image of the store into a registry, with the bytes of its manifest as they came.

use super::{Registries, Rootlay};
use crate::error::Result;
use crate::oci::{Digest, Platform, Reference};

/// What to push, and where to.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The image: a name, an ID, or a prefix of one.
    pub image: String,
    /// The name that it gets in the registry; without one its own, which `image` then has to be.
    pub destination: Option<Reference>,
    /// Which platform of it; without one the host's comes first.
    pub platform: Option<Platform>,
}

/// An image that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where it is now.
    pub reference: Reference,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The size of its manifest in bytes.
    pub size: u64,
}

impl Rootlay {
    /// Pushes one image: the blobs that the registry lacks, then the manifest.
    pub fn push(&self, registries: &Registries, request: &PushRequest) -> Result<Pushed> {
        todo!("{registries:?} {request:?}")
    }
}
