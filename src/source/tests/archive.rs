//! Tars that are read in place.

use proptest::prelude::*;
use tar::EntryType;

use super::super::archive::Archive;
use super::*;

type Member<'a> = (&'a str, EntryType, &'a str, &'a [u8]);

fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for &(name, kind, link, bytes) in members {
        add(&mut builder, name, kind, link, bytes);
    }
    builder.into_inner().unwrap()
}

fn index(bytes: &[u8]) -> Result<Archive> {
    let bench = Bench::new();
    Archive::index(File::open(bench.file("a.tar", bytes)).unwrap(), &Cancel::new())
}

fn get(archive: &Archive, path: &str) -> Result<Option<String>> {
    let Some(mut section) = archive.open(path)? else {
        return Ok(None);
    };
    let mut text = String::new();
    section.read_to_string(&mut text).unwrap();
    Ok(Some(text))
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn row_136_names_longer_than_a_path_are_not_kept() {
    let [longest, longer] = ["ff", "fff"].map(|name| "d/".repeat(2047) + name);
    let mut builder = tar::Builder::new(Vec::new());
    for name in [&longest, &longer] {
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        builder.append_data(&mut header, name, &b"A"[..]).unwrap();
    }
    let archive = index(&builder.into_inner().unwrap()).unwrap();
    assert_eq!((longest.len(), longer.len()), (4096, 4097));
    assert_eq!(get(&archive, &longest).unwrap().as_deref(), Some("A"));
    assert_eq!(get(&archive, &longer).unwrap(), None);
}

#[test]
fn row_132_links_are_followed_inside_the_archive_only() {
    let (soft, hard) = (EntryType::Symlink, EntryType::Link);
    let archive = index(&tar(&[
        ("./a/layer.tar", FILE, "", b"A"),
        ("b/layer.tar", soft, "../a/layer.tar", b""),
        ("c/layer.tar", soft, "../b/layer.tar", b""),
        ("d/layer.tar", hard, "a/layer.tar", b""),
        ("out", soft, "../../etc/passwd", b""),
        ("root", soft, "/etc/passwd", b""),
        ("gone", soft, "nothing", b""),
        ("loop1", soft, "loop2", b""),
        ("loop2", soft, "loop1", b""),
        ("pipe", EntryType::Fifo, "", b""),
        ("dir/", EntryType::Directory, "", b""),
    ]))
    .unwrap();
    for same in ["a/layer.tar", "b/layer.tar", "c/layer.tar", "d/layer.tar", "./a//layer.tar"] {
        assert_eq!(get(&archive, same).unwrap().as_deref(), Some("A"), "{same}");
    }
    assert_eq!(get(&archive, "nothing").unwrap(), None);
    assert_eq!(get(&archive, "../a/layer.tar").unwrap(), None);
    refused(get(&archive, "out"), "leads out of the archive");
    refused(get(&archive, "root"), "leads out of the archive");
    refused(get(&archive, "gone"), "link to `nothing`, which is missing");
    refused(get(&archive, "loop1"), "links in a row");
    refused(get(&archive, "pipe"), "not a regular file");
    refused(get(&archive, "dir"), "not a regular file");
}

#[test]
fn hostile_names_are_only_keys_and_the_last_of_equals_counts() {
    let archive = index(&tar(&[
        ("../../evil", FILE, "", b"x"),
        ("/etc/passwd", FILE, "", b"x"),
        ("f", FILE, "", b"first"),
        ("./f", FILE, "", b"second"),
    ]))
    .unwrap();
    assert!(!archive.contains("evil") && !archive.contains("../../evil"));
    assert!(archive.contains("etc/passwd"));
    assert_eq!(get(&archive, "f").unwrap().as_deref(), Some("second"));
}

#[test]
fn long_names_and_pax_sizes_are_understood() {
    let long = format!("{}/layer.tar", "d".repeat(150));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    builder.append_data(&mut header, &long, &b"long"[..]).unwrap();
    builder.append_pax_extensions([("size", &b"3"[..]), ("path", &b"pax"[..])]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("ignored").unwrap();
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, &b""[..]).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes.extend_from_slice(b"abc");
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    let archive = index(&bytes).unwrap();
    assert_eq!(get(&archive, &long).unwrap().as_deref(), Some("long"));
    assert_eq!(get(&archive, "pax").unwrap().as_deref(), Some("abc"));
}

#[test]
fn row_132_a_cut_or_damaged_archive_is_refused() {
    let whole = tar(&[("a", FILE, "", &[b'x'; 1000]), ("b", FILE, "", b"y")]);
    index(&whole).unwrap();
    // Within the first header, the data, the second header, the last data.
    for cut in [1, 511, 512, 600, 1511, 512 + 1024 + 100, 512 + 1024 + 512] {
        assert_eq!(index(&whole[..cut]).map(|_| ()).unwrap_err().kind(), ErrorKind::Refused, "{cut}");
    }
    // Only the padding and the end marker are missing.
    index(&whole[..2049]).unwrap();
    let mut damaged = whole.clone();
    damaged[512 + 1024] ^= 1;
    refused(index(&damaged), "damaged or truncated");
    refused(index(b""), "no tar archive");
    refused(index(&[0; 1024]), "no tar archive");
    refused(index(&[b'x'; 2048]), "not a tar archive");
}

#[test]
fn endless_headers_are_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    add(&mut builder, "first", FILE, "", b"");
    add(&mut builder, "././@LongLink", EntryType::GNULongName, "", &vec![b'a'; 2 << 20]);
    add(&mut builder, "x", FILE, "", b"");
    refused(index(&builder.into_inner().unwrap()), "bytes of headers");
}

#[test]
fn what_is_no_image_is_refused_with_a_hint() {
    let bench = Bench::new();
    let root = tar(&[("./etc/passwd", FILE, "", b""), ("./usr/", EntryType::Directory, "", b"")]);
    refused(bench.open_file(&root), "use `import`");
    refused(bench.open_file(&tar(&[("readme", FILE, "", b"")])), "not an image archive");
    refused(bench.open_file(b"hello"), "not a tar archive");
    let file = bench.file("a.tar", &root);
    refused(bench.open(&SourceSpec::OciArchive { file: file.clone(), tag: None }), "no oci-layout");
    refused(bench.open(&SourceSpec::DockerArchive { file, reference: None }), "no manifest.json");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any damage is an error or changes nothing that matters here; it never panics and never reads beyond a member.
    #[test]
    fn damage_never_panics(at in 0_usize..3584, byte in any::<u8>(), cut in 0_usize..3584) {
        let mut bytes = tar(&[("a", FILE, "", &[b'x'; 600]), ("b", EntryType::Symlink, "a", b""), ("c", FILE, "", b"y")]);
        bytes[at] = byte;
        bytes.truncate(cut.max(1));
        if let Ok(archive) = index(&bytes) {
            for name in ["a", "b", "c"] {
                if let Ok(Some(mut section)) = archive.open(name) {
                    let _ = section.read_to_end(&mut Vec::new());
                }
            }
        }
    }
}
