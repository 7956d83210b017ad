//! From a descriptor to one image: through indexes to the manifest and configuration for a platform.

use std::collections::HashSet;
use std::io::Read;

use super::Source;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::media_type::{is_index, is_manifest, is_schema1};
use crate::oci::{
    Descriptor, Digest, Document, ImageConfig, Index, MAX_DOCUMENT, Manifest, Platform, check_image, check_manifest,
    parse_document,
};

/// How deep indexes may lie in each other.
const MAX_DEPTH: usize = 8;

/// How many documents are read to find an image: a registry could make up new ones for ever.
const MAX_DOCUMENTS: usize = 1000;

/// How many platforms an error names.
const MAX_NAMES: usize = 30;

/// One image with its documents. All bytes match the size and digest of their descriptors.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The index that was named, if an index was.
    pub index: Option<(Descriptor, Vec<u8>)>,
    /// The indexes between it and the manifest, outermost first.
    pub nested: Vec<(Descriptor, Vec<u8>)>,
    /// The manifest.
    pub manifest: Manifest,
    /// What led to the manifest.
    pub manifest_descriptor: Descriptor,
    /// The bytes of the manifest.
    pub manifest_bytes: Vec<u8>,
    /// The configuration.
    pub config: ImageConfig,
    /// The bytes of the configuration; their digest is the image ID.
    pub config_bytes: Vec<u8>,
}

/// Finds the image for a platform below `root`, an index or a manifest.
///
/// In an index the entry that serves the platform best is taken, the first of equals; an entry that does not say its
/// platform is asked through its configuration, attestations and artifacts are passed over (row 125). Without a wish
/// the host decides, but a manifest that is named itself is taken whatever it runs on.
///
/// # Errors
/// `NotFound`, listing what there is, if no entry serves the platform; refused for documents that are missing,
/// damaged, too deep in each other, or no container image.
pub fn resolve(source: &dyn Source, root: &Descriptor, wanted: Option<&Platform>) -> Result<Resolved> {
    let (document, bytes) = document(source, root)?;
    let index = match document {
        Document::Manifest(manifest) => {
            let image = Image::read(source, root.clone(), manifest, bytes)?;
            let platform = image.config.platform();
            if let Some(wanted) = wanted.filter(|wanted| wanted.rank(&platform).is_none()) {
                return Err(Error::new(ErrorKind::NotFound, mismatch(root, wanted, &platform)));
            }
            return Ok(image.resolved(None, Vec::new()));
        }
        Document::Index(index) => index,
    };
    let host;
    let wanted = if let Some(wanted) = wanted {
        wanted
    } else {
        host = Platform::host();
        &host
    };
    let mut search =
        Search { source, wanted, seen: HashSet::new(), left: MAX_DOCUMENTS, best: None, offered: Vec::new() };
    search.walk(&index, &mut Vec::new())?;
    let Some(Best { descriptor, nested, .. }) = search.best else {
        return Err(nothing_fits(wanted, &search.offered));
    };
    let (document, manifest_bytes) = self::document(source, &descriptor)?;
    let Document::Manifest(manifest) = document else {
        return Err(Error::refused(format!("{}: expected a manifest, got an index", descriptor.digest)));
    };
    let image = Image::read(source, descriptor, manifest, manifest_bytes)?;
    Ok(image.resolved(Some((root.clone(), bytes)), nested))
}

/// Reads and checks an index or a manifest.
pub(super) fn document(source: &dyn Source, descriptor: &Descriptor) -> Result<(Document, Vec<u8>)> {
    let media_type = &descriptor.media_type;
    if !is_index(media_type) && !is_manifest(media_type) && !is_schema1(media_type) {
        return Err(Error::refused(format!("not a container image: media type `{}`", media_type.escape_debug())));
    }
    let bytes = verified(source, descriptor)?;
    let document = parse_document(&bytes, Some(media_type));
    Ok((document.context(|| format!("document {}", descriptor.digest))?, bytes))
}

/// Reads a whole blob and checks its size and digest.
fn verified(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let Descriptor { digest, size, .. } = descriptor;
    if *size > MAX_DOCUMENT {
        return Err(Error::refused(format!("document {digest} has {size} bytes, the limit is {MAX_DOCUMENT}")));
    }
    let mut bytes = Vec::new();
    // One byte more, so that a longer blob is noticed.
    let content = source.open_blob(descriptor)?.take(size + 1).read_to_end(&mut bytes);
    content.map_err(|error| Error::io(format!("read blob {digest}"), error))?;
    descriptor.verify(&bytes)?;
    Ok(bytes)
}

/// A manifest with its configuration.
struct Image {
    descriptor: Descriptor,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    config: ImageConfig,
    config_bytes: Vec<u8>,
}

