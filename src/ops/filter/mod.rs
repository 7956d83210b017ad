//! Filters of image listings: pure functions of the image records, after Docker's `daemon/images/images.go`.
//!
//! An image has to pass every key. Of one key, it has to pass every value of `label`, `label!`, `before`, `since` and
//! `until`, and one value of `reference`, `id`, `digest` and `platform`; those of `dangling` and `mounted` must agree.

mod glob;
mod moment;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::images;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Digest, Platform, Timestamp};
use crate::store::{Catalog, ImageRecord, Name};
use glob::Pattern;

pub(super) use moment::moment;

/// Which images are meant. The default means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFilters {
    dangling: Option<bool>,
    mounted: Option<bool>,
    before: Vec<String>,
    since: Vec<String>,
    until: Vec<Timestamp>,
    labels: Vec<Label>,
    references: Vec<Pattern>,
    ids: Vec<String>,
    digests: Vec<String>,
    platforms: Vec<Platform>,
}

/// A label that an image has to have, or must not have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    key: String,
    value: Option<String>,
    wanted: bool,
}

/// Labels by their keys.
pub(super) type Labels = BTreeMap<String, String>;

/// What the records do not say.
pub(super) struct Surroundings<'a> {
    /// Reads the labels of an image; `None` where they cannot be read.
    pub labels: &'a dyn Fn(&ImageRecord) -> Option<Labels>,
    /// The images that views show.
    pub mounted: &'a BTreeSet<Digest>,
}

/// An image that is meant, with those of its names that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected<'c> {
    pub image: &'c ImageRecord,
    pub names: Vec<&'c Name>,
}

/// Whether a text matches a pattern; `None` for what is no pattern.
#[cfg(fuzzing)]
pub fn matches(pattern: &str, text: &str) -> Option<bool> {
    Pattern::parse(pattern).map(|pattern| pattern.matches(text))
}

