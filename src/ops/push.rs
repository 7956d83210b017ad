//! Push: an image of the store into a registry, with the bytes of its manifest as they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::outgoing::{self, Fetch, Picked};
use super::parallel::{self, Check};
use super::{Registries, Rootlay};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::media_type::is_foreign_layer;
use crate::oci::{Descriptor, Digest, Document, MAX_DOCUMENT, Manifest, Platform, Reference, parse_document};
use crate::progress::{Phase, Task};
use crate::source::{Arrived, Destination, Outgoing, Waiting};
use crate::store::{Catalog, Item, ManifestRecord, Staging};

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
    /// Pushes one image: the blobs that the registry lacks, then the manifest with the bytes that it came with.
    ///
    /// A blob that is not here any more is taken from where the image came from.
    ///
    /// # Errors
    /// [`Usage`](ErrorKind::Usage) for a destination with a digest, or none; those of registries.
    pub fn push(&self, registries: &Registries, request: &PushRequest) -> Result<Pushed> {
        let staging = self.store.stage()?;
        let catalog = self.store.catalog()?;
        let Picked { image, manifest, name } = outgoing::pick(&catalog, &request.image, request.platform.as_ref())?;
        let reference = destination(request, name.map(|name| &name.reference))?;
        let documents = [&manifest.digest, &image.id];
        staging.rely_on(documents.into_iter().chain(&manifest.layers).cloned().map(Item::Blob))?;

        let bytes = self.store.content().read(&manifest.digest, MAX_DOCUMENT)?;
        let Document::Manifest(document) = parse_document(&bytes, Some(&manifest.media_type))? else {
            return Err(Error::refused(format!("{}: expected a manifest, got an index", manifest.digest)));
        };
        self.progress.status(&format!(
            "The push refers to repository [{}/{}]",
            reference.registry(),
            reference.repository()
        ));
        let to = registries.destination(&reference)?;
        let push = Push {
            rootlay: self,
            registries,
            staging: &staging,
            to: &to,
            catalog: &catalog,
            reference: &reference,
            manifest,
        };
        let jobs = push.jobs(&document);
        for job in &jobs {
            push.show(job, Phase::Preparing);
        }
        parallel::each(&jobs, WORKERS, &self.cancel, |job, check| push.blob(job, check))?;
        self.cancel.check()?;
        to.manifest(reference.tag().unwrap_or_default(), &manifest.media_type, &bytes)?;
        Ok(Pushed { reference, digest: manifest.digest.clone(), size: bytes.len() as u64 })
    }
}

/// How many blobs at once; as Docker.
const WORKERS: usize = 5;

/// Where an image goes: what was named, or the name by which it was found.
fn destination(request: &PushRequest, name: Option<&Reference>) -> Result<Reference> {
    let usage = |message: String| Err(Error::new(ErrorKind::Usage, message));
    match request.destination.as_ref().or(name) {
        None => usage(format!("no destination for the image ID {}: name one behind it", request.image)),
        Some(reference) if reference.digest().is_some() => usage("cannot push a digest reference".to_owned()),
        Some(reference) => Ok(reference.clone().with_default_tag()),
    }
}

/// One push.
struct Push<'a> {
    rootlay: &'a Rootlay,
    registries: &'a Registries,
    staging: &'a Staging<'a>,
    to: &'a Destination,
    catalog: &'a Catalog,
    reference: &'a Reference,
    manifest: &'a ManifestRecord,
}

/// A blob that the registry has to have.
struct Job<'a> {
    blob: &'a Descriptor,
    /// The configuration has none: Docker does not show it.
    task: Option<Task>,
}

