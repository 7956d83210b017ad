//! Save: images of the store as one tar that other stores can load.
//!
//! ```text
//! oci-layout, index.json    an OCI layout: the manifests as they came
//! manifest.json             Docker's list of the images, unless it is to be an OCI archive only
//! blobs/ALG/HEX             manifests, configurations and layers, with their stored bytes
//! ```
//! Nothing is copied aside: blobs go from the store into the archive, and are verified on the way.

mod documents;
mod place;
mod tarball;

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;

use super::outgoing::{self, Fetch, Picked};
use super::{Registries, Rootlay, images, parallel};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::{Descriptor, DiffId, Digest, Document, MAX_DOCUMENT, Manifest, Platform, Reference, parse_document};
use crate::progress::Task;
use crate::store::{Catalog, ImageRecord, Item, ManifestRecord, Staging, same_repository};

use documents::Listed;
use place::Place;
use tarball::Tarball;

/// What to save.
#[derive(Debug, Clone)]
pub struct SaveRequest {
    /// Each a name, an image ID, or a prefix of one. A repository without a tag stands for all its tags; what is named
    /// by its ID has no name in the archive.
    pub images: Vec<String>,
    /// Which platform of them; without one the host's comes first.
    pub platform: Option<Platform>,
    /// Images whose layers are left out: whoever loads the archive has them.
    pub without: Vec<String>,
    /// Who is to read it.
    pub format: ArchiveFormat,
    /// The time of every member, in seconds since 1970: the same images give the same bytes.
    pub time: u64,
}

/// The form of an archive. The blobs are the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// An OCI layout with Docker's `manifest.json`, as Docker 25 and later write it.
    Docker,
    /// An OCI layout alone.
    Oci,
}

/// Where an archive goes.
pub enum SaveTo<'a> {
    /// A file, which is there when it is complete. A device or a pipe is written to as it is.
    File(&'a Path),
    /// A stream.
    Stream(&'a mut dyn Write),
}

impl std::fmt::Debug for SaveTo<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Stream(_) => f.debug_tuple("Stream").finish_non_exhaustive(),
        }
    }
}

/// How many missing blobs are fetched at once; as a push.
const WORKERS: usize = 5;

impl Rootlay {
    /// Writes images into an archive, with the bytes of their manifests as they came.
    ///
    /// A blob that is not here any more is taken from where the image came from.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) for a blob that is damaged: then there is no file, and a stream ends within it.
    /// [`NotFound`](ErrorKind::NotFound) for images, and for a blob that is nowhere. Those of registries.
    pub fn save(&self, registries: &Registries, request: &SaveRequest, to: SaveTo<'_>) -> Result<()> {
        let place = match to {
            SaveTo::File(path) => Place::open(path)?,
            SaveTo::Stream(stream) => Place::Stream(stream),
        };
        let staging = self.store.stage()?;
        let catalog = self.store.catalog()?;
        let save = Save { rootlay: self, registries, staging: &staging, catalog: &catalog, request };
        let parts = save.parts(save.chosen()?)?;
        save.fetch_missing(&parts)?;
        save.write(&parts, place)
    }
}

/// One save.
struct Save<'a> {
    rootlay: &'a Rootlay,
    registries: &'a Registries,
    staging: &'a Staging<'a>,
    catalog: &'a Catalog,
    request: &'a SaveRequest,
}

/// One manifest that goes into the archive, and the names that it gets there.
#[derive(Debug)]
struct Chosen<'c> {
    image: &'c ImageRecord,
    manifest: &'c ManifestRecord,
    names: Vec<Reference>,
}

/// What goes into an archive.
struct Parts<'c> {
    listed: Vec<Listed<'c>>,
    /// In the order of the archive, each once.
    blobs: Vec<Blob<'c>>,
}

struct Blob<'c> {
    of: &'c ManifestRecord,
    descriptor: Descriptor,
    /// Manifests and configurations are not shown.
    task: Option<Task>,
}

