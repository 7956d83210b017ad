//! Several pieces of one piece of work at once. The first that fails stops the others.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::cancel::Cancel;
use crate::chunks::spawn;
use crate::error::{Error, ErrorKind, Result};

/// Whether a thread may go on: neither cancelled nor stopped by another one.
pub(super) type Check<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// What a thread returns that stops because another one has failed: no signal has this number.
const STOPPED: ErrorKind = ErrorKind::Interrupted(0);

/// Does each job in order, at most `workers` at once.
///
/// # Errors
/// Of several the one of the job that comes first.
pub(super) fn each<T: Sync>(
    jobs: &[T],
    workers: usize,
    cancel: &Cancel,
    work: impl Fn(&T, Check<'_>) -> Result<()> + Sync,
) -> Result<()> {
    in_order(jobs, &(0..jobs.len()).collect::<Vec<_>>(), workers, cancel, work)
}

/// The same, the largest job first: so the last ones to be done are small, and end together.
pub(super) fn largest_first<T: Sync>(
    jobs: &[T],
    size: impl Fn(&T) -> u64,
    workers: usize,
    cancel: &Cancel,
    work: impl Fn(&T, Check<'_>) -> Result<()> + Sync,
) -> Result<()> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&number| Reverse(size(&jobs[number])));
    in_order(jobs, &order, workers, cancel, work)
}

fn in_order<T: Sync>(
    jobs: &[T],
    order: &[usize],
    workers: usize,
    cancel: &Cancel,
    work: impl Fn(&T, Check<'_>) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let first: Mutex<Option<(usize, Error)>> = Mutex::default();
    let check = || {
        cancel.check()?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(STOPPED, "another one failed"));
        }
        Ok(())
    };
    let worker = || {
        loop {
            let turn = next.fetch_add(1, Ordering::SeqCst);
            let Some(&number) = order.get(turn).filter(|_| !stop.load(Ordering::SeqCst)) else { return };
            let Err(error) = work(&jobs[number], &check) else { continue };
            stop.store(true, Ordering::SeqCst);
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            if error.kind() != STOPPED && first.as_ref().is_none_or(|(lowest, _)| number < *lowest) {
                *first = Some((number, error));
            }
        }
    };
    thread::scope(|scope| {
        // This thread is one of them; there may be as many others as the system allows.
        for _ in 1..workers.min(jobs.len()) {
            if spawn(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stops_the_others_and_is_told() {
        let begun = AtomicUsize::new(0);
        let jobs: Vec<usize> = (0..1000).collect();
        let error = each(&jobs, 4, &Cancel::new(), |&job, check| {
            begun.fetch_add(1, Ordering::SeqCst);
            let waits = job < 3;
            loop {
                check()?;
                if !waits {
                    break;
                }
                thread::yield_now();
            }
            Err(Error::refused(format!("job {job}")))
        });
        assert_eq!(error.unwrap_err().to_string(), "job 3");
        assert!(begun.into_inner() <= 4);
    }

    #[test]
    fn every_job_is_done_once() {
        let done = Mutex::new(Vec::new());
        each(&[1, 2, 3, 4, 5], 2, &Cancel::new(), |&job, _| {
            done.lock().unwrap().push(job);
            Ok(())
        })
        .unwrap();
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_largest_job_is_begun_first_and_the_first_failure_told() {
        let begun = Mutex::new(Vec::new());
        let error = largest_first(
            &[1, 3, 2, 3],
            |&size| size,
            1,
            &Cancel::new(),
            |&size, _| {
                begun.lock().unwrap().push(size);
                if size == 2 { Err(Error::refused("two")) } else { Ok(()) }
            },
        );
        assert_eq!(error.unwrap_err().to_string(), "two");
        assert_eq!(begun.into_inner().unwrap(), [3, 3, 2]);
    }
}
