//! The pipeline of one layer: one thread reads and decompresses, one hashes, the caller's thread parses and writes.
//!
//! Buffers go round between them; their number is bounded, so memory is, whatever the size of the layer.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::tar::MAX_TRAILER;
use crate::cancel::Cancel;
use crate::compression::{Compression, decompress};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Algorithm, DiffId};

/// Bytes of one buffer.
const CHUNK: usize = 256 * 1024;

/// How many buffers wait between two threads.
const QUEUE: usize = 8;

/// What the pipeline needs to know.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// What the diff ID has to be.
    pub expected: Option<DiffId>,
    /// Most uncompressed bytes.
    pub max_bytes: u64,
    /// Largest zstd window, as its base-2 logarithm.
    pub zstd_window_log: u32,
    /// Stops the work.
    pub cancel: Cancel,
}

type Chunk = Arc<Vec<u8>>;
type Pool = SyncSender<Vec<u8>>;

/// Runs `consume` over the uncompressed bytes of `blob`. `consume` must read to the end: the diff ID covers it all.
///
/// # Errors
/// A wrong diff ID is told rather than what is wrong with the content: it explains that.
pub fn run<T>(
    blob: Box<dyn Read + Send + '_>,
    options: &StreamOptions,
    consume: impl FnOnce(&mut ChunkReader) -> Result<T>,
) -> Result<(T, DiffId, Compression)> {
    let (to_parser, from_reader) = sync_channel::<Result<Chunk>>(QUEUE);
    let (to_hasher, hasher_input) = sync_channel::<Chunk>(QUEUE);
    // Room for every buffer there can be, so that giving one back never blocks.
    let (pool, used) = sync_channel::<Vec<u8>>(4 * QUEUE);
    thread::scope(|scope| {
        let hasher_pool = pool.clone();
        let hasher = scope.spawn(move || {
            let algorithm = options.expected.as_ref().map_or(Algorithm::Sha256, |diff_id| diff_id.0.algorithm());
            let mut hasher = algorithm.hasher();
            for chunk in hasher_input {
                hasher.update(&chunk);
                recycle(chunk, &hasher_pool);
            }
            hasher.finish()
        });
        let reader = scope.spawn(move || {
            let outcome = read_all(blob, options, &used, |chunk: Chunk| {
                to_hasher.send(Arc::clone(&chunk)).is_ok() && to_parser.send(Ok(chunk)).is_ok()
            });
            match outcome {
                Ok(compression) => Some(compression),
                Err(error) => {
                    // The parser may have stopped already; then its own error counts.
                    let _ = to_parser.send(Err(error));
                    None
                }
            }
        });
        let mut input = ChunkReader { from_reader: Some(from_reader), chunk: None, at: 0, pool };
        let outcome = consume(&mut input);
        // What a tar that cannot be read really is, its diff ID tells.
        let whole = match &outcome {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::Refused && input.drain(),
        };
        // A consumer that stopped early must not leave the reader waiting for room.
        input.from_reader = None;
        let compression = reader.join().map_err(|_| Error::new(ErrorKind::Failed, "reader thread died"))?;
        let digest = hasher.join().map_err(|_| Error::new(ErrorKind::Failed, "hashing thread died"))?;
        let diff_id = DiffId(digest);
        if let Some(expected) = options.expected.as_ref().filter(|expected| whole && **expected != diff_id) {
            return Err(Error::refused(format!("expected diff ID {expected}, got {diff_id}")));
        }
        let value = outcome?;
        let compression = compression.ok_or_else(|| Error::refused("layer was not read to its end"))?;
        Ok((value, diff_id, compression))
    })
}

fn recycle(chunk: Chunk, pool: &Pool) {
    if let Some(buffer) = Arc::into_inner(chunk) {
        // A full or closed pool only means a new allocation.
        let _ = pool.try_send(buffer);
    }
}

fn read_all(
    blob: Box<dyn Read + Send + '_>,
    options: &StreamOptions,
    used: &Receiver<Vec<u8>>,
    mut send: impl FnMut(Chunk) -> bool,
) -> Result<Compression> {
    let (mut input, compression) = decompress(blob, options.zstd_window_log)?;
    let mut total: u64 = 0;
    loop {
        options.cancel.check()?;
        let mut buffer = used.try_recv().unwrap_or_default();
        buffer.resize(CHUNK, 0);
        let filled = fill(&mut *input, &mut buffer)?;
        buffer.truncate(filled);
        total += filled as u64;
        if total > options.max_bytes {
            return Err(Error::refused(format!("layer has more than {} bytes uncompressed", options.max_bytes)));
        }
        if filled == 0 || !send(Arc::new(buffer)) || filled < CHUNK {
            return Ok(compression);
        }
    }
}

fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// The uncompressed bytes, as the other thread hands them over.
#[derive(Debug)]
pub struct ChunkReader {
    from_reader: Option<Receiver<Result<Chunk>>>,
    chunk: Option<Chunk>,
    at: usize,
    pool: Pool,
}

impl ChunkReader {
    /// Reads on to the end; `false` if there is none within reach.
    fn drain(&mut self) -> bool {
        let mut left = MAX_TRAILER;
        loop {
            match self.fill_buf() {
                Ok([]) => return true,
                Ok(rest) => {
                    let len = rest.len();
                    self.consume(len);
                    match left.checked_sub(len as u64) {
                        Some(rest) => left = rest,
                        None => return false,
                    }
                }
                Err(_) => return false,
            }
        }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let len = have.len().min(buffer.len());
        buffer[..len].copy_from_slice(&have[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.as_ref().is_none_or(|chunk| self.at >= chunk.len()) {
            if let Some(used) = self.chunk.take() {
                recycle(used, &self.pool);
            }
            self.at = 0;
            let Some(from_reader) = &self.from_reader else { return Ok(&[]) };
            match from_reader.recv() {
                Ok(Ok(chunk)) => self.chunk = Some(chunk),
                Ok(Err(error)) => {
                    self.from_reader = None;
                    return Err(error.into_io());
                }
                // The reader is done.
                Err(_) => {
                    self.from_reader = None;
                    return Ok(&[]);
                }
            }
        }
        Ok(self.chunk.as_ref().map_or(&[], |chunk| &chunk[self.at..]))
    }

    fn consume(&mut self, len: usize) {
        self.at += len;
    }
}
