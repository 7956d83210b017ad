//! Archives of `docker save` (moby, `image/spec`), read from their `manifest.json`.
//!
//! Such an archive has no manifests, so one is made for each image; the configuration is kept byte by byte, since
//! its digest is the image ID. Archives from before Docker 1.10 have no `manifest.json` either: see `legacy`.

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};
use std::sync::Arc;

use serde::Deserialize;

use super::archive::{Archive, Section};
use super::files::Files;
use super::layout::missing;
use super::synthesis::Synthesis;
use super::{Candidate, Kind, Source, embedded, legacy};
use crate::cancel::Cancel;
use crate::error::{Context, Error, Result};
use crate::oci::json::{self, null_is_default};
use crate::oci::{Descriptor, DiffId, Digest, ImageConfig, Reference};

/// The list of images.
pub(super) const MANIFEST: &str = "manifest.json";

/// One image of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<String>,
}

impl Entry {
    /// The digest that the path of the configuration names: `<hex>.json`, `blobs/<algorithm>/<hex>`, `sha256:<hex>`.
    pub(super) fn config_digest(&self) -> Option<Digest> {
        digest_in(self.config.strip_suffix(".json").unwrap_or(&self.config))
    }
}

/// The digest that a path in an archive names, unverified.
pub(super) fn digest_in(path: &str) -> Option<Digest> {
    let name = match path.strip_prefix("blobs/") {
        Some(blob) => blob.replace('/', ":"),
        None if path.contains(':') => path.to_owned(),
        None => format!("sha256:{path}"),
    };
    name.parse().ok()
}

/// Reads `manifest.json`, if there is one.
pub(super) fn entries(files: &dyn Files) -> Result<Option<Vec<Entry>>> {
    let bytes = files.document(MANIFEST)?;
    bytes.map(|bytes| json::parse(&bytes)).transpose().context(|| MANIFEST.to_owned())
}

/// The bytes of a blob.
#[derive(Debug, Clone)]
pub(super) enum Blob {
    /// A member of the archive.
    Member(Section),
    /// Something that was read or made.
    Bytes(Arc<[u8]>),
}

/// An opened archive of `docker save`.
#[derive(Debug)]
pub(super) struct DockerArchive {
    images: Vec<Candidate>,
    blobs: HashMap<Digest, Blob>,
}

impl DockerArchive {
    /// Reads the list of images and makes a manifest for each.
    ///
    /// # Errors
    /// Refused: no list, a path that leaves the archive, a member that is missing, not one diff ID for each layer.
    pub(super) fn open(archive: &Archive, cancel: &Cancel) -> Result<Self> {
        let mut synthesis = Synthesis::new(archive, cancel);
        let images = match entries(archive)? {
            Some(entries) => {
                let image = |(number, entry): (usize, &Entry)| {
                    cancel
                        .check()
                        .and_then(|()| image(archive, &mut synthesis, entry))
                        .context(|| format!("{MANIFEST}: image {number}"))
                };
                (1..).zip(&entries).map(image).collect::<Result<Vec<_>>>()?
            }
            None if legacy::is_one(archive) => legacy::images(archive, &mut synthesis)?,
            None => return Err(Error::refused(format!("no {MANIFEST}"))),
        };
        if images.is_empty() {
            return Err(Error::refused(format!("{MANIFEST} lists no image")));
        }
        Ok(Self { images, blobs: synthesis.into_blobs() })
    }
}

fn image(archive: &Archive, synthesis: &mut Synthesis<'_>, entry: &Entry) -> Result<Candidate> {
    let path = checked(&entry.config)?;
    let bytes = archive.document(path)?.ok_or_else(|| Error::refused(format!("no {}", path.escape_debug())))?;
    let config = ImageConfig::parse(&bytes).context(|| format!("config {}", path.escape_debug()))?;
    let (layers, diff_ids) = (entry.layers.len(), config.diff_ids.len());
    if layers != diff_ids {
        return Err(Error::refused(format!("{layers} layers but {diff_ids} diff IDs: expected one for each layer")));
    }
    let layers = entry.layers.iter().zip(&config.diff_ids);
    check_complete(archive, layers.clone())?;
    let layers = layers.map(|(path, diff_id)| synthesis.layer(checked(path)?, diff_id)).collect::<Result<_>>()?;
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    for text in &entry.repo_tags {
        let name = text.parse::<Reference>().map_err(|error| Error::refused(format!("RepoTags: {error}")))?;
        let name = name.with_default_tag();
        if known.insert(name.clone()) {
            names.push(name);
        }
    }
    Ok(Candidate { names, tag: None, descriptor: synthesis.image(bytes, layers)? })
}

/// Says which layers are not in the archive, where some are not. Its paths do not say what the blob of a layer is, so
/// one that is unpacked already does not help.
fn check_complete<'a>(archive: &Archive, layers: impl Iterator<Item = (&'a String, &'a DiffId)>) -> Result<()> {
    let missing = layers.filter(|(path, _)| checked(path).is_ok_and(|path| matches!(archive.open(path), Ok(None))));
    let missing =
        missing.map(|(path, diff_id)| format!("layer {} is missing (diff ID {diff_id})", path.escape_debug()));
    match missing.collect::<Vec<_>>() {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Error::refused(missing.join(", "))),
    }
}

/// A path of `manifest.json`: it must stay in the archive. (It is a key of a table here, but elsewhere it is not.)
fn checked(path: &str) -> Result<&str> {
    if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(Error::refused(format!("path `{}` does not stay in the archive", path.escape_debug())));
    }
    Ok(path)
}

impl Source for DockerArchive {
    fn kind(&self) -> Kind {
        Kind::DockerArchive
    }

    fn images(&self) -> Result<Vec<Candidate>> {
        Ok(self.images.clone())
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        if let Some(content) = embedded(descriptor) {
            return Ok(content);
        }
        match self.blobs.get(&descriptor.digest) {
            Some(Blob::Member(section)) => Ok(Box::new(section.clone())),
            Some(Blob::Bytes(bytes)) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
            None => Err(missing(descriptor)),
        }
    }
}
