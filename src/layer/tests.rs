//! Diff directories and corrections as they are on disk: marks and attributes that no mount shows. What mounts show
//! is tested in `overlay-tests`. Needs root, as everything here does.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use ::tar::{Builder, EntryType, Header};

use super::fold::Folded;
use super::*;
use crate::cancel::Cancel;
use crate::chunks::reader_of;
use crate::error::{ErrorKind, Result};
use crate::oci::{DiffId, Digest};
use crate::sys::dir::Dir;
use crate::sys::xattr;

/// An archive under construction.
struct Tar(Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(mut self, path: &str, kind: EntryType, mode: u32, content: &str, link: &str) -> Self {
        let mut header = Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_ustar_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1000);
        header.set_size(content.len() as u64);
        header.set_device_major(0).unwrap();
        header.set_device_minor(0).unwrap();
        header.set_cksum();
        self.0.append(&header, content.as_bytes()).unwrap();
        self
    }

    fn dir(self, path: &str, mode: u32) -> Self {
        self.add(path, EntryType::Directory, mode, "", "")
    }

    fn file(self, path: &str, content: &str) -> Self {
        self.add(path, EntryType::Regular, 0o640, content, "")
    }

    fn symlink(self, path: &str, target: &str) -> Self {
        self.add(path, EntryType::Symlink, 0o777, "", target)
    }

    fn link(self, path: &str, target: &str) -> Self {
        self.add(path, EntryType::Link, 0, "", target)
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn options() -> UnpackOptions<'static> {
    UnpackOptions { limits: Limits::default(), oddities: Oddities::Warn, crew: 2, check: &|| Ok(()), warn: &|_| {} }
}

/// Layers in a directory of their own, base first.
struct Layers {
    temp: tempfile::TempDir,
    indexes: Vec<LayerIndex>,
    dirs: Vec<Dir>,
    asides: Vec<Dir>,
}

impl Layers {
    fn new(layers: Vec<Tar>) -> Result<Self> {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open(temp.path()).unwrap();
        let mut all = Self { temp, indexes: Vec::new(), dirs: Vec::new(), asides: Vec::new() };
        for (at, layer) in layers.into_iter().enumerate() {
            let name = at.to_string().into_bytes();
            root.create_dir(&name, 0o700).unwrap();
            let dir = root.open_dir(&name).unwrap();
            let aside = format!("aside-{at}").into_bytes();
            root.create_dir(&aside, 0o700).unwrap();
            let aside = root.open_dir(&aside).unwrap();
            let blob = layer.done();
            let diff_id = DiffId(Digest::of(&blob));
            let unpacked =
                unpack(reader_of(&blob), &dir, &aside, &Claims { diff_id: Some(&diff_id), blob: None }, &options())?;
            let mut saved = Vec::new();
            unpacked.index.write_to(&mut saved).unwrap();
            all.indexes.push(LayerIndex::read_from(&mut &saved[..]).unwrap());
            all.dirs.push(dir);
            all.asides.push(aside);
        }
        Ok(all)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    /// Everything below a directory: type, mode, and the overlay marks.
    fn list(&self, top: &str) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        list(&self.path(top), &self.path(top), &mut all);
        all
    }

    /// Writes the correction into `c` and lists it.
    fn correct(&self) -> Result<BTreeMap<String, String>> {
        let root = Dir::open(self.temp.path()).unwrap();
        root.create_dir(b"c", 0o700).unwrap();
        let layers: Vec<_> = (self.indexes.iter().zip(&self.dirs).zip(&self.asides))
            .map(|((index, diff), aside)| {
                let open = || Ok(Places { diff: diff.try_clone()?, aside: aside.try_clone()? });
                StackLayer { index, open: Box::new(open) }
            })
            .collect();
        correct(&layers, &root.open_dir(b"c").unwrap(), &Cancel::new())?;
        Ok(self.list("c"))
    }
}

fn list(top: &Path, path: &Path, all: &mut BTreeMap<String, String>) {
    let found = path.symlink_metadata().unwrap();
    let kind = found.file_type();
    let mut what = match () {
        () if kind.is_dir() => format!("d{:o}", found.mode() & 0o7777),
        () if kind.is_char_device() && found.rdev() == 0 => "whiteout".to_owned(),
        () if kind.is_symlink() => format!("-> {}", std::fs::read_link(path).unwrap().display()),
        () => format!("f{}", std::fs::read_to_string(path).unwrap()),
    };
    let parent = Dir::open(path.parent().unwrap()).unwrap();
    for (name, value) in xattr::all_at(&parent, path.file_name().unwrap().as_encoded_bytes()).unwrap() {
        let name = String::from_utf8(name).unwrap();
        what = format!("{what} {}={}", name.trim_start_matches("trusted.overlay."), String::from_utf8_lossy(&value));
    }
    all.insert(format!("/{}", path.strip_prefix(top).unwrap().display()), what);
    if kind.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            list(top, &entry.unwrap().path(), all);
        }
    }
}

