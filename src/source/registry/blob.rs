//! Reading a blob: what arrives is handed on at once, and a transfer that breaks off goes on where it was.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::AbortHandle;

use super::answer;
use super::place::{Incoming, Place};
use super::retry::{Patience, Trouble};
use super::{EXPLAIN, Inner};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::Descriptor;
use crate::source::Waiting;

/// How many pieces wait to be read; the network goes on meanwhile. A piece has a few hundred KiB at most.
const QUEUE: usize = 8;

/// So many bytes behind a failure are progress. Whoever sends less and breaks off again would never be given up.
const PROGRESS: u64 = 4096;

/// So many bytes have to come in the time for which a connection may be silent. Whoever sends less would never end.
const LEAST: u64 = 1024;

/// The content of a blob, unverified, and never more bytes than it has.
pub struct BlobReader<'a> {
    inner: &'a Arc<Inner>,
    /// Those that are still asked; the first one is in use.
    places: VecDeque<&'a Place>,
    blob: &'a Descriptor,
    at: u64,
    stream: Option<Stream>,
    piece: Bytes,
    patience: Patience,
    /// Bytes that came since the last failure.
    gained: u64,
    waiting: Waiting<'a>,
}

/// A transfer that is going on.
struct Stream {
    pieces: Receiver<Result<Bytes, Trouble>>,
    /// Bytes at the front that are here already: the registry began at the beginning.
    surplus: u64,
    task: AbortHandle,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for BlobReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader").field("digest", &self.blob.digest).field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> BlobReader<'a> {
    /// Begins at byte `from`. No request is sent before the first read.
    pub fn new(
        inner: &'a Arc<Inner>,
        places: VecDeque<&'a Place>,
        blob: &'a Descriptor,
        from: u64,
        waiting: Waiting<'a>,
    ) -> Self {
        let patience = Patience::new(inner.shared.options.retry);
        Self { inner, places, blob, at: from, stream: None, piece: Bytes::new(), patience, gained: 0, waiting }
    }

    /// Makes sure that there is a piece to read. `false` at the end of the blob.
    fn fill(&mut self) -> Result<bool> {
        while self.piece.is_empty() {
            if self.at >= self.blob.size {
                self.stream = None;
                return Ok(false);
            }
            match self.step() {
                Ok(piece) => {
                    if piece.len() as u64 > self.blob.size - self.at {
                        let message = format!("blob {}: expected {} bytes, got more", self.blob.digest, self.blob.size);
                        return Err(Error::new(ErrorKind::DigestMismatch, message));
                    }
                    self.gained += piece.len() as u64;
                    if self.gained >= PROGRESS {
                        self.patience.renew();
                    }
                    self.piece = piece;
                }
                Err(trouble) => self.recover(trouble)?,
            }
        }
        Ok(true)
    }

    /// The next piece behind what is here.
    fn step(&mut self) -> Result<Bytes, Trouble> {
        if self.stream.is_none() {
            self.stream = Some(self.open()?);
        }
        let Some(stream) = &mut self.stream else { return Ok(Bytes::new()) };
        let next = match stream.pieces.try_recv() {
            Ok(next) => Some(next),
            Err(_) => self.inner.runtime.wait_while(self.waiting.check, async { Ok(stream.pieces.recv().await) })?,
        };
        match next {
            Some(Ok(mut piece)) => {
                let drop = stream.surplus.min(piece.len() as u64);
                stream.surplus -= drop;
                piece.advance(usize::try_from(drop).unwrap_or(usize::MAX));
                Ok(piece)
            }
            Some(Err(trouble)) => Err(trouble),
            None => {
                let Self { blob, at, .. } = self;
                let message = format!("blob {}: the transfer ended after {at} of {} bytes", blob.digest, blob.size);
                Err(Trouble::passing(Error::new(ErrorKind::Unreachable, message)))
            }
        }
    }

    fn open(&self) -> Result<Stream, Trouble> {
        let Some(place) = self.places.front() else {
            return Err(Trouble::lasting(Error::new(ErrorKind::Failed, "no place to ask")));
        };
        let shared = &self.inner.shared;
        let opened = self
            .inner
            .runtime
            .wait_while(self.waiting.check, async { Ok(place.blob(shared, self.blob, self.at).await) })?;
        let Incoming { response, offset } = opened?;
        let (sender, pieces) = channel(QUEUE);
        let host = place.session.host.clone();
        let pace = Pace::new(shared.options.retry.patience);
        let task = self.inner.runtime.spawn(hand_over(response, host, pace, sender));
        Ok(Stream { pieces, surplus: self.at - offset, task })
    }

    /// Waits for the next attempt, or goes on to the next place.
    fn recover(&mut self, trouble: Trouble) -> Result<()> {
        self.stream = None;
        self.gained = 0;
        if matches!(trouble.error.kind(), ErrorKind::Interrupted(_)) {
            return Err(trouble.error);
        }
        let why = trouble.error.to_string();
        match self.patience.after(trouble) {
            Ok(delay) => {
                tracing::debug!(target: EXPLAIN, "{why}; again in {:.1} s", delay.as_secs_f64());
                (self.waiting.retrying)(delay);
                self.inner.runtime.sleep(self.waiting.check, delay)
            }
            Err(error) if self.places.len() > 1 => {
                if let Some(place) = self.places.pop_front() {
                    tracing::debug!(target: EXPLAIN, "{} passed over: {error}", place.session.host);
                }
                self.patience.renew();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// How fast bytes come, while somebody waits for them.
struct Pace {
    patience: Duration,
    waited: Duration,
    came: u64,
}

impl Pace {
    fn new(patience: Duration) -> Self {
        Self { patience, waited: Duration::ZERO, came: 0 }
    }

    /// Whether so many bytes after such a wait are too few, with those before them.
    fn is_too_slow(&mut self, waited: Duration, came: usize) -> bool {
        self.waited += waited;
        self.came += came as u64;
        if self.came >= LEAST {
            *self = Self::new(self.patience);
        }
        self.waited >= self.patience
    }
}

/// Sends on what comes, until the end, a failure, or nobody reads any more.
async fn hand_over(
    mut response: reqwest::Response,
    host: String,
    mut pace: Pace,
    sender: Sender<Result<Bytes, Trouble>>,
) {
    loop {
        let begun = Instant::now();
        let next = response.chunk().await;
        let piece = match next {
            Ok(Some(piece)) if pace.is_too_slow(begun.elapsed(), piece.len()) => {
                let message = format!("{host}: fewer than {LEAST} bytes in {} s", pace.patience.as_secs());
                Err(Trouble::passing(Error::new(ErrorKind::Unreachable, message)))
            }
            Ok(Some(piece)) => Ok(piece),
            Ok(None) => return,
            Err(error) => Err(answer::network(&host, error)),
        };
        let failed = piece.is_err();
        if sender.send(piece).await.is_err() || failed {
            return;
        }
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.fill().map_err(Error::into_io)? {
            return Ok(0);
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.at += count as u64;
        Ok(count)
    }
}
