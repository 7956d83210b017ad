//! Load: images from a directory, an archive or standard input into the store.

use super::install::{NewImage, Run};
use super::{Limits, Oddities, Rootlay, SourceSpec};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Digest, Platform, Reference};
use crate::source::{self, Candidate, Resolved, Source};

/// What to load.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// Where the images are.
    pub source: SourceSpec,
    /// Which platform of them; without one the host's, or the only one.
    pub platform: Option<Platform>,
    /// The name that the image gets instead of those that the source gives it.
    pub name: Option<Reference>,
    /// What a layer may cost.
    pub limits: Limits,
    /// What becomes of oddities in its layers.
    pub oddities: Oddities,
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its ID.
    pub id: Digest,
    /// The names that it got.
    pub references: Vec<Reference>,
}

impl Rootlay {
    /// Loads the images that the source means, each unpacked before the next one is begun. What was loaded before a bad
    /// one stays.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) for whatever is wrong with an image: nothing of that image stays.
    /// [`NotFound`](ErrorKind::NotFound) if the source does not have the image, or not for this platform.
    pub fn load(&self, request: LoadRequest) -> Result<Vec<Loaded>> {
        let LoadRequest { source: spec, platform, name, limits, oddities } = request;
        Run::begin(self, limits, oddities)?.carry_out(|run| {
            let (_, scratch) = run.staging.new_dir("scratch", 0o700)?;
            let source = source::open(&spec, &scratch, run.cancel)?;
            let candidates = source::select(&*source, &spec)?;
            if name.is_some() && candidates.len() > 1 {
                let message = format!("one name for {} images: say which one to load", candidates.len());
                return Err(Error::new(ErrorKind::Usage, message));
            }
            let mut loaded = Vec::new();
            let result = candidates.into_iter().try_for_each(|candidate| {
                run.cancel.check()?;
                loaded.push(one(run, &*source, &spec, candidate, platform.as_ref(), name.as_ref())?);
                Ok(())
            });
            let recorded = run.record();
            result.and(recorded).map(|()| loaded)
        })
    }
}

fn one(
    run: &mut Run<'_>,
    source: &dyn Source,
    spec: &SourceSpec,
    candidate: Candidate,
    platform: Option<&Platform>,
    name: Option<&Reference>,
) -> Result<Loaded> {
    let resolved = source::resolve(source, &candidate.descriptor, platform)?;
    let references = match name {
        Some(name) => {
            check_digest(name, &resolved)?;
            vec![name.clone().with_default_tag()]
        }
        None => candidate.names,
    };
    let image = NewImage::of(&resolved, references.clone(), spec.absolute()?.to_string());
    Ok(Loaded { id: run.bring(Some(source), &image)?, references })
}

/// A name with a digest says what the image is.
fn check_digest(name: &Reference, resolved: &Resolved) -> Result<()> {
    let index = resolved.index.as_ref().map(|(descriptor, _)| &descriptor.digest);
    let manifest = &resolved.manifest_descriptor.digest;
    match name.digest() {
        Some(digest) if digest != manifest && Some(digest) != index => {
            let message = format!("name {name}: the image has the digest {manifest}");
            Err(Error::new(ErrorKind::Conflict, message))
        }
        _ => Ok(()),
    }
}
