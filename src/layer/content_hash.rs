//! The hash of a file's content that `layer.json` has: against rot, not against malice.
//!
//! It is the XXH3 of the content. Of a sparse file, whose holes may be larger than any disk, it is the XXH3 of what is
//! not zero: for each block of 4,096 bytes that has another byte, the block's number (64 bits, little endian) and the
//! block. So it does not matter where a file system has holes.
//!
//! The first versions took the XXH3 of the pieces that the archive had of a sparse file: a [`Rule`] of its own, by which
//! such a file cannot be told from a damaged one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::sys::copy::next_data;
use crate::sys::errno::SysError;

/// The bytes of a block.
const BLOCK: usize = 4096;
const BLOCK_BYTES: u64 = BLOCK as u64;

/// How much is read at once: a number of blocks.
const READ: usize = 256 * 1024;

/// Zeros of a hole are hashed up to a file of this size; no layer may have more data.
const LARGEST: u64 = 1 << 42;

/// What the hash of a sparse file is made of. That of any other file is made of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The pieces that the archive had. No record of that time says its rule, nor where the pieces were.
    #[default]
    Pieces,
    /// The blocks that are not zero.
    Blocks,
}

/// The hash of a sparse file of this size whose data lies in these runs, sorted.
pub fn hash_of_runs(
    file: &File,
    runs: impl Iterator<Item = (u64, u64)>,
    size: u64,
    check: &dyn Fn() -> Result<()>,
) -> Result<u64> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; READ];
    // Where the blocks begin that were not looked at yet.
    let mut at = 0;
    for (start, end) in runs {
        at = at.max(start / BLOCK_BYTES * BLOCK_BYTES);
        let end = end.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES).min(size);
        while at < end {
            check()?;
            let len = usize::try_from(end - at).unwrap_or(READ).min(READ);
            let got = read_at(file, &mut buffer[..len], at)?;
            for (number, block) in (at / BLOCK_BYTES..).zip(buffer[..got].chunks(BLOCK)) {
                if block.iter().any(|&byte| byte != 0) {
                    hash.update(&number.to_le_bytes());
                    hash.update(block);
                }
            }
            if got < len {
                return Ok(hash.digest());
            }
            at += len as u64;
        }
    }
    Ok(hash.digest())
}

/// Whether a file of this size has this hash, as far as the rule lets that be told; `advance` is told of the bytes that
/// are read.
pub fn has_hash(
    file: &File,
    size: u64,
    (expected, rule): (u64, Rule),
    check: &dyn Fn() -> Result<()>,
    advance: &dyn Fn(u64),
) -> Result<bool> {
    let is_sparse = next_data(file, 0, size)? != Some((0, size)) && size > 0;
    // A copy of the state root may have filled holes, or made some.
    let tries = if is_sparse { [sparse, plain] } else { [plain, sparse] };
    for hash in tries {
        if hash(file, size, check, advance)? == Some(expected) {
            return Ok(true);
        }
    }
    // A file without holes was none whose pieces were hashed, unless a copy of the state root filled them. Zero bytes say
    // nothing: most programs have some, and rot makes more.
    Ok(rule == Rule::Pieces && is_sparse)
}

fn sparse(file: &File, size: u64, check: &dyn Fn() -> Result<()>, _: &dyn Fn(u64)) -> Result<Option<u64>> {
    let mut failure = None;
    let mut at = 0;
    let runs = std::iter::from_fn(|| match next_data(file, at, size) {
        Ok(run) => run.inspect(|&(_, end)| at = end),
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    let hash = hash_of_runs(file, runs, size, check)?;
    failure.map_or(Ok(Some(hash)), |error| Err(error.into()))
}

fn plain(file: &File, size: u64, check: &dyn Fn() -> Result<()>, advance: &dyn Fn(u64)) -> Result<Option<u64>> {
    if size > LARGEST {
        return Ok(None);
    }
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; READ];
    let mut at = 0;
    loop {
        check()?;
        let got = read_at(file, &mut buffer, at)?;
        if got == 0 {
            return Ok(Some(hash.digest()));
        }
        hash.update(&buffer[..got]);
        at += got as u64;
        advance(got as u64);
    }
}

/// Fills the buffer, unless the file ends before.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from(SysError::from_io("read", b"", &error))),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn a_plain_file_has_the_hash_of_its_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..600_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        file.write_all(&content).unwrap();
        assert!(has_hash(&file, 600_000, (xxh3_64(&content), Rule::Blocks), &|| Ok(()), &|_| {}).unwrap());
        file.write_all_at(b"x", 300_000).unwrap();
        assert!(!has_hash(&file, 600_000, (xxh3_64(&content), Rule::Blocks), &|| Ok(()), &|_| {}).unwrap());
    }

    #[test]
    fn holes_do_not_count_wherever_they_are() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"one", 5_000).unwrap();
        file.write_all_at(b"two", 4_000_000).unwrap();
        file.set_len(1 << 40).unwrap();
        // Block 1 begins at 4,096, block 976 at 3,997,696.
        let mut blocks = vec![0; 2 * (8 + 4096)];
        blocks[0] = 1;
        blocks[8 + 904..8 + 907].copy_from_slice(b"one");
        blocks[8 + 4096..][..2].copy_from_slice(&976_u16.to_le_bytes());
        blocks[8 + 4096 + 8 + 2304..][..3].copy_from_slice(b"two");
        let runs = [(5_000, 5_003), (4_000_000, 4_000_003)];
        let hash = hash_of_runs(&file, runs.into_iter(), 1 << 40, &|| Ok(())).unwrap();
        assert_eq!(hash, xxh3_64(&blocks));
        assert!(has_hash(&file, 1 << 40, (hash, Rule::Blocks), &|| Ok(()), &|_| {}).unwrap());
        file.write_all_at(&vec![0; 100_000], 1_000_000).unwrap();
        assert!(has_hash(&file, 1 << 40, (hash, Rule::Blocks), &|| Ok(()), &|_| {}).unwrap());
        file.write_all_at(&[1], 1_000_000).unwrap();
        assert_ne!(sparse(&file, 1 << 40, &|| Ok(()), &|_| {}).unwrap(), Some(hash));
    }

    /// What the first versions wrote of a sparse file nobody can compute again, so nothing is said of it.
    #[test]
    fn by_the_first_rule_only_a_file_without_holes_is_known_to_be_another() {
        let file = tempfile::tempfile().unwrap();
        let has = |pieces: &[u8], size| has_hash(&file, size, (xxh3_64(pieces), Rule::Pieces), &|| Ok(()), &|_| {});
        file.write_all_at(b"some text", 0).unwrap();
        assert!(has(b"some text", 9).unwrap());
        assert!(!has(b"some Text", 9).unwrap());
        file.write_all_at(&[0; 9], 0).unwrap();
        assert!(!has(b"some text", 9).unwrap());
        file.write_all_at(b"\x7fELF\0\0\0\0", 0).unwrap();
        assert!(!has(b"\x7fELF\0\0\0\x01t", 9).unwrap());
        file.write_all_at(&[0; 9_000], 0).unwrap();
        assert!(!has(&[b'x'; 9_000], 9_000).unwrap());
        file.set_len(0).unwrap();
        file.write_all_at(b"some text", 0).unwrap();
        file.write_all_at(b"more", 1_000_000).unwrap();
        assert!(has(b"some textmore", 1_000_004).unwrap());
    }
}
