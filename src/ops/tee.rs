//! A blob that is read once: its bytes go into the content store, through the hash of its digest, and to whoever
//! unpacks them.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::chunks::{self, Chunk, ChunkReader, Outlet, Pool, spawn};
use crate::content::{Hashing, Ingest, Writing};
use crate::error::{Error, ErrorKind, Result};

/// How many chunks of a blob there are at once.
const CHUNKS: usize = 5;

/// What happens to a blob that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many more bytes passed.
    Passed(u64),
    /// That was the last one; size and digest are compared now.
    Whole,
    /// They are right.
    Verified,
}

/// Is told each step; its error ends the reading.
pub(super) type Watch<'a> = &'a (dyn Fn(Step) -> Result<()> + Sync);

/// Reads a blob and writes every byte of it into the content store as well.
pub(super) struct Tee<'a> {
    input: Input<'a>,
    ingest: Ingest,
}

impl<'a> Tee<'a> {
    pub fn new(blob: Box<dyn Read + Send + 'a>, ingest: Ingest, watch: Watch<'a>) -> Self {
        Self { input: Input { blob, watch, pool: Pool::new(CHUNKS, 0), ended: false }, ingest }
    }

    /// Reads all of the blob, and checks that it has its size and digest.
    pub fn finish(self) -> Result<Ingest> {
        Ok(self.pass(|_| Ok(()))?.1)
    }

    /// Reads all of the blob, and has `consume` read along. The blob has its size and digest when this succeeds; what
    /// `consume` made of it must not count before that.
    ///
    /// # Errors
    /// What is wrong with the blob explains whatever `consume` did not like, and is told rather than that.
    pub fn pass<T>(self, consume: impl FnOnce(ChunkReader) -> Result<T>) -> Result<(T, Ingest)> {
        let Self { mut input, ingest } = self;
        let watch = input.watch;
        let (mut writing, mut hashing) = ingest.split();
        let (sender, reader) = chunks::pipe();
        let first = input.next(&mut writing, &reader.of_no_use())?;
        if input.ended {
            // No threads for a few bytes.
            if let Some(chunk) = first {
                hashing.update(&chunk);
                let _ = sender.send(Ok(chunk));
            }
            drop(sender);
            let ingest = verified(writing, hashing, watch)?;
            return Ok((consume(reader)?, ingest));
        }
        let of_no_use = reader.of_no_use();
        let (outcome, ingest) = thread::scope(|scope| {
            let reading = spawn(scope, || {
                let mut outlet = Some(sender);
                let result = input.read_on(first, writing, hashing, &mut outlet, &of_no_use);
                if let (Err(_), Some(outlet)) = (&result, outlet) {
                    // Nobody sees this one: the error itself is told.
                    let _ = outlet.send(Err(Error::new(ErrorKind::Failed, "the blob ends early")));
                }
                result
            })?;
            let outcome = consume(reader);
            // What is refused may be explained by the rest of the blob; no other error is.
            if outcome.as_ref().is_err_and(|error| error.kind() != ErrorKind::Refused) {
                of_no_use.store(true, Ordering::Relaxed);
            }
            Ok::<_, Error>((outcome, reading.join()))
        })?;
        match ingest.map_err(|_| died())?? {
            Some(ingest) => Ok((outcome?, ingest)),
            None => Err(outcome.err().unwrap_or_else(died)),
        }
    }
}

fn died() -> Error {
    Error::new(ErrorKind::Failed, "a thread that reads a blob died")
}

fn verified(writing: Writing, hashing: Hashing, watch: Watch<'_>) -> Result<Ingest> {
    watch(Step::Whole)?;
    let mut ingest = Ingest::join(writing, hashing);
    ingest.verify()?;
    watch(Step::Verified)?;
    Ok(ingest)
}

/// The blob as it comes.
struct Input<'a> {
    blob: Box<dyn Read + Send + 'a>,
    watch: Watch<'a>,
    pool: Pool,
    ended: bool,
}

impl Input<'_> {
    /// The next chunk, full unless it is the last one. It is written already.
    fn next(&mut self, writing: &mut Writing, of_no_use: &AtomicBool) -> Result<Option<Chunk>> {
        let mut buffer = self.pool.take();
        let mut filled = 0;
        while filled < chunks::SIZE && !of_no_use.load(Ordering::Relaxed) {
            match self.blob.read(&mut buffer.content()[filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => {
                    // At once: who is killed while nothing comes goes on from here.
                    writing.write_all(&buffer.content()[filled..filled + count])?;
                    filled += count;
                    (self.watch)(Step::Passed(count as u64))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((filled > 0).then(|| buffer.share(filled)))
    }

    /// Reads the rest after the first chunk. `None` if that is of no use any more.
    fn read_on(
        mut self,
        first: Option<Chunk>,
        mut writing: Writing,
        hashing: Hashing,
        outlet: &mut Option<Outlet>,
        of_no_use: &AtomicBool,
    ) -> Result<Option<Ingest>> {
        let watch = self.watch;
        let mut hashing = hashing.start();
        let mut next = first;
        while let Some(chunk) = next {
            hashing.send(chunk.clone());
            if outlet.as_ref().is_some_and(|outlet| outlet.send(Ok(chunk)).is_err()) {
                *outlet = None;
            }
            next = if self.ended { None } else { self.next(&mut writing, of_no_use)? };
            if of_no_use.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        *outlet = None;
        verified(writing, hashing.finish()?, watch).map(Some)
    }
}