impl ImageFilters {
    /// Reads pairs of a key and a value.
    ///
    /// # Errors
    /// [`Failed`](ErrorKind::Failed), in Docker's words, for an unknown key and for a value that the key cannot have.
    pub fn new(pairs: &[(String, String)], now: SystemTime) -> Result<Self> {
        let mut filters = Self::default();
        for (key, value) in pairs {
            let all = || -> Vec<&str> {
                pairs.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str()).collect()
            };
            let invalid = || failed(format!("invalid filter '{key}=[{}]'", all().join(" ")));
            let agreed = |before: Option<bool>| match go_bool(value) {
                Some(wanted) if before.is_none_or(|before| before == wanted) => Ok(Some(wanted)),
                _ => Err(invalid()),
            };
            match key.as_str() {
                "dangling" => filters.dangling = agreed(filters.dangling)?,
                "mounted" => filters.mounted = agreed(filters.mounted)?,
                "before" => filters.before.push(value.clone()),
                "since" => filters.since.push(value.clone()),
                "until" => filters.until.push(moment(value, now.into())?),
                "label" | "label!" => filters.labels.push(label(value, key == "label")),
                "reference" => filters.add_reference(value)?,
                "id" => filters.ids.push(hex(value).to_owned()),
                "digest" => filters.digests.push(hex(value).to_owned()),
                "platform" => filters.platforms.push(value.parse().map_err(|_| invalid())?),
                _ => return Err(failed(format!("invalid filter '{}'", key.escape_debug()))),
            }
        }
        Ok(filters)
    }

    /// Adds a pattern of names, as the filter `reference` does.
    ///
    /// # Errors
    /// [`Failed`](ErrorKind::Failed) for what is no pattern.
    pub fn add_reference(&mut self, pattern: &str) -> Result<()> {
        let read = Pattern::parse(pattern);
        let bad = || failed(format!("syntax error in pattern `{}`", pattern.escape_debug()));
        self.references.push(read.ok_or_else(bad)?);
        Ok(())
    }

    /// Whether views decide which images are meant.
    pub(super) fn ask_for_views(&self) -> bool {
        self.mounted.is_some()
    }

    /// Whether every image is meant.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The images that are meant.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) where `before` or `since` names no image.
    pub(super) fn select<'c>(&self, catalog: &'c Catalog, around: &Surroundings<'_>) -> Result<Vec<Selected<'c>>> {
        let host = Platform::host();
        let created = |texts: &[String]| -> Result<Vec<Timestamp>> {
            let found = texts.iter().map(|text| images::resolve(catalog, text, &host));
            let found = found.collect::<Result<Vec<_>>>()?;
            Ok(found.iter().filter_map(|found| created_of(found.images.first()?)).collect())
        };
        let before = created(&self.before)?.into_iter().chain(self.until.iter().copied()).min();
        let since = created(&self.since)?.into_iter().max();
        let in_time = |image: &ImageRecord| match (before, since) {
            (None, None) => true,
            _ => created_between(created_of(image), since, before),
        };
        let select = |image: &'c ImageRecord| {
            let names = self.names(image);
            let fits = (self.references.is_empty() || !names.is_empty())
                && self.dangling.is_none_or(|wanted| image.names.is_empty() == wanted)
                && self.mounted.is_none_or(|wanted| around.mounted.contains(&image.id) == wanted)
                && in_time(image)
                && self.has_identity(image)
                && self.has_labels(image, around);
            fits.then_some(Selected { image, names })
        };
        Ok(catalog.images.iter().filter_map(select).collect())
    }

    /// The names that are meant.
    fn names<'i>(&self, image: &'i ImageRecord) -> Vec<&'i Name> {
        let meant = |name: &&Name| {
            self.references.is_empty()
                || forms(image, name).iter().any(|form| self.references.iter().any(|pattern| pattern.matches(form)))
        };
        image.names.iter().filter(meant).collect()
    }

    fn has_identity(&self, image: &ImageRecord) -> bool {
        let is = |digest: &Digest, prefix: &String| digest.hex().starts_with(prefix.as_str());
        let digests = || image.manifests.iter().flat_map(|manifest| manifest.indexes.iter().chain([&manifest.digest]));
        (self.ids.is_empty() || self.ids.iter().any(|prefix| is(&image.id, prefix)))
            && (self.digests.is_empty() || self.digests.iter().any(|prefix| digests().any(|digest| is(digest, prefix))))
            && (self.platforms.is_empty() || self.platforms.iter().any(|wanted| runs_on(image, wanted)))
    }

    fn has_labels(&self, image: &ImageRecord, around: &Surroundings<'_>) -> bool {
        if self.labels.is_empty() {
            return true;
        }
        let Some(labels) = (around.labels)(image) else { return false };
        self.labels.iter().all(|label| {
            let found = labels.get(&label.key);
            let has = found.is_some_and(|found| label.value.as_ref().is_none_or(|value| value == found));
            has == label.wanted
        })
    }
}

/// What a pattern is tried against: the name with its tag or digest and without, in its familiar form and whole.
fn forms(image: &ImageRecord, name: &Name) -> Vec<String> {
    let reference = &name.reference;
    let familiar = reference.familiar_name();
    let whole = format!("{}/{}", reference.registry(), reference.repository());
    let mut forms = vec![reference.familiar(), reference.canonical()];
    if let Some(manifest) = image.manifest(Some(name)).filter(|_| reference.digest().is_none()) {
        // The digest that came with a tag belongs to the tag.
        let digest = manifest.shown_digest();
        forms.extend([format!("{familiar}@{digest}"), format!("{whole}@{digest}")]);
    }
    forms.extend([familiar, whole]);
    forms
}

/// Whether this is the image's platform; a variant that was not named may be any.
fn runs_on(image: &ImageRecord, wanted: &Platform) -> bool {
    let own = image.platform.normalized();
    own.os == wanted.os
        && own.architecture == wanted.architecture
        && (wanted.variant.is_none() || wanted.variant == own.variant)
}

fn created_of(image: &ImageRecord) -> Option<Timestamp> {
    image.created.as_deref().and_then(Timestamp::parse)
}

fn created_between(created: Option<Timestamp>, since: Option<Timestamp>, before: Option<Timestamp>) -> bool {
    created.is_some_and(|created| {
        since.is_none_or(|since| created > since) && before.is_none_or(|before| created < before)
    })
}

fn label(text: &str, wanted: bool) -> Label {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value.to_owned())));
    Label { key: key.to_owned(), value, wanted }
}

fn hex(text: &str) -> &str {
    text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha512:")).unwrap_or(text)
}

/// Go's `strconv.ParseBool`.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn failed(message: String) -> Error {
    Error::new(ErrorKind::Failed, message)
}
