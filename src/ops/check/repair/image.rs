//! The record of an image from its documents.

use super::{Done, Repair, left};
use crate::error::Result;
use crate::oci::Digest;
use crate::store::{Catalog, Change, ImageRecord, Remembered};

impl Repair<'_> {
    /// Writes a record anew: what its documents have as they have it, the rest as it is.
    pub(super) fn image(&self, id: &Digest) -> Done {
        let store = &self.inspection.rootlay.store;
        if store.image(id)?.is_none() {
            return self.recovered(id);
        }
        let decide = |catalog: &Catalog| -> Result<(Change, ())> {
            let Some(image) = catalog.images.iter().find(|image| image.id == *id) else {
                return Ok((Change::default(), ()));
            };
            let rebuilt = self.inspection.rebuilt(image)?;
            let write = if rebuilt == *image { Vec::new() } else { vec![rebuilt] };
            Ok((Change { write, delete: Vec::new() }, ()))
        };
        store.change(self.staging, decide)?;
        Ok("written anew from its documents".to_owned())
    }

    /// A record that cannot be read: its documents are blobs, and `index.json` has its names.
    fn recovered(&self, id: &Digest) -> Done {
        let store = &self.inspection.rootlay.store;
        let Remembered { manifests, names, pinned } = store.remembered(id)?;
        let helps = format!("`rootlay rmi {}` removes it; then pull or load the image again", id.short());
        if manifests.is_empty() {
            return Err(left(&format!("its manifest is not here: {helps}")));
        }
        let config = self.config(id).map_err(|error| left(&format!("{}: {helps}", super::explained(&error))))?;
        let shown: Vec<String> = names.iter().map(|name| name.reference.familiar()).collect();
        let record = ImageRecord {
            id: id.clone(),
            platform: config.platform(),
            diff_ids: config.diff_ids,
            created: config.created,
            size: 0,
            manifests,
            names,
            pinned,
        };
        let record = self.inspection.rebuilt(&record)?;
        let decide = |catalog: &Catalog| {
            // Somebody may have removed it, or loaded the image again.
            let is_broken = catalog.unreadable.iter().any(|broken| broken.id.as_ref() == Some(id));
            let write = if is_broken { vec![record] } else { Vec::new() };
            Ok((Change { write, delete: Vec::new() }, is_broken))
        };
        if let (false, _) = store.change(self.staging, decide)? {
            return Ok("gone".to_owned());
        }
        let names = if shown.is_empty() { "without a name".to_owned() } else { format!("as {}", shown.join(", ")) };
        let pin = if pinned { "pinned" } else { "nobody knows whether it was pinned" };
        Ok(format!("written anew from its documents, {names}; {pin}"))
    }
}
