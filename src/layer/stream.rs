//! The pipeline of one layer: one thread decompresses, the threads of [`hashing`](crate::hashing) hash, the caller's thread
//! parses.
//!
//! The number of buffers that go round between them is bounded, so memory is, whatever the size of the layer.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Check;
use super::tar::MAX_TRAILER;
use crate::chunks::{self, Chunk, ChunkReader, Outlet, Pool, spawn};
use crate::compression::{Compression, Decoder, WINDOW};
use crate::error::{Error, ErrorKind, Result};
use crate::hashing::Stream;
use crate::oci::{Algorithm, DiffId, Digest};

/// How many chunks of a layer there are at once.
const CHUNKS: usize = 6;

/// What the pipeline needs to know.
pub struct StreamOptions<'a> {
    /// What the diff ID has to be.
    pub expected: Option<DiffId>,
    /// The digest of the blob, which the caller verifies: that of an uncompressed layer is its diff ID.
    pub blob: Option<Digest>,
    /// Most uncompressed bytes.
    pub max_bytes: u64,
    /// Largest zstd window, as its base-2 logarithm.
    pub zstd_window_log: u32,
    /// Stops the work by its error.
    pub check: Check<'a>,
    /// Receives warnings.
    pub warn: &'a (dyn Fn(&str) + Sync),
}

/// Runs `consume` over the uncompressed bytes of `blob`. `consume` must read to the end: the diff ID covers it all.
///
/// # Errors
/// A wrong diff ID is told rather than what is wrong with the content: it explains that.
pub fn run<T>(
    blob: ChunkReader,
    options: &StreamOptions<'_>,
    consume: impl FnOnce(&mut ChunkReader) -> Result<T>,
) -> Result<(T, DiffId, Compression)> {
    let of_no_use = blob.of_no_use();
    let decoder = Decoder::new(blob, options.zstd_window_log)?;
    let compression = decoder.compression();
    let algorithm = options.expected.as_ref().map_or(Algorithm::Sha256, |diff_id| diff_id.0.algorithm());
    let decoder = match (decoder, options.blob.as_ref().filter(|blob| blob.algorithm() == algorithm)) {
        (Decoder::Plain(blob), Some(digest)) => {
            let (outcome, diff_id) = as_it_is(blob, DiffId(digest.clone()), options, consume)?;
            return Ok((outcome, diff_id, compression));
        }
        (decoder, _) => decoder,
    };
    let mut layer = Uncompressed::new(decoder, options);
    let mut hasher = algorithm.hasher();
    let (to_parser, mut input) = chunks::pipe();
    let first = layer.next()?;
    let (outcome, rest) = if layer.ended {
        // No threads for a few bytes.
        if let Some(chunk) = first {
            hasher.update(&chunk);
            let _ = to_parser.send(Ok(chunk));
        }
        drop(to_parser);
        (parse(&mut input, consume), Ok(hasher))
    } else {
        thread::scope(|scope| {
            let reading = spawn(scope, move || {
                let hashing = Stream::new(hasher);
                if let Err(error) = layer.send(first, &hashing, &to_parser) {
                    // The parser may have stopped already; then its own error counts.
                    let _ = to_parser.send(Err(error));
                    return Err(incomplete());
                }
                drop(to_parser);
                hashing.finish()
            })?;
            let outcome = parse(&mut input, consume);
            explain(&outcome.0, &of_no_use);
            // A consumer that stopped early must not leave the reader waiting for room.
            drop(input);
            Ok::<_, Error>((outcome, reading.join().map_err(|_| died()).flatten()))
        })?
    };
    // What a tar that cannot be read really is, its diff ID tells.
    let (outcome, to_end) = outcome;
    match rest {
        Ok(hasher) => {
            let diff_id = DiffId(hasher.finish());
            compare(options, &diff_id, to_end)?;
            Ok((outcome?, diff_id, compression))
        }
        Err(error) => Err(outcome.err().unwrap_or(error)),
    }
}

/// An uncompressed layer: the digest of its blob, which the caller verifies, is its diff ID.
fn as_it_is<T>(
    blob: ChunkReader,
    diff_id: DiffId,
    options: &StreamOptions<'_>,
    consume: impl FnOnce(&mut ChunkReader) -> Result<T>,
) -> Result<(T, DiffId)> {
    let of_no_use = blob.of_no_use();
    let mut input = blob.bounded(options.max_bytes, too_long)?;
    let (outcome, to_end) = parse(&mut input, consume);
    explain(&outcome, &of_no_use);
    compare(options, &diff_id, to_end)?;
    let outcome = outcome?;
    if input.fill_buf()?.is_empty() { Ok((outcome, diff_id)) } else { Err(incomplete()) }
}

