//! Tree: the layers that an image is a stack of.

use super::history::HistoryStep;
use super::{Rootlay, images};
use crate::error::Result;
use crate::layer::{self, Changes};
use crate::oci::{DiffId, Digest, Platform, Reference};
use crate::store::ImageRecord;

/// An image and its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTree {
    /// The image ID.
    pub id: Digest,
    /// Its names.
    pub names: Vec<Reference>,
    /// What it runs on.
    pub platform: Platform,
    /// The bytes of its unpacked layers.
    pub size: u64,
    /// Its layers, base first.
    pub layers: Vec<TreeLayer>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeLayer {
    /// The digest of its tar.
    pub diff_id: DiffId,
    /// The digest of its blob, which mostly is compressed.
    pub digest: Option<Digest>,
    /// The bytes of the blob, if it is here.
    pub compressed: Option<u64>,
    /// How it was made, and its unpacked size.
    pub step: HistoryStep,
    /// What it does to the layers below; `None` where that cannot be told, because one of them is missing or damaged.
    pub changes: Option<Changes>,
    /// How many images have it, this one among them.
    pub images: usize,
}

impl Rootlay {
    /// The layers of an image.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) without such an image, or none for the platform; what keeps its config
    /// from being read.
    pub fn image_tree(&self, image: &str, platform: Option<&Platform>) -> Result<ImageTree> {
        let catalog = self.store.catalog()?;
        let (record, name) = images::choose(&catalog, image, platform)?;
        let blobs = record.manifest(name).map(|manifest| manifest.layers.as_slice()).unwrap_or_default();
        // A manifest that leaves layers out says nothing of which is which.
        let blobs = if blobs.len() == record.diff_ids.len() { blobs } else { &[] };
        let steps = self.steps(record)?.into_iter().filter_map(|step| Some((step.layer.clone()?, step)));
        let changes = self.changes(record)?;
        let mut layers = Vec::new();
        for (place, (diff_id, mut step)) in steps.enumerate() {
            step.size = self.layer_size(record, &diff_id);
            let digest = blobs.get(place).cloned();
            let compressed = match &digest {
                Some(digest) => self.store.content().size_of(digest)?,
                None => None,
            };
            let images = catalog.images.iter().filter(|image| image.diff_ids.contains(&diff_id)).count();
            layers.push(TreeLayer { diff_id, digest, compressed, step, changes: changes.get(place).copied(), images });
        }
        Ok(ImageTree {
            id: record.id.clone(),
            names: record.references(),
            platform: record.platform.clone(),
            size: record.size,
            layers,
        })
    }

    /// What the layers do, from the base as far as they can be read.
    fn changes(&self, record: &ImageRecord) -> Result<Vec<Changes>> {
        let mut indexes = Vec::new();
        for id in &record.diff_ids {
            self.cancel.check()?;
            // That it is missing is told where its size is asked for.
            let Ok(index) = self.layer_index(id) else { break };
            indexes.push(index);
        }
        layer::count_changes(&indexes, &self.cancel)
    }
}
