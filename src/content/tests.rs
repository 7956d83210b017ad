//! Tests of the way in and of what is found afterwards.

use std::io::{Read, Write};

use nix::errno::Errno;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::oci::{Algorithm, Digest};
use crate::sys::dir::Dir;

struct Bench {
    temp: tempfile::TempDir,
    staging: Dir,
    store: ContentStore,
}

fn bench() -> Bench {
    let temp = tempfile::tempdir().unwrap();
    let root = Dir::open(temp.path()).unwrap();
    let staging = root.create_dirs(b"staging", 0o700).unwrap();
    let store = ContentStore::new(root.create_dirs(b"blobs", 0o755).unwrap());
    Bench { temp, staging, store }
}

impl Bench {
    fn ingest(&self, digest: &Digest, size: u64, content: &[u8]) -> Result<(), Error> {
        let mut ingest = Ingest::new(&self.staging, digest, size)?;
        ingest.write_all(content)?;
        ingest.commit(&self.store)
    }

    fn staged(&self) -> usize {
        self.staging.entries().unwrap().len()
    }
}

fn sha512(content: &[u8]) -> Digest {
    let mut hasher = Algorithm::Sha512.hasher();
    hasher.update(content);
    hasher.finish()
}

#[test]
fn row_118_the_size_is_checked_first_and_stops_the_stream() {
    let bench = bench();
    let digest = Digest::of(b"abc");
    let mut ingest = Ingest::new(&bench.staging, &digest, 3).unwrap();
    ingest.write_all(b"ab").unwrap();
    let error = Error::from(ingest.write_all(b"cd").unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("expected 3 bytes, got more"), "{error}");
    drop(ingest);
    let error = bench.ingest(&digest, 3, b"ab").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("expected 3 bytes, got 2"), "{error}");
    assert_eq!(bench.staged(), 0);
    assert_eq!(bench.store.size_of(&digest).unwrap(), None);
}

#[test]
fn row_118_the_digest_is_checked_before_the_blob_has_a_name() {
    let bench = bench();
    let digest = Digest::of(b"abc");
    let error = bench.ingest(&digest, 3, b"abd").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains(&digest.to_string()), "{error}");
    assert!(error.to_string().contains(&Digest::of(b"abd").to_string()), "{error}");
    assert_eq!((bench.staged(), bench.store.list().unwrap()), (0, vec![]));
}

#[test]
fn row_118_verify_may_be_repeated() {
    let bench = bench();
    let mut ingest = Ingest::new(&bench.staging, &Digest::of(b"abc"), 3).unwrap();
    assert!(ingest.verify().is_err());
    ingest.write_all(b"abc").unwrap();
    ingest.verify().unwrap();
    ingest.verify().unwrap();
    ingest.write_all(b"").unwrap();
    assert!(ingest.write_all(b"d").is_err());
    ingest.commit(&bench.store).unwrap();
    let mut wrong = Ingest::new(&bench.staging, &Digest::of(b"abc"), 3).unwrap();
    wrong.write_all(b"xyz").unwrap();
    assert!(wrong.verify().is_err() && wrong.verify().is_err());
    assert!(wrong.commit(&bench.store).is_err());
}

#[test]
fn row_119_sha512_blobs_have_their_own_directory() {
    let bench = bench();
    let (long, short) = (sha512(b"abc"), Digest::of(b"abc"));
    bench.ingest(&long, 3, b"abc").unwrap();
    assert!(bench.temp.path().join("blobs/sha512").join(long.hex()).is_file());
    assert_eq!(bench.store.read(&long, 3).unwrap(), b"abc");
    assert_eq!(bench.store.size_of(&short).unwrap(), None);
    bench.ingest(&short, 3, b"abc").unwrap();
    assert_eq!(bench.store.list().unwrap(), [short, long]);
}

#[test]
fn a_blob_is_committed_and_found() {
    let bench = bench();
    let digest = Digest::of(b"");
    bench.ingest(&digest, 0, b"").unwrap();
    bench.ingest(&digest, 0, b"").unwrap();
    assert_eq!(bench.store.size_of(&digest).unwrap(), Some(0));
    let digest = Digest::of(b"abc");
    bench.ingest(&digest, 3, b"abc").unwrap();
    let mut content = String::new();
    bench.store.open(&digest).unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "abc");
    assert_eq!(bench.store.read(&digest, 2).unwrap_err().kind(), ErrorKind::Refused);
    let digest = Digest::of(b"absent");
    let error = bench.store.open(&digest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&digest.to_string()));
    assert_eq!(bench.staged(), 0);
}

#[test]
fn a_damaged_blob_is_noticed_and_a_cut_one_replaced() {
    let bench = bench();
    let digest = Digest::of(b"abc");
    bench.ingest(&digest, 3, b"abc").unwrap();
    let path = bench.temp.path().join("blobs/sha256").join(digest.hex());
    std::fs::write(&path, "ab").unwrap();
    assert_eq!(bench.store.read(&digest, 10).unwrap_err().kind(), ErrorKind::Refused);
    bench.ingest(&digest, 3, b"abc").unwrap();
    assert_eq!(bench.store.read(&digest, 10).unwrap(), b"abc");
    std::fs::write(path.with_file_name("debris"), "").unwrap();
    assert_eq!(bench.store.list().unwrap(), [digest]);
}

