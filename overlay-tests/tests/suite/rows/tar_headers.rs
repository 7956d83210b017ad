//! Rows 90 to 96, 99, 100, 103 and 104: what the headers of an archive mean.

use overlay_tests::cases;
use overlay_tests::fixture::{
    Entry, Field, Format, Header, Image, Layer, MTIME, dir, encode_entry, file, hardlink, pad_to_block, pax_entry,
    pax_global, pax_record, pax_records, root, symlink,
};
use overlay_tests::harness::{Case, Context};
use overlay_tests::oracle::apply_stack;
use overlay_tests::tree::{NodeKind, Tree, differences, names};

use super::node;

pub fn cases() -> Vec<Case> {
    cases![
        row_090_pax_size_wins;
        row_091_pax_skips_gnu_headers;
        row_092_malformed_pax;
        row_093_nul_in_pax;
        row_094_two_extended_headers;
        row_095_global_headers;
        row_096_sizes_of_links_and_directories;
        row_099_broken_numbers;
        row_100_checksums;
        row_103_types;
        row_104_formats
    ]
}

fn plain(entry: &Entry) -> Vec<u8> {
    encode_entry(entry, Format::Pax)
}

fn tree_of(context: &Context, pieces: &[Vec<u8>]) -> Tree {
    context.tree_of(&Image::of([Layer::pieces(pieces)]))
}

fn refuse(context: &Context, pieces: &[Vec<u8>]) {
    context.refuse(&Image::of([Layer::pieces(pieces)]), &[]);
}

/// CVE-2025-62518 and CVE-2026-33055: readers that skip by the other number see entries that are data.
fn row_090_pax_size_wins(context: &Context) {
    let data = [Header::ustar().name("smuggled").size(512).finish(), vec![b'd'; 512]].concat();
    let after = plain(&file("after", ""));
    let pax_larger = [
        pax_entry(&pax_record("size", "1024")),
        Header::ustar().name("outer").size(0).finish(),
        data.clone(),
        after.clone(),
    ];
    let tree = tree_of(context, &pax_larger);
    assert_eq!(names(&tree), ["after", "outer"]);
    assert!(matches!(node(&tree, "/outer").kind, NodeKind::File(1024, _)));
    let pax_smaller =
        [pax_entry(&pax_record("size", "0")), Header::ustar().name("outer").size(1024).finish(), data, after];
    let tree = tree_of(context, &pax_smaller);
    assert_eq!(names(&tree), ["after", "outer", "smuggled"]);
    assert!(matches!(node(&tree, "/outer").kind, NodeKind::File(0, _)));
    for size in ["-1", "x", "99999999999999999999999999", "1024 "] {
        refuse(context, &[pax_entry(&pax_record("size", size)), plain(&file("f", ""))]);
    }
}

/// GHSA-3cv2-h65g-fgmm: the size belongs to the file, not to the long name between.
fn row_091_pax_skips_gnu_headers(context: &Context) {
    let long = "l".repeat(150);
    let mut long_name = Header::gnu().name("././@LongLink").typeflag(b'L').size(151).finish();
    long_name.extend_from_slice(long.as_bytes());
    pad_to_block(&mut long_name);
    let body = vec![b'b'; 512];
    let pieces = [
        pax_entry(&pax_record("size", "512")),
        long_name.clone(),
        Header::gnu().name("short").size(0).finish(),
        body.clone(),
        plain(&file("after", "")),
    ];
    let tree = tree_of(context, &pieces);
    assert_eq!(names(&tree), ["after", long.as_str()]);
    assert!(matches!(node(&tree, &format!("/{long}")).kind, NodeKind::File(512, _)));
    // The PAX path beats the long name, and in either order.
    let pax = pax_entry(&pax_record("path", "from-pax"));
    let header = Header::gnu().name("short").finish();
    for pieces in [[pax.clone(), long_name.clone(), header.clone()], [long_name, pax, header]] {
        assert_eq!(names(&tree_of(context, &pieces)), ["from-pax"]);
    }
}

fn row_092_malformed_pax(context: &Context) {
    let texts: [&[u8]; 12] = [
        b"8 path=a\n",
        b"12 path=a\n",
        b"11 path=abc",
        b"9 path=a ",
        b"7 path\n",
        b"-9 path=a\n",
        b"+9 path=a\n",
        b"0 path=a\n",
        b"path=a\n",
        b"x path=a\n",
        b"99999999999999999999 path=a\n",
        b"5 =a\n",
    ];
    for text in texts {
        refuse(context, &[pax_entry(text), plain(&file("f", ""))]);
    }
}

fn row_093_nul_in_pax(context: &Context) {
    for key in ["path", "linkpath", "uname", "gname"] {
        let entry = if key == "linkpath" { symlink("s", "t") } else { file("f", "") };
        refuse(context, &[plain(&entry.pax(key, b"a\0b"))]);
    }
}

/// The last one of each key wins.
fn row_094_two_extended_headers(context: &Context) {
    let first = pax_entry(&pax_records(&[("path", "first"), ("mtime", "5")]));
    let second = pax_entry(&pax_record("path", "second"));
    let tree = tree_of(context, &[first, second, plain(&file("f", ""))]);
    assert_eq!(names(&tree), ["second"]);
    assert_eq!(node(&tree, "/second").mtime, (5, 0));
    let twice = pax_records(&[("path", "first"), ("path", "second")]);
    assert_eq!(names(&tree_of(context, &[pax_entry(&twice), plain(&file("f", ""))])), ["second"]);
}

