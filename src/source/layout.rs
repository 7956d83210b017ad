//! OCI layouts (image-spec, image-layout.md), in a directory or in a tar.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;

use serde::Deserialize;

use super::docker;
use super::files::{Files, Found};
use super::names;
use super::resolve::document;
use super::{Candidate, Kind, Source, embedded};
use crate::cancel::Cancel;
use crate::error::{Context, Error, Result};
use crate::oci::media_type::{is_foreign_layer, is_index, is_manifest};
use crate::oci::{Descriptor, Digest, Document, Platform, Reference, json, parse_document};

/// The file that makes a directory a layout.
pub(super) const MARK: &str = "oci-layout";
/// The list of its images.
pub(super) const INDEX: &str = "index.json";
const VERSION: &str = "1.0.0";

/// An opened layout.
#[derive(Debug)]
pub(super) struct Layout<F> {
    files: F,
    kind: Kind,
    images: Vec<Candidate>,
    cancel: Cancel,
}

impl<F: Files> Layout<F> {
    /// Reads `oci-layout` and `index.json`.
    ///
    /// # Errors
    /// Refused, naming the file that is missing or bad (rows 124, 134).
    pub(super) fn open(files: F, kind: Kind, cancel: &Cancel) -> Result<Self> {
        check_version(&files)?;
        let bytes = files.document(INDEX)?.ok_or_else(|| Error::refused(format!("no {INDEX}")))?;
        let index = match parse_document(&bytes, None).context(|| INDEX.to_owned())? {
            Document::Index(index) => index,
            Document::Manifest(_) => {
                return Err(Error::refused(format!("{INDEX} is a manifest, expected an index")));
            }
        };
        let attestation = |entry: &Descriptor| entry.platform.as_ref().is_some_and(is_unknown);
        let image = |entry: &Descriptor| is_index(&entry.media_type) || is_manifest(&entry.media_type);
        // Where nothing is an image, everything is kept: then the error can say what it is.
        let any = index.manifests.iter().any(image);
        let entries = index.manifests.into_iter().filter(|entry| !attestation(entry) && (image(entry) || !any));
        let candidate = |descriptor: Descriptor| {
            let (names, tag) = names::of(&descriptor);
            Candidate { names, tag, descriptor }
        };
        let mut layout = Self { files, kind, images: entries.map(candidate).collect(), cancel: cancel.clone() };
        if kind == Kind::DockerLayout && layout.images.iter().any(|image| image.names.is_empty()) {
            layout.names_of_docker()?;
        }
        Ok(layout)
    }

    /// Everybody who follows documents comes by here, and there may be many of them.
    fn find(&self, digest: &Digest) -> Result<Option<Found>> {
        self.cancel.check()?;
        let path = format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex());
        self.files.find(&path).context(|| format!("blob {digest}"))
    }

    /// Gives images without a full name those of `manifest.json`, which Docker puts beside `index.json`.
    fn names_of_docker(&mut self) -> Result<()> {
        let Some(entries) = docker::entries(&self.files)? else {
            return Ok(());
        };
        let mut by_config: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (place, entry) in entries.iter().enumerate() {
            if let Some(config) = entry.config_digest() {
                by_config.entry(config).or_default().push(place);
            }
        }
        let (mut seen, mut known) = (HashSet::new(), HashMap::new());
        let mut found: Vec<Vec<Reference>> = Vec::new();
        for Candidate { names, descriptor, .. } in &self.images {
            // Whoever has the same entry again has the same image.
            if !names.is_empty() || !seen.insert(&descriptor.digest) {
                found.push(names.clone());
                continue;
            }
            let configs = self.configs(descriptor, &mut known);
            // In the order of the file.
            let places: BTreeSet<usize> =
                configs.iter().filter_map(|config| by_config.get(config)).flatten().copied().collect();
            let texts = places.into_iter().flat_map(|place| &entries[place].repo_tags);
            let mut once = HashSet::new();
            found.push(texts.filter_map(|text| names::full(text)).filter(|name| once.insert(name.clone())).collect());
        }
        for (image, names) in self.images.iter_mut().zip(found) {
            image.names = names;
        }
        Ok(())
    }

    /// The configurations below an entry of the index. What cannot be read has none here; whoever resolves the image
    /// gets the error. `known` has those of the manifests that were read: several indexes may share them.
    fn configs(&self, descriptor: &Descriptor, known: &mut HashMap<Digest, Option<Digest>>) -> HashSet<Digest> {
        let index = match document(self, descriptor) {
            Ok((Document::Manifest(manifest), _)) => return HashSet::from([manifest.config.digest]),
            Ok((Document::Index(index), _)) => index,
            Err(_) => return HashSet::new(),
        };
        let manifests = index.manifests.iter().filter(|entry| is_manifest(&entry.media_type));
        let config = |entry: &Descriptor| match document(self, entry) {
            Ok((Document::Manifest(manifest), _)) => Some(manifest.config.digest),
            _ => None,
        };
        manifests
            .filter_map(|entry| known.entry(entry.digest.clone()).or_insert_with(|| config(entry)).clone())
            .collect()
    }
}

impl<F: Files> Source for Layout<F> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn images(&self) -> Result<Vec<Candidate>> {
        Ok(self.images.clone())
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        if let Some(content) = embedded(descriptor) {
            return Ok(content);
        }
        let Descriptor { digest, size, .. } = descriptor;
        let found = self.find(digest)?;
        let found = found.ok_or_else(|| missing(descriptor))?;
        if found.size != *size {
            return Err(Error::refused(format!("blob {digest}: expected {size} bytes, got {}", found.size)));
        }
        Ok(found.content)
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(descriptor.data.is_some() || self.find(&descriptor.digest)?.is_some())
    }
}

fn check_version<F: Files>(files: &F) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mark {
        image_layout_version: String,
    }
    let bytes = files.document(MARK)?.ok_or_else(|| Error::refused(format!("no {MARK} file")))?;
    let mark: Mark = json::parse(&bytes).context(|| MARK.to_owned())?;
    if mark.image_layout_version != VERSION {
        let got = mark.image_layout_version.escape_debug();
        return Err(Error::refused(format!("{MARK}: expected imageLayoutVersion {VERSION}, got `{got}`")));
    }
    Ok(())
}

/// The error for a blob that an image needs and its source has not.
pub(super) fn missing(descriptor: &Descriptor) -> Error {
    let Descriptor { digest, media_type, urls, .. } = descriptor;
    if is_foreign_layer(media_type) || !urls.is_empty() {
        return Error::refused(format!(
            "layer {digest} is missing: it is a foreign layer, and such urls are never fetched"
        ));
    }
    Error::refused(format!("blob {digest} is missing"))
}

/// The platform of attestations.
fn is_unknown(platform: &Platform) -> bool {
    platform.os == "unknown" && platform.architecture == "unknown"
}
