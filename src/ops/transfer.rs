//! One layer over a network: what an earlier attempt left, then what comes, unpacked on the way.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::install::Run;
use super::parallel::Check;
use super::tee::{Step, Tee};
use super::unpack::Job;
use crate::content::Ingest;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::Descriptor;
use crate::progress::Phase;
use crate::source::{Remote, Waiting};
use crate::store::Item;

/// Shows what will be done for each layer, and returns those that are not here.
pub(super) fn announce<'j>(run: &Run<'_>, jobs: Vec<Job<'j>>, workers: usize) -> Result<Vec<Job<'j>>> {
    let mut missing = Vec::new();
    for job in jobs {
        if job.is_here(run)? {
            take_over(run, &job)?;
            run.progress.phase(&job.task, Phase::AlreadyExists);
        } else {
            run.progress.phase(&job.task, Phase::PullingLayer);
            missing.push(job);
        }
    }
    for job in missing.iter().skip(workers) {
        run.progress.phase(&job.task, Phase::Waiting);
    }
    Ok(missing)
}

/// Keeps the blob of a layer that is here if its download is complete: whoever fetched it died before the image was
/// recorded.
fn take_over(run: &Run<'_>, job: &Job<'_>) -> Result<()> {
    let Descriptor { digest, size, .. } = job.blob;
    if run.store.kept_of(digest)? != *size || run.store.content().size_of(digest)?.is_some() {
        return Ok(());
    }
    // Who is alive does that when it records its image.
    if run.store.leased_by_others(&run.staging)?.contains(&Item::Blob(digest.clone())) {
        return Ok(());
    }
    let check = || run.cancel.check();
    let partial = run.store.partial(digest, *size, &check)?;
    if partial.kept != *size {
        drop(partial);
        return run.store.cut_partial(digest, 0);
    }
    let old = partial.kept_bytes().context(|| format!("partial download of {digest}"))?;
    let watch = |_| check();
    match Tee::new(Box::new(old), Ingest::resume(partial, digest, *size), &watch).finish() {
        Err(error) if error.kind() == ErrorKind::DigestMismatch => run.store.cut_partial(digest, 0),
        ingest => run.keep_blob(ingest?),
    }
}

/// Fetches and unpacks a layer; the caller has its lock. Content that does not match its digest is fetched again,
/// from the beginning if some of it was here, else from the next place.
pub(super) fn layer(run: &Run<'_>, remote: &dyn Remote, job: &Job<'_>, check: Check<'_>) -> Result<()> {
    let mut skip = 0;
    loop {
        let (kept, result) = attempt(run, remote, job, skip, check)?;
        match result {
            Err(error) if error.kind() == ErrorKind::DigestMismatch => {
                run.store.cut_partial(&job.blob.digest, 0)?;
                if kept == 0 {
                    skip += 1;
                }
                if skip >= remote.places() {
                    return Err(error);
                }
                tracing::debug!(target: "rootlay::registry", "{error}; begun anew");
            }
            result => return result,
        }
    }
}

/// One attempt, and how many bytes were here.
fn attempt(
    run: &Run<'_>,
    remote: &dyn Remote,
    job: &Job<'_>,
    skip: usize,
    check: Check<'_>,
) -> Result<(u64, Result<()>)> {
    let Job { blob, task, .. } = job;
    let content = run.store.content();
    let waited = AtomicBool::new(false);
    let retrying = |delay: Duration| {
        waited.store(true, Ordering::Relaxed);
        run.progress.phase(task, Phase::Retrying(delay));
    };
    let is_stored = || Ok::<_, Error>(content.size_of(&blob.digest)? == Some(blob.size));
    let mut stored = is_stored()?;
    let mut partial = None;
    if !stored {
        partial = Some(run.store.partial(&blob.digest, blob.size, check)?);
        // Whoever had it while this waited may have completed it.
        stored = is_stored()?;
    }
    let (kept, input, ingest): (u64, Box<dyn Read + Send>, Ingest) = if let Some(partial) = partial.filter(|_| !stored)
    {
        let kept = partial.kept;
        run.begin_transfer(&blob.digest, kept);
        let rest = remote.fetch(blob, kept, skip, Waiting { check, retrying: &retrying });
        let tried = || format!("partial download of {}", blob.digest);
        let old = partial.kept_bytes().context(tried)?;
        (kept, Box::new(old.chain(rest)), Ingest::resume(partial, &blob.digest, blob.size))
    } else {
        run.store.cut_partial(&blob.digest, 0)?;
        // Its layer was not made before the process ended, or was damaged and removed.
        let input = Box::new(content.open(&blob.digest)?);
        (blob.size, input, Ingest::stored(run.staging.dir(), &blob.digest, blob.size)?)
    };
    run.progress.phase(task, Phase::Downloading);
    if kept > 0 {
        run.progress.resumed(task, kept);
    }
    let old = AtomicU64::new(kept);
    let watch = |step| {
        match step {
            Step::Passed(bytes) => {
                let known =
                    old.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(old.saturating_sub(bytes)));
                let new = bytes.saturating_sub(known.unwrap_or_default());
                if new > 0 && waited.swap(false, Ordering::Relaxed) {
                    run.progress.phase(task, Phase::Downloading);
                }
                run.progress.advance(task, new);
            }
            Step::Whole => run.progress.phase(task, Phase::VerifyingChecksum),
            Step::Verified => {
                run.progress.phase(task, Phase::DownloadComplete);
                run.progress.phase(task, Phase::Extracting);
            }
        }
        check()
    };
    // Which entry was at hand when the network failed says nothing.
    let result = job.unpack(run, Tee::new(input, ingest, &watch), check).map_err(|error| match error.kind() {
        ErrorKind::Refused | ErrorKind::NoSpace | ErrorKind::Failed => error,
        _ => error.innermost(),
    });
    if result.is_ok() {
        run.progress.phase(task, Phase::PullComplete);
    } else if stored && result.as_ref().is_err_and(|error| error.kind() == ErrorKind::DigestMismatch) {
        content.remove_damaged(&blob.digest)?;
    }
    Ok((kept, result))
}
