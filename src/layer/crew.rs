//! Threads that create small files while another one reads the archive.
//!
//! Order between entries is kept by whoever hands the files over: nothing is at the path of a file when it is handed
//! over, its directory is there, and whatever touches the file later waits for it first ([`Crew::wait_for`]).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};

use super::batch::{Batch, NewFile};
use super::files::Files;
use crate::error::{Error, ErrorKind, Result};

/// How many batches wait for a thread before the one that reads creates files itself.
const QUEUE: usize = 4;

/// The threads, and what they have to do. They end with the scope.
pub struct Crew<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    files: Files<'env>,
    /// How many threads there may be.
    most: usize,
    started: usize,
    /// What is not handed over yet.
    batch: Batch,
    board: Arc<Board>,
}

/// What the threads know of each other.
#[derive(Debug, Default)]
struct Board {
    state: Mutex<State>,
    /// There is something to do, or nothing more will come.
    to_do: Condvar,
    /// A batch is done.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Batch>,
    /// The first record of each batch that is not done.
    open: BTreeSet<u32>,
    /// The file that failed, of several the first in the archive.
    failure: Option<(u32, Error)>,
    ended: bool,
    /// How many threads have nothing to do: a call that wakes nobody costs as much as one that does.
    idle: usize,
    /// Whether anyone waits for batches to be done.
    awaited: bool,
}

impl<'scope, 'env> Crew<'scope, 'env> {
    /// A crew of at most `most` threads; without any, files are created by the thread that adds them.
    pub fn new(scope: &'scope Scope<'scope, 'env>, files: Files<'env>, most: usize) -> Self {
        Self { scope, files, most, started: 0, batch: Batch::default(), board: Arc::default() }
    }

    /// Creates a file, sooner or later.
    ///
    /// # Errors
    /// When an earlier file could not be created: [`Crew::failure`] tells which.
    pub fn add(&mut self, file: NewFile<'_>) -> Result<()> {
        if self.batch.is_full_for(&file) {
            self.hand_over()?;
        }
        self.batch.add(file);
        Ok(())
    }

    /// Waits until the file of this record is there, if it was added.
    pub fn wait_for(&mut self, record: u32) -> Result<()> {
        if self.batch.first().is_some_and(|first| first <= record) {
            self.run_here()?;
        }
        let state = self.board.lock();
        let state = self.board.wait_while(state, |state| {
            state.open.first().is_some_and(|&first| first <= record) && state.failure.is_none()
        });
        if state.failure.is_some() { Err(failed()) } else { Ok(()) }
    }

    /// Waits until all files are there.
    pub fn wait_for_all(&mut self) -> Result<()> {
        self.wait_for(u32::MAX)
    }

    /// The file that could not be created, by its record. All that was handed over before it is done.
    pub fn failure(&mut self) -> Option<(u32, Error)> {
        let state = self.board.lock();
        self.board.wait_while(state, |state| !state.open.is_empty()).failure.take()
    }

    fn hand_over(&mut self) -> Result<()> {
        if self.most == 0 {
            return self.run_here();
        }
        let Some(first) = self.batch.first() else { return Ok(()) };
        let mut state = self.board.lock();
        if state.failure.is_some() {
            return Err(failed());
        }
        // Whoever would have to wait for a thread does the work instead.
        if state.queue.len() >= QUEUE {
            drop(state);
            return self.run_here();
        }
        state.open.insert(first);
        state.queue.push_back(std::mem::take(&mut self.batch));
        let (idle, waiting) = (state.idle, state.queue.len());
        drop(state);
        if idle > 0 {
            self.board.to_do.notify_one();
        }
        if self.started == 0 || waiting > 1 && self.started < self.most {
            let (board, files) = (Arc::clone(&self.board), self.files);
            match Builder::new().spawn_scoped(self.scope, move || board.work(files)) {
                Ok(_) => self.started += 1,
                // There may be as many as the system allows: those that there are do it, or this one does.
                Err(_) if self.started == 0 => {
                    self.most = 0;
                    self.board.lock().ended = true;
                    self.board.work(self.files);
                }
                Err(_) => self.most = self.started,
            }
        }
        Ok(())
    }

    fn run_here(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if let Err(failure) = batch.create(self.files) {
            self.board.lock().fail(failure);
            return Err(failed());
        }
        Ok(())
    }
}

