//! What load and import share: from documents and a source of blobs to an image that is recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::lowers::{self, Workspace};
use super::{Jobs, Limits, Oddities, Privileges, Rootlay, unpack};
use crate::cancel::Cancel;
use crate::content::{Ingest, Ready};
use crate::error::{Error, ErrorKind, Result};
use crate::layer::LayerIndex;
use crate::oci::{ChainId, Descriptor, DiffId, Digest, ImageConfig, MAX_DOCUMENT, Manifest, Reference};
use crate::progress::Progress;
use crate::source::{Resolved, Source};
use crate::store::{self, Installed, Item, Keep, Kind, ManifestRecord, Staging, Store};

/// How many images are recorded together at first. Each time all records are read and everything is synced, so it is twice
/// as many the next time: then no image costs more the more there are.
const TOGETHER: usize = 100;

/// The most images that are recorded together: so many are lost at once, and others wait for so many records.
const MOST_TOGETHER: usize = 400;

/// How long the documents of the images may be that are recorded together: their records are about as long.
const MOST_DOCUMENTS: usize = 16 << 20;

/// How many bytes of blobs and layers are recorded at once: large images do not wait for others.
const MANY_BYTES: u64 = 64 << 20;

/// One run that brings images in: its staging directory, its lease, and what it has committed.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub store: &'a Store,
    pub staging: Staging<'a>,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
    pub limits: Limits,
    pub oddities: Oddities,
    /// How many layers at once are fetched over a network.
    pub jobs: Jobs,
    /// How many layers at once are unpacked, and how many threads create the files of one.
    pub threads: NonZero<usize>,
    /// What records named when this was looked up last, and what those of `ready` will name.
    pub named: Keep,
    /// Images that have everything but a record.
    ready: Vec<Installed>,
    /// How long their documents are.
    documents: usize,
    /// How many of them are recorded together.
    together: usize,
    committed: Mutex<BTreeSet<Item>>,
    /// Blobs that get their names when everything is durable.
    blobs: Mutex<BTreeMap<Digest, Ready>>,
    /// The disk does not have what was written.
    lost: AtomicBool,
    /// Downloads that were begun or went on, and how many bytes of them were here.
    transfers: Mutex<BTreeMap<Digest, u64>>,
    tasks: AtomicUsize,
    /// How many bytes of blobs and layers came since images were recorded last.
    brought: AtomicU64,
    /// Of the layers that were unpacked just now: the correction of their stack needs them.
    indexes: Mutex<HashMap<DiffId, LayerIndex>>,
}

/// An image whose documents are verified.
#[derive(Debug)]
pub(super) struct NewImage<'a> {
    /// The descriptor of the manifest.
    pub descriptor: &'a Descriptor,
    pub manifest: &'a Manifest,
    pub config: &'a ImageConfig,
    /// Every document with its digest: the indexes from the outermost on, then manifest and config.
    pub indexes: Vec<(&'a Digest, &'a [u8])>,
    pub documents: Vec<(&'a Digest, &'a [u8])>,
    pub names: Vec<Reference>,
    pub origin: String,
}

/// Whether what is here of an image is worth keeping: it is as good as it was, and the rest may come the next time. After an
/// error of the disk it may not be as good.
fn leaves_what_came(kind: ErrorKind) -> bool {
    use ErrorKind::{Authentication, Interrupted, NotInRegistry, RateLimited, Unreachable};
    matches!(kind, Interrupted(_) | Unreachable | Authentication | NotInRegistry | RateLimited)
}

