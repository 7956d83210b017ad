//! Pull: an image of a registry into the store, unpacked while it comes.

use std::io::{Cursor, Read};

use super::install::{NewImage, Run};
use super::{Jobs, Limits, Oddities, Registries, Rootlay};
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Descriptor, Digest, MAX_DOCUMENT, Platform, Reference};
use crate::source::{self, Candidate, Remote, Repository, Resolved, Source};
use crate::store::{self, Found, ImageRecord, Kind, Name};

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
    /// Pulls one image: its layers are unpacked while they come, those that are here are not fetched.
    ///
    /// What an interrupted pull fetched is gone on with. A reference with a digest makes no tag.
    ///
    /// # Errors
    /// Those of registries; [`Refused`](ErrorKind::Refused) for whatever is wrong with the image. The store then is as
    /// it was, except for partial downloads where the network failed.
    pub fn pull(&self, registries: &Registries, request: PullRequest) -> Result<Pulled> {
        let PullRequest { reference, platform, jobs, limits, oddities } = request;
        let reference = reference.with_default_tag();
        let mut run = Run::begin(self, limits, oddities)?;
        run.jobs = jobs;
        run.carry_out(|run| {
            let repository = registries.repository(&reference)?;
            let root = self.root(&repository, &reference)?;
            self.progress.status(&headline(&reference));
            let source = LocalFirst { content: run.store.content(), repository: &repository };
            let resolved = resolved(&source, &root, platform.as_ref())?;
            let id = &resolved.manifest.config.digest;
            let before = self.store.catalog()?.images.into_iter().find(|image| image.id == *id);
            let before = before.filter(|image| name_of(image, &reference).is_some());
            let pulled = |news| {
                let digest = root.digest.clone();
                Pulled { id: id.clone(), reference: reference.clone(), digest, news }
            };
            if let Some(image) = &before
                && self.is_current(image, &reference, &root.digest)?
            {
                self.store.note_use(id);
                return Ok(pulled(News::UpToDate));
            }
            let image = NewImage::of(&resolved, vec![reference.clone()], format!("docker://{reference}"));
            run.image(Some(&source), &image)?;
            Ok(pulled(if before.is_some() { News::UpToDate } else { News::Downloaded }))
        })
    }

    /// Says what [`Rootlay::pull`] would do. Nothing is fetched but documents.
    ///
    /// # Errors
    /// Those of registries.
    pub fn plan_pull(&self, registries: &Registries, request: &PullRequest) -> Result<PullPlan> {
        let reference = request.reference.clone().with_default_tag();
        let repository = registries.repository(&reference)?;
        let root = self.root(&repository, &reference)?;
        let source = LocalFirst { content: self.store.content(), repository: &repository };
        let resolved = resolved(&source, &root, request.platform.as_ref())?;
        let named = self.store.named()?;
        let mut layers: Vec<PlannedLayer> = Vec::new();
        for (blob, diff_id) in resolved.manifest.layers.iter().zip(&resolved.config.diff_ids) {
            let Descriptor { digest, size, .. } = blob;
            if layers.iter().any(|known| known.digest == *digest) {
                continue;
            }
            let unpacked = matches!(self.store.find(Kind::Layer, &diff_id.0, &named)?, Found::Usable(_));
            let here = if unpacked || self.store.content().size_of(digest)? == Some(*size) {
                *size
            } else {
                self.store.kept_of(digest)?.min(*size)
            };
            layers.push(PlannedLayer { digest: digest.clone(), size: *size, here });
        }
        let free = crate::sys::file_system::free_bytes(self.store.root())?;
        Ok(PullPlan { reference, digest: root.digest, id: resolved.manifest.config.digest, layers, free })
    }

    /// Asks the registry whether it has something newer. Manifests are fetched only where the digest differs.
    ///
    /// # Errors
    /// Those of registries.
    pub fn check_pull(
        &self,
        registries: &Registries,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Freshness> {
        let reference = reference.clone().with_default_tag();
        let repository = registries.repository(&reference)?;
        let remote = repository.head()?;
        let catalog = self.store.catalog()?;
        let host = Platform::host();
        let wanted = platform.unwrap_or(&host);
        let named = catalog.images.iter().filter_map(|image| Some((image, name_of(image, &reference)?)));
        let ranked = named.filter_map(|(image, name)| match wanted.rank(&image.platform) {
            Some(rank) => Some((rank, image.manifest(Some(name))?)),
            // Without a wish an image for something else may have been pulled as the only one.
            None => platform.is_none().then_some((u32::MAX, image.manifest(Some(name))?)),
        });
        let local = ranked.min_by_key(|(rank, _)| *rank).map(|(_, manifest)| manifest);
        let newer = match local {
            None => true,
            Some(local) if local.is(&remote.digest) => false,
            Some(local) => {
                // Another index may have the same image for this platform.
                let source = LocalFirst { content: self.store.content(), repository: &repository };
                let root = repository.root()?.with_content();
                resolved(&source, &root, platform)?.manifest_descriptor.digest != local.digest
            }
        };
        let local = local.map(|manifest| manifest.shown_digest().clone());
        Ok(Freshness { reference, local, remote: remote.digest, newer })
    }

    /// The index or manifest of a reference, with its content. Where it may be here already the registry is only
    /// asked for its digest, which counts as no pull.
    fn root(&self, repository: &Repository, reference: &Reference) -> Result<Descriptor> {
        let content = self.store.content();
        let may_be_here = match reference.digest() {
            Some(digest) => content.size_of(digest)?.is_some(),
            None => self.store.catalog()?.images.iter().any(|image| name_of(image, reference).is_some()),
        };
        if may_be_here {
            let head = repository.head()?;
            if let Some(bytes) = local(content, &head) {
                return Ok(Descriptor { data: Some(bytes), ..head });
            }
        }
        Ok(repository.root()?.with_content())
    }

    /// Whether an image is here as a whole, under this name, and for this digest.
    fn is_current(&self, image: &ImageRecord, reference: &Reference, digest: &Digest) -> Result<bool> {
        let manifest = name_of(image, reference).and_then(|name| image.manifest(Some(name)));
        Ok(manifest.is_some_and(|manifest| manifest.shown_digest() == digest) && self.why_broken(image)?.is_none())
    }
}