fn tree(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines.iter().map(|(path, what)| ((*path).to_owned(), (*what).to_owned())).collect()
}

#[test]
fn rows_001_to_004_whiteout_and_entry_of_one_path() {
    let expected = tree(&[("/", "d755"), ("/foo", "d750 opaque=y"), ("/foo/new", "fn")]);
    for layer in [
        Tar::new().file(".wh.foo", "").dir("foo/", 0o750).file("foo/new", "n"),
        Tar::new().dir("foo", 0o750).file("foo/new", "n").file(".wh.foo", ""),
    ] {
        assert_eq!(Layers::new(vec![layer]).unwrap().list("0"), expected);
    }
    let expected = tree(&[("/", "d755"), ("/f", "fx")]);
    for layer in [Tar::new().file(".wh.f", "").file("f", "x"), Tar::new().file("f", "x").file(".wh.f", "")] {
        assert_eq!(Layers::new(vec![layer]).unwrap().list("0"), expected);
    }
    let implied = Layers::new(vec![Tar::new().file(".wh.foo", "").file("foo/bar", "x")]).unwrap();
    assert_eq!(implied.list("0"), tree(&[("/", "d755"), ("/foo", "d755 opaque=y"), ("/foo/bar", "fx")]));
}

#[test]
fn rows_005_and_008_redundant_whiteouts_are_not_written() {
    for layer in
        [Tar::new().file(".wh.foo", "").file("foo/.wh.bar", ""), Tar::new().file("foo/.wh.bar", "").file(".wh.foo", "")]
    {
        let layers = Layers::new(vec![layer]).unwrap();
        assert_eq!(layers.list("0"), tree(&[("/", "d755 origin="), ("/foo", "whiteout")]));
    }
    let opaque = Tar::new().file("d/.wh.a", "").file("d/e/.wh.b", "").file("d/.wh..wh..opq", "");
    assert_eq!(Layers::new(vec![opaque]).unwrap().list("0"), tree(&[("/", "d755"), ("/d", "d755 opaque=y")]));
}

#[test]
fn rows_009_and_018_whiteouts_share_an_inode_and_mark_their_directory() {
    let layers = Layers::new(vec![Tar::new().file("d/.wh.a", "").file("e/.wh.b", "").file("e/f", "")]).unwrap();
    let listed = layers.list("0");
    assert_eq!((&*listed["/d"], &*listed["/e"]), ("d755 origin=", "d755 origin="));
    assert_eq!(std::fs::symlink_metadata(layers.path("0/d/a")).unwrap().nlink(), 2);
}

#[test]
fn row_014_aufs_sources_resolve_and_leave_no_name() {
    let layer = Tar::new().dir(".wh..wh.plnk", 0o700).file(".wh..wh.plnk/12.3", "x").link("a", ".wh..wh.plnk/12.3");
    let layers = Layers::new(vec![layer.link("b", ".wh..wh.plnk/12.3").file(".wh..wh.aufs", "")]).unwrap();
    assert_eq!(layers.list("0"), tree(&[("/", "d755"), ("/a", "fx"), ("/b", "fx")]));
    assert_eq!(std::fs::metadata(layers.path("0/a")).unwrap().nlink(), 2);
    assert_eq!(layers.list("").keys().filter(|name| name.contains("kept")).count(), 0);
}

#[test]
fn row_019_a_device_0_0_is_no_device() {
    let layer = Tar::new().file("f", "x").add("f", EntryType::Char, 0o600, "", "");
    assert_eq!(Layers::new(vec![layer]).unwrap().list("0"), tree(&[("/", "d755 origin="), ("/f", "whiteout")]));
}