impl<'a> Save<'a> {
    /// The images that are meant, in the order in which they were named.
    fn chosen(&self) -> Result<Vec<Chosen<'a>>> {
        let mut all: Vec<Chosen<'a>> = Vec::new();
        for text in &self.request.images {
            for Picked { image, manifest, name } in self.picked(text)? {
                // A digest that the user pulled by is no name that an archive can hold.
                let name = name.map(|name| name.reference.clone()).filter(|name| name.digest().is_none());
                let known = |chosen: &&mut Chosen<'_>| chosen.manifest.digest == manifest.digest;
                match all.iter_mut().find(known) {
                    Some(chosen) => chosen.names.extend(name.filter(|name| !chosen.names.contains(name))),
                    None => all.push(Chosen { image, manifest, names: name.into_iter().collect() }),
                }
            }
        }
        Ok(all)
    }

    /// What one argument means. As with Docker, a bare repository is all its tags.
    fn picked(&self, text: &str) -> Result<Vec<Picked<'a>>> {
        let platform = self.request.platform.as_ref();
        let pick = |text: &str| outgoing::pick(self.catalog, text, platform);
        let repository = text.parse::<Reference>().ok().filter(|name| name.tag().is_none() && name.digest().is_none());
        let Some(repository) = repository else { return Ok(vec![pick(text)?]) };
        let fits = |image: &&ImageRecord| platform.is_none_or(|wanted| wanted.rank(&image.platform).is_some());
        let names = self.catalog.images.iter().filter(fits).flat_map(|image| &image.names);
        let names = names.map(|name| &name.reference).filter(|name| name.tag().is_some());
        let tags: BTreeSet<&Reference> = names.filter(|name| same_repository(name, &repository)).collect();
        if tags.is_empty() {
            return Ok(vec![pick(text)?]);
        }
        tags.into_iter().map(|tag| pick(&tag.canonical())).collect()
    }

    /// Leases everything that is saved, and reads what it consists of.
    fn parts(&self, chosen: Vec<Chosen<'a>>) -> Result<Parts<'a>> {
        let leased = chosen.iter().flat_map(|Chosen { image, manifest, .. }| {
            [&manifest.digest, &image.id].into_iter().chain(&manifest.layers).cloned().map(Item::Blob)
        });
        self.staging.rely_on(leased)?;
        let mut parts = Parts { listed: Vec::new(), blobs: Vec::new() };
        let mut seen = HashSet::new();
        for Chosen { image, manifest, names } in chosen {
            let ManifestRecord { media_type, digest, size, .. } = manifest;
            let document = self.document(manifest)?;
            let left_out = self.left_out(image)?;
            let layers = document.layers.iter().zip(&image.diff_ids).filter(|(_, id)| !left_out.contains(id));
            let documents = [Descriptor::new(media_type, digest.clone(), *size), document.config.clone()];
            for descriptor in documents {
                if seen.insert(descriptor.digest.clone()) {
                    parts.blobs.push(Blob { of: manifest, descriptor, task: None });
                }
            }
            for descriptor in layers.map(|(layer, _)| layer.clone()) {
                if seen.insert(descriptor.digest.clone()) {
                    let label = descriptor.digest.short().to_owned();
                    let task = Some(Task { id: parts.blobs.len(), label, total: Some(descriptor.size) });
                    parts.blobs.push(Blob { of: manifest, descriptor, task });
                }
            }
            parts.listed.push(Listed { manifest, platform: &image.platform, document, names });
        }
        Ok(parts)
    }

    fn document(&self, manifest: &ManifestRecord) -> Result<Manifest> {
        let bytes = self.rootlay.store.content().read(&manifest.digest, MAX_DOCUMENT)?;
        match parse_document(&bytes, Some(&manifest.media_type))? {
            Document::Manifest(document) => Ok(document),
            Document::Index(_) => {
                Err(Error::refused(format!("{}: expected a manifest, got an index", manifest.digest)))
            }
        }
    }

    /// The layers of the base images.
    fn left_out(&self, image: &ImageRecord) -> Result<HashSet<&'a DiffId>> {
        let mut left_out = HashSet::new();
        for base in &self.request.without {
            let found = images::resolve(self.catalog, base, &image.platform)?;
            let theirs: HashSet<&DiffId> = found.images.iter().take(1).flat_map(|base| &base.diff_ids).collect();
            if !image.diff_ids.iter().any(|id| theirs.contains(id)) {
                let warning = format!("{base} has no layer of image {}: nothing is left out", image.id.short());
                self.rootlay.progress.warning(&warning);
            }
            left_out.extend(theirs);
        }
        Ok(left_out)
    }

    /// Brings the blobs that are not here, and checks the sizes of the others: all that can be known before a byte is
    /// written.
    fn fetch_missing(&self, parts: &Parts<'_>) -> Result<()> {
        let content = self.rootlay.store.content();
        let mut missing = Vec::new();
        for blob in &parts.blobs {
            let Descriptor { digest, size, .. } = &blob.descriptor;
            match content.size_of(digest)? {
                Some(found) if found == *size => {}
                Some(found) => return Err(damaged(digest, &format!("expected {size} bytes, got {found}"))),
                None => missing.push(blob),
            }
        }
        let Self { rootlay, registries, staging, catalog, .. } = *self;
        let fetch = Fetch { rootlay, registries, staging, catalog, named: None };
        parallel::each(&missing, WORKERS, &rootlay.cancel, |blob, check| {
            let show = |phase| {
                if let Some(task) = &blob.task {
                    rootlay.progress.phase(task, phase);
                }
            };
            fetch.blob(blob.of, &blob.descriptor, &show, check)
        })
    }

    fn write(&self, parts: &Parts<'_>, mut place: Place<'_>) -> Result<()> {
        let shown = place.shown();
        let written = {
            let Rootlay { cancel, progress, .. } = self.rootlay;
            let mut tarball = Tarball::new(place.writer(), self.request.time, cancel, &**progress);
            self.write_members(parts, &mut tarball).and_then(|()| tarball.finish())
        };
        written.and_then(|()| place.finish()).context(|| format!("save to {shown}"))
    }

    fn write_members(&self, parts: &Parts<'_>, tarball: &mut Tarball<'_>) -> Result<()> {
        for (name, content) in documents::files(&parts.listed, self.request.format)? {
            tarball.document(name, &content)?;
        }
        let mut folders = vec!["blobs".to_owned()];
        for Blob { descriptor, .. } in &parts.blobs {
            let folder = format!("blobs/{}", descriptor.digest.algorithm().as_str());
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        for folder in folders {
            tarball.folder(&folder)?;
        }
        for Blob { descriptor, task, .. } in &parts.blobs {
            let file = self.rootlay.store.content().open(&descriptor.digest)?;
            tarball.blob(file, descriptor, task.as_ref())?;
        }
        Ok(())
    }
}

/// The error for a blob of the store that is not what its name says.
fn damaged(digest: &Digest, why: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("blob {digest} is damaged: {why}"))
}
