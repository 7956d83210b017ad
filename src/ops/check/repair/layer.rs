//! A layer from its blob.

use std::io::Read;

use super::{Done, Repair, left};
use crate::content::Ingest;
use crate::error::{Error, ErrorKind, Result};
use crate::layer::{self, Claims, Limits, Oddities, UnpackOptions, Unpacked};
use crate::oci::{Descriptor, DiffId};
use crate::ops::check::scope::blobs_of;
use crate::ops::tee::{Step, Tee};
use crate::ops::unpack::write_index;
use crate::progress::Phase;
use crate::store::{self, Kind, ManifestRecord};

impl Repair<'_> {
    /// Unpacks a layer again, and puts it in the place of the damaged one.
    pub(super) fn layer(&self, id: &DiffId) -> Done {
        let rootlay = self.inspection.rootlay;
        let check = || rootlay.cancel.check();
        // Before anything is unpacked, so that nobody unpacks it a second time.
        let _lock = rootlay.store.lock_layer(id, &check)?;
        let (draft, from) = self.unpacked(id)?;
        self.put(&draft, (Kind::Layer, &id.0), &|stack| stack.contains(id))?;
        Ok(from)
    }

    fn unpacked(&self, id: &DiffId) -> Result<(String, String)> {
        let rootlay = self.inspection.rootlay;
        let content = rootlay.store.content();
        let blobs: Vec<(&ManifestRecord, Descriptor)> = blobs_of(rootlay, &self.inspection.scope, id).collect();
        let mut why = None;
        for (_, blob) in &blobs {
            if !matches!(content.size_of(&blob.digest), Ok(Some(size)) if size == blob.size) {
                continue;
            }
            match content.open(&blob.digest).and_then(|file| self.unpack(id, blob, Box::new(file))) {
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_) | ErrorKind::NoSpace) => {
                    return Err(error);
                }
                Err(error) => why = Some(error),
                Ok(draft) => return Ok((draft, "unpacked again from its blob".to_owned())),
            }
        }
        for (record, blob) in &blobs {
            match self.fetch(record, blob) {
                Ok((ingest, origin)) => {
                    ingest.replace(content)?;
                    let draft = self.unpack(id, blob, Box::new(content.open(&blob.digest)?))?;
                    return Ok((draft, format!("fetched again from {origin} and unpacked")));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted(_) | ErrorKind::NoSpace) => {
                    return Err(error);
                }
                Err(error) => why = Some(error),
            }
        }
        Err(self.lost(id, why))
    }

    /// Why a layer cannot be made again, and what helps.
    fn lost(&self, id: &DiffId, why: Option<Error>) -> Error {
        let images = &self.inspection.scope.catalog.images;
        let image = images.iter().find(|image| image.diff_ids.contains(id));
        let why = why.map_or_else(String::new, |error| format!("{}: ", super::explained(&error)));
        match image {
            Some(image) => {
                let name = image.names.first().map_or_else(|| image.id.to_string(), |name| name.reference.familiar());
                left(&format!("{why}`rootlay rmi --force {name}`, then pull or load the image again"))
            }
            None => left(&format!("{why}its image is not here any more: `rootlay rm` the views that need it")),
        }
    }

    /// Unpacks a blob into staging, verified by its digest and by the diff ID.
    fn unpack(&self, id: &DiffId, blob: &Descriptor, input: Box<dyn Read + Send>) -> Result<String> {
        let rootlay = self.inspection.rootlay;
        let check = || rootlay.cancel.check();
        let task = self.inspection.task(blob.digest.short(), Some(blob.size));
        rootlay.progress.phase(&task, Phase::Extracting);
        let watch = |step| {
            if let Step::Passed(bytes) = step {
                rootlay.progress.advance(&task, bytes);
            }
            check()
        };
        let (draft, dir) = self.staging.new_dir("layer", 0o700)?;
        let diff = store::part(&dir, "diff", 0o755)?;
        let warn = |_: &str| {};
        // It was accepted once, with whatever limits.
        let limits = Limits { entries: u64::MAX, bytes: u64::MAX, depth: usize::MAX, ..Limits::default() };
        let options = UnpackOptions { limits, oddities: Oddities::Warn, crew: 0, check: &check, warn: &warn };
        let claims = Claims { diff_id: Some(id), blob: Some(&blob.digest) };
        let ingest = Ingest::stored(self.staging.dir(), &blob.digest, blob.size)?;
        let passed = Tee::new(input, ingest, &watch).pass(|blob| layer::unpack(blob, &diff, &dir, &claims, &options));
        match passed {
            Ok((Unpacked { index, .. }, _)) => {
                write_index(&dir, &index)?;
                rootlay.progress.phase(&task, Phase::Complete);
                Ok(draft)
            }
            Err(error) => {
                drop((diff, dir));
                self.staging.dir().remove_tree(draft.as_bytes())?;
                Err(error)
            }
        }
    }
}