impl Image {
    fn read(source: &dyn Source, descriptor: Descriptor, manifest: Manifest, manifest_bytes: Vec<u8>) -> Result<Self> {
        let manifest_digest = descriptor.digest.clone();
        let read = || {
            check_manifest(&manifest)?;
            let config_bytes = verified(source, &manifest.config)?;
            let config = ImageConfig::parse(&config_bytes).context(|| format!("config {}", manifest.config.digest))?;
            check_image(&manifest, &config)?;
            Ok((config, config_bytes))
        };
        let (config, config_bytes) =
            read().map_err(|error: Error| error.context(format!("image {manifest_digest}")))?;
        Ok(Self { descriptor, manifest, manifest_bytes, config, config_bytes })
    }

    fn resolved(self, index: Option<(Descriptor, Vec<u8>)>, nested: Vec<(Descriptor, Vec<u8>)>) -> Resolved {
        Resolved {
            index,
            nested,
            manifest: self.manifest,
            manifest_descriptor: self.descriptor,
            manifest_bytes: self.manifest_bytes,
            config: self.config,
            config_bytes: self.config_bytes,
        }
    }
}

/// The best entry so far, and the indexes that lead to it.
struct Best {
    rank: u32,
    descriptor: Descriptor,
    nested: Vec<(Descriptor, Vec<u8>)>,
}

struct Search<'a> {
    source: &'a dyn Source,
    wanted: &'a Platform,
    /// Each document is looked at once: indexes that share entries could otherwise multiply without end.
    seen: HashSet<Digest>,
    /// How many more documents may be read.
    left: usize,
    best: Option<Best>,
    offered: Vec<Platform>,
}

impl Search<'_> {
    fn walk(&mut self, index: &Index, nested: &mut Vec<(Descriptor, Vec<u8>)>) -> Result<()> {
        for entry in &index.manifests {
            if !self.seen.insert(entry.digest.clone()) {
                continue;
            }
            let said = entry.platform.as_ref();
            if is_manifest(&entry.media_type) {
                let platform = if let Some(platform) = said {
                    Some(platform.clone())
                } else {
                    self.count()?;
                    platform_of(self.source, entry)?
                };
                self.offer(entry, platform, nested);
            } else if is_index(&entry.media_type) && said.is_none_or(|said| self.wanted.rank(said).is_some()) {
                if nested.len() + 1 >= MAX_DEPTH {
                    return Err(Error::refused(format!("more than {MAX_DEPTH} indexes in each other")));
                }
                self.count()?;
                let (Document::Index(inner), bytes) = document(self.source, entry)? else {
                    return Err(Error::refused(format!("{}: expected an index, got a manifest", entry.digest)));
                };
                nested.push((entry.clone(), bytes));
                self.walk(&inner, nested)?;
                nested.pop();
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        let bad = || Error::refused(format!("an index that leads to more than {MAX_DOCUMENTS} documents"));
        self.left = self.left.checked_sub(1).ok_or_else(bad)?;
        Ok(())
    }

    fn offer(&mut self, entry: &Descriptor, platform: Option<Platform>, nested: &[(Descriptor, Vec<u8>)]) {
        let Some(platform) = platform else { return };
        if let Some(rank) = self.wanted.rank(&platform)
            && self.best.as_ref().is_none_or(|best| rank < best.rank)
        {
            self.best = Some(Best { rank, descriptor: entry.clone(), nested: nested.to_vec() });
        }
        self.offered.push(platform);
    }
}

/// The platform that the configuration of an entry says; `None` if the entry is no container image.
pub(super) fn platform_of(source: &dyn Source, entry: &Descriptor) -> Result<Option<Platform>> {
    let (Document::Manifest(manifest), _) = document(source, entry)? else {
        return Ok(None);
    };
    if check_manifest(&manifest).is_err() {
        return Ok(None);
    }
    let bytes = verified(source, &manifest.config)?;
    let config = ImageConfig::parse(&bytes).context(|| format!("config {}", manifest.config.digest))?;
    Ok(Some(config.platform()))
}

/// Docker's words.
fn mismatch(root: &Descriptor, wanted: &Platform, actual: &Platform) -> String {
    let why = format!("does not match the specified platform: wanted {wanted}, actual: {actual}");
    format!("image with reference {} was found but {why}", root.digest)
}

fn nothing_fits(wanted: &Platform, offered: &[Platform]) -> Error {
    let mut seen = HashSet::new();
    let known = offered.iter().filter(|platform| platform.rank(platform).is_some()).map(Platform::to_string);
    let names: Vec<String> = known.filter(|name| seen.insert(name.clone())).take(MAX_NAMES).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Error::new(
        ErrorKind::NotFound,
        format!("no matching manifest for {wanted} in the manifest list entries, there are: {names}"),
    )
}
