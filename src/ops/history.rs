//! History: how an image was made, step by step.

use super::{Rootlay, images, lowers};
use crate::error::Result;
use crate::layer::LayerIndex;
use crate::oci::{DiffId, Digest, HistoryEntry, ImageConfig, MAX_DOCUMENT, Platform, Timestamp};
use crate::store::{ImageRecord, Kind};

/// A step in the making of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryStep {
    /// The image that the step ended with: known of the newest step only.
    pub image: Option<Digest>,
    /// When it was.
    pub created: Option<Timestamp>,
    /// The command.
    pub created_by: String,
    /// A comment.
    pub comment: String,
    /// The layer that it made, if it made one.
    pub layer: Option<DiffId>,
    /// The bytes of the unpacked layer; `None` where the layer is missing or damaged.
    pub size: Option<u64>,
}

impl Rootlay {
    /// The steps of an image, newest first.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) without such an image, or none for the platform; what keeps its config
    /// from being read.
    pub fn history(&self, image: &str, platform: Option<&Platform>) -> Result<Vec<HistoryStep>> {
        let catalog = self.store.catalog()?;
        let (record, _) = images::choose(&catalog, image, platform)?;
        let mut all = self.steps(record)?;
        for step in &mut all {
            step.size = match &step.layer {
                None => Some(0),
                Some(layer) => self.layer_size(record, layer),
            };
        }
        if let Some(newest) = all.last_mut() {
            newest.image = Some(record.id.clone());
        }
        all.reverse();
        Ok(all)
    }

    /// The steps of an image, base first, without what only the layers on disk tell.
    pub(super) fn steps(&self, record: &ImageRecord) -> Result<Vec<HistoryStep>> {
        let config = ImageConfig::parse(&self.store.content().read(&record.id, MAX_DOCUMENT)?)?;
        Ok(join(&config.history, &record.diff_ids))
    }

    /// The bytes of an unpacked layer; where they are not known, that is a warning.
    pub(super) fn layer_size(&self, record: &ImageRecord, id: &DiffId) -> Option<u64> {
        let read = || -> Result<u64> {
            let layer = self.store.open_committed(Kind::Layer, &id.0)?.ok_or_else(|| lowers::missing(id))?;
            Ok(lowers::summary(&layer, id)?.bytes)
        };
        read().map_err(|error| self.progress.warning(&format!("image {}: {error}", record.id.short()))).ok()
    }

    /// Everything that is known of an unpacked layer.
    pub(super) fn layer_index(&self, id: &DiffId) -> Result<LayerIndex> {
        let layer = self.store.open_committed(Kind::Layer, &id.0)?.ok_or_else(|| lowers::missing(id))?;
        LayerIndex::of_layer(&layer)
    }
}

/// Gives each step that made a layer its layer, base first. Layers that no step tells of come last, without words; a
/// step for which no layer is left made none.
fn join(history: &[HistoryEntry], layers: &[DiffId]) -> Vec<HistoryStep> {
    let mut layers = layers.iter().cloned();
    let mut steps: Vec<HistoryStep> = history
        .iter()
        .map(|entry| HistoryStep {
            image: None,
            created: entry.created.as_deref().and_then(Timestamp::parse),
            created_by: entry.created_by.clone().unwrap_or_default(),
            comment: entry.comment.clone().unwrap_or_default(),
            layer: if entry.empty_layer { None } else { layers.next() },
            size: None,
        })
        .collect();
    steps.extend(layers.map(|layer| HistoryStep { layer: Some(layer), ..HistoryStep::default() }));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s55_steps_without_a_layer_have_none_and_layers_without_a_step_are_told() {
        let entry = |created_by: &str, empty_layer| HistoryEntry {
            created_by: Some(created_by.to_owned()),
            empty_layer,
            ..HistoryEntry::default()
        };
        let ids: Vec<DiffId> = ["1", "2", "3"].map(|text| DiffId(Digest::of(text.as_bytes()))).to_vec();
        let shown = |history: &[HistoryEntry], layers: usize| -> Vec<(String, Option<usize>)> {
            let steps = join(history, &ids[..layers]);
            let place = |step: &HistoryStep| ids.iter().position(|id| Some(id) == step.layer.as_ref());
            steps.iter().map(|step| (step.created_by.clone(), place(step))).collect()
        };
        let history = [entry("ADD", false), entry("ENV", true), entry("RUN", false)];
        let row = |text: &str, layer| (text.to_owned(), layer);
        assert_eq!(shown(&history, 2), [row("ADD", Some(0)), row("ENV", None), row("RUN", Some(1))]);
        assert_eq!(shown(&history, 3)[3], row("", Some(2)));
        assert_eq!(shown(&history, 1)[2], row("RUN", None));
        assert_eq!(shown(&[], 1), [row("", Some(0))]);
    }
}
