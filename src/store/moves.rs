//! Names that change their owner: pure functions of the image records.

use std::collections::{HashMap, HashSet};

use super::change::Change;
use super::images::{Catalog, Former, ImageRecord, Installed, Name};
use super::names::{drop_unused_manifests, stored_form};
use crate::oci::{Digest, Platform, Reference};

/// How many images a name remembers.
const REMEMBERED: usize = 100;

/// Who loses a name that others get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Losers {
    /// Images of the same platforms.
    SamePlatforms,
    /// All: the name stands for nothing but its new owners.
    All,
}

/// The change that records each of `new`, one after the other, and moves its names to it. Images of other platforms keep
/// them.
pub(super) fn install(catalog: &Catalog, new: Vec<Installed>, now: &str) -> Change {
    let mut whole = Change::default();
    let mut after = catalog.clone();
    for new in new {
        let change = install_one(&after, new, now);
        after.apply(&change);
        whole.then(&change);
    }
    whole
}

fn install_one(catalog: &Catalog, new: Installed, now: &str) -> Change {
    let known = catalog.images.iter().find(|image| image.id == new.id);
    let mut owner = known.cloned().unwrap_or_else(|| ImageRecord {
        id: new.id.clone(),
        platform: new.platform.clone(),
        diff_ids: new.diff_ids.clone(),
        created: new.created.clone(),
        size: new.size,
        manifests: Vec::new(),
        names: Vec::new(),
        pinned: false,
    });
    let names: Vec<Reference> =
        new.names.into_iter().map(|reference| stored_form(reference.with_default_tag())).collect();
    let manifest = new.manifest.digest.clone();
    owner.manifests.retain(|manifest| manifest.digest != new.manifest.digest);
    owner.manifests.push(new.manifest);
    give(catalog, vec![(owner, manifest)], &names, Losers::SamePlatforms, now)
}

/// The change that makes `names` stand for these images and nothing else; with each image the digest of the manifest
/// that they stand for.
pub fn tag(catalog: &Catalog, images: Vec<(ImageRecord, Digest)>, names: &[Reference], now: &str) -> Change {
    let names: Vec<Reference> =
        names.iter().map(|reference| stored_form(reference.clone().with_default_tag())).collect();
    give(catalog, images, &names, Losers::All, now)
}

/// The change that takes names from images.
pub fn untag(images: &[&ImageRecord], goes: impl Fn(&Name) -> bool) -> Change {
    let mut change = Change::default();
    for image in images.iter().filter(|image| image.names.iter().any(&goes)) {
        let mut left = (*image).clone();
        left.names.retain(|name| !goes(name));
        drop_unused_manifests(&mut left);
        change.write.push(left);
    }
    change
}

fn give(
    catalog: &Catalog,
    owners: Vec<(ImageRecord, Digest)>,
    names: &[Reference],
    losers: Losers,
    now: &str,
) -> Change {
    let generations = catalog.images.iter().flat_map(|image| &image.names).map(|name| name.generation);
    let generation = generations.max().unwrap_or_default() + 1;
    let platforms: Vec<Platform> = owners.iter().map(|(owner, _)| owner.platform.normalized()).collect();
    let ids: Vec<Digest> = owners.iter().map(|(owner, _)| owner.id.clone()).collect();
    let loses = |image: &ImageRecord| {
        !ids.contains(&image.id) && (losers == Losers::All || platforms.contains(&image.platform.normalized()))
    };
    let claims = Claims::of(catalog, names);
    let mut change = Change::default();
    for (mut owner, manifest) in owners {
        let mut given = HashSet::new();
        let gets: Vec<Name> = names
            .iter()
            .filter(|reference| given.insert(*reference))
            .map(|reference| Name {
                reference: reference.clone(),
                manifest: manifest.clone(),
                generation,
                tagged: now.to_owned(),
                former: claims.former(&owner, reference, &platforms, losers),
            })
            .collect();
        owner.names.retain(|name| !given.contains(&name.reference));
        owner.names.extend(gets);
        drop_unused_manifests(&mut owner);
        change.write.push(owner);
    }
    let rest: Vec<&ImageRecord> = catalog.images.iter().filter(|image| loses(image)).collect();
    change.write.append(&mut untag(&rest, |name| claims.0.contains_key(&name.reference)).write);
    change
}

/// The images that have a name now, for some names; each with its own entry of it.
struct Claims<'c>(HashMap<&'c Reference, Vec<(&'c ImageRecord, &'c Name)>>);

impl<'c> Claims<'c> {
    fn of(catalog: &'c Catalog, names: &'c [Reference]) -> Self {
        let mut claims: HashMap<_, Vec<_>> = names.iter().map(|reference| (reference, Vec::new())).collect();
        for image in &catalog.images {
            for name in &image.names {
                if let Some(claims) = claims.get_mut(&name.reference) {
                    claims.push((image, name));
                }
            }
        }
        Self(claims)
    }

    /// What a name has stood for when `owner` gets it. The history is that of the owner's platform; where it has none, that
    /// of a platform for which the name will stand no more.
    fn former(
        &self,
        owner: &ImageRecord,
        reference: &Reference,
        platforms: &[Platform],
        losers: Losers,
    ) -> Vec<Former> {
        let claims = || self.0.get(reference).into_iter().flatten().copied();
        if let Some((_, name)) = claims().find(|(image, _)| image.id == owner.id) {
            return name.former.clone();
        }
        let platform = owner.platform.normalized();
        let same = claims().find(|(image, _)| image.platform.normalized() == platform);
        let host = Platform::host();
        let dropped = claims()
            .filter(|(image, _)| losers == Losers::All && !platforms.contains(&image.platform.normalized()))
            .min_by_key(|(image, _)| host.rank(&image.platform).unwrap_or(u32::MAX));
        let Some((image, name)) = same.or(dropped) else { return Vec::new() };
        let digest = image.manifest(Some(name)).map_or(&name.manifest, |manifest| manifest.shown_digest());
        let last = Former { image: image.id.clone(), digest: digest.clone(), tagged: name.tagged.clone() };
        std::iter::once(last).chain(name.former.iter().cloned()).take(REMEMBERED).collect()
    }
}
