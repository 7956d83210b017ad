//! Rows 97, 98, 101, 102 and 105: sparse files, long headers, the end of an archive.

use std::os::unix::fs::MetadataExt as _;

use overlay_tests::cases;
use overlay_tests::fixture::{
    Compression, Field, Format, Header, Image, Layer, SparseMap, encode_entry, file, gnu_sparse, pax_entry, pax_record,
    pax_records, pax_sparse_0_0, pax_sparse_0_1, pax_sparse_1_0, sha256_hex,
};
use overlay_tests::harness::{Case, Context};
use overlay_tests::tree::{NodeKind, names};

use super::node;

pub fn cases() -> Vec<Case> {
    cases![
        row_097_sparse_files;
        row_097_broken_sparse_maps;
        row_098_long_headers;
        row_101_end_of_archive;
        row_101_truncated_archives;
        row_102_bytes_after_the_end;
        row_105_empty_layers
    ]
}

fn plain(name: &str, content: &str) -> Vec<u8> {
    encode_entry(&file(name, content), Format::Pax)
}

fn maps() -> Vec<SparseMap> {
    let piece = |offset: u64, length: usize| (offset, vec![u8::try_from(offset % 251).unwrap(); length]);
    vec![
        SparseMap { pieces: vec![piece(4096, 512)], size: 1 << 20 },
        SparseMap { pieces: vec![piece(0, 512), piece(1 << 20, 1024)], size: (1 << 20) + 1024 },
        SparseMap { pieces: (0..4).map(|n| piece(n * 65_536, 100)).collect(), size: 1 << 18 },
        SparseMap { pieces: (0..100).map(|n| piece(n * 8192, 512)).collect(), size: 1 << 20 },
        SparseMap { pieces: vec![], size: 123_457 },
        SparseMap { pieces: vec![piece(0, 1000), piece(2000, 0)], size: 2000 },
    ]
}

/// All four forms, with their real names and sizes, and their holes.
fn row_097_sparse_files(context: &Context) {
    for map in maps() {
        let pieces = [
            gnu_sparse("old", &map),
            pax_sparse_0_0("pax00", &map),
            pax_sparse_0_1("pax01", &map),
            pax_sparse_1_0("pax10", &map),
            plain("after", ""),
        ];
        let id = context.load(&Image::of([Layer::pieces(&pieces)])).image_id;
        let merged = context.mount([&id]);
        let tree = overlay_tests::tree::read_tree(&merged).unwrap();
        assert_eq!(names(&tree), ["after", "old", "pax00", "pax01", "pax10"]);
        for name in ["old", "pax00", "pax01", "pax10"] {
            let expected = NodeKind::File(map.size, sha256_hex(&map.content()));
            assert_eq!(node(&tree, &format!("/{name}")).kind, expected, "{name}");
            let metadata = merged.join(name).symlink_metadata().unwrap();
            let data: usize = map.pieces.iter().map(|(_, piece)| piece.len().next_multiple_of(4096) + 8192).sum();
            let room = data as u64 + 8192;
            assert!(metadata.blocks() * 512 <= room, "{name} has no holes: {} blocks", metadata.blocks());
        }
        context.umount(&merged);
    }
}