#[test]
fn rows_030_031_and_033_the_correction_has_what_a_layer_implies() {
    let layers = Layers::new(vec![
        Tar::new()
            .dir("./", 0o711)
            .dir("tmp", 0o1777)
            .dir("usr", 0o755)
            .dir("usr/lib", 0o751)
            .symlink("lib", "usr/lib"),
        Tar::new().file("tmp/x", "x").file("lib/foo", "y"),
    ])
    .unwrap();
    let expected = tree(&[
        ("/", "d711"),
        ("/lib", "-> usr/lib"),
        ("/tmp", "d1777"),
        ("/usr", "d755"),
        ("/usr/lib", "d751"),
        ("/usr/lib/foo", "fy"),
    ]);
    assert_eq!(layers.correct().unwrap(), expected);
    let tmp = std::fs::metadata(layers.path("c/tmp")).unwrap();
    assert_eq!((tmp.uid(), tmp.gid(), tmp.mtime()), (7, 8, 1000));
}

#[test]
fn row_010_a_directory_for_whiteouts_alone_is_hidden() {
    let layers = Layers::new(vec![Tar::new().file("a", ""), Tar::new().file("x/y/.wh.z", "")]).unwrap();
    assert_eq!(layers.correct().unwrap(), tree(&[("/", "d755 origin="), ("/x", "whiteout")]));
}

#[test]
fn row_070_a_link_across_layers_is_one_inode_in_the_correction() {
    let layers = Layers::new(vec![Tar::new().file("a", "x"), Tar::new().link("d/b", "a")]).unwrap();
    let expected = tree(&[("/", "d755"), ("/a", "fx"), ("/d", "d755"), ("/d/b", "fx")]);
    assert_eq!(layers.correct().unwrap(), expected);
    assert_eq!(std::fs::metadata(layers.path("c/a")).unwrap().nlink(), 2);
    assert_eq!(std::fs::metadata(layers.path("0/a")).unwrap().nlink(), 1);
}

