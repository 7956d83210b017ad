//! Bytes on their way between threads: buffers of one size, a fixed number of them, shared while they are used and
//! then used again. Memory is bounded whatever passes.
//!
//! Nobody may wait for a chunk to come while it keeps more than a few of one pool: a pool that is empty makes the
//! producer wait for chunks to be given back.

mod channel;
mod pool;
mod reader;

use std::thread::{Builder, Scope, ScopedJoinHandle};

pub use pool::{Chunk, Pool};
#[cfg(any(test, fuzzing))]
pub use reader::reader_of;
pub use reader::{ChunkReader, Outlet, pipe};

use crate::error::{Error, Result};

/// Most bytes of one chunk: large enough that handing it over costs nothing beside its use, small enough that several
/// stay in a core's cache.
pub const SIZE: usize = 256 * 1024;

/// Starts a thread for one part of the way.
///
/// # Errors
/// The system allows no more threads.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).map_err(|error| Error::io("start a thread", error))
}

#[cfg(test)]
fn test_chunk(pool: &Pool, content: &[u8]) -> Chunk {
    let mut buffer = pool.take();
    buffer.content()[..content.len()].copy_from_slice(content);
    buffer.share(content.len())
}
