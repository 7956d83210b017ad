//! The layers of an image, each from its blob to its place in the store, several at a time.

use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::install::Run;
use super::parallel::{self, Check};
use super::tee::{Step, Tee};
use super::transfer;
use crate::compression::Compression;
use crate::content::Ingest;
use crate::error::{Context, Error, Result};
use crate::layer::{self, Claims, LayerIndex, UnpackOptions, Unpacked};
use crate::oci::media_type::is_foreign_layer;
use crate::oci::{Descriptor, DiffId, Digest};
use crate::progress::{Phase, Task};
use crate::source::Source;
use crate::store::{self, Found, Item, Kind, LayerLock};
use crate::sys::dir::Dir;

/// How many layers are fetched at once, however few cores there are.
const LEAST_TRANSFERS: usize = 4;

/// How many threads create files of one layer beside the one that reads it, however many cores there are: the kernel
/// takes new names of one directory one after the other.
const MOST_CREW: usize = 4;

/// One layer that has to be here.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// Its place in the image, from 1.
    number: usize,
    pub blob: &'a Descriptor,
    diff_id: &'a DiffId,
    pub task: Task,
}

/// Makes sure that each layer is unpacked and its blob stored. `layers` are base first; a repeated one counts once.
pub(super) fn layers(run: &Run<'_>, source: &dyn Source, layers: &[(&Descriptor, &DiffId)]) -> Result<()> {
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for (index, &(blob, diff_id)) in layers.iter().enumerate() {
        // The same layer twice is legal and common; two blobs of one layer are both stored.
        if jobs.iter().any(|job| job.diff_id == diff_id && job.blob.digest == blob.digest) {
            continue;
        }
        let task = Task { id: run.next_task(), label: blob.digest.short().to_owned(), total: Some(blob.size) };
        jobs.push(Job { number: index + 1, blob, diff_id, task });
    }
    let workers = workers(run, source);
    let work = |job: &Job<'_>, check: Check<'_>| {
        let tried = || format!("layer {} ({})", job.number, job.blob.digest);
        job.carry_out(run, source, check).context(tried)
    };
    if source.remote().is_some() {
        jobs = transfer::announce(run, jobs, workers)?;
        return parallel::each(&jobs, workers, run.cancel, work);
    }
    check_complete(run, source, &jobs)?;
    parallel::largest_first(&jobs, |job| job.blob.size, workers, run.cancel, work)
}

/// Each layer has to be here or in the source: an archive may have left out those of a base image. Says which are not,
/// before anything is unpacked. A foreign layer gets an error of its own.
fn check_complete(run: &Run<'_>, source: &dyn Source, jobs: &[Job<'_>]) -> Result<()> {
    let mut missing = Vec::new();
    for Job { blob, diff_id, .. } in jobs.iter().filter(|job| !is_foreign_layer(&job.blob.media_type)) {
        let known = missing.iter().any(|(digest, _)| *digest == &blob.digest);
        if !known && !source.has_blob(blob)? && !is_here(run, diff_id)? {
            missing.push((&blob.digest, *diff_id));
        }
    }
    let each = |(digest, diff_id): &(&Digest, &DiffId)| format!("blob {digest} (diff ID {diff_id})");
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(Error::refused(format!("the layer is neither here nor in the source: {}", each(one)))),
        all => {
            let all: Vec<String> = all.iter().map(each).collect();
            let message = format!("{} layers are neither here nor in the source: {}", all.len(), all.join(", "));
            Err(Error::refused(message))
        }
    }
}

/// Whether a layer is unpacked already. What is left of an earlier boot is taken away.
fn is_here(run: &Run<'_>, diff_id: &DiffId) -> Result<bool> {
    match run.store.find(Kind::Layer, &diff_id.0, &run.named)? {
        Found::Usable(_) => return Ok(true),
        Found::Stale => run.store.discard_stale(&run.staging, Kind::Layer, &diff_id.0)?,
        Found::Missing => {}
    }
    Ok(false)
}

/// How many layers at once. Those that come over a network wait for it most of the time.
fn workers(run: &Run<'_>, source: &dyn Source) -> usize {
    let threads = run.threads.get();
    match (run.jobs, source.remote()) {
        (Some(jobs), _) => jobs.get(),
        (None, Some(_)) => threads.max(LEAST_TRANSFERS),
        (None, None) => threads,
    }
}

