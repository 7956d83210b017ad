//! The records: images, views, the files for other tools; and what no record names.

use super::Inspection;
use super::finding::{Found, Severity, Subject, blob_place, place, record_place};
use super::repair::Shown;
use super::scope::read_manifest;
use crate::error::{Error, Result};
use crate::oci::{Digest, ImageConfig, MAX_DOCUMENT};
use crate::ops::lowers;
use crate::ops::views::innermost;
use crate::store::{Access, Change, ImageRecord, Item, Kind, Leftover, Misplaced, Reach, Unreadable, View, ViewRecord};

impl Inspection<'_> {
    /// The records of images that cannot be read. What they name is not in the scope.
    pub fn unreadable(&self) -> Vec<Found> {
        let wrong = |record: &Unreadable| {
            let subject = record.id.clone().map_or(Subject::Record, Subject::Image);
            subject.wrong(record.file.clone(), record.why.clone())
        };
        self.scope.catalog.unreadable.iter().map(wrong).collect()
    }

    /// Looks at the records of images and views.
    pub fn check_records(&self) -> Result<()> {
        for image in &self.scope.catalog.images {
            self.rootlay.cancel.check()?;
            let wrong = |problem: String| Subject::Image(image.id.clone()).wrong(record_place(&image.id), problem);
            self.add(self.contradiction(image).map(|part| wrong(format!("{part}: not what its documents say"))));
        }
        for view in &self.scope.views {
            self.add(self.view(view)?);
        }
        let store = &self.rootlay.store;
        let file = |name: &str| name.to_owned();
        self.add(store.broken_index()?.map(|why| Subject::Index.wrong(file("index.json"), why)));
        self.add(store.broken_layout().map(|why| Subject::Layout.wrong(file("oci-layout"), why)));
        Ok(())
    }

    /// The part of a record that its documents contradict. Documents that cannot be read are told as blobs.
    fn contradiction(&self, image: &ImageRecord) -> Option<&'static str> {
        let rebuilt = self.rebuilt(image).ok()?;
        let parts = [
            ("platform", rebuilt.platform == image.platform),
            ("diff_ids", rebuilt.diff_ids == image.diff_ids),
            ("created", rebuilt.created == image.created),
            ("size", rebuilt.size == image.size),
            ("manifests", rebuilt.manifests == image.manifests),
        ];
        parts.into_iter().find(|(_, fits)| !fits).map(|(part, _)| part)
    }

    /// The record as the documents of the image have it.
    ///
    /// # Errors
    /// What keeps a document from being read.
    pub fn rebuilt(&self, image: &ImageRecord) -> Result<ImageRecord> {
        let config = ImageConfig::parse(&self.rootlay.store.content().read(&image.id, MAX_DOCUMENT)?)?;
        let mut rebuilt = image.clone();
        for record in &mut rebuilt.manifests {
            let manifest = read_manifest(self.rootlay, record)?;
            if manifest.config.digest != image.id {
                return Err(Error::refused("the manifest is that of another image"));
            }
            record.size = self.rootlay.store.content().size_of(&record.digest)?.unwrap_or(record.size);
            record.layers = manifest.layers.iter().map(|layer| layer.digest.clone()).collect();
        }
        // Of a layer that cannot be read nobody knows the size.
        let size = config.diff_ids.iter().try_fold(0_u64, |sum, id| {
            let dir = self.rootlay.store.open_committed(Kind::Layer, &id.0).ok()??;
            Some(sum.saturating_add(lowers::summary(&dir, id).ok()?.bytes))
        });
        rebuilt.size = size.unwrap_or(image.size);
        rebuilt.platform = config.platform();
        rebuilt.diff_ids = config.diff_ids;
        rebuilt.created = config.created;
        Ok(rebuilt)
    }

    fn view(&self, view: &View) -> Result<Vec<Found>> {
        let wrong = |part: &str, problem: String| {
            Subject::View(view.name.clone()).wrong(format!("views/{}{part}", view.name), problem)
        };
        let record = match &view.content {
            Ok(record) => record,
            Err(error) => {
                let mut found = wrong("/view.json", innermost(error));
                if !self.rootlay.store.may_hold_writes(&view.name)
                    && Shown::now(&self.rootlay.store)?.by(std::slice::from_ref(view), &|_| true).is_none()
                {
                    // The records of read-only views are not synced: so a power cut leaves them.
                    found.finding.severity = Severity::Debris;
                }
                return Ok(vec![found]);
            }
        };
        let parts: &[&str] = match record.access {
            Access::ReadOnly => &["merged"],
            Access::Writable => &["merged", "upper", "work"],
        };
        let broken = |part: &&&str| !self.has_part(record, part);
        let found: Vec<Found> =
            parts.iter().filter(broken).map(|part| wrong(&format!("/{part}"), "not a directory".to_owned())).collect();
        // It may have been removed since its record was read.
        let gone = found.is_empty() || !self.rootlay.store.views()?.iter().any(|now| now.name == view.name);
        Ok(if gone { Vec::new() } else { found })
    }

    fn has_part(&self, record: &ViewRecord, part: &str) -> bool {
        self.rootlay.store.has_part(&record.name, part)
    }

    /// What does not belong into the state root, and what nobody needs.
    pub fn check_strays(&self) -> Result<()> {
        let store = &self.rootlay.store;
        for Misplaced { file, problem } in store.misplaced()? {
            self.add([Subject::Unknown.found(Severity::Unknown, file, problem)]);
        }
        for leftover in store.leftovers()? {
            let problem = match leftover {
                Leftover::Staging(_) => "left by a command that died",
                Leftover::Lock(_) => "the lock of a layer that nobody unpacks",
                Leftover::Download(_) => "a download that is not complete",
                Leftover::Use(_) => "the time of use of an image that is not here",
            };
            self.add([Subject::Leftover(leftover.clone()).found(Severity::Debris, leftover.file(), problem)]);
        }
        let ((), unneeded) = store.rehearse(Reach::Everything, |_| Ok((Change::default(), ())))?;
        for item in unneeded.items() {
            let problem = "no image and no view needs it";
            self.add([Subject::Unneeded(item.clone()).found(Severity::Debris, place_of(item), problem)]);
        }
        Ok(())
    }
}

fn place_of(item: &Item) -> String {
    let of_blob = |digest: &Digest| blob_place(digest);
    match item {
        Item::Dir(kind, digest) => place(*kind, digest),
        Item::Blob(digest) => of_blob(digest),
    }
}
