//! Tag and untag: names come and go, the images stay.

use super::{Rootlay, images};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Digest, Platform, Reference};
use crate::store::{self, Catalog, Change, ImageRecord, Name, Resolved, ResolvedBy};

/// What a tag names now or named before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagEntry {
    /// How many moves ago; 0 is now.
    pub number: usize,
    /// The image ID.
    pub id: Digest,
    /// The digest of its index, or of its manifest where there is no index.
    pub digest: Digest,
    /// The platform for which the tag names it.
    pub platform: Platform,
    /// When the tag came to name it.
    pub tagged: String,
    /// Whether the image is still here.
    pub here: bool,
}

impl Rootlay {
    /// Gives names to an image; they stand for nothing else then. A source that is a name of several platforms gives
    /// all of them.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without such an image, [`Usage`](ErrorKind::Usage) for a name with a digest.
    pub fn tag(&self, source: &str, targets: &[Reference]) -> Result<()> {
        targets.iter().try_for_each(check_target)?;
        let now = store::now();
        self.store.change(&self.store.stage()?, |catalog| Ok((tagged(catalog, source, targets, &now)?, ()))).map(drop)
    }

    /// Takes these names from an image, or all names that it has. An image without names is dangling.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without such an image, or if it does not have a name; nothing is changed then.
    pub fn untag(&self, image: &str, names: &[Reference]) -> Result<()> {
        self.store.change(&self.store.stage()?, |catalog| Ok((untagged(catalog, image, names)?, ()))).map(drop)
    }

    /// What a tag names, and what it named before: the newest first, of several platforms the host's.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if the tag names nothing.
    pub fn tag_history(&self, name: &Reference) -> Result<Vec<TagEntry>> {
        let catalog = self.store.catalog()?;
        let found = images::resolve(&catalog, &name.canonical(), &Platform::host())?;
        Ok(history(&catalog, &found))
    }
}

/// Docker's rules for what may become a name.
fn check_target(target: &Reference) -> Result<()> {
    let refused = |why: &str| Err(Error::new(ErrorKind::Usage, why));
    if target.digest().is_some() {
        return refused("refusing to create a tag with a digest reference");
    }
    if matches!(target.familiar_name().as_str(), "sha256" | "sha512") {
        return refused("refusing to create an ambiguous tag using digest algorithm as name");
    }
    Ok(())
}

fn tagged(catalog: &Catalog, source: &str, targets: &[Reference], now: &str) -> Result<Change> {
    let found = images::resolve(catalog, source, &Platform::host())?;
    let named = source.parse::<Digest>().ok();
    let images = found.images.iter().map(|image| {
        // A digest may mean a manifest that is not the newest of its image.
        let meant = named.as_ref().and_then(|digest| image.manifests.iter().find(|manifest| manifest.is(digest)));
        let manifest = meant.or_else(|| image.manifest(found.name(image))).map(|manifest| manifest.digest.clone());
        ((*image).clone(), manifest.unwrap_or_else(|| image.id.clone()))
    });
    Ok(store::tag(catalog, images.collect(), targets, now))
}

fn untagged(catalog: &Catalog, image: &str, names: &[Reference]) -> Result<Change> {
    let found = images::resolve(catalog, image, &Platform::host())?;
    let names: Vec<Reference> = names.iter().map(|name| store::stored_form(name.clone().with_default_tag())).collect();
    let has = |image: &&ImageRecord, wanted: &Reference| image.names.iter().any(|name| name.reference == *wanted);
    if let Some(missing) = names.iter().find(|name| !found.images.iter().any(|image| has(image, name))) {
        return Err(Error::new(ErrorKind::NotFound, format!("{}: tag not known", missing.familiar())));
    }
    // A name is that name; an ID has all of its names.
    let by = match &found.by {
        ResolvedBy::Name(reference) if names.is_empty() => Some(reference),
        _ => None,
    };
    let goes = |name: &Name| match by {
        Some(reference) => name.reference == *reference,
        None => names.is_empty() || names.contains(&name.reference),
    };
    Ok(store::untag(&found.images, goes))
}

fn history(catalog: &Catalog, found: &Resolved<'_>) -> Vec<TagEntry> {
    if !matches!(found.by, ResolvedBy::Name(_)) {
        return Vec::new();
    }
    let mut entries = Vec::new();
    for (image, name) in found.images.iter().filter_map(|image| Some((image, found.name(image)?))) {
        let digest = image.manifest(Some(name)).map_or(&name.manifest, |manifest| manifest.shown_digest());
        let entry = |number, id: &Digest, digest: &Digest, tagged: &str| TagEntry {
            number,
            id: id.clone(),
            digest: digest.clone(),
            platform: image.platform.clone(),
            tagged: tagged.to_owned(),
            here: catalog.images.iter().any(|image| image.id == *id),
        };
        entries.push(entry(0, &image.id, digest, &name.tagged));
        let former = name.former.iter().zip(1..);
        entries.extend(former.map(|(former, number)| entry(number, &former.image, &former.digest, &former.tagged)));
    }
    // Stable: of one number the host's platform stays first.
    entries.sort_by_key(|entry| entry.number);
    entries
}
