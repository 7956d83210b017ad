//! Makes OCI manifests for archives that have none. The same archive always gives the same bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Read, Write};
use std::sync::Arc;

use serde::Serialize;

use super::archive::{Archive, Section};
use super::docker::{Blob, digest_in};
use super::spool::damaged;
use crate::cancel::Cancel;
use crate::compression::{Compression, MAGIC, ZSTD_WINDOW_LOG, decompress};
use crate::error::{Context, Error, Result};
use crate::oci::media_type::{self, OCI_CONFIG, OCI_MANIFEST};
use crate::oci::{Algorithm, Descriptor, DiffId, Digest};

/// Collects the blobs of the images of one archive.
#[derive(Debug)]
pub(super) struct Synthesis<'a> {
    archive: &'a Archive,
    cancel: &'a Cancel,
    blobs: HashMap<Digest, Blob>,
    /// Digests of compressed layers by their path: each is read once.
    hashed: HashMap<String, Digest>,
    /// Layers without a promised diff ID by their path: images share them.
    unknown: HashMap<String, (Descriptor, DiffId)>,
}

impl<'a> Synthesis<'a> {
    pub(super) fn new(archive: &'a Archive, cancel: &'a Cancel) -> Self {
        Self { archive, cancel, blobs: HashMap::new(), hashed: HashMap::new(), unknown: HashMap::new() }
    }

    /// All blobs of the images.
    pub(super) fn into_blobs(self) -> HashMap<Digest, Blob> {
        self.blobs
    }

    /// The descriptor of a layer whose diff ID is promised. A plain tar is its own diff ID, so it is not read here;
    /// a compressed one is, unless its path names its digest. Whoever takes the blob verifies it.
    pub(super) fn layer(&mut self, path: &str, diff_id: &DiffId) -> Result<Descriptor> {
        let section = self.section(path)?;
        let compression = sniff(&section)?;
        let digest = match compression {
            Compression::None => diff_id.0.clone(),
            _ => match digest_in(path).filter(|_| path.starts_with("blobs/")) {
                Some(digest) => digest,
                None => self.hash_once(path, &section)?,
            },
        };
        Ok(self.add(section, compression, digest))
    }

    /// The same for a layer whose diff ID nobody promised: it is read and hashed.
    pub(super) fn unknown_layer(&mut self, path: &str) -> Result<(Descriptor, DiffId)> {
        if let Some(known) = self.unknown.get(path) {
            return Ok(known.clone());
        }
        let section = self.section(path)?;
        let compression = sniff(&section)?;
        let (plain, _) = decompress(Box::new(section.clone()), ZSTD_WINDOW_LOG)?;
        let hash = hash(plain, self.cancel, damaged);
        let diff_id = DiffId(hash.context(|| format!("layer {}", path.escape_debug()))?);
        let digest = match compression {
            Compression::None => diff_id.0.clone(),
            _ => self.hash_once(path, &section)?,
        };
        let layer = (self.add(section, compression, digest), diff_id);
        self.unknown.insert(path.to_owned(), layer.clone());
        Ok(layer)
    }

    /// The descriptor of the manifest of an image; the manifest is embedded in it.
    pub(super) fn image(&mut self, config: Vec<u8>, layers: Vec<Descriptor>) -> Result<Descriptor> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Manifest {
            schema_version: u8,
            media_type: &'static str,
            config: Descriptor,
            layers: Vec<Descriptor>,
        }
        let digest = Digest::of(&config);
        let descriptor = Descriptor::new(OCI_CONFIG, digest.clone(), config.len() as u64);
        self.blobs.insert(digest, Blob::Bytes(Arc::from(config)));
        let manifest = Manifest { schema_version: 2, media_type: OCI_MANIFEST, config: descriptor, layers };
        Ok(Descriptor::embedding(OCI_MANIFEST, to_json(&manifest)?))
    }

    fn section(&self, path: &str) -> Result<Section> {
        let section = self.archive.open(path)?;
        section.ok_or_else(|| Error::refused(format!("layer {} is missing", path.escape_debug())))
    }

    fn add(&mut self, section: Section, compression: Compression, digest: Digest) -> Descriptor {
        let descriptor = Descriptor::new(&media_type::layer(compression.suffix()), digest.clone(), section.size());
        self.blobs.insert(digest, Blob::Member(section));
        descriptor
    }

    fn hash_once(&mut self, path: &str, section: &Section) -> Result<Digest> {
        Ok(match self.hashed.entry(path.to_owned()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let fail = |error| Error::io(format!("read layer {}", path.escape_debug()), error);
                new.insert(hash(section.clone(), self.cancel, fail)?).clone()
            }
        })
    }
}

/// Serializes what is made here, which cannot fail for its types.
pub(super) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::io("serialize", error.into()))
}

fn sniff(section: &Section) -> Result<Compression> {
    let mut magic = Vec::with_capacity(MAGIC);
    section.clone().take(MAGIC as u64).read_to_end(&mut magic).map_err(|error| Error::io("read", error))?;
    Ok(Compression::detect(&magic))
}

fn hash(mut input: impl Read, cancel: &Cancel, fail: impl Fn(std::io::Error) -> Error) -> Result<Digest> {
    let mut hasher = Algorithm::Sha256.hasher();
    let mut buffer = vec![0; 1 << 18];
    loop {
        cancel.check()?;
        let count = input.read(&mut buffer).map_err(&fail)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.write_all(&buffer[..count])?;
    }
}