impl Push<'_> {
    /// The blobs, each once; those that their author does not want to be passed on are left out.
    fn jobs<'d>(&self, document: &'d Manifest) -> Vec<Job<'d>> {
        let mut jobs: Vec<Job<'d>> = Vec::new();
        for blob in &document.layers {
            if jobs.iter().any(|job| job.blob.digest == blob.digest) {
                continue;
            }
            if is_foreign_layer(&blob.media_type) {
                self.rootlay.progress.status(&format!("{}: Skipped foreign layer", blob.digest.short()));
                continue;
            }
            let task = Task { id: jobs.len(), label: blob.digest.short().to_owned(), total: Some(blob.size) };
            jobs.push(Job { blob, task: Some(task) });
        }
        jobs.push(Job { blob: &document.config, task: None });
        jobs
    }

    fn show(&self, job: &Job<'_>, phase: Phase) {
        if let Some(task) = &job.task {
            self.rootlay.progress.phase(task, phase);
        }
    }

    fn blob(&self, job: &Job<'_>, check: Check<'_>) -> Result<()> {
        let Descriptor { digest, size, .. } = job.blob;
        check()?;
        if self.to.has_blob(digest)? {
            self.show(job, Phase::LayerAlreadyExists);
            return Ok(());
        }
        let content = self.rootlay.store.content();
        if content.size_of(digest)?.is_none() {
            let fetch = Fetch {
                rootlay: self.rootlay,
                registries: self.registries,
                staging: self.staging,
                catalog: self.catalog,
                named: Some(self.reference),
            };
            fetch.blob(self.manifest, job.blob, &|phase| self.show(job, phase), check)?;
        }
        let from = self.elsewhere(digest);
        self.show(job, Phase::Pushing);
        let (progress, task) = (Arc::clone(&self.rootlay.progress), job.task.clone());
        let most = AtomicU64::new(0);
        let sent = move |total| {
            // An attempt that begins anew counts again once it is further than the one before.
            let before = most.fetch_max(total, Ordering::Relaxed);
            if let Some(task) = task.as_ref().filter(|_| total > before) {
                progress.advance(task, total - before);
            }
        };
        let retrying = |delay| self.show(job, Phase::Retrying(delay));
        let open = || content.open(digest);
        let outgoing = Outgoing {
            digest,
            size: *size,
            open: &open,
            sent: Arc::new(sent),
            waiting: Waiting { check, retrying: &retrying },
        };
        let arrived = self.to.blob(&outgoing, from.as_ref().map(Reference::repository))?;
        self.show(
            job,
            match (arrived, from) {
                (Arrived::Mounted, Some(from)) => Phase::MountedFrom(from.repository().to_owned()),
                _ => Phase::Pushed,
            },
        );
        Ok(())
    }

    /// Another repository of the same registry that has the blob, as far as the store knows.
    fn elsewhere(&self, blob: &Digest) -> Option<Reference> {
        if !self.manifest.layers.contains(blob) {
            return None;
        }
        outgoing::origins(self.catalog, self.manifest, blob).find(|origin| {
            origin.registry() == self.reference.registry() && origin.repository() != self.reference.repository()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(image: &str, destination: Option<&str>, name: Option<&str>) -> Result<Reference> {
        let parse = |text: &str| text.parse::<Reference>().unwrap();
        let request = PushRequest { image: image.to_owned(), destination: destination.map(parse), platform: None };
        super::destination(&request, name.map(parse).as_ref())
    }

    #[test]
    fn an_image_goes_where_it_is_named() {
        let named = |text: &str| text.parse::<Reference>().unwrap();
        assert_eq!(to("box", None, Some("box:1")).unwrap(), named("box:1"));
        assert_eq!(to("box", Some("localhost/x"), Some("box:1")).unwrap(), named("localhost/x:latest"));
        assert_eq!(to("c6348fa86ba0", Some("box:2"), None).unwrap(), named("box:2"));
        assert_eq!(to("c6348fa86ba0", None, None).unwrap_err().kind(), ErrorKind::Usage);
        let digest = format!("box@sha256:{}", "a".repeat(64));
        assert_eq!(to("box", Some(&digest), None).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(to(&digest, None, Some(&digest)).unwrap_err().kind(), ErrorKind::Usage);
    }
}
