//! Which image a text means, and who has a name that several records claim: pure functions of the image records.
//!
//! A tag belongs to one image per platform. Of two records that claim it, that of the later generation has it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::images::{Catalog, Former, ImageRecord, Name, Unreadable};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Digest, Platform, Reference};

/// How a text came to mean an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedBy {
    /// An image ID, a digest, or a prefix of one.
    Id,
    /// A name that the images have.
    Name(Reference),
}

/// The images that a text means: one, or one for each platform, the best for the wanted platform first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<'c> {
    /// How they were found.
    pub by: ResolvedBy,
    /// Never empty.
    pub images: Vec<&'c ImageRecord>,
}

impl Resolved<'_> {
    /// The name in the record of `image` by which it was found.
    pub fn name<'i>(&self, image: &'i ImageRecord) -> Option<&'i Name> {
        match &self.by {
            ResolvedBy::Id => None,
            ResolvedBy::Name(reference) => image.names.iter().find(|name| name.reference == *reference),
        }
    }
}

impl Catalog {
    /// Finds what `text` means, in Docker's order: a whole digest, a name (its tag defaults to `latest`), a prefix of
    /// an image ID. Image IDs come before digests of manifests. `NAME@{1}` is the image that the tag named before.
    ///
    /// # Errors
    /// `NotFound`, and `Failed` naming the candidates when a prefix fits several images.
    pub fn resolve(&self, text: &str, wanted: &Platform) -> Result<Resolved<'_>> {
        if let Some((name, number)) = earlier(text) {
            return self.resolve_earlier(name, number, wanted);
        }
        if let Some(digest) = whole_digest(text) {
            let by_id: Vec<_> = self.images.iter().filter(|image| image.id == digest).collect();
            let found = if by_id.is_empty() { self.with_digest(&digest) } else { by_id };
            return found_by(ResolvedBy::Id, found, wanted).ok_or_else(|| no_such_image(text));
        }
        let reference = text.parse::<Reference>().ok().map(|reference| stored_form(reference.with_default_tag()));
        if let Some(reference) = &reference {
            let found = self.images.iter().filter(|image| image.names.iter().any(|name| name.reference == *reference));
            if let Some(found) = found_by(ResolvedBy::Name(reference.clone()), found.collect(), wanted) {
                return Ok(found);
            }
            if let Some(digest) = reference.digest() {
                let mut found = self.with_digest(digest);
                found.retain(|image| image.names.iter().any(|name| same_repository(&name.reference, reference)));
                return found_by(ResolvedBy::Id, found, wanted).ok_or_else(|| no_such_image(text));
            }
        }
        let shown = reference.map_or_else(|| text.escape_debug().to_string(), |reference| reference.familiar());
        let Some(prefix) = id_prefix(text) else {
            return Err(no_such_image(&shown));
        };
        let mut found: Vec<_> = self.images.iter().filter(|image| image.id.hex().starts_with(prefix)).collect();
        let mut meant: BTreeSet<&Digest> = found.iter().map(|image| &image.id).collect();
        if found.is_empty() {
            let fits = |digest: &Digest| digest.hex().starts_with(prefix);
            found = self.by_manifest(|manifest| fits(&manifest.digest) || manifest.indexes.iter().any(fits));
            let manifests = found.iter().flat_map(|image| &image.manifests);
            let digests = manifests.flat_map(|manifest| std::iter::once(&manifest.digest).chain(&manifest.indexes));
            meant = digests.filter(|digest| fits(digest)).collect();
        }
        // Several images of one digest are the platforms of an index.
        if found.len() > 1 && meant.len() > 1 {
            let candidates: Vec<String> = meant.iter().map(ToString::to_string).collect();
            let message = format!("image ID prefix `{prefix}` is ambiguous: {}", candidates.join(", "));
            return Err(Error::new(ErrorKind::Failed, message));
        }
        found_by(ResolvedBy::Id, found, wanted).ok_or_else(|| no_such_image(&shown))
    }

    /// Finds the image that a name stood for `number` moves ago: one for each platform whose history is that long.
    fn resolve_earlier(&self, name: &str, number: usize, wanted: &Platform) -> Result<Resolved<'_>> {
        let now = self.resolve(name, wanted)?;
        let ResolvedBy::Name(reference) = &now.by else {
            let message = format!("`{}` is no tag: only tags have a history", name.escape_debug());
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let Some(before) = number.checked_sub(1) else { return Ok(now) };
        let shown = format!("{}@{{{number}}}", reference.familiar());
        let former: Vec<&[Former]> =
            now.images.iter().filter_map(|image| now.name(image)).map(|name| name.former.as_slice()).collect();
        let meant: Vec<&Former> = former.iter().filter_map(|former| former.get(before)).collect();
        let Some(first) = meant.first() else {
            let known = former.iter().map(|former| former.len()).max().unwrap_or_default();
            let message = format!("No such image: {shown}: the history of the tag ends with @{{{known}}}");
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let found = self.images.iter().filter(|image| meant.iter().any(|former| former.image == image.id));
        found_by(ResolvedBy::Id, found.collect(), wanted).ok_or_else(|| {
            let message = format!("No such image: {shown}: it was {}, which was removed", first.image);
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// The record that cannot be read and that `text`, an image ID or a prefix of one, names.
    pub fn resolve_unreadable(&self, text: &str) -> Option<&Unreadable> {
        let hex = whole_digest(text).map(|digest| digest.hex().to_owned());
        let prefix = hex.as_deref().or_else(|| id_prefix(text))?;
        let fits = |record: &&Unreadable| record.id.as_ref().is_some_and(|id| id.hex().starts_with(prefix));
        let mut found = self.unreadable.iter().filter(fits);
        found.next().filter(|_| found.next().is_none())
    }

    fn with_digest(&self, digest: &Digest) -> Vec<&ImageRecord> {
        self.by_manifest(|manifest| manifest.is(digest))
    }

    fn by_manifest(&self, fits: impl Fn(&super::ManifestRecord) -> bool) -> Vec<&ImageRecord> {
        self.images.iter().filter(|image| image.manifests.iter().any(&fits)).collect()
    }
}

/// `NAME@{n}`: what the name stood for `n` moves ago.
fn earlier(text: &str) -> Option<(&str, usize)> {
    let (name, number) = text.strip_suffix('}')?.rsplit_once("@{")?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // What has too many digits is more than any history has.
    digits.then(|| (name, number.parse().unwrap_or(usize::MAX)))
}

/// Docker's words for a missing image.
pub fn no_such_image(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("No such image: {name}"))
}

/// `sha256:<64 digits>`, or the digits alone.
fn whole_digest(text: &str) -> Option<Digest> {
    text.parse().or_else(|_| format!("sha256:{text}").parse()).ok()
}

/// The shortest prefix of an image ID that counts as one: one digit is a slip of the hand.
const MIN_PREFIX: usize = 2;

/// The digits of a possible prefix of an image ID, without `sha256:`.
fn id_prefix(text: &str) -> Option<&str> {
    let prefix = text.strip_prefix("sha256:").unwrap_or(text);
    let hex = prefix.len() >= MIN_PREFIX && prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex.then_some(prefix)
}

fn found_by<'c>(by: ResolvedBy, mut images: Vec<&'c ImageRecord>, wanted: &Platform) -> Option<Resolved<'c>> {
    images.sort_by_key(|image| (wanted.rank(&image.platform).unwrap_or(u32::MAX), &image.platform, &image.id));
    (!images.is_empty()).then_some(Resolved { by, images })
}

