//! One image name and every place that has it: mirrors first, the registry last.

use std::fmt::Debug;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::blob::BlobReader;
use super::place::{Named, Place};
use super::{EXPLAIN, Inner, RemoteDocument, nearest};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::media_type::{is_index, is_manifest, is_schema1};
use crate::oci::{Descriptor, MAX_DOCUMENT, Reference};
use crate::source::{Candidate, Kind, Remote, Source, Waiting, embedded};

/// A repository of a registry, open for reading.
#[derive(Debug)]
pub struct Repository {
    inner: Arc<Inner>,
    reference: Reference,
    places: Vec<Place>,
    /// The place that had the manifest: it is asked first from then on.
    preferred: AtomicUsize,
}

impl Repository {
    /// The places of a reference, in the order in which they are asked; never empty.
    pub(super) fn new(inner: Arc<Inner>, reference: Reference, places: Vec<Place>) -> Self {
        Self { inner, reference, places, preferred: AtomicUsize::new(0) }
    }

    /// The index or manifest that the reference names; by digest where it has one.
    ///
    /// # Errors
    /// For a missing tag the nearest tags are named.
    pub fn root(&self) -> Result<RemoteDocument> {
        let shared = &self.inner.shared;
        let found = self.anywhere(&async |place| place.document(shared, self.named()).await);
        found.map_err(|error| self.with_nearest(error))
    }

    /// What [`root`](Self::root) would give, without its content where the registry says enough.
    pub fn head(&self) -> Result<Descriptor> {
        let shared = &self.inner.shared;
        match self.anywhere(&async |place| place.head(shared, self.named()).await) {
            // An answer without a body does not say why, and not every registry knows the method.
            Err(error) if matches!(error.kind(), ErrorKind::NotInRegistry | ErrorKind::Failed) => {
                Ok(self.root()?.descriptor)
            }
            result => result,
        }
    }

    /// All tags, in the registry's order.
    pub fn tags(&self) -> Result<Vec<String>> {
        let mut failed = None;
        for index in self.order() {
            match super::tags::all(&self.inner, &self.places[index]) {
                Ok(tags) => return Ok(tags),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::new(ErrorKind::Failed, "no place to ask")))
    }

    fn named(&self) -> Named<'_> {
        match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => Named::Digest(digest),
            (None, tag) => Named::Tag(tag.unwrap_or("latest")),
        }
    }

    /// Asks one place after the other. Of several errors that of the last place, the registry itself, is told.
    fn anywhere<T>(&self, ask: &impl AsyncFn(&Place) -> Result<T>) -> Result<T> {
        let mut failed = None;
        for index in self.order() {
            let place = &self.places[index];
            match self.inner.runtime.wait(ask(place)) {
                Ok(found) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_)) => return Err(error),
                Err(error) => {
                    if self.places.len() > 1 {
                        tracing::debug!(target: EXPLAIN, "{} passed over: {error}", place.session.host);
                    }
                    if failed.as_ref().is_none_or(|(known, _)| *known < index) {
                        failed = Some((index, error));
                    }
                }
            }
        }
        Err(failed.map_or_else(|| Error::new(ErrorKind::Failed, "no place to ask"), |(_, error)| error))
    }

    /// The places by number: the preferred one, then the others.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let preferred = self.preferred.load(Ordering::Relaxed);
        std::iter::once(preferred).chain((0..self.places.len()).filter(move |&index| index != preferred))
    }

    fn with_nearest(&self, error: Error) -> Error {
        let Named::Tag(tag) = self.named() else { return error };
        if error.kind() != ErrorKind::NotInRegistry {
            return error;
        }
        let repository = self.places.iter().next_back().map(|place| super::tags::all(&self.inner, place));
        match repository {
            Some(Ok(tags)) if !tags.is_empty() => {
                let near = nearest::nearest(tag, &tags);
                Error::new(error.kind(), format!("{error}; the nearest of {} tags: {}", tags.len(), near.join(", ")))
            }
            Some(Err(interrupted)) if matches!(interrupted.kind(), ErrorKind::Interrupted(_)) => interrupted,
            _ => error,
        }
    }

    fn fetched(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let Descriptor { digest, size, media_type, .. } = descriptor;
        if *size > MAX_DOCUMENT {
            return Err(Error::refused(format!("document {digest} has {size} bytes, the limit is {MAX_DOCUMENT}")));
        }
        let shared = &self.inner.shared;
        if is_index(media_type) || is_manifest(media_type) || is_schema1(media_type) {
            let named = Named::Digest(digest);
            let document = self.anywhere(&async |place| place.document(shared, named).await)?;
            return Ok(document.bytes);
        }
        self.anywhere(&async |place| place.small_blob(shared, descriptor).await)
    }
}

impl Source for Repository {
    fn kind(&self) -> Kind {
        Kind::Registry
    }

    fn images(&self) -> Result<Vec<Candidate>> {
        let RemoteDocument { descriptor, .. } = self.root()?;
        Ok(vec![Candidate { names: vec![self.reference.clone()], tag: None, descriptor }])
    }

    /// Documents only, as a whole and verified; [`Remote::fetch`] is for layers.
    fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>> {
        match embedded(descriptor) {
            Some(content) => Ok(content),
            None => Ok(Box::new(Cursor::new(self.fetched(descriptor)?))),
        }
    }

    fn remote(&self) -> Option<&dyn Remote> {
        Some(self)
    }
}

impl Remote for Repository {
    fn places(&self) -> usize {
        self.places.len()
    }

    fn fetch<'a>(
        &'a self,
        blob: &'a Descriptor,
        from: u64,
        skip: usize,
        waiting: Waiting<'a>,
    ) -> Box<dyn Read + Send + 'a> {
        let places = self.order().skip(skip).map(|index| &self.places[index]).collect();
        Box::new(BlobReader::new(&self.inner, places, blob, from, waiting))
    }
}