/// The documents of a repository, those that are here from here.
#[derive(Debug)]
struct LocalFirst<'a> {
    content: &'a ContentStore,
    repository: &'a Repository,
}

impl Source for LocalFirst<'_> {
    fn kind(&self) -> source::Kind {
        self.repository.kind()
    }

    fn images(&self) -> Result<Vec<Candidate>> {
        self.repository.images()
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        match local(self.content, descriptor).filter(|_| descriptor.data.is_none()) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None => self.repository.open_blob(descriptor),
        }
    }

    fn remote(&self) -> Option<&dyn Remote> {
        self.repository.remote()
    }
}

/// A document that is here and right.
fn local(content: &ContentStore, descriptor: &Descriptor) -> Option<Vec<u8>> {
    let bytes = content.read(&descriptor.digest, MAX_DOCUMENT).ok()?;
    (bytes.len() as u64 == descriptor.size).then_some(bytes)
}

/// Follows the document to the image of one platform. That there is none is the registry's lack, not the store's.
fn resolved(source: &dyn Source, root: &Descriptor, platform: Option<&Platform>) -> Result<Resolved> {
    source::resolve(source, root, platform).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::new(ErrorKind::NotInRegistry, error.to_string()),
        _ => error,
    })
}

fn name_of<'i>(image: &'i ImageRecord, reference: &Reference) -> Option<&'i Name> {
    image.names.iter().find(|name| name.reference == store::stored_form(reference.clone()))
}

/// Docker's first line about a pull.
fn headline(reference: &Reference) -> String {
    let repository = reference.repository();
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("{digest}: Pulling from {repository}"),
        (None, tag) => format!("{}: Pulling from {repository}", tag.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s09_s11_the_headline_has_the_tag_or_the_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (name, line) in [
            ("busybox:1.36", "1.36: Pulling from library/busybox".to_owned()),
            ("localhost:5000/a/b:v2", "v2: Pulling from a/b".to_owned()),
            (&format!("busybox@{digest}"), format!("{digest}: Pulling from library/busybox")),
            (&format!("busybox:1@{digest}"), format!("{digest}: Pulling from library/busybox")),
        ] {
            assert_eq!(headline(&name.parse().unwrap()), line);
        }
    }
}