/// What is refused may be explained by the rest of the blob; no other error is.
fn explain<T>(outcome: &Result<T>, of_no_use: &AtomicBool) {
    if outcome.as_ref().is_err_and(|error| error.kind() != ErrorKind::Refused) {
        of_no_use.store(true, Ordering::Relaxed);
    }
}

fn compare(options: &StreamOptions<'_>, diff_id: &DiffId, to_end: bool) -> Result<()> {
    match &options.expected {
        Some(expected) if to_end && expected != diff_id => {
            Err(Error::refused(format!("expected diff ID {expected}, got {diff_id}")))
        }
        _ => Ok(()),
    }
}

fn too_long(most: u64) -> Error {
    Error::refused(format!("layer has more than {most} bytes uncompressed"))
}

fn incomplete() -> Error {
    Error::refused("layer was not read to its end")
}

fn died() -> Error {
    Error::new(ErrorKind::Failed, "a thread that reads a layer died")
}

/// What came of it, and whether the input was read to its end.
fn parse<T>(input: &mut ChunkReader, consume: impl FnOnce(&mut ChunkReader) -> Result<T>) -> (Result<T>, bool) {
    let outcome = consume(input);
    let to_end = match &outcome {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::Refused && drain(input),
    };
    (outcome, to_end)
}

/// Reads on to the end; `false` if there is none within reach.
fn drain(input: &mut ChunkReader) -> bool {
    let mut left = MAX_TRAILER;
    loop {
        match input.fill_buf() {
            Ok([]) => return true,
            Ok(rest) => {
                let len = rest.len();
                input.consume(len);
                match left.checked_sub(len as u64) {
                    Some(rest) => left = rest,
                    None => return false,
                }
            }
            Err(_) => return false,
        }
    }
}

/// The uncompressed bytes of a layer.
struct Uncompressed<'a> {
    decoder: Decoder<ChunkReader>,
    options: &'a StreamOptions<'a>,
    pool: Pool,
    total: u64,
    last: Option<Chunk>,
    ended: bool,
}

impl<'a> Uncompressed<'a> {
    fn new(decoder: Decoder<ChunkReader>, options: &'a StreamOptions<'a>) -> Self {
        Self { decoder, options, pool: Pool::new(CHUNKS, WINDOW), total: 0, last: None, ended: false }
    }

    /// The next chunk, full unless it is the last one.
    fn next(&mut self) -> Result<Option<Chunk>> {
        (self.options.check)()?;
        let chunk = match &mut self.decoder {
            // The chunks of the blob themselves.
            Decoder::Plain(blob) => blob.next_chunk().map_err(Error::from)?,
            decoder => {
                let mut buffer = self.pool.take();
                if let Some(last) = self.last.take() {
                    let before = last.with_headroom();
                    buffer.all()[..WINDOW].copy_from_slice(&before[before.len() - WINDOW..]);
                }
                let mut end = WINDOW;
                while end < buffer.all().len() {
                    match decoder.decode(buffer.all(), end).map_err(Error::from)? {
                        0 => break,
                        count => end += count,
                    }
                }
                Some(buffer.share(end - WINDOW)).filter(|chunk| !chunk.is_empty())
            }
        };
        self.ended = chunk.as_ref().is_none_or(|chunk| chunk.len() < chunks::SIZE);
        if self.ended && self.decoder.is_padded() {
            (self.options.warn)("zeros after the end of the gzip stream ignored");
        }
        self.total += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.total > self.options.max_bytes {
            return Err(too_long(self.options.max_bytes));
        }
        // Only decoders look back.
        if self.decoder.compression() != Compression::None {
            self.last.clone_from(&chunk);
        }
        Ok(chunk)
    }

    fn send(&mut self, first: Option<Chunk>, hashing: &Stream, to_parser: &Outlet) -> Result<()> {
        let mut next = first;
        while let Some(chunk) = next {
            hashing.send(chunk.clone());
            to_parser.send(Ok(chunk)).map_err(|_| incomplete())?;
            next = if self.ended { None } else { self.next()? };
        }
        Ok(())
    }
}
