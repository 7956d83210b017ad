//! Streams with some bytes changed: accepted exactly when zlib's family does.

use proptest::prelude::*;

use super::{decode, gzip, reference};

fn agree(blob: &[u8]) {
    let expected = reference(blob).ok();
    for (input, output) in [(1 << 20, 4096), (13, 301), (1, 1)] {
        assert_eq!(decode(blob, input, output).ok(), expected, "{blob:02x?}");
    }
}

/// What compresses to several kinds of symbols.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        proptest::collection::vec(0_u8..4, 0..300),
        (any::<u8>(), 0_usize..700).prop_map(|(byte, len)| vec![byte; len]),
        (proptest::collection::vec(any::<u8>(), 1..30), 1_usize..20).prop_map(|(part, times)| part.repeat(times)),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// Corrects the sums of a stream of one member, so that they are not all that refuses it.
fn with_sums(mut blob: Vec<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut decoder = flate2::bufread::DeflateDecoder::new(&blob[10..]);
    if std::io::Read::read_to_end(&mut decoder, &mut plain).is_ok() {
        let end = 10 + decoder.total_in() as usize;
        let sums = [crc32fast::hash(&plain).to_le_bytes(), (plain.len() as u32).to_le_bytes()].concat();
        if let Some(place) = blob.get_mut(end..end + 8) {
            place.copy_from_slice(&sums);
        }
    }
    blob
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sound_streams_decode(content in content(), level in 0_u32..10) {
        prop_assert_eq!(decode(&gzip(&content, level), 13, 301).unwrap(), content);
    }

    #[test]
    fn changed_streams_are_judged_alike(
        content in content(),
        level in 0_u32..10,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 1..4),
    ) {
        let mut blob = gzip(&content, level);
        for (at, bit) in changes {
            let at = at.index(blob.len());
            blob[at] ^= 1 << bit;
        }
        agree(&blob);
        agree(&with_sums(blob));
    }

    #[test]
    fn random_blocks_are_judged_alike(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut blob = gzip(b"", 6);
        blob.splice(10..12, bytes);
        agree(&with_sums(blob));
    }
}
