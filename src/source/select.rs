//! Which images of a source a specification means.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::resolve::platform_of;
use super::synthesis::to_json;
use super::{Candidate, Kind, Source, SourceSpec, names};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::media_type::{OCI_INDEX, is_manifest};
use crate::oci::{Descriptor, Digest, Platform, Reference};

/// Most names that images get at once. Each is looked up among all names that there are.
const MAX_NAMES: usize = 5000;

/// How many images an error names, and how many names of each.
const MAX_LABELS: usize = 30;

/// The images of `source` that `spec` means, each once.
///
/// A layout gives the image of the tag (the exact text of its annotation, else a full name, else the tag of a full
/// name, else a digest), or its only one. An archive of `docker save` gives the named image or all. A bare archive
/// whose images all have full names gives all, as `docker load` does; one that is an archive of `docker save` as well
/// gives those without a name too. Entries of one name that differ by platform are
/// one image: the descriptor is then that of an index that is made here and embedded in it.
///
/// # Errors
/// `NotFound`, if the name is not there; `Failed` listing the candidates, if it is ambiguous (row 126).
pub fn select(source: &dyn Source, spec: &SourceSpec) -> Result<Vec<Candidate>> {
    let images = source.images()?;
    if images.is_empty() {
        return Err(Error::refused("no image in it"));
    }
    let selected = selected(source, spec, images)?;
    check_names(&selected)?;
    Ok(selected)
}

fn check_names(images: &[Candidate]) -> Result<()> {
    let names: usize = images.iter().map(|image| image.names.len()).sum();
    if names > MAX_NAMES {
        return Err(Error::refused(format!("{names} names of images, the limit is {MAX_NAMES}")));
    }
    Ok(())
}

fn selected(source: &dyn Source, spec: &SourceSpec, images: Vec<Candidate>) -> Result<Vec<Candidate>> {
    match spec {
        SourceSpec::DockerArchive { reference: Some(name), .. } => docker_image(images, name),
        SourceSpec::DockerArchive { reference: None, .. } => Ok(merged(images)),
        SourceSpec::Oci { tag: Some(tag), .. } | SourceSpec::OciArchive { tag: Some(tag), .. } => {
            let found = tagged(&images, tag)?;
            Ok(vec![one(source, found)?])
        }
        SourceSpec::Path(_) | SourceSpec::Stdin if source.kind() == Kind::DockerArchive => Ok(merged(images)),
        SourceSpec::Path(_) | SourceSpec::Stdin if source.kind() == Kind::DockerLayout => all(source, &images),
        SourceSpec::Path(_) | SourceSpec::Stdin if source.kind() == Kind::Archive => all_or_one(source, images),
        _ => Ok(vec![one(source, images)?]),
    }
}

/// Candidates with the same digest become one with the names of all.
fn merged(images: Vec<Candidate>) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut places: HashMap<Digest, (usize, HashSet<Reference>)> = HashMap::new();
    for image in images {
        match places.entry(image.descriptor.digest.clone()) {
            Entry::Vacant(place) => {
                place.insert((all.len(), image.names.iter().cloned().collect()));
                all.push(image);
            }
            Entry::Occupied(mut place) => {
                let (at, names) = place.get_mut();
                let known = &mut all[*at];
                known.names.extend(image.names.into_iter().filter(|name| names.insert(name.clone())));
                known.tag = known.tag.take().or(image.tag);
            }
        }
    }
    all
}

fn docker_image(images: Vec<Candidate>, name: &str) -> Result<Vec<Candidate>> {
    let wanted = name.parse::<Reference>().ok().map(Reference::with_default_tag);
    let listed = candidates(&images);
    let mut found = Vec::new();
    for mut image in images {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| image.names.contains(wanted)) {
            image.names = vec![wanted.clone()];
            found.push(image);
        } else if is_id(&image, name) {
            found.push(image);
        }
    }
    match merged(found) {
        found if found.is_empty() => Err(not_found(name, &listed)),
        found if found.len() == 1 => Ok(found),
        found => Err(ambiguous(&found)),
    }
}

/// Whether the text is the image ID: the digest of the configuration, with or without `sha256:`.
fn is_id(image: &Candidate, text: &str) -> bool {
    let manifest = image.descriptor.data.as_deref().map(|bytes| crate::oci::parse_document(bytes, None));
    match manifest {
        Some(Ok(crate::oci::Document::Manifest(manifest))) => {
            let id = manifest.config.digest;
            id.hex() == text || id.to_string() == text
        }
        _ => false,
    }
}

