//! Who has which name, and which image a text means: pure functions of the image records.
//!
//! A tag belongs to one image per platform. A move writes the new owner first; if that was all that happened before a
//! crash, two records claim the name, and the one of the later generation has it.

use super::images::{Catalog, ImageRecord, Installed, Name, Unreadable};
use super::sweep::Change;
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
    /// an image ID. Image IDs come before digests of manifests.
    ///
    /// # Errors
    /// `NotFound`, and `Failed` naming the candidates when a prefix fits several images.
    pub fn resolve(&self, text: &str, wanted: &Platform) -> Result<Resolved<'_>> {
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
        if found.is_empty() {
            let fits = |digest: &Digest| digest.hex().starts_with(prefix);
            found = self.by_manifest(|manifest| fits(&manifest.digest) || manifest.indexes.iter().any(fits));
        } else if found.len() > 1 {
            let candidates: Vec<String> = found.iter().map(|image| image.id.to_string()).collect();
            let message = format!("image ID prefix `{prefix}` is ambiguous: {}", candidates.join(", "));
            return Err(Error::new(ErrorKind::Failed, message));
        }
        found_by(ResolvedBy::Id, found, wanted).ok_or_else(|| no_such_image(&shown))
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

/// Docker's words for a missing image.
pub fn no_such_image(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("No such image: {name}"))
}

/// `sha256:<64 digits>`, or the digits alone.
fn whole_digest(text: &str) -> Option<Digest> {
    text.parse().or_else(|_| format!("sha256:{text}").parse()).ok()
}

/// The digits of a possible prefix of an image ID, without `sha256:`.
fn id_prefix(text: &str) -> Option<&str> {
    let prefix = text.strip_prefix("sha256:").unwrap_or(text);
    let hex = !prefix.is_empty() && prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
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
    let claims: Vec<(Platform, Name)> = images
        .iter()
        .flat_map(|image| image.names.iter().map(|name| (image.platform.normalized(), name.clone())))
        .collect();
    for image in images {
        let platform = image.platform.normalized();
        image.names.retain(|name| {
            !claims.iter().any(|(of, claim)| {
                *of == platform && claim.reference == name.reference && claim.generation > name.generation
            })
        });
    }
}

/// The change that records `new` and moves its names to it, the new owner first.
pub(super) fn install(catalog: &Catalog, new: Installed, now: &str) -> Change {
    let generations = catalog.images.iter().flat_map(|image| &image.names).map(|name| name.generation);
    let generation = generations.max().unwrap_or_default() + 1;
    let known = catalog.images.iter().find(|image| image.id == new.id);
    let mut owner = known.cloned().unwrap_or_else(|| ImageRecord {
        id: new.id.clone(),
        platform: new.platform.clone(),
        diff_ids: new.diff_ids.clone(),
        created: new.created.clone(),
        size: new.size,
        manifests: Vec::new(),
        names: Vec::new(),
    });
    let names: Vec<Reference> =
        new.names.into_iter().map(|reference| stored_form(reference.with_default_tag())).collect();
    owner.names.retain(|name| !names.contains(&name.reference));
    owner.names.extend(names.iter().map(|reference| Name {
        reference: reference.clone(),
        manifest: new.manifest.digest.clone(),
        generation,
        tagged: now.to_owned(),
    }));
    owner.manifests.retain(|manifest| manifest.digest != new.manifest.digest);
    owner.manifests.push(new.manifest);
    drop_unused_manifests(&mut owner);
    let platform = owner.platform.normalized();
    let mut losers: Vec<ImageRecord> = Vec::new();
    for image in &catalog.images {
        let loses = |name: &Name| names.contains(&name.reference);
        if image.id != owner.id && image.platform.normalized() == platform && image.names.iter().any(loses) {
            let mut loser = image.clone();
            loser.names.retain(|name| !loses(name));
            drop_unused_manifests(&mut loser);
            losers.push(loser);
        }
    }
    let mut write = vec![owner];
    write.append(&mut losers);
    Change { write, delete: Vec::new() }
}

/// Forgets the manifests that no name stands for, except for the newest.
pub fn drop_unused_manifests(image: &mut ImageRecord) {
    let newest = image.manifests.last().map(|manifest| manifest.digest.clone());
    let ImageRecord { manifests, names, .. } = image;
    manifests.retain(|manifest| {
        Some(&manifest.digest) == newest.as_ref() || names.iter().any(|name| name.manifest == manifest.digest)
    });
}
