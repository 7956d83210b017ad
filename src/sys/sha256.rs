//! Two SHA-256 at once. A round's result is there twice as late as the next round could begin, and each round needs the
//! one before: one stream alone leaves half of the processor's time for it unused.
//!
//! FIPS 180-4, section 6.2.2, with the SHA extensions of x86-64 (Intel SDM, volume 2, `SHA256RNDS2` and its relatives).
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the processor is asked first whether it has the instructions")
)]

use sha2::block_api::compress256;

/// The state between blocks (`H`).
pub type State = [u32; 8];

/// A block of a message.
pub type Block = [u8; 64];

/// Whether two streams together are hashed in the time of one.
pub fn pays_in_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Takes blocks of one stream, and blocks of another one.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "nothing was taken yet"))]
pub fn compress_both(one: &mut State, mut blocks: &[Block], other: &mut State, mut other_blocks: &[Block]) {
    #[cfg(target_arch = "x86_64")]
    if pays_in_pairs() {
        let pairs = blocks.len().min(other_blocks.len());
        // SAFETY: the processor has the instructions.
        unsafe { x86::compress_pairs(one, &blocks[..pairs], other, &other_blocks[..pairs]) };
        (blocks, other_blocks) = (&blocks[pairs..], &other_blocks[pairs..]);
    }
    compress256(one, blocks);
    compress256(other, other_blocks);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x, _mm_setzero_si128,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    };

    use super::{Block, State};

    /// The constants of the rounds (FIPS 180-4, section 4.2.2), four for each group.
    #[rustfmt::skip]
    const K: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];
    /// One of the two, as the instructions want it: the state as ABEF and CDGH, and the last 16 words of the schedule.
    struct Lane {
        abef: __m128i,
        cdgh: __m128i,
        schedule: [__m128i; 4],
    }

    impl Lane {
        #[target_feature(enable = "sha,ssse3,sse4.1")]
        #[inline]
        fn of(state: &State) -> Self {
            Self {
                abef: words([state[5], state[4], state[1], state[0]]),
                cdgh: words([state[7], state[6], state[3], state[2]]),
                schedule: [_mm_setzero_si128(); 4],
            }
        }

        #[target_feature(enable = "sha,ssse3,sse4.1")]
        #[inline]
        fn state(&self) -> State {
            let (abef, cdgh) = (numbers(self.abef), numbers(self.cdgh));
            [abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]]
        }

        /// Rounds `4 * group` to `4 * group + 3`.
        #[target_feature(enable = "sha,ssse3,sse4.1")]
        #[inline]
        fn rounds(&mut self, block: &Block, group: usize) {
            let [w0, w1, w2, w3] = self.schedule;
            let next = if group < 4 {
                message(block, group)
            } else {
                let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
                _mm_sha256msg2_epu32(sum, w3)
            };
            self.schedule = [w1, w2, w3, next];
            let keyed = _mm_add_epi32(next, words(K[group]));
            self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, keyed);
            self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, _mm_shuffle_epi32(keyed, 0x0e));
        }
    }

    /// Four words, the lowest first.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn words(words: [u32; 4]) -> __m128i {
        let [a, b, c, d] = words.map(u32::cast_signed);
        _mm_set_epi32(d, c, b, a)
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn numbers(words: __m128i) -> [u32; 4] {
        let numbers = [
            _mm_extract_epi32::<0>(words),
            _mm_extract_epi32::<1>(words),
            _mm_extract_epi32::<2>(words),
            _mm_extract_epi32::<3>(words),
        ];
        numbers.map(i32::cast_unsigned)
    }

    /// Four words of the message, which has them with the highest byte first.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn message(block: &Block, group: usize) -> __m128i {
        let half = |at: usize| {
            let bytes = block[16 * group + at..].first_chunk().copied().unwrap_or_default();
            i64::from_le_bytes(bytes)
        };
        let highest_first = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        _mm_shuffle_epi8(_mm_set_epi64x(half(8), half(0)), highest_first)
    }

    /// As many blocks of both as the shorter one has. The rounds take turns, so that there is always one that can begin.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn compress_pairs(one: &mut State, blocks: &[Block], other: &mut State, other_blocks: &[Block]) {
        let (mut a, mut b) = (Lane::of(one), Lane::of(other));
        for (block, other_block) in blocks.iter().zip(other_blocks) {
            let before = [a.abef, a.cdgh, b.abef, b.cdgh];
            macro_rules! take_turns {
                ($($group:literal)*) => {
                    $(
                        a.rounds(block, $group);
                        b.rounds(other_block, $group);
                    )*
                };
            }
            take_turns!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            for (sum, before) in [&mut a.abef, &mut a.cdgh, &mut b.abef, &mut b.cdgh].into_iter().zip(before) {
                *sum = _mm_add_epi32(*sum, before);
            }
        }
        (*one, *other) = (a.state(), b.state());
    }
}