impl Job<'_> {
    /// Whether the layer is unpacked already. What is left of an earlier boot is taken away.
    pub(super) fn is_here(&self, run: &Run<'_>) -> Result<bool> {
        is_here(run, self.diff_id)
    }

    fn carry_out(&self, run: &Run<'_>, source: &dyn Source, check: Check<'_>) -> Result<()> {
        let lock = self.lock(run, check)?;
        let is_here = self.is_here(run)?;
        if let Some(remote) = source.remote() {
            // The blob of a layer that is here need not be.
            if !is_here {
                return transfer::layer(run, remote, self, check);
            }
            run.progress.phase(&self.task, Phase::AlreadyExists);
            return Ok(());
        }
        if is_here {
            drop(lock);
            run.progress.phase(&self.task, Phase::AlreadyExists);
            return self.store_blob(run, source, check);
        }
        run.progress.phase(&self.task, Phase::Extracting);
        let watch = |step| {
            if let Step::Passed(bytes) = step {
                run.progress.advance(&self.task, bytes);
            }
            check()
        };
        self.unpack(run, Tee::new(source.open_blob(self.blob)?, self.ingest(run)?, &watch), check)?;
        drop(lock);
        run.progress.phase(&self.task, Phase::Complete);
        Ok(())
    }

    /// Keeps others from unpacking the same layer. Whoever has to wait for that is shown waiting.
    fn lock(&self, run: &Run<'_>, check: Check<'_>) -> Result<LayerLock> {
        let asked = AtomicUsize::new(0);
        run.store.lock_layer(self.diff_id, &|| {
            if asked.fetch_add(1, Ordering::Relaxed) == 1 {
                run.progress.phase(&self.task, Phase::Waiting);
            }
            check()
        })
    }

    /// Unpacks what passes through `tee`, and puts blob and layer in their places.
    pub(super) fn unpack(&self, run: &Run<'_>, tee: Tee<'_>, check: Check<'_>) -> Result<()> {
        let claims = Claims { diff_id: Some(self.diff_id), blob: Some(&self.blob.digest) };
        let new = unpack_into_place(run, tee, &claims, check, |ingest| run.keep_blob(ingest))?;
        // The bytes decide (row 116).
        if !new.compression.fits(&self.blob.media_type) {
            run.progress.warning(&format!(
                "layer {} ({}): media type {}, but the bytes are {}",
                self.number, self.blob.digest, self.blob.media_type, new.compression
            ));
        }
        Ok(())
    }

    fn ingest(&self, run: &Run<'_>) -> Result<Ingest> {
        Ingest::new(run.staging.dir(), &self.blob.digest, self.blob.size)
    }

    /// Stores the blob of a layer that is unpacked already, if the source has it.
    fn store_blob(&self, run: &Run<'_>, source: &dyn Source, check: Check<'_>) -> Result<()> {
        if run.has_blob(&self.blob.digest, self.blob.size)? || !source.has_blob(self.blob)? {
            return Ok(());
        }
        let watch = |_| check();
        let ingest = Tee::new(source.open_blob(self.blob)?, self.ingest(run)?, &watch).finish()?;
        run.keep_blob(ingest)
    }
}

/// What is known of a layer that was just unpacked.
#[derive(Debug)]
pub(super) struct NewLayer {
    pub diff_id: DiffId,
    pub compression: Compression,
}

/// Unpacks a blob and renames the layer into its place; `keep` gets the verified blob before that. `blob` is the
/// digest that `tee` verifies.
///
/// With an expected diff ID the caller holds the lock of the layer. Without one the layer may turn out to be here.
pub(super) fn unpack_into_place(
    run: &Run<'_>,
    tee: Tee<'_>,
    claims: &Claims<'_>,
    check: Check<'_>,
    keep: impl FnOnce(Ingest) -> Result<()>,
) -> Result<NewLayer> {
    let (draft, dir) = run.staging.new_dir("layer", 0o700)?;
    let diff = store::part(&dir, "diff", 0o755)?;
    let warn = |message: &str| run.progress.warning(message);
    let options = UnpackOptions {
        limits: run.limits.clone(),
        oddities: run.oddities,
        crew: (run.threads.get() - 1).min(MOST_CREW),
        check,
        warn: &warn,
    };
    let passed = tee.pass(|blob| layer::unpack(blob, &diff, &dir, claims, &options));
    let (Unpacked { index, compression }, ingest) = match passed {
        Ok(passed) => passed,
        Err(error) => {
            // What cannot be removed now goes with the staging directory.
            let _ = run.staging.dir().remove_tree(draft.as_bytes());
            return Err(error);
        }
    };
    keep(ingest)?;
    write_index(&dir, &index).context(|| "write layer.json".to_owned())?;
    let diff_id = index.summary.diff_id.clone();
    drop((diff, dir));
    if claims.diff_id.is_none() {
        // Nobody could lease it by a name that was not known.
        run.staging.rely_on([Item::Dir(Kind::Layer, diff_id.0.clone())])?;
        run.store.discard_stale(&run.staging, Kind::Layer, &diff_id.0)?;
    }
    run.commit(&draft, Item::Dir(Kind::Layer, diff_id.0.clone()))?;
    run.remember_index(index);
    Ok(NewLayer { diff_id, compression })
}

/// Writes the record of a layer beside its diff directory.
pub(super) fn write_index(dir: &Dir, index: &LayerIndex) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, dir.create_file(b"layer.json", 0o600)?);
    index.write_to(&mut file)?;
    Ok(file.flush()?)
}
