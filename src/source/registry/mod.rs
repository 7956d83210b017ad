//! Registries (distribution-spec): everything that goes over the network. Async code stays in here.

mod certs;
mod conf;
mod credentials;
pub mod options;
pub mod secret;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::oci::{Descriptor, Platform, Reference};

use options::RegistryOptions;

/// The registries of the world, as this machine and this command reach them. Needs no state root and no privileges.
#[derive(Debug)]
pub struct Registries {}

/// A document of a registry: an index or a manifest, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDocument {
    /// Its media type, digest and size.
    pub descriptor: Descriptor,
    /// Its bytes, verified.
    pub bytes: Vec<u8>,
}

/// One image of an index, or the image that was named itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteManifest {
    /// `NAME@DIGEST`.
    pub reference: Reference,
    /// Its descriptor, with the platform where the index or its configuration says one.
    pub document: RemoteDocument,
}

/// What was found for a search term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The repository, as a user would pull it.
    pub name: String,
    /// What its owner says about it, as it came.
    pub description: String,
    /// How many people like it.
    pub stars: u64,
    /// Whether it is an official image.
    pub official: bool,
    /// Whether it is built by the registry.
    pub automated: bool,
}

impl Registries {
    /// Reads the configuration and makes ready. No request is sent.
    pub fn new(options: RegistryOptions, cancel: Cancel) -> Result<Self> {
        todo!("{options:?} {cancel:?}")
    }

    /// The digest (with media type and size) that a name has: a `HEAD` request, which registries do not count as a
    /// pull. With a platform, that of the platform's manifest.
    pub fn digest(&self, reference: &Reference, platform: Option<&Platform>) -> Result<Descriptor> {
        todo!("{reference} {platform:?}")
    }

    /// The index or manifest that a name has.
    pub fn document(&self, reference: &Reference) -> Result<RemoteDocument> {
        todo!("{reference}")
    }

    /// The manifests behind a name: all images of an index, or the one.
    pub fn manifests(&self, reference: &Reference) -> Result<Vec<RemoteManifest>> {
        todo!("{reference}")
    }

    /// All tags of a repository, in the registry's order (pages are followed).
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        todo!("{reference}")
    }

    /// Searches Docker Hub, or the catalogue of a registry that is named in front of the term (`quay.io/name`).
    pub fn search(&self, term: &str, limit: usize) -> Result<Vec<Hit>> {
        todo!("{term} {limit}")
    }

    /// Checks credentials with a registry, and keeps them. Returns where they were written.
    pub fn login(&self, registry: &str, user: &str, password: &secret::Secret) -> Result<login::Kept> {
        todo!("{registry} {user} {password:?}")
    }

    /// Forgets the credentials for a registry. `false` if there were none.
    pub fn logout(&self, registry: &str) -> Result<bool> {
        todo!("{registry}")
    }
}

/// Where credentials go.
pub mod login {
    pub use super::credentials::Kept;
}
