//! The digests of streams, computed by a few threads for all of them: two streams at a time, where the processor hashes
//! two as fast as one ([`pays_in_pairs`]). The threads start with the first stream and end with the last one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZero;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, available_parallelism, panicking};

use crate::chunks::Chunk;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Algorithm, Hasher};
use crate::sys::sha256::pays_in_pairs;

/// How many chunks of a stream wait for another stream to be hashed together with it. Their pool has to have more.
const WAIT: usize = 1;

/// A stream on its way to its digest.
#[derive(Debug)]
pub struct Stream(u64);

/// What the streams and the threads know of each other.
#[derive(Debug)]
struct Board {
    state: Mutex<State>,
    /// There is something to do, or nothing more will come.
    to_do: Condvar,
    /// A hasher is back in its place.
    back: Condvar,
}

#[derive(Debug)]
struct State {
    lanes: BTreeMap<u64, Lane>,
    /// The name of the next stream.
    next: u64,
    threads: usize,
    idle: usize,
    /// How many wait for a hasher to be back.
    awaited: usize,
}

#[derive(Debug)]
struct Lane {
    hasher: Place,
    /// It is hashed as fast as another one together with it.
    pairs: bool,
    queue: VecDeque<Chunk>,
}

/// Where the hasher of a stream is.
#[derive(Debug)]
enum Place {
    Here(Box<Hasher>),
    /// A thread has it.
    Away,
    /// A thread that had it died.
    Lost,
}

/// A chunk to be hashed.
struct Job {
    hasher: Box<Hasher>,
    chunk: Chunk,
}

/// How the machine hashes.
struct Machine {
    /// Two streams together.
    pairs: bool,
    /// Most threads.
    threads: usize,
}

static BOARD: Board = Board {
    state: Mutex::new(State { lanes: BTreeMap::new(), next: 0, threads: 0, idle: 0, awaited: 0 }),
    to_do: Condvar::new(),
    back: Condvar::new(),
};

static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
    let (pairs, cores) = (pays_in_pairs(), available_parallelism().map_or(1, NonZero::get));
    Machine { pairs, threads: if pairs { cores.div_ceil(2) } else { cores } }
});

impl Stream {
    /// Begins a stream, with what `hasher` was given before.
    pub fn new(hasher: Hasher) -> Self {
        let mut state = BOARD.lock();
        let name = state.next;
        state.next += 1;
        let pairs = MACHINE.pairs && hasher.algorithm() == Algorithm::Sha256;
        state.lanes.insert(name, Lane { hasher: Place::Here(Box::new(hasher)), pairs, queue: VecDeque::new() });
        Self(name)
    }

    /// Hashes the next bytes, sooner or later. The chunk goes back to its pool then.
    pub fn send(&self, chunk: Chunk) {
        let mut state = BOARD.lock();
        match state.lanes.get_mut(&self.0) {
            // Whoever asks for the digest is told; the chunk goes back.
            Some(Lane { hasher: Place::Lost, .. }) | None => return,
            Some(lane) => lane.queue.push_back(chunk),
        }
        if !BOARD.call(state) {
            // There may be as many threads as the system allows.
            drop(BOARD.hash(BOARD.lock(), |state| state.next_of(self.0)));
        }
    }

