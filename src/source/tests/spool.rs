//! Compressed and unseekable archives.

use std::io::{Seek, SeekFrom, Write};

use flate2::write::GzEncoder;

use super::super::spool::seekable;
use super::*;

fn image() -> Vec<u8> {
    let mut tree = Tree::layout();
    let image = tree.image("linux/amd64", "layer");
    tree.top(&[image]);
    tree.tar()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn compressed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    let zstd = |bytes| zstd::stream::encode_all(bytes, 1).unwrap();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(bytes)].concat();
    vec![
        ("gzip", gzip(bytes)),
        ("gzip members", [gzip(one), gzip(b""), gzip(two)].concat()),
        ("gzip padded", [gzip(bytes), vec![0; 1000]].concat()),
        ("zstd", zstd(bytes)),
        ("zstd frames", [zstd(one), zstd(two)].concat()),
        ("zstd skippable", skippable),
        ("xz", xz.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
    ]
}

#[test]
fn compressed_archives_are_read_as_docker_load_does() {
    let plain = image();
    for (name, bytes) in compressed(&plain) {
        let bench = Bench::new();
        let source = bench.open_file(&bytes).unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
        let image = source.images().unwrap().remove(0);
        resolve(&*source, &image.descriptor, None).unwrap();
        assert!(bench.scratch.entries().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn damaged_and_cut_streams_are_refused() {
    let plain = image();
    for (name, bytes) in compressed(&plain).into_iter().filter(|(name, _)| !name.contains("padded")) {
        let bench = Bench::new();
        for cut in [bytes.len() / 3, bytes.len() * 3 / 4, bytes.len() - 1] {
            let cut = bench.open_file(&bytes[..cut]).map(|_| ()).map_err(|error| error.kind());
            assert_eq!(cut, Err(ErrorKind::Refused), "{name}");
        }
        assert!(bench.scratch.entries().unwrap().is_empty(), "{name}");
    }
    let bench = Bench::new();
    refused(bench.open_file(&[gzip(&plain), b"garbage".to_vec()].concat()), "gzip");
    refused(bench.open_file(&[gzip(&plain), vec![0; 9], gzip(&plain)].concat()), "gzip");
    let mut wrong = gzip(&plain);
    let crc = wrong.len() - 8;
    wrong[crc] ^= 1;
    refused(bench.open_file(&wrong), "gzip");
}

#[test]
fn a_pipe_and_a_file_read_from_its_middle_are_spooled() {
    let bench = Bench::new();
    for bytes in [image(), gzip(&image())] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let sent = bytes.clone();
        let thread = std::thread::spawn(move || {
            // In small pieces, so that the first read gets less than the magic bytes.
            let (first, rest) = sent.split_at(3);
            writer.write_all(first).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            writer.write_all(rest).unwrap();
        });
        let reader = File::from(std::os::fd::OwnedFd::from(reader));
        let mut spooled = seekable(reader, &bench.scratch, &Cancel::new()).unwrap();
        thread.join().unwrap();
        let mut got = Vec::new();
        spooled.seek(SeekFrom::Start(0)).unwrap();
        spooled.read_to_end(&mut got).unwrap();
        assert_eq!(got, image());
        let mut file = File::open(bench.file("prefixed", &[b"skip".to_vec(), bytes].concat())).unwrap();
        file.seek(SeekFrom::Start(4)).unwrap();
        let spooled = seekable(file, &bench.scratch, &Cancel::new()).unwrap();
        assert_eq!(spooled.metadata().unwrap().len(), image().len() as u64);
    }
}

#[test]
fn spooling_can_be_cancelled() {
    let bench = Bench::new();
    let cancel = Cancel::new();
    cancel.raise(2);
    let spec = SourceSpec::Path(bench.file("a.tar.gz", &gzip(&image())));
    let error = open(&spec, &bench.scratch, &cancel).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted(2));
}
