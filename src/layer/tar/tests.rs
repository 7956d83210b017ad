//! The format, row by row. The expected readings are those of Go's `archive/tar` and of section L.

use super::*;
use crate::error::{ErrorKind, Result};

/// A header block of a chosen dialect.
struct Head([u8; 512]);

impl Head {
    fn new(name: &str, flag: u8, size: u64) -> Self {
        let mut raw = [0; 512];
        raw[..name.len()].copy_from_slice(name.as_bytes());
        raw[100..108].copy_from_slice(b"0000644\0");
        raw[108..116].copy_from_slice(b"0000000\0");
        raw[116..124].copy_from_slice(b"0000000\0");
        raw[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        raw[136..148].copy_from_slice(b"00000000000\0");
        raw[156] = flag;
        raw[257..265].copy_from_slice(b"ustar\x0000");
        Self(raw)
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn build(mut self) -> Vec<u8> {
        self.0[148..156].copy_from_slice(b"        ");
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.to_vec()
    }
}

fn data(content: &[u8]) -> Vec<u8> {
    let mut out = content.to_vec();
    out.resize(content.len().div_ceil(512) * 512, 0);
    out
}

fn pax(flag: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut len = rest.len() + 1;
        while len != rest.len() + len.to_string().len() {
            len = rest.len() + len.to_string().len();
        }
        body.extend_from_slice(format!("{len}{rest}").as_bytes());
    }
    [Head::new("pax", flag, body.len() as u64).build(), data(&body)].concat()
}

fn file(name: &str, content: &str) -> Vec<u8> {
    [Head::new(name, b'0', content.len() as u64).build(), data(content.as_bytes())].concat()
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// Names with contents, and what was odd.
fn read(parts: &[Vec<u8>]) -> Result<(Vec<String>, Vec<Notice>)> {
    let archive = parts.concat();
    let mut reader = Reader::new(&archive[..], 1 << 20);
    let mut entry = Entry::default();
    let mut all = Vec::new();
    let mut notices = Vec::new();
    while reader.next(&mut entry)? {
        let mut content = Vec::new();
        loop {
            let chunk = reader.data()?;
            if chunk.is_empty() {
                break;
            }
            let len = chunk.len();
            content.extend_from_slice(chunk);
            reader.consume(len);
        }
        all.push(format!("{}={}", String::from_utf8_lossy(&entry.path), String::from_utf8_lossy(&content)));
        notices.extend(reader.take_notices());
    }
    reader.drain()?;
    notices.extend(reader.take_notices());
    Ok((all, notices))
}

fn names(parts: &[Vec<u8>]) -> Vec<String> {
    read(parts).unwrap().0
}

fn refused(parts: &[Vec<u8>]) {
    assert_eq!(read(parts).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn row_090_the_pax_size_wins_both_ways() {
    let inner = file("smuggled", "x");
    let outer = [pax(b'x', &[("size", "1024")]), Head::new("outer", b'0', 0).build(), inner.clone()].concat();
    let all = names(&[outer, file("after", "a"), end()]);
    assert_eq!(all.len(), 2);
    assert!(all[0].starts_with("outer=smuggled") && all[1] == "after=a", "{all:?}");
    let outer = [pax(b'x', &[("size", "0")]), Head::new("outer", b'0', 1024).build(), inner].concat();
    assert_eq!(names(&[outer, end()]), ["outer=", "smuggled=x"]);
}

#[test]
fn row_091_pax_records_wait_for_the_file_behind_a_long_name() {
    let long = [Head::new("././@LongLink", b'L', 5).build(), data(b"gnu\0\0")].concat();
    let all = names(&[pax(b'x', &[("size", "3")]), long.clone(), Head::new("h", b'0', 0).build(), data(b"abc"), end()]);
    assert_eq!(all, ["gnu=abc"]);
    let all = names(&[long, pax(b'x', &[("path", "pax")]), file("h", ""), end()]);
    assert_eq!(all, ["pax="]);
}

#[test]
fn row_091_an_empty_long_name_is_none() {
    for body in [&b""[..], b"\0", b"\0hidden\0"] {
        let long = |flag| [Head::new("././@LongLink", flag, body.len() as u64).build(), data(body)].concat();
        let link = Head::new("name", b'2', 0).put(157, b"target").build();
        let archive = [long(b'L'), long(b'K'), link, end()].concat();
        let mut entry = Entry::default();
        assert!(Reader::new(&archive[..], 1 << 20).next(&mut entry).unwrap());
        assert_eq!((&entry.path[..], &entry.link[..]), (&b"name"[..], &b"target"[..]));
    }
}

#[test]
fn rows_092_and_093_malformed_records_are_refused() {
    for body in [
        "7 a=bcd\n",
        "x a=b\n",
        "6 a=b ",
        "6 abcd\n",
        "-6 a=b\n",
        "999999 a=b\n",
        "3 \n",
        "0 a=b\n",
        "06",
        "12 path=a\0bc\n",
        "6  =b\n\0",
    ] {
        let head = Head::new("pax", b'x', body.len() as u64).build();
        refused(&[head, data(body.as_bytes()), file("f", ""), end()]);
    }
    // Keywords are UTF-8; names of attributes and all values are any bytes.
    let head = |body: &[u8]| [Head::new("pax", b'x', body.len() as u64).build(), data(body)].concat();
    refused(&[head(b"6 \xff=b\n"), file("f", ""), end()]);
    let latin = [&b"26 SCHILY.xattr.user.\xfc=\xe4\xf6\n"[..], b"11 path=\xe4\xf6\n"].concat();
    assert_eq!(names(&[head(&latin), file("f", ""), end()]), ["\u{fffd}\u{fffd}="]);
    for (key, value) in
        [("size", "-1"), ("size", "1x"), ("size", "99999999999999999999"), ("mtime", "now"), ("uid", "+1")]
    {
        refused(&[pax(b'x', &[(key, value)]), file("f", ""), end()]);
    }
}

#[test]
fn row_094_the_last_of_two_headers_wins_per_key() {
    let all = names(&[
        pax(b'x', &[("path", "one"), ("size", "3")]),
        pax(b'x', &[("path", "two")]),
        Head::new("h", b'0', 0).build(),
        data(b"abc"),
        end(),
    ]);
    assert_eq!(all, ["two=abc"]);
    let x = || pax(b'x', &[("comment", "c")]);
    let label = Head::new("label", b'V', 0).build();
    for (parts, notices) in [
        (vec![x(), x(), file("f", ""), end()], vec![Notice::SeveralHeaders]),
        (vec![x(), pax(b'g', &[("comment", "c")]), x(), file("f", ""), end()], vec![Notice::SeveralHeaders]),
        (vec![x(), file("f", ""), x(), file("g", ""), end()], vec![]),
        (vec![x(), label, x(), file("g", ""), end()], vec![]),
    ] {
        assert_eq!(read(&parts).unwrap().1, notices);
    }
}

#[test]
fn row_095_global_headers_change_nothing() {
    let (all, notices) = read(&[pax(b'g', &[("comment", "c"), ("path", "gp")]), file("f", "x"), end()]).unwrap();
    assert_eq!(all, ["f=x"]);
    assert_eq!(notices, [Notice::GlobalHeader]);
}

#[test]
fn row_096_types_without_data_have_none() {
    for flag in b"123456" {
        let head = Head::new("n", *flag, 1024).put(157, b"t").build();
        let (all, notices) = read(&[head, file("next", "x"), end()]).unwrap();
        assert_eq!(all, ["n=", "next=x"]);
        assert_eq!(notices, [Notice::SizeIgnored]);
    }
}

#[test]
fn row_098_long_headers_are_capped() {
    let size = (1 << 20) + 1;
    for flag in b"LKxg" {
        let body = vec![b'a'; size];
        refused(&[Head::new("l", *flag, size as u64).build(), data(&body), file("f", ""), end()]);
    }
}

#[test]
fn row_099_numbers_that_make_no_sense_are_refused() {
    refused(&[Head::new("f", b'0', 0).put(124, &[0xff; 12]).build(), end()]);
    refused(&[Head::new("f", b'0', 0).put(124, b"0000000009\0 ").build(), end()]);
    refused(&[Head::new("f", b'0', 0).put(124, b"00000 00000\0").build(), end()]);
    let mut base256 = [0; 12];
    (base256[0], base256[11]) = (0x80, 3);
    assert_eq!(names(&[Head::new("f", b'0', 0).put(124, &base256).build(), data(b"abc"), end()]), ["f=abc"]);
}

#[test]
fn row_100_both_checksums_are_accepted() {
    let mut raw = Head::new("caf\u{e9}", b'0', 0).build();
    let signed: i64 = raw
        .iter()
        .enumerate()
        .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { i64::from(byte.cast_signed()) })
        .sum();
    raw[148..156].copy_from_slice(format!("{signed:06o}\0 ").as_bytes());
    assert_eq!(names(&[raw.clone(), end()]), ["caf\u{e9}="]);
    raw[148] = b'7';
    refused(&[raw, end()]);
}

#[test]
fn row_101_the_end_of_the_archive() {
    let (one, zero) = (file("f", "x"), vec![0; 512]);
    for accepted in [
        vec![one.clone(), end()],
        vec![one.clone(), zero.clone()],
        vec![one.clone()],
        vec![one[..513].to_vec()],
        vec![],
        vec![end()],
    ] {
        assert!(read(&accepted).is_ok());
    }
    refused(&[one.clone(), zero.clone(), file("g", "y")]);
    refused(&[one[..512].to_vec()]);
    refused(&[one.clone(), one[..100].to_vec()]);
    refused(&[one, zero, vec![0; 100]]);
}

#[test]
fn row_102_what_follows_the_end_is_no_entry() {
    let (all, notices) = read(&[file("f", "x"), end(), file("hidden", "y")]).unwrap();
    assert_eq!(all, ["f=x"]);
    assert_eq!(notices, [Notice::TrailingData]);
    assert_eq!(read(&[file("f", "x"), end(), vec![0; 8192]]).unwrap().1, []);
}

#[test]
fn row_103_type_flags() {
    assert_eq!(names(&[Head::new("c", b'7', 1).build(), data(b"x"), end()]), ["c=x"]);
    assert_eq!(names(&[Head::new("label", b'V', 0).build(), file("f", ""), end()]), ["f="]);
    // PAX records are about the next header that is no extension, and a label is none (rows 90, 91).
    for (pax_size, size) in [("512", 0), ("0", 512)] {
        let label = [pax(b'x', &[("size", pax_size), ("path", "p")]), Head::new("label", b'V', size).build()].concat();
        let all = names(&[label, file("inside", ""), file("f", ""), end()]);
        let expected: &[&str] = if pax_size == "512" { &["f="] } else { &["inside=", "f="] };
        assert_eq!(all, expected);
    }
    assert_eq!(names(&[Head::new("d/", b'D', 3).build(), data(b"Yx\0"), file("f", ""), end()]), ["d/=", "f="]);
    for flag in b"ZMNIA" {
        refused(&[Head::new("f", *flag, 0).build(), end()]);
    }
}

#[test]
fn row_104_dialects() {
    let v7 = Head::new("d/x", 0, 1).put(257, &[0; 8]).build();
    assert_eq!(names(&[v7, data(b"x"), end()]), ["d/x=x"]);
    let prefixed = Head::new("name", b'0', 0).put(345, b"some/prefix").build();
    assert_eq!(names(&[prefixed, end()]), ["some/prefix/name="]);
    let gnu = Head::new("name", b'0', 0).put(257, b"ustar  \0").put(345, b"00000000001\0").build();
    assert_eq!(names(&[gnu, end()]), ["name="]);
    let star = Head::new("name", b'0', 0).put(345, b"p").put(476, b"00000000001\0").put(508, b"tar\0").build();
    assert_eq!(names(&[star, end()]), ["p/name="]);
    assert_eq!(names(&[pax(b'X', &[("path", "solaris")]), file("h", ""), end()]), ["solaris="]);
}

#[test]
fn row_058_times_round_down() {
    for (text, seconds, nanos) in [
        ("1.123456789", 1, 123_456_789),
        ("-1.5", -2, 500_000_000),
        ("-1000.5", -1001, 500_000_000),
        ("10000000000", 10_000_000_000, 0),
        ("0.0000000019", 0, 1),
        ("-3", -3, 0),
        ("5.", 5, 0),
        ("-0.5", -1, 500_000_000),
        ("-1.0000000001", -2, 999_999_999),
        ("-1.9999999991", -2, 0),
        ("-1.5000000000", -2, 500_000_000),
    ] {
        let archive = [pax(b'x', &[("mtime", text)]), file("f", ""), end()].concat();
        let mut entry = Entry::default();
        assert!(Reader::new(&archive[..], 1 << 20).next(&mut entry).unwrap());
        assert_eq!(entry.mtime, Time { seconds, nanos }, "{text}");
    }
}

#[test]
fn row_056_libarchive_attributes_are_a_fallback() {
    let records =
        [("LIBARCHIVE.xattr.user.a%25b", "aGk"), ("LIBARCHIVE.xattr.user.c", "bm8="), ("SCHILY.xattr.user.c", "yes=y")];
    let archive = [pax(b'x', &records), file("f", ""), end()].concat();
    let mut entry = Entry::default();
    assert!(Reader::new(&archive[..], 1 << 20).next(&mut entry).unwrap());
    let expected = [(b"user.a%b".to_vec(), b"hi".to_vec()), (b"user.c".to_vec(), b"yes=y".to_vec())];
    assert_eq!(entry.xattrs, expected);
}

#[test]
fn row_097_maps_that_lie_are_refused() {
    let sparse = |map: &str, size: &str| {
        [
            pax(b'x', &[("GNU.sparse.map", map), ("GNU.sparse.size", size), ("GNU.sparse.name", "s")]),
            file("h", "abcd"),
            end(),
        ]
    };
    assert_eq!(names(&sparse("0,2,10,2", "20")), ["s=abcd"]);
    for (map, size) in
        [("0,2,10,3", "20"), ("0,2,1,2", "20"), ("10,2,0,2", "20"), ("0,2,10,2", "11"), ("0,2,10", "20"), ("0,4", "x")]
    {
        refused(&sparse(map, size));
    }
}