/// Nothing in a global header counts, and its own name names nothing.
fn row_095_global_headers(context: &Context) {
    let records = [("path", "gp"), ("size", "512"), ("linkpath", "gl"), ("mtime", "5"), ("uid", "7")];
    let layer = Layer::pieces(&[
        pax_global(&pax_record("comment", "0123456789abcdef")),
        plain(&file("f", "x")),
        pax_global(&pax_records(&records)),
        plain(&file("g", "")),
        plain(&symlink("s", "t")),
    ]);
    let base = Layer::of(&[file("pax_global_header", "mine"), dir("d", 0o755)]);
    let tree = context.tree_of(&Image::of([base, layer]));
    assert_eq!(names(&tree), ["d/", "f", "g", "pax_global_header", "s -> t"]);
    assert_eq!((node(&tree, "/g").uid, node(&tree, "/g").mtime), (0, (MTIME, 0)));
}

/// As Go reads them: types 1 to 6 have no data, whatever the size says.
fn row_096_sizes_of_links_and_directories(context: &Context) {
    let header = |name: &str, flag| Header::ustar().name(name).typeflag(flag).size(1024);
    let pieces = [
        plain(&file("target", "x")),
        header("hard", b'1').linkname("target").finish(),
        header("soft", b'2').linkname("target").finish(),
        header("char", b'3').octal(Field::DEVMAJOR, 1).octal(Field::DEVMINOR, 3).finish(),
        header("block", b'4').octal(Field::DEVMAJOR, 7).finish(),
        header("dir/", b'5').mode(0o755).finish(),
        header("fifo", b'6').finish(),
        plain(&file("after", "")),
    ];
    let expected = ["after", "block", "char", "dir/", "fifo", "hard", "soft -> target", "target"];
    assert_eq!(names(&tree_of(context, &pieces)), expected);
}

fn row_099_broken_numbers(context: &Context) {
    let numbers: [&[u8]; 5] =
        [b"0000000800x\0", b"99999999999\0", b"-0000000001\0", b"0x000000010\0", b"00000 00010\0"];
    for number in numbers {
        refuse(context, &[Header::ustar().name("f").raw(Field::SIZE, number).finish()]);
    }
    for size in [-1, i128::from(i64::MAX) + 1, 1 << 90] {
        refuse(context, &[Header::gnu().name("f").base256(Field::SIZE, size).finish()]);
    }
    // Leading and trailing spaces, and no terminator.
    let spaced = Header::ustar().name("f").raw(Field::SIZE, b"          1 ").finish();
    let full = Header::ustar().name("g").raw(Field::SIZE, b"000000000001").finish();
    let base256 = Header::gnu().name("h").base256(Field::SIZE, 1).finish();
    let data = [&b"x"[..], &[0; 511]].concat();
    let pieces = [spaced, data.clone(), full, data.clone(), base256, data];
    assert_eq!(names(&tree_of(context, &pieces)), ["f", "g", "h"]);
}

fn row_100_checksums(context: &Context) {
    let name = [0xe4, 0xf6, 0xfc];
    let pieces = [Header::ustar().name(name).finish(), Header::ustar().name([0xff, 0xfe]).finish_signed()];
    assert_eq!(names(&tree_of(context, &pieces)), ["\\xe4\\xf6\\xfc", "\\xff\\xfe"]);
    refuse(context, &[Header::ustar().name("f").finish_wrong()]);
    let mut flipped = plain(&file("f", ""));
    flipped[0] ^= 1;
    refuse(context, &[flipped]);
    refuse(context, &[vec![b'x'; 512]]);
}

fn row_103_types(context: &Context) {
    let pieces = [
        Header::gnu().name("label").typeflag(b'V').finish(),
        [Header::ustar().name("seven").typeflag(b'7').size(1).finish(), [&b"x"[..], &[0; 511]].concat()].concat(),
        Header::gnu().name("dump/").typeflag(b'D').mode(0o711).finish(),
        plain(&file("after", "")),
    ];
    assert_eq!(names(&tree_of(context, &pieces)), ["after", "dump/", "seven"]);
    for flag in *b"ZM89ANI\x01\xff" {
        refuse(context, &[Header::ustar().name("odd").typeflag(flag).finish()]);
    }
}

/// One layer in every format.
fn row_104_formats(context: &Context) {
    let layer = vec![
        root(0o755).mtime(77, 0),
        dir("d", 0o711).uid(5).gid(6).mtime(1000, 0),
        file("d/f", "content").mode(0o4755).uid(7),
        symlink("d/s", "f"),
        hardlink("h", "d/f"),
        file("empty", ""),
    ];
    let expected = apply_stack(std::slice::from_ref(&layer)).unwrap();
    for format in [Format::Pax, Format::Gnu, Format::Ustar, Format::V7, Format::Star] {
        let tree = context.tree_of(&Image::of([Layer::in_format(&layer, format)]));
        let lines = differences(&expected, &tree, overlay_tests::tree::Nlink::Compare);
        assert!(lines.is_empty(), "{format:?}: {lines:?}");
    }
    // Solaris: the records are those of PAX, the type is `X`.
    let mut solaris = pax_entry(&pax_record("path", "from-solaris"));
    let header = Header::ustar().name("x").typeflag(b'X').size(pax_record("path", "from-solaris").len() as u64);
    solaris.splice(..512, header.finish());
    assert_eq!(names(&tree_of(context, &[solaris, plain(&file("f", ""))])), ["from-solaris"]);
    // star fills the end of the prefix field with times: they are no part of a name.
    let star = Header::star().name("f").raw(Field(476, 12), b"00000000001 ").raw(Field(488, 12), b"00000000002 ");
    assert_eq!(names(&tree_of(context, &[star.finish()])), ["f"]);
}
