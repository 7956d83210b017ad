//! SHA-256 (FIPS 180-4) whose state is at hand, so that two streams can be hashed together.

use sha2::block_api::compress256;

use crate::sys::sha256::{Block, State, compress_both};

const BLOCK: usize = size_of::<Block>();

/// `H(0)` (FIPS 180-4, section 5.3.3).
const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A running SHA-256.
#[derive(Clone)]
pub struct Sha256 {
    state: State,
    /// Bytes so far.
    len: u64,
    /// Those that do not fill a block: as many as `len` has beyond whole blocks.
    tail: Block,
}

impl Sha256 {
    /// The hash of nothing yet.
    pub fn new() -> Self {
        Self { state: INITIAL, len: 0, tail: [0; BLOCK] }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.blocks(bytes);
        compress256(&mut self.state, blocks);
        self.keep(rest);
    }

    /// Adds bytes to two, in less time than to one after the other where there are instructions for that.
    pub fn update_both(one: &mut Self, bytes: &[u8], other: &mut Self, other_bytes: &[u8]) {
        let ((blocks, rest), (other_blocks, other_rest)) = (one.blocks(bytes), other.blocks(other_bytes));
        compress_both(&mut one.state, blocks, &mut other.state, other_blocks);
        one.keep(rest);
        other.keep(other_rest);
    }

    /// The hash of everything that was added.
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.len.wrapping_mul(8);
        // A one, zeros, and the length at the end of a block (section 5.1.1).
        let filled = self.filled();
        let mut padding = [0; 2 * BLOCK];
        padding[0] = 0x80;
        let end = if filled + 1 + size_of::<u64>() <= BLOCK { BLOCK } else { 2 * BLOCK };
        padding[end - filled - size_of::<u64>()..end - filled].copy_from_slice(&bits.to_be_bytes());
        self.update(&padding[..end - filled]);
        let mut hash = [0; 32];
        for (bytes, word) in hash.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        hash
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is below the length of a block")]
    fn filled(&self) -> usize {
        (self.len % BLOCK as u64) as usize
    }

    /// Counts the bytes, and hashes those that fill up the tail; of the others the whole blocks, and the rest.
    fn blocks<'b>(&mut self, bytes: &'b [u8]) -> (&'b [Block], &'b [u8]) {
        let filled = self.filled();
        self.len += bytes.len() as u64;
        if filled == 0 {
            return bytes.as_chunks();
        }
        let (first, others) = bytes.split_at(bytes.len().min(BLOCK - filled));
        self.tail[filled..filled + first.len()].copy_from_slice(first);
        if filled + first.len() == BLOCK {
            compress256(&mut self.state, &[self.tail]);
        }
        others.as_chunks()
    }

    /// Keeps what does not fill a block, unless the tail is being filled still.
    fn keep(&mut self, rest: &[u8]) {
        self.tail[..rest.len()].copy_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;

    fn expected(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }

    #[test]
    fn all_lengths_around_blocks() {
        let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
        for len in 0..bytes.len() {
            let mut hash = Sha256::new();
            hash.update(&bytes[..len]);
            assert_eq!(hash.finish(), expected(&bytes[..len]), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn two_streams_in_any_pieces(
            streams in [proptest::collection::vec(any::<u8>(), 0..3000), proptest::collection::vec(any::<u8>(), 0..3000)],
            pieces in proptest::collection::vec((any::<bool>(), 0..500_usize, 0..500_usize), 0..20),
        ) {
            let [mut one, mut other] = [Sha256::new(), Sha256::new()];
            let [mut left, mut other_left] = streams.each_ref().map(Vec::as_slice);
            for (together, len, other_len) in pieces.into_iter().chain([(true, 3000, 3000)]) {
                let (bytes, rest) = left.split_at(len.min(left.len()));
                let (other_bytes, other_rest) = other_left.split_at(other_len.min(other_left.len()));
                (left, other_left) = (rest, other_rest);
                if together {
                    Sha256::update_both(&mut one, bytes, &mut other, other_bytes);
                } else {
                    one.update(bytes);
                    other.update(other_bytes);
                }
            }
            prop_assert_eq!([one.finish(), other.finish()], streams.each_ref().map(|stream| expected(stream)));
        }
    }
}