fn failed() -> Error {
    Error::new(ErrorKind::Failed, "an earlier file could not be created")
}

impl Drop for Crew<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.board.lock();
        state.ended = true;
        state.queue.clear();
        drop(state);
        self.board.to_do.notify_all();
    }
}

impl State {
    fn fail(&mut self, failure: (u32, Error)) {
        if self.failure.as_ref().is_none_or(|(first, _)| failure.0 < *first) {
            self.failure = Some(failure);
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `busy` and a batch is not done.
    fn wait_while<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        busy: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        while busy(&state) {
            state.awaited = true;
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.awaited = false;
        state
    }

    fn work(&self, files: Files<'_>) {
        let mut state = self.lock();
        loop {
            let Some(batch) = state.queue.pop_front() else {
                if state.ended {
                    return;
                }
                state.idle += 1;
                state = self.to_do.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            let first = batch.first().unwrap_or_default();
            // What comes after a failure is of no use; what comes before it may fail earlier.
            let wanted = state.failure.as_ref().is_none_or(|(failed, _)| first < *failed);
            drop(state);
            let mut turn = Turn { board: self, first, result: Err((first, died())) };
            turn.result = if wanted { batch.create(files) } else { Ok(()) };
            // The chunk goes back before anyone is told.
            drop(batch);
            drop(turn);
            state = self.lock();
        }
    }
}

/// A batch that is being worked on. Whatever becomes of the thread, those who wait for the batch are told.
struct Turn<'a> {
    board: &'a Board,
    first: u32,
    result: Result<(), (u32, Error)>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.board.lock();
        state.open.remove(&self.first);
        if let Err(failure) = std::mem::replace(&mut self.result, Ok(())) {
            state.fail(failure);
        }
        let awaited = state.awaited;
        drop(state);
        if awaited {
            self.board.done.notify_all();
        }
    }
}

fn died() -> Error {
    Error::new(ErrorKind::Failed, "a thread that creates files died")
}

#[cfg(test)]
mod tests {
    use super::super::metadata::Metadata;
    use super::*;
    use crate::sys::dir::Dir;
    use crate::sys::owner::Creation;

    const METADATA: Metadata = Metadata::IMPLIED;

    fn scratch() -> (tempfile::TempDir, Arc<Dir>) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Arc::new(Dir::open(temp.path()).unwrap());
        (temp, dir)
    }

    /// Runs `work` with a crew of so many threads.
    fn with_crew(most: usize, work: impl FnOnce(&mut Crew<'_, '_>)) {
        let files = Files { creation: Creation::of_process().unwrap(), warn: &|_| {} };
        std::thread::scope(|scope| work(&mut Crew::new(scope, files, most)));
    }

    fn add(crew: &mut Crew<'_, '_>, dir: &Arc<Dir>, record: u32) -> Result<()> {
        let name = record.to_string();
        crew.add(NewFile { record, dir, name: name.as_bytes(), metadata: METADATA, atime: None, data: None })
    }

    #[test]
    fn a_file_that_is_waited_for_is_there_and_in_the_end_all_are() {
        for most in [0, 1, 4] {
            let (_temp, dir) = scratch();
            with_crew(most, |crew| {
                for record in 0..1000 {
                    add(crew, &dir, record).unwrap();
                    if record % 97 == 0 {
                        let earlier = record / 2;
                        crew.wait_for(earlier).unwrap();
                        assert!(dir.exists(earlier.to_string().as_bytes()).unwrap());
                    }
                }
                crew.wait_for_all().unwrap();
                assert_eq!(dir.entries().unwrap().len(), 1000);
                assert!(crew.failure().is_none());
            });
        }
    }

    #[test]
    fn the_first_file_that_fails_is_told_and_ends_the_work() {
        for most in [0, 1, 4] {
            let (_temp, dir) = scratch();
            for taken in ["300", "500", "700"] {
                dir.create_dir(taken.as_bytes(), 0o700).unwrap();
            }
            with_crew(most, |crew| {
                let done = (0..1000).try_for_each(|record| add(crew, &dir, record));
                assert!(done.and_then(|()| crew.wait_for_all()).is_err());
                let (record, error) = crew.failure().unwrap();
                assert_eq!(record, 300, "{error}");
                assert!(error.to_string().contains("EEXIST"), "{error}");
            });
        }
    }
}