impl<'a> Run<'a> {
    pub fn begin(rootlay: &'a Rootlay, limits: Limits, oddities: Oddities) -> Result<Self> {
        Privileges::UNPACK.check()?;
        let staging = rootlay.store.stage()?;
        crate::mount::check_storage(staging.dir())?;
        Ok(Self {
            store: &rootlay.store,
            staging,
            progress: &*rootlay.progress,
            cancel: &rootlay.cancel,
            limits,
            oddities,
            jobs: None,
            threads: rootlay.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN),
            named: Keep::default(),
            ready: Vec::new(),
            documents: 0,
            together: TOGETHER,
            committed: Mutex::default(),
            blobs: Mutex::default(),
            lost: AtomicBool::new(false),
            transfers: Mutex::default(),
            tasks: AtomicUsize::new(0),
            brought: AtomicU64::new(0),
            indexes: Mutex::default(),
        })
    }

    /// Runs `work`. If that fails, what it committed goes again, unless something else names or leases it. After an
    /// interruption, and where the network failed, verified layers and downloads stay for the next attempt. If the disk
    /// did not take what was written, everything goes that nothing names: in memory it looks right.
    pub fn carry_out<T>(mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let result = work(&mut self);
        let lost = self.lost.load(Ordering::Relaxed);
        if let Err(error) = &result
            && (lost || !leaves_what_came(error.kind()))
        {
            if let Err(error) = self.cut_transfers() {
                tracing::debug!(%error, "what a failed run downloaded stays");
            }
            let committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
            let discarded = if lost {
                self.store.discard_unnamed(&self.staging)
            } else {
                self.store.discard(&self.staging, &committed)
            };
            if let Err(error) = discarded {
                tracing::debug!(%error, "what a failed run committed stays");
            }
        }
        result
    }

    /// Makes the downloads of this run as short as they were before it, unless somebody else relies on them now.
    fn cut_transfers(&self) -> Result<()> {
        let transfers = std::mem::take(&mut *self.transfers.lock().unwrap_or_else(PoisonError::into_inner));
        if transfers.is_empty() {
            return Ok(());
        }
        let leased = self.store.leased_by_others(&self.staging)?;
        for (blob, kept) in transfers {
            if !leased.contains(&Item::Blob(blob.clone())) {
                self.store.cut_partial(&blob, kept)?;
            }
        }
        Ok(())
    }

    pub fn next_task(&self) -> usize {
        self.tasks.fetch_add(1, Ordering::Relaxed)
    }

    /// Renames a directory of the staging directory into its place.
    pub fn commit(&self, draft: &str, item: Item) -> Result<()> {
        if self.named.contains(&item) {
            // It was lost, and is believed as soon as it is there.
            self.sync()?;
        }
        if let Item::Dir(kind, digest) = &item
            && self.store.commit(&self.staging, draft, *kind, digest)?
        {
            self.remember(item);
        }
        Ok(())
    }

    /// Keeps a verified blob, which gets its name when everything is durable.
    pub fn keep_blob(&self, ingest: Ingest) -> Result<()> {
        let blob = ingest.ready()?.map(|blob| (blob.digest.clone(), blob));
        self.brought.fetch_add(blob.as_ref().map_or(0, |(_, blob)| blob.size), Ordering::Relaxed);
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).extend(blob);
        Ok(())
    }

    /// Whether a blob is stored, or was brought for an image that is not recorded yet.
    pub fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool> {
        if self.waits(digest) {
            return Ok(true);
        }
        let content = self.store.content();
        // Older versions gave blobs their names before they were on the disk.
        let is_right =
            || self.named.contains(&Item::Blob(digest.clone())) || matches!(content.is_damaged(digest), Ok(false));
        Ok(content.size_of(digest)? == Some(size) && is_right())
    }

    fn waits(&self, blob: &Digest) -> bool {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).contains_key(blob)
    }

    /// Gives blobs that are on the disk their names.
    fn name_blobs(&self, blobs: BTreeMap<Digest, Ready>) -> Result<()> {
        for blob in blobs.into_values() {
            let item = Item::Blob(blob.digest.clone());
            let known = self.store.content().size_of(&blob.digest).is_ok_and(|size| size.is_some());
            if self.store.name_blob(&self.staging, &blob)? && !known {
                self.remember(item);
            }
        }
        Ok(())
    }

    /// Remembers how much of a download was here before this run.
    pub fn begin_transfer(&self, blob: &Digest, kept: u64) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.entry(blob.clone()).or_insert(kept);
    }

    /// Keeps the index of a layer until the image is recorded.
    pub fn remember_index(&self, index: LayerIndex) {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        self.brought.fetch_add(index.summary.bytes, Ordering::Relaxed);
        indexes.insert(index.summary.diff_id.clone(), index);
    }

    /// Makes everything durable that the image needs.
    fn sync(&self) -> Result<()> {
        if self.lost.load(Ordering::Relaxed) {
            // The blobs that waited then never got their names.
            return Err(Error::new(ErrorKind::Failed, "a sync failed before: nothing more is recorded"));
        }
        // Those that other threads keep from here on may not be on the disk.
        let mut blobs = std::mem::take(&mut *self.blobs.lock().unwrap_or_else(PoisonError::into_inner));
        let name = || self.name_blobs(std::mem::take(&mut blobs));
        let result = self.store.sync_and_name(self.cancel, name).and_then(|()| self.staging.is_trusted());
        if result.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Interrupted(_))) {
            // It waited for others: nothing has happened.
            self.blobs.lock().unwrap_or_else(PoisonError::into_inner).append(&mut blobs);
        } else {
            self.lost.fetch_or(result.is_err(), Ordering::Relaxed);
        }
        result
    }

    fn remember(&self, item: Item) {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
    }

    /// Stores a document.
    fn document(&self, digest: &Digest, content: &[u8]) -> Result<()> {
        if self.waits(digest) || self.store.content().read(digest, MAX_DOCUMENT).is_ok() {
            return Ok(());
        }
        let mut ingest = Ingest::new(self.staging.dir(), digest, content.len() as u64)?;
        ingest.write_all(content)?;
        self.keep_blob(ingest)
    }

    /// Brings one image in and records it; without a source its layers are here already. Its ID is the digest of
    /// its config.
    pub fn image(&mut self, source: Option<&dyn Source>, image: &NewImage<'_>) -> Result<Digest> {
        let id = self.bring(source, image)?;
        self.cancel.check()?;
        self.record()?;
        Ok(id)
    }

    /// Brings one image in; it is recorded with others, and with [`Run::record`] at the latest.
    pub fn bring(&mut self, source: Option<&dyn Source>, image: &NewImage<'_>) -> Result<Digest> {
        let NewImage { manifest, config, .. } = image;
        let layers: Vec<(&Descriptor, &DiffId)> = manifest.layers.iter().zip(&config.diff_ids).collect();
        self.staging.rely_on(
            layers
                .iter()
                .flat_map(|(blob, id)| [Item::Dir(Kind::Layer, id.0.clone()), Item::Blob(blob.digest.clone())])
                .chain(image.all_documents().map(|(digest, _)| Item::Blob(digest.clone())))
                .chain(ChainId::of(&config.diff_ids).map(|chain| Item::Dir(Kind::Correction, chain.0))),
        )?;
        if self.ready.is_empty() {
            self.named = self.store.named()?;
        }
        if let Some(source) = source {
            unpack::layers(self, source, &layers)?;
        }
        self.cancel.check()?;
        for (digest, content) in image.all_documents() {
            self.document(digest, content)?;
        }
        let installed = self.complete(image)?;
        self.documents += image.all_documents().map(|(_, content)| content.len()).sum::<usize>();
        let id = installed.id.clone();
        self.named.add(&installed);
        self.ready.push(installed);
        if self.ready.len() >= self.together {
            self.record()?;
            self.together = (2 * self.together).min(MOST_TOGETHER);
        } else if self.brought.load(Ordering::Relaxed) >= MANY_BYTES || self.documents >= MOST_DOCUMENTS {
            self.record()?;
        }
        Ok(id)
    }

    /// Makes everything durable that the images need which are ready, and records them, all or none.
    pub fn record(&mut self) -> Result<()> {
        if self.ready.is_empty() {
            return Ok(());
        }
        // What has come is recorded, however long that takes.
        let _held = self.cancel.hold();
        self.sync()?;
        self.brought.store(0, Ordering::Relaxed);
        self.documents = 0;
        self.store.install(&self.staging, std::mem::take(&mut self.ready))
    }

    /// Makes what the layers of an image need besides themselves.
    fn complete(&self, image: &NewImage<'_>) -> Result<Installed> {
        let NewImage { descriptor, manifest, config, names, origin, .. } = image;
        let stack = &config.diff_ids;
        let workspace =
            Workspace { store: self.store, staging: &self.staging, cancel: self.cancel, named: &self.named };
        let indexes = std::mem::take(&mut *self.indexes.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some((chain, true)) = workspace.correction(stack, indexes)?.map(|made| (made.chain, made.new)) {
            self.remember(Item::Dir(Kind::Correction, chain.0));
        }
        let size = lowers::size(&workspace, stack)?;
        Ok(Installed {
            id: manifest.config.digest.clone(),
            platform: config.platform(),
            diff_ids: stack.clone(),
            created: config.created.clone(),
            size,
            manifest: ManifestRecord {
                media_type: descriptor.media_type.clone(),
                digest: descriptor.digest.clone(),
                size: descriptor.size,
                indexes: image.indexes.iter().map(|(digest, _)| (*digest).clone()).collect(),
                layers: manifest.layers.iter().map(|layer| layer.digest.clone()).collect(),
                origin: origin.clone(),
                added: store::now(),
            },
            names: names.clone(),
        })
    }
}

impl<'a> NewImage<'a> {
    /// The image that was found in a source.
    pub fn of(resolved: &'a Resolved, names: Vec<Reference>, origin: String) -> Self {
        let index = resolved.index.iter().chain(&resolved.nested);
        Self {
            descriptor: &resolved.manifest_descriptor,
            manifest: &resolved.manifest,
            config: &resolved.config,
            indexes: index.map(|(descriptor, bytes)| (&descriptor.digest, bytes.as_slice())).collect(),
            documents: vec![
                (&resolved.manifest_descriptor.digest, resolved.manifest_bytes.as_slice()),
                (&resolved.manifest.config.digest, resolved.config_bytes.as_slice()),
            ],
            names,
            origin,
        }
    }

    fn all_documents(&self) -> impl Iterator<Item = (&Digest, &[u8])> {
        self.indexes.iter().chain(&self.documents).copied()
    }
}