    /// Hashes what is left; gives the hasher back.
    ///
    /// # Errors
    /// A thread died.
    pub fn finish(self) -> Result<Hasher> {
        let mut state = BOARD.lock();
        loop {
            let Some(lane) = state.lanes.get_mut(&self.0) else { return Err(died()) };
            match std::mem::replace(&mut lane.hasher, Place::Lost) {
                Place::Here(mut hasher) => {
                    let rest = std::mem::take(&mut lane.queue);
                    drop(state);
                    for chunk in rest {
                        hasher.update(&chunk);
                    }
                    return Ok(*hasher);
                }
                Place::Lost => return Err(died()),
                Place::Away => {
                    lane.hasher = Place::Away;
                    state.awaited += 1;
                    state = BOARD.back.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.awaited -= 1;
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = BOARD.lock();
        let lane = state.lanes.remove(&self.0);
        let last = state.lanes.is_empty();
        drop(state);
        if last {
            BOARD.to_do.notify_all();
        }
        drop(lane);
    }
}

fn died() -> Error {
    Error::new(ErrorKind::Failed, "a thread that hashes died")
}

impl Lane {
    fn is_ready(&self) -> bool {
        matches!(self.hasher, Place::Here(_)) && !self.queue.is_empty()
    }
}

impl State {
    /// The streams to go on with now: that whose queue is longest, and where that pays a second one.
    fn next(&self) -> Vec<u64> {
        let mut ready: Vec<(u64, &Lane)> =
            self.lanes.iter().filter(|(_, lane)| lane.is_ready()).map(|(&stream, lane)| (stream, lane)).collect();
        ready.sort_unstable_by_key(|(_, lane)| Reverse(lane.queue.len()));
        let pairs: Vec<u64> = ready.iter().filter(|(_, lane)| lane.pairs).map(|(stream, _)| *stream).take(2).collect();
        if pairs.len() == 2 && ready.first().is_some_and(|(_, lane)| lane.pairs) {
            return pairs;
        }
        let alone = ready.iter().find(|(_, lane)| !lane.pairs || lane.queue.len() > WAIT);
        alone.map(|(stream, _)| *stream).into_iter().collect()
    }

    /// The stream, if it can be gone on with.
    fn next_of(&self, stream: u64) -> Vec<u64> {
        self.lanes.get(&stream).filter(|lane| lane.is_ready()).map(|_| stream).into_iter().collect()
    }

    fn job(&mut self, stream: u64) -> Option<Job> {
        let lane = self.lanes.get_mut(&stream)?;
        let chunk = lane.queue.pop_front()?;
        match std::mem::replace(&mut lane.hasher, Place::Away) {
            Place::Here(hasher) => Some(Job { hasher, chunk }),
            _ => None,
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that somebody does what there is to do. `false` if nobody can: no thread could be started.
    fn call(&'static self, mut state: MutexGuard<'static, State>) -> bool {
        if state.next().is_empty() {
            return true;
        }
        if state.idle > 0 {
            drop(state);
            self.to_do.notify_one();
            return true;
        }
        if state.threads >= MACHINE.threads {
            return true;
        }
        state.threads += 1;
        drop(state);
        if Builder::new().name("hash".to_owned()).spawn(|| self.work()).is_ok() {
            return true;
        }
        let mut state = self.lock();
        state.threads -= 1;
        state.threads > 0
    }

    fn work(&'static self) {
        let _counted = Counted(self);
        let mut state = self.lock();
        loop {
            state = self.hash(state, State::next);
            if state.lanes.is_empty() {
                state.threads -= 1;
                return;
            }
            state.idle += 1;
            state = self.to_do.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Hashes until `next` gives nothing to do.
    fn hash<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        next: impl Fn(&State) -> Vec<u64>,
    ) -> MutexGuard<'a, State> {
        loop {
            let streams = next(&state);
            let jobs: Vec<Job> = streams.iter().filter_map(|&stream| state.job(stream)).collect();
            if jobs.is_empty() {
                return state;
            }
            drop(state);
            let mut turn = Turn { board: self, streams, hashers: Vec::new() };
            let mut jobs = jobs.into_iter();
            match (jobs.next(), jobs.next()) {
                (Some(mut one), Some(mut other)) => {
                    Hasher::update_both(&mut one.hasher, &one.chunk, &mut other.hasher, &other.chunk);
                    turn.hashers = vec![*one.hasher, *other.hasher];
                }
                (Some(mut one), None) => {
                    one.hasher.update(&one.chunk);
                    turn.hashers = vec![*one.hasher];
                }
                (None, _) => {}
            }
            drop(turn);
            state = self.lock();
        }
    }
}

/// A thread that died is counted no more; another one may take its place.
struct Counted(&'static Board);

impl Drop for Counted {
    fn drop(&mut self) {
        if panicking() {
            let mut state = self.0.lock();
            state.threads -= 1;
            self.0.call(state);
        }
    }
}

/// Streams whose hashers a thread has. Whatever becomes of it, those who wait for them are told.
struct Turn<'a> {
    board: &'a Board,
    streams: Vec<u64>,
    hashers: Vec<Hasher>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.board.lock();
        let mut lost = VecDeque::new();
        let mut hashers = self.hashers.drain(..);
        for stream in &self.streams {
            let place = hashers.next().map_or(Place::Lost, |hasher| Place::Here(Box::new(hasher)));
            // Nobody may want it any more.
            let Some(lane) = state.lanes.get_mut(stream) else { continue };
            if matches!(place, Place::Lost) {
                lost.append(&mut lane.queue);
            }
            lane.hasher = place;
        }
        let awaited = state.awaited > 0;
        drop(state);
        // Nobody hashes these any more: they go back to their pools.
        drop(lost);
        if awaited {
            self.board.back.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunks::{Pool, SIZE};
    use crate::oci::Digest;

    /// Sends a stream of so many bytes, from a pool that has few chunks.
    fn digest(seed: u8, len: usize) -> Digest {
        let pool = Pool::new(3, 0);
        let stream = Stream::new(Algorithm::Sha256.hasher());
        let mut left = len;
        while left > 0 {
            let mut buffer = pool.take();
            let now = left.min(SIZE);
            buffer.content()[..now].fill(seed);
            stream.send(buffer.share(now));
            left -= now;
        }
        stream.finish().unwrap().finish()
    }

    #[test]
    fn streams_of_all_lengths_at_once_get_their_digests() {
        std::thread::scope(|scope| {
            for seed in 0..8_u8 {
                scope.spawn(move || {
                    for len in [0, 1, SIZE - 1, SIZE, 3 * SIZE + 77, usize::from(seed) * SIZE + 5] {
                        assert_eq!(digest(seed, len), Digest::of(&vec![seed; len]), "{len} bytes of {seed}");
                    }
                });
            }
        });
    }

    #[test]
    fn a_stream_goes_on_where_its_hasher_was() {
        let mut hasher = Algorithm::Sha512.hasher();
        hasher.update(b"ab");
        let stream = Stream::new(hasher);
        let mut buffer = Pool::new(1, 0).take();
        buffer.content()[..1].copy_from_slice(b"c");
        stream.send(buffer.share(1));
        let mut expected = Algorithm::Sha512.hasher();
        expected.update(b"abc");
        assert_eq!(stream.finish().unwrap().finish(), expected.finish());
    }

    #[test]
    fn chunks_of_a_stream_that_nobody_wants_go_back() {
        let pool = Pool::new(1, 0);
        for _ in 0..100 {
            let stream = Stream::new(Algorithm::Sha256.hasher());
            stream.send(pool.take().share(10));
            drop(stream);
        }
    }
}