fn row_097_broken_sparse_maps(context: &Context) {
    let refuse = |pieces: &[Vec<u8>]| {
        context.refuse(&Image::of([Layer::pieces(pieces)]), &[]);
    };
    let piece = |offset: u64| (offset, vec![b'x'; 512]);
    // Beyond the end, overlapping, backwards.
    for map in [
        SparseMap { pieces: vec![piece(4096)], size: 4096 },
        SparseMap { pieces: vec![piece(0), piece(256)], size: 8192 },
        SparseMap { pieces: vec![piece(4096), piece(0)], size: 8192 },
    ] {
        for bytes in [gnu_sparse("f", &map), pax_sparse_0_1("f", &map), pax_sparse_1_0("f", &map)] {
            refuse(&[bytes]);
        }
    }
    // CVE-2025-58183: a number of entries that nothing bounds.
    let huge =
        [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "f"), ("GNU.sparse.realsize", "1")];
    let mut body = b"99999999999\n".to_vec();
    body.resize(512, 0);
    refuse(&[pax_entry(&pax_records(&huge)), Header::ustar().name("x").size(512).finish(), body]);
    // Less data than the map says, and numbers that are none.
    let map = SparseMap { pieces: vec![piece(0), piece(4096)], size: 8192 };
    let mut short = gnu_sparse("f", &map);
    short.splice(..512, Header::gnu().name("f").typeflag(b'S').size(512).octal(Field::GNU_REAL_SIZE, 8192).finish());
    refuse(&[short]);
    let records = [("GNU.sparse.size", "8192"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,x")];
    refuse(&[pax_entry(&pax_records(&records)), Header::ustar().name("f").finish()]);
}

/// 1 MiB for PAX records and long names (CVE-2022-2879).
fn row_098_long_headers(context: &Context) {
    let long = |flag: u8, size: usize| {
        let mut bytes = Header::gnu().name("././@LongLink").typeflag(flag).size(size as u64).finish();
        bytes.resize(512 + size.next_multiple_of(512), b'a');
        bytes
    };
    for flag in [b'L', b'K'] {
        context.refuse(&Image::of([Layer::pieces(&[long(flag, (1 << 20) + 513), plain("f", "")])]), &[]);
    }
    let large = pax_entry(&pax_record("comment", "c".repeat((1 << 20) + 1)));
    context.refuse(&Image::of([Layer::pieces(&[large, plain("f", "")])]), &[]);
    let fits = pax_entry(&pax_record("comment", "c".repeat((1 << 20) - 64)));
    let tree = context.tree_of(&Image::of([Layer::pieces(&[fits, plain("f", "")])]));
    assert_eq!(names(&tree), ["f"]);
    // A size that promises more than there is.
    let lying = Header::ustar().typeflag(b'x').name("x").octal(Field::SIZE, 0o7_7777_7777).finish();
    context.refuse(&Image::of([Layer::raw(lying)]), &[]);
    // Bytes behind the NUL, or no NUL at all.
    let mut header = Header::gnu().name("././@LongLink").typeflag(b'L').size(120).finish();
    header.extend([&[b'n'; 110][..], b"\0garbage!!", &[0; 392]].concat());
    let exact = [Header::gnu().name("././@LongLink").typeflag(b'L').size(512).finish(), vec![b'm'; 512]].concat();
    let tree = context.tree_of(&Image::of([Layer::pieces(&[header, plain("f", "")])]));
    assert_eq!(names(&tree), ["n".repeat(110)]);
    // 512 bytes are no name of a file, but a good header.
    let with_slashes: Vec<u8> =
        exact.iter().enumerate().map(|(at, byte)| if at == 700 { b'/' } else { *byte }).collect();
    let parts = context.try_load(&Image::of([Layer::pieces(&[with_slashes, plain("f", "")])])).1;
    assert_eq!(parts.code, 3, "a component of 324 bytes: {}", parts.stderr);
}

/// As Go's reader has it.
fn row_101_end_of_archive(context: &Context) {
    let zeros = |blocks: usize| vec![0; 512 * blocks];
    let entry = || plain("f", "x");
    for tail in [zeros(2), zeros(1), zeros(0), zeros(20)] {
        let tree = context.tree_of(&Image::of([Layer::raw([entry(), tail].concat())]));
        assert_eq!(names(&tree), ["f"]);
    }
    // A lone zero block, then an entry: readers disagree about what is in this archive.
    let smuggled = [entry(), zeros(1), plain("smuggled", ""), zeros(2)].concat();
    context.refuse(&Image::of([Layer::raw(smuggled)]), &[]);
    // Behind two zero blocks nothing counts.
    let hidden = [entry(), zeros(2), plain("hidden", ""), zeros(2)].concat();
    assert_eq!(names(&context.tree_of(&Image::of([Layer::raw(hidden)]))), ["f"]);
    // The padding of the last file may be missing.
    let mut unpadded = entry();
    unpadded.truncate(513);
    assert_eq!(names(&context.tree_of(&Image::of([Layer::raw(unpadded)]))), ["f"]);
}

fn row_101_truncated_archives(context: &Context) {
    let content = "c".repeat(2000);
    let whole = [plain("f", &content), plain("g", "")].concat();
    for length in [1, 100, 511, 513, 512 + 1999, whole.len() - 1] {
        context.refuse(&Image::of([Layer::raw(&whole[..length])]), &[]);
    }
}

/// They belong to the diff ID all the same.
fn row_102_bytes_after_the_end(context: &Context) {
    let end = vec![0; 1024];
    let random: Vec<u8> =
        (0..1_u32 << 20).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let another = plain("another", "x");
    for tail in [vec![0; 10_240], vec![0; 1000], random, another, b"x".to_vec()] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let layer = Layer::raw([plain("f", ""), end.clone(), tail.clone()].concat()).compressed(compression);
            assert_eq!(names(&context.tree_of(&Image::of([layer]))), ["f"]);
        }
    }
}

fn row_105_empty_layers(context: &Context) {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for bytes in [0, 512, 1024, 10_240] {
            let empty = Layer::raw(vec![0; bytes]).compressed(compression);
            let tree = context.tree_of(&Image::of([empty.clone()]));
            assert_eq!(names(&tree), [""; 0]);
            let tree = context.tree_of(&Image::of([empty.clone(), Layer::of(&[file("f", "")]), empty]));
            assert_eq!(names(&tree), ["f"]);
        }
    }
    // No layers at all: the root is what a root that nobody describes is (row 33).
    let tree = context.tree_of(&Image::of(Vec::<Layer>::new()));
    assert_eq!(tree, overlay_tests::oracle::apply_stack(&[]).unwrap());
}