/// The entries that a tag means, by the most exact reading that finds any.
fn tagged(images: &[Candidate], tag: &str) -> Result<Vec<Candidate>> {
    let full = names::full(tag);
    let readings: [&dyn Fn(&Candidate) -> bool; 4] = [
        &|image| names::ref_name(&image.descriptor) == Some(tag),
        &|image| full.as_ref().is_some_and(|full| image.names.contains(full)),
        &|image| image.names.iter().any(|name| name.tag() == Some(tag)),
        &|image| image.descriptor.digest.to_string() == tag,
    ];
    for reading in readings {
        let found: Vec<Candidate> = images.iter().filter(|image| reading(image)).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(not_found(tag, &candidates(images)))
}

/// All images of a bare archive, if each has a full name; else its only one.
fn all_or_one(source: &dyn Source, images: Vec<Candidate>) -> Result<Vec<Candidate>> {
    if images.iter().any(|image| image.names.is_empty()) {
        return Ok(vec![one(source, images)?]);
    }
    all(source, &images)
}

/// All images: entries of one name are one, an entry without a name is one of its own.
fn all(source: &dyn Source, images: &[Candidate]) -> Result<Vec<Candidate>> {
    check_names(images)?;
    let mut owners: HashMap<&Reference, Vec<usize>> = HashMap::new();
    let mut in_order: Vec<&Reference> = Vec::new();
    for (index, image) in images.iter().enumerate() {
        for name in &image.names {
            let owners = owners.entry(name).or_default();
            if owners.is_empty() {
                in_order.push(name);
            }
            owners.push(index);
        }
    }
    // Names of the same entries are names of one image, which is made once.
    let mut groups: Vec<(&[usize], Vec<&Reference>)> = Vec::new();
    let mut places: HashMap<&[usize], usize> = HashMap::new();
    for name in in_order {
        let owners = owners[name].as_slice();
        let place = *places.entry(owners).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, names)) => names.push(name),
            None => groups.push((owners, vec![name])),
        }
    }
    let named = groups.into_iter().map(|(owners, names)| {
        let single = |&index: &usize| {
            let Candidate { tag, descriptor, .. } = &images[index];
            Candidate { names: vec![names[0].clone()], tag: tag.clone(), descriptor: descriptor.clone() }
        };
        let image = one(source, owners.iter().map(single).collect())?;
        Ok(Candidate { names: names.into_iter().cloned().collect(), ..image })
    });
    let nameless = images.iter().filter(|image| image.names.is_empty()).cloned().map(Ok);
    let all: Result<Vec<Candidate>> = named.chain(nameless).collect();
    Ok(merged(all?))
}

/// The one image that these entries are.
fn one(source: &dyn Source, images: Vec<Candidate>) -> Result<Candidate> {
    let same_label = images.windows(2).all(|pair| pair[0].names == pair[1].names && pair[0].tag == pair[1].tag);
    let mut images = merged(images);
    if images.len() == 1 {
        return Ok(images.remove(0));
    }
    if same_label && let Some(image) = implicit_index(source, &images)? {
        return Ok(image);
    }
    Err(ambiguous(&images))
}

/// One image of several entries with one label, each for another platform. Entries without any label must say their
/// platforms themselves: nothing else makes them one image.
fn implicit_index(source: &dyn Source, images: &[Candidate]) -> Result<Option<Candidate>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Index {
        schema_version: u8,
        media_type: &'static str,
        manifests: Vec<Descriptor>,
    }
    let Some(first) = images.first() else {
        return Ok(None);
    };
    let labelled = !first.names.is_empty() || first.tag.is_some();
    let mut platforms: Vec<Platform> = Vec::new();
    let mut manifests = Vec::new();
    for Candidate { descriptor, .. } in images {
        let platform = match &descriptor.platform {
            Some(platform) => Some(platform.clone()),
            None if labelled && is_manifest(&descriptor.media_type) => platform_of(source, descriptor)?,
            None => None,
        };
        match platform {
            Some(platform) if !platforms.contains(&platform.normalized()) => {
                platforms.push(platform.normalized());
                let mut entry = descriptor.clone();
                entry.annotations.clear();
                entry.platform = Some(platform);
                manifests.push(entry);
            }
            _ => return Ok(None),
        }
    }
    let bytes = to_json(&Index { schema_version: 2, media_type: OCI_INDEX, manifests })?;
    let (names, tag) = (first.names.clone(), first.tag.clone());
    Ok(Some(Candidate { names, tag, descriptor: Descriptor::embedding(OCI_INDEX, bytes) }))
}

/// How a user can name each candidate, and what else tells it.
fn candidates(images: &[Candidate]) -> String {
    let label = |image: &Candidate| {
        let names = image.names.iter().take(MAX_LABELS).map(Reference::familiar);
        let tag = image.tag.iter().map(|tag| tag.escape_debug().to_string());
        let labels: Vec<String> = names.chain(tag).collect();
        if labels.is_empty() { image.descriptor.digest.to_string() } else { labels.join(" = ") }
    };
    let mut labels: Vec<String> = Vec::new();
    for image in images.iter().take(MAX_LABELS) {
        let mut label = label(image);
        if labels.contains(&label) {
            label = format!("{label} ({})", image.descriptor.digest);
        }
        labels.push(label);
    }
    if images.len() > MAX_LABELS {
        labels.push(format!("and {} more", images.len() - MAX_LABELS));
    }
    labels.join(", ")
}

fn ambiguous(images: &[Candidate]) -> Error {
    Error::new(ErrorKind::Failed, format!("ambiguous, there are several images: {}", candidates(images)))
}

fn not_found(name: &str, listed: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no image `{}` in it, there are: {listed}", name.escape_debug()))
}