#[test]
fn rows_070_and_071_a_link_to_nowhere_refuses_the_stack() {
    let nowhere = Layers::new(vec![Tar::new().link("b", "a").file("b", "x")]).unwrap();
    assert_eq!(nowhere.correct().unwrap_err().kind(), ErrorKind::Refused);
    let whited_out = Layers::new(vec![Tar::new().file("a", ""), Tar::new().link("b", "a").file(".wh.a", "")]).unwrap();
    assert_eq!(whited_out.correct().unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn row_117_a_wrong_diff_id_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let root = Dir::open(temp.path()).unwrap();
    let blob = Tar::new().file("f", "x").done();
    let wrong = DiffId(Digest::of(b"something else"));
    root.create_dir(b"d", 0o700).unwrap();
    let claims = Claims { diff_id: Some(&wrong), blob: None };
    let error = unpack(reader_of(&blob), &root.open_dir(b"d").unwrap(), &root, &claims, &options());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn a_plain_stack_needs_only_the_root() {
    let base = Tar::new().dir("./", 0o755).dir("etc", 0o755).file("etc/a", "1").link("etc/b", "etc/a").file("f", "2");
    let next = Tar::new().dir("./", 0o755).dir("etc", 0o700).file("etc/.wh.f", "").file("f", "3").file(".wh.gone", "");
    let layers = Layers::new(vec![base, next]).unwrap();
    assert_eq!(layers.correct().unwrap(), tree(&[("/", "d755")]));
}

#[test]
fn row_031_content_that_only_a_stack_shows_is_kept() {
    // Alone, both entries are `d/x`; over a symlink `d`, the first one goes through it and the second replaces it.
    let layers = Layers::new(vec![
        Tar::new().dir("e", 0o755).symlink("d", "e"),
        Tar::new().file("d/x", "1").dir("d", 0o755).file("d/x", "2"),
    ])
    .unwrap();
    assert_eq!(layers.list("1"), tree(&[("/", "d755"), ("/d", "d755"), ("/d/x", "f2")]));
    assert_eq!(layers.correct().unwrap(), tree(&[("/", "d755"), ("/e", "d755"), ("/e/x", "f1")]));
    let plain = Layers::new(vec![Tar::new().dir("d", 0o755).file("d/x", "1").file("d/x", "2")]).unwrap();
    assert_eq!(plain.list("aside-0").len(), 1);
}

#[test]
fn rows_031_and_070_what_a_hard_link_replaces_is_kept() {
    // Alone, the link waits for a target; over a symlink `b` it is a link to itself.
    let link = Tar::new().file("a", "1").link("a", "b/a").dir("b", 0o755);
    let layers = Layers::new(vec![Tar::new().symlink("b", "."), link]).unwrap();
    assert_eq!(layers.correct().unwrap(), tree(&[("/", "d755"), ("/a", "f1")]));
    // A link to a symlink leads later paths elsewhere, as a symlink does.
    let base = Tar::new().dir("c", 0o755).dir("e", 0o755).symlink("a", "b").symlink("b", "c");
    let next = Tar::new().symlink("s", "e").file("a/x", "1").link("b", "s").file("a/x", "2");
    let corrected = Layers::new(vec![base, next]).unwrap().correct().unwrap();
    assert_eq!((&*corrected["/c/x"], &*corrected["/e/x"]), ("f1", "f2"));
}

#[test]
fn a_stream_that_ends_with_a_chunk_is_still_checked_at_its_end() {
    let chunk = crate::chunks::SIZE;
    for chunks in [1, 2] {
        let tar = Tar::new().file("f", &"x".repeat(chunks * chunk - 3 * 512)).done();
        assert_eq!(tar.len(), chunks * chunk);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &tar).unwrap();
        let sound = encoder.finish().unwrap();
        let mut broken = sound.clone();
        let crc = broken.len() - 8;
        broken[crc] ^= 1;
        for (blob, passes) in [(&tar, true), (&sound, true), (&broken, false), (&sound[..crc].to_vec(), false)] {
            let temp = tempfile::tempdir().unwrap();
            let root = Dir::open(temp.path()).unwrap();
            root.create_dir(b"d", 0o700).unwrap();
            let diff = root.open_dir(b"d").unwrap();
            match unpack(reader_of(blob), &diff, &root, &Claims::default(), &options()) {
                Ok(unpacked) => assert!(passes && unpacked.index.summary.diff_id == DiffId(Digest::of(&tar))),
                Err(error) => assert!(!passes && error.kind() == ErrorKind::Refused, "{error}"),
            }
        }
    }
}

#[test]
fn a_layer_has_at_most_so_many_bytes_however_it_comes() {
    let tar = Tar::new().file("f", &"x".repeat(2 * crate::chunks::SIZE)).done();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &tar).unwrap();
    let gzip = encoder.finish().unwrap();
    let size = tar.len() as u64;
    for (blob, known) in [(&tar, true), (&tar, false), (&gzip, true)] {
        let digest = known.then(|| Digest::of(blob));
        for (diff_id, bytes, expected) in [
            (Digest::of(&tar), size, None),
            (Digest::of(&tar), size - 1, Some("layer has more than")),
            (Digest::of(&tar), 1, Some("layer has more than")),
            (Digest::of(b"else"), size - 1, Some("layer has more than")),
            (Digest::of(b"else"), size, Some("expected diff ID")),
        ] {
            let temp = tempfile::tempdir().unwrap();
            let root = Dir::open(temp.path()).unwrap();
            root.create_dir(b"d", 0o700).unwrap();
            let diff = root.open_dir(b"d").unwrap();
            let mut options = options();
            options.limits.bytes = bytes;
            let diff_id = DiffId(diff_id);
            let claims = Claims { diff_id: Some(&diff_id), blob: digest.as_ref() };
            match (unpack(reader_of(blob), &diff, &root, &claims, &options), expected) {
                (Ok(unpacked), None) => assert_eq!(unpacked.index.summary.diff_id, diff_id),
                (Err(error), Some(expected)) => {
                    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                    let text: String = causes.map(ToString::to_string).collect();
                    assert!(text.contains(expected), "{text}, expected {expected}");
                }
                (outcome, _) => panic!("{outcome:?}, expected {expected:?}"),
            }
        }
    }
}

#[test]
fn a_fold_that_was_kept_counts_the_steps_of_one_that_is_made() {
    let temp = tempfile::tempdir().unwrap();
    let root = Dir::open(temp.path()).unwrap();
    root.create_dir(b"d", 0o700).unwrap();
    let blob = Tar::new().dir("a", 0o755).symlink("b", "a/../a").file("b/c", "1").link("d", "b/c").done();
    let diff = root.open_dir(b"d").unwrap();
    let mut index = unpack(reader_of(&blob), &diff, &root, &Claims::default(), &options()).unwrap().index;
    let spent = |index: &LayerIndex| {
        let mut steps = 1000;
        Folded::of(index, &mut steps).unwrap();
        1000 - steps
    };
    let kept = spent(&index);
    index.tree = None;
    assert!(kept > 0 && kept == spent(&index), "{kept}");
    assert!(Folded::of(&index, &mut (kept - 1)).is_err());
}
