//! Usage: what the state root takes on disk, and what removal would free.

use std::collections::{BTreeMap, BTreeSet};

use super::liveness::Live;
use super::{Access, ImageName, Rootlay, images};
use crate::error::Result;
use crate::oci::{DiffId, Digest, Timestamp};
use crate::store::{Row, View};

/// What the things of one kind take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// What they are called: `Images`.
    pub kind: &'static str,
    /// How many there are.
    pub count: usize,
    /// How many are in use: by views, or, of views, mounted.
    pub active: usize,
    /// The bytes that they take on disk.
    pub bytes: u64,
    /// The bytes that would be free without those that are not in use.
    pub reclaimable: u64,
}

/// What an image takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDisk {
    /// Its ID.
    pub id: Digest,
    /// Its names.
    pub names: Vec<ImageName>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// What goes when it goes.
    pub unique: u64,
    /// What other images have as well.
    pub shared: u64,
    /// How many views there are of it.
    pub views: usize,
}

/// What an unpacked layer takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerDisk {
    /// The digest of its tar.
    pub id: DiffId,
    /// The bytes on disk.
    pub bytes: u64,
    /// How many images have it.
    pub images: usize,
}

/// What was written to a view takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDisk {
    /// Its name.
    pub name: String,
    /// The image as it was named when it was mounted; empty where the record cannot be read.
    pub image: String,
    /// Whether it can be written to.
    pub access: Access,
    /// Whether it is mounted.
    pub mounted: bool,
    /// The bytes on disk.
    pub bytes: u64,
}

/// What the state root takes, every block once: the shares add up to what `du` says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskUsage {
    /// Images (their records), layers with what was made of them, blobs, views, and the rest.
    pub shares: Vec<Share>,
    /// Each image.
    pub images: Vec<ImageDisk>,
    /// Each layer.
    pub layers: Vec<LayerDisk>,
    /// Each view.
    pub views: Vec<ViewDisk>,
}

impl Rootlay {
    /// Looks at every file of the state root.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let catalog = self.store.catalog()?;
        let all_views = self.store.views()?;
        let live = Live::now()?;
        let usage = self.store.usage()?;
        let records = || all_views.iter().filter_map(View::record);
        let used: BTreeSet<&Digest> = records().map(|view| &view.image_id).collect();
        let [mut image_row, mut view_row] = [Row::default(); 2];
        for (id, &bytes) in &usage.records {
            image_row.add(bytes, used.contains(id));
        }
        let mut views = Vec::new();
        for (name, &bytes) in &usage.views {
            let record = records().find(|view| view.name == *name);
            let mounted = record.map_or_else(
                || live.shows_broken(&self.store, name),
                |record| !live.mounts(&self.store, record).is_empty(),
            );
            view_row.add(bytes, mounted);
            views.push(ViewDisk {
                name: name.clone(),
                image: record.map(|record| record.image.clone()).unwrap_or_default(),
                access: record.map_or(Access::Writable, |record| record.access),
                mounted,
                bytes,
            });
        }
        let in_use = catalog.images.iter().filter(|image| used.contains(&image.id));
        let [layer_row, blob_row] = usage.layers_and_blobs(in_use, records());
        let partial = usage.partial;
        let rest = Row { bytes: usage.rest + partial, reclaimable: partial, ..Row::default() };
        let share = |kind, row: Row| Share {
            kind,
            count: row.count,
            active: row.active,
            bytes: row.bytes,
            reclaimable: row.reclaimable,
        };
        let images = catalog.images.iter().zip(usage.of_images(&catalog)).map(|(image, bytes)| ImageDisk {
            id: image.id.clone(),
            names: images::names(image, image.names.iter()),
            created: image.created.as_deref().and_then(Timestamp::parse),
            unique: bytes.unique,
            shared: bytes.shared,
            views: records().filter(|view| view.image_id == image.id).count(),
        });
        let mut users: BTreeMap<&DiffId, usize> = BTreeMap::new();
        for image in &catalog.images {
            for id in image.diff_ids.iter().collect::<BTreeSet<_>>() {
                *users.entry(id).or_default() += 1;
            }
        }
        let layers = users
            .into_iter()
            .filter_map(|(id, images)| Some(LayerDisk { id: id.clone(), bytes: usage.of_layer(id)?, images }));
        Ok(DiskUsage {
            shares: vec![
                share("Images", image_row),
                share("Layers", layer_row),
                share("Blobs", blob_row),
                share("Views", view_row),
                share("Other", rest),
            ],
            images: images.collect(),
            layers: layers.collect(),
            views,
        })
    }
}
