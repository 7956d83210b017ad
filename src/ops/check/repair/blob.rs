//! A blob from where its image came from.

use std::io::{self, Read, Write};

use super::{Done, Repair, left};
use crate::content::Ingest;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::{Descriptor, Digest, ImageConfig, MAX_DOCUMENT, Reference};
use crate::ops::check::scope::read_manifest;
use crate::ops::outgoing::{origins, registry};
use crate::progress::Phase;
use crate::source::{self, Remote, Source, SourceSpec, Waiting};
use crate::store::ManifestRecord;

/// What a blob is to the image that has it.
enum Role {
    /// An index on the way to the manifest, of which nobody knows the size, or the manifest.
    Named,
    /// The configuration, or a layer.
    Described(Box<Descriptor>),
}

impl Repair<'_> {
    /// Fetches a blob again. That of a layer which is unpacked and sound is removed if it is nowhere: the image does
    /// not need it.
    pub(super) fn blob(&self, digest: &Digest) -> Done {
        let content = self.inspection.rootlay.store.content();
        let mut why = None;
        for (record, role) in self.roles(digest) {
            let fetched = match &role {
                Role::Named => self.fetch_document(record, digest),
                Role::Described(blob) => self.fetch(record, blob),
            };
            match fetched {
                Ok((ingest, origin)) => {
                    ingest.replace(content)?;
                    return Ok(format!("fetched again from {origin}"));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_) | ErrorKind::NoSpace) => {
                    return Err(error);
                }
                Err(error) => why = Some(error),
            }
        }
        if !self.inspection.scope.blobs.get(digest).is_some_and(|blob| blob.document) && !self.is_needed(digest) {
            // It may have been replaced meanwhile, or be whole and not readable now.
            if !content.is_damaged(digest)? {
                return Err(left("it is whole, or cannot be read: check again"));
            }
            content.remove_damaged(digest)?;
            return Ok("removed: it is fetched where it is needed, and its layer is sound".to_owned());
        }
        let why = why.map_or_else(|| "no image has it any more".to_owned(), |error| super::explained(&error));
        Err(left(&format!("{why}: pull or load the image again")))
    }

    /// Whether a damaged layer might be made of it.
    fn is_needed(&self, digest: &Digest) -> bool {
        let has_damaged = |image: &crate::store::ImageRecord| image.diff_ids.iter().any(|id| self.damaged.contains(id));
        self.inspection.scope.manifests().any(|(image, record)| record.layers.contains(digest) && has_damaged(image))
    }

    /// Which images have a blob, and as what.
    fn roles<'s>(&'s self, digest: &Digest) -> Vec<(&'s ManifestRecord, Role)> {
        let rootlay = self.inspection.rootlay;
        let mut roles = Vec::new();
        for (image, record) in self.inspection.scope.manifests() {
            if record.is(digest) {
                roles.push((record, Role::Named));
            } else if image.id == *digest || record.layers.contains(digest) {
                let Ok(manifest) = read_manifest(rootlay, record) else { continue };
                let described = manifest.layers.into_iter().chain([manifest.config]);
                roles.extend(
                    described
                        .filter(|blob| blob.digest == *digest)
                        .map(|blob| (record, Role::Described(Box::new(blob)))),
                );
            }
        }
        roles
    }

    /// Brings a manifest, or an index on the way to it.
    fn fetch_document(&self, record: &ManifestRecord, digest: &Digest) -> Result<(Ingest, String)> {
        let Some(reference) = registry(record) else {
            let descriptor = Descriptor::new(&record.media_type, digest.clone(), record.size);
            if record.digest != *digest {
                return Err(left(&format!("{} has no index by its digest", record.origin)));
            }
            return self.fetch(record, &descriptor);
        };
        let name: Reference = format!("{}@{digest}", reference.familiar_name()).parse()?;
        let document = self.registries.unnamed_repository(&name)?.root()?;
        let mut ingest = Ingest::new(self.staging.dir(), digest, document.bytes.len() as u64)?;
        ingest.write_all(&document.bytes)?;
        ingest.verify()?;
        Ok((ingest, reference.familiar_name()))
    }

    /// Brings a blob of a manifest into staging, from the registries or the local archives that have it.
    pub(super) fn fetch(&self, record: &ManifestRecord, blob: &Descriptor) -> Result<(Ingest, String)> {
        let mut why = None;
        for reference in origins(&self.inspection.scope.catalog, record, &blob.digest) {
            match self.fetch_from_registry(&reference, blob) {
                Ok(ingest) => return Ok((ingest, reference.familiar_name())),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_) | ErrorKind::NoSpace) => {
                    return Err(error);
                }
                Err(error) => why = why.or(Some(error)),
            }
        }
        if registry(record).is_none() {
            match self.fetch_from_archive(&record.origin, blob) {
                Ok(ingest) => return Ok((ingest, record.origin.clone())),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_) | ErrorKind::NoSpace) => {
                    return Err(error);
                }
                Err(error) => why = why.or(Some(error)),
            }
        }
        Err(why.unwrap_or_else(|| left(&format!("{} does not have it", record.origin))))
    }

    fn fetch_from_registry(&self, reference: &Reference, blob: &Descriptor) -> Result<Ingest> {
        let rootlay = self.inspection.rootlay;
        let repository = self.registries.unnamed_repository(reference)?;
        let task = self.inspection.task(blob.digest.short(), Some(blob.size));
        let check = || rootlay.cancel.check();
        let retrying = |delay| rootlay.progress.phase(&task, Phase::Retrying(delay));
        rootlay.progress.phase(&task, Phase::Downloading);
        let waiting = Waiting { check: &check, retrying: &retrying };
        let mut input = repository.fetch(blob, 0, 0, waiting);
        let ingest = self.ingest(&mut input, blob, &|bytes| rootlay.progress.advance(&task, bytes))?;
        rootlay.progress.phase(&task, Phase::DownloadComplete);
        Ok(ingest)
    }

    fn fetch_from_archive(&self, origin: &str, blob: &Descriptor) -> Result<Ingest> {
        let spec = SourceSpec::parse(origin)?;
        let Some(path) = spec.path() else { return Err(left("it came from standard input")) };
        if path.is_relative() {
            return Err(left("its record has no absolute path of where it came from"));
        }
        // A pipe or a terminal would be waited for.
        if !std::fs::metadata(path).is_ok_and(|found| found.is_file() || found.is_dir()) {
            return Err(left(&format!("{origin} is not there")));
        }
        let (_, scratch) = self.staging.new_dir("scratch", 0o700)?;
        let source: Box<dyn Source> = source::open(&spec, &scratch, &self.inspection.rootlay.cancel)?;
        if !source.has_blob(blob)? {
            return Err(left(&format!("{origin} does not have it")));
        }
        self.ingest(&mut source.open_blob(blob)?, blob, &|_| {})
    }

    /// Reads a blob into staging and verifies it.
    fn ingest(&self, input: &mut dyn Read, blob: &Descriptor, advance: &dyn Fn(u64)) -> Result<Ingest> {
        let mut ingest = Ingest::new(self.staging.dir(), &blob.digest, blob.size)?;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            self.inspection.rootlay.cancel.check()?;
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => {
                    ingest.write_all(&buffer[..got])?;
                    advance(got as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::from(error)).context(|| format!("blob {}", blob.digest)),
            }
        }
        ingest.verify()?;
        Ok(ingest)
    }

    /// Reads the configuration of an image.
    pub(super) fn config(&self, id: &Digest) -> Result<ImageConfig> {
        ImageConfig::parse(&self.inspection.rootlay.store.content().read(id, MAX_DOCUMENT)?)
    }
}