/// A reference as records hold it: beside a digest no tag counts.
pub fn stored_form(reference: Reference) -> Reference {
    match reference.digest() {
        Some(digest) if reference.tag().is_some() => {
            let text = format!("{}/{}@{digest}", reference.registry(), reference.repository());
            // A reference without its tag is one.
            text.parse().unwrap_or(reference)
        }
        _ => reference,
    }
}

/// Whether two references differ at most in tag and digest.
pub fn same_repository(one: &Reference, other: &Reference) -> bool {
    one.registry() == other.registry() && one.repository() == other.repository()
}

/// Takes each name that several records claim from all but the later owner.
pub(super) fn give_to_latest(images: &mut [ImageRecord]) {
    let mut known: HashSet<&Reference> = HashSet::new();
    let names = images.iter().flat_map(|image| &image.names);
    let claimed: HashSet<Reference> =
        names.filter(|name| !known.insert(&name.reference)).map(|name| name.reference.clone()).collect();
    if claimed.is_empty() {
        return;
    }
    let mut latest: HashMap<(Platform, Reference), u64> = HashMap::new();
    for image in &*images {
        let platform = image.platform.normalized();
        for name in image.names.iter().filter(|name| claimed.contains(&name.reference)) {
            let generation = latest.entry((platform.clone(), name.reference.clone())).or_default();
            *generation = name.generation.max(*generation);
        }
    }
    for image in images {
        if !image.names.iter().any(|name| claimed.contains(&name.reference)) {
            continue;
        }
        let platform = image.platform.normalized();
        image.names.retain(|name| {
            latest.get(&(platform.clone(), name.reference.clone())).is_none_or(|latest| name.generation >= *latest)
        });
    }
}

/// Forgets the manifests that no name stands for, except for the newest.
pub fn drop_unused_manifests(image: &mut ImageRecord) {
    let newest = image.manifests.last().map(|manifest| manifest.digest.clone());
    let ImageRecord { manifests, names, .. } = image;
    manifests.retain(|manifest| {
        Some(&manifest.digest) == newest.as_ref() || names.iter().any(|name| name.manifest == manifest.digest)
    });
}
