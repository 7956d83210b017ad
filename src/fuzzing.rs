//! Doors for `fuzz/` into modules that are private. Built only with `--cfg fuzzing`, which `cargo fuzz` sets.

use std::io::{self, BufReader, Cursor};
use std::num::NonZero;
use std::path::Path;

use crate::cancel::Cancel;
use crate::chunks;
use crate::compression::{Gunzip, WINDOW};
use crate::error::Result;
use crate::layer::{self, Claims, LayerIndex, Limits, Oddities, Places, StackLayer, UnpackOptions};
use crate::mount::mountinfo;
use crate::sys::dir::Dir;

pub use crate::layer::{Kind, NameMeans, Node, Shape};

/// Small enough that no input takes long.
fn limits() -> Limits {
    Limits { entries: 4096, bytes: 8 << 20, header_bytes: 1 << 16, depth: 64, zstd_window_log: 20 }
}

/// Unpacks a layer into the empty directory `diff`, takes its index through its written form, and gives what the
/// index says is now in `diff` and kept in `aside`. Then corrects a stack of this layer alone into the empty directory
/// `correction`; a layer that contradicts an empty tree is no error here.
///
/// # Errors
/// As [`layer::unpack`] has them, or the index does not read back.
pub fn layer(blob: &[u8], diff: &Path, aside: &Path, correction: &Path) -> Result<Shape> {
    let cancel = Cancel::new();
    let options = UnpackOptions {
        limits: limits(),
        oddities: Oddities::Warn,
        threads: NonZero::<usize>::MIN,
        cancel: cancel.clone(),
        warn: &|_| {},
    };
    let (blob, claims) = (chunks::reader_of(blob), Claims::default());
    let unpacked = layer::unpack(blob, &Dir::open(diff)?, &Dir::open(aside)?, &claims, &options)?;
    let mut written = Vec::new();
    unpacked.index.write_to(&mut written)?;
    let index = LayerIndex::read_from(&mut &written[..])?;
    let mut again = Vec::new();
    index.write_to(&mut again)?;
    assert_eq!(written, again, "the index changes when it is read and written");
    let open = || Ok(Places { diff: Dir::open(diff)?, aside: Dir::open(aside)? });
    let stack = [StackLayer { index: &index, open: Box::new(open) }];
    let _ = layer::correct(&stack, &Dir::open(correction)?, &cancel);
    drop(stack);
    layer::shape(index)
}

/// Decodes gzip, with the input in pieces of `input` bytes and the output in pieces of `output`.
///
/// # Errors
/// The stream is broken.
pub fn gunzip(blob: &[u8], input: usize, output: usize) -> io::Result<Vec<u8>> {
    let mut gunzip = Gunzip::new(BufReader::with_capacity(input, blob));
    let mut buffer = vec![0; WINDOW + output];
    let mut plain = Vec::new();
    let mut at = 0;
    loop {
        let len = gunzip.decode(&mut buffer[..at + output], at)?;
        if len == 0 {
            return Ok(plain);
        }
        plain.extend_from_slice(&buffer[at..at + len]);
        let end = at + len;
        at = end.min(WINDOW);
        buffer.copy_within(end - at..end, 0);
        buffer[at..].fill(0xa5);
    }
}

/// Parses a table of mounts; gives how many it has.
pub fn mountinfo(table: &[u8]) -> Result<usize> {
    mountinfo::parse(table).map(|mounts| mounts.len())
}

/// Cleans the name of an entry and tells what it means.
pub fn name(raw: &[u8]) -> Result<NameMeans> {
    layer::name_means(raw, limits().depth)
}
