//! Pull: an image of a registry into the store, unpacked while it comes.

use super::{Limits, Oddities, Registries, Rootlay};
use crate::error::Result;
use crate::oci::{Digest, Platform, Reference};
use crate::source::Jobs;

/// What to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// The image: a tag (`latest` if none is named), or a digest.
    pub reference: Reference,
    /// Which platform of it; without one the host's.
    pub platform: Option<Platform>,
    /// How many layers at once.
    pub jobs: Jobs,
    /// What a layer may cost.
    pub limits: Limits,
    /// What becomes of oddities in its layers.
    pub oddities: Oddities,
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its ID.
    pub id: Digest,
    /// What it was pulled as: with the tag `latest` if neither tag nor digest was named.
    pub reference: Reference,
    /// The digest of what the reference names: an index or a manifest.
    pub digest: Digest,
    /// Whether the store had it already under this name.
    pub news: News,
}

/// What a pull changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The name stands for another image than before, or is new.
    Downloaded,
    /// The store had this image under this name already.
    UpToDate,
}

/// What a pull would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullPlan {
    /// What would be pulled, with its tag.
    pub reference: Reference,
    /// The digest of what the reference names.
    pub digest: Digest,
    /// The ID of the image.
    pub id: Digest,
    /// Its layers, base first, each once.
    pub layers: Vec<PlannedLayer>,
    /// Bytes that are free where the store is.
    pub free: u64,
}

/// One layer of a [`PullPlan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLayer {
    /// The digest of its blob.
    pub digest: Digest,
    /// The size of its blob in bytes.
    pub size: u64,
    /// How many of these bytes need not be fetched: all of them if the layer is here.
    pub here: u64,
}

/// Whether the store has what a registry has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// What was compared, with its tag.
    pub reference: Reference,
    /// The digest that the store has under this name; `None` if it has none.
    pub local: Option<Digest>,
    /// The digest that the registry has under this name.
    pub remote: Digest,
    /// Whether a pull would bring another image.
    pub newer: bool,
}

impl Rootlay {
    /// Pulls one image.
    pub fn pull(&self, registries: &Registries, request: PullRequest) -> Result<Pulled> {
        todo!("{registries:?} {request:?}")
    }

    /// Says what [`Rootlay::pull`] would do. Nothing is fetched but documents.
    pub fn plan_pull(&self, registries: &Registries, request: &PullRequest) -> Result<PullPlan> {
        todo!("{registries:?} {request:?}")
    }

    /// Asks the registry whether it has something newer. Manifests are fetched only where the digest differs.
    pub fn check_pull(
        &self,
        registries: &Registries,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Freshness> {
        todo!("{registries:?} {reference} {platform:?}")
    }
}