impl Bench {
    /// A download of which `kept` is here.
    fn partial(&self, name: &str, kept: &[u8]) -> PartialFile {
        let mut file = self.staging.open_or_create_file(name.as_bytes(), 0o644).unwrap();
        file.set_len(0).unwrap();
        file.write_all(kept).unwrap();
        let dir = self.staging.try_clone().unwrap();
        PartialFile { dir, name: name.to_owned(), file, kept: kept.len() as u64 }
    }
}

#[test]
fn a_download_goes_on_behind_what_is_kept() {
    let bench = bench();
    let digest = Digest::of(b"abcdef");
    for cut in 0..=6 {
        let mut ingest = Ingest::resume(bench.partial("part", &b"abcdef"[..cut]), &digest, 6);
        // Pieces that end before, at and behind the end of what is kept.
        for piece in [&b"abc"[..], b"d", b"ef"] {
            ingest.write_all(piece).unwrap();
        }
        ingest.commit(&bench.store).unwrap();
        assert_eq!(bench.store.read(&digest, 10).unwrap(), b"abcdef");
        assert_eq!(bench.staged(), 0, "{cut}");
        bench.store.remove_damaged(&digest).unwrap();
    }
    bench.store.remove_damaged(&digest).unwrap();
}

#[test]
fn an_interrupted_download_stays_and_an_empty_one_does_not() {
    let bench = bench();
    let digest = Digest::of(b"abcdef");
    let mut ingest = Ingest::resume(bench.partial("part", b"ab"), &digest, 6);
    ingest.write_all(b"abcd").unwrap();
    drop(ingest);
    let mut kept = String::new();
    bench.staging.open_file(b"part").unwrap().read_to_string(&mut kept).unwrap();
    assert_eq!(kept, "abcd");
    drop(Ingest::resume(bench.partial("part", b""), &digest, 6));
    assert_eq!(bench.staged(), 0);
}

#[test]
fn wrong_bytes_of_a_network_are_a_mismatch() {
    let bench = bench();
    let digest = Digest::of(b"abcdef");
    for (kept, rest) in [(&b""[..], &b"abcdeX"[..]), (b"aX", b"aXcdef"), (b"ab", b"abcd")] {
        let mut ingest = Ingest::resume(bench.partial("part", kept), &digest, 6);
        ingest.write_all(rest).unwrap();
        assert_eq!(ingest.commit(&bench.store).unwrap_err().kind(), ErrorKind::DigestMismatch);
    }
    let mut ingest = Ingest::resume(bench.partial("part", b""), &digest, 6);
    let error = Error::from(ingest.write_all(b"abcdefg").unwrap_err());
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    assert_eq!(bench.store.size_of(&digest).unwrap(), None);
}

#[test]
fn a_stored_blob_is_looked_at_again() {
    let bench = bench();
    let digest = Digest::of(b"abc");
    bench.ingest(&digest, 3, b"abc").unwrap();
    let again = |content: &[u8]| {
        let mut ingest = Ingest::stored(&bench.staging, &digest, 3).unwrap();
        ingest.write_all(content).unwrap();
        ingest.commit(&bench.store)
    };
    again(b"abc").unwrap();
    assert_eq!(again(b"abX").unwrap_err().kind(), ErrorKind::DigestMismatch);
    assert_eq!((bench.store.size_of(&digest).unwrap(), bench.staged()), (Some(3), 0));
}

/// After a power cut a file may have its name and its size, and other content.
#[test]
fn a_blob_of_other_content_is_replaced() {
    let bench = bench();
    let digest = Digest::of(b"abc");
    bench.ingest(&digest, 3, b"abc").unwrap();
    assert!(!bench.store.is_damaged(&digest).unwrap());
    let path = bench.temp.path().join("blobs/sha256").join(digest.hex());
    std::fs::write(&path, b"\0\0\0").unwrap();
    assert!(bench.store.is_damaged(&digest).unwrap());
    bench.ingest(&digest, 3, b"abc").unwrap();
    assert_eq!((std::fs::read(path).unwrap().as_slice(), bench.staged()), (&b"abc"[..], 0));
}

/// What a disk says of a sector that it cannot read.
struct Unreadable(i32);

impl Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::from_raw_os_error(self.0))
    }
}

#[test]
fn a_download_that_cannot_be_read_back_is_as_good_as_a_wrong_one() {
    let kind = |errno| Error::from(ingest::Kept(Unreadable(errno as i32)).read(&mut [0; 1]).unwrap_err()).kind();
    for errno in [Errno::EIO, Errno::EUCLEAN, Errno::EBADMSG] {
        assert_eq!(kind(errno), ErrorKind::DigestMismatch);
    }
    assert_ne!(kind(Errno::ENOMEM), ErrorKind::DigestMismatch);
}
