//! Unpacking: nothing outside the layer's own directories, and on disk exactly what the index says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rootlay::fuzzing::{Kind, Node, Shape};
use walkdir::WalkDir;

use crate::DOOR;

/// Paths beyond this cannot be looked at by name.
const LONGEST: usize = 3000;

const CANARY: &[u8] = b"canary\n";

/// What would change if someone touched a file: `(ino, mode, uid, gid, nlink, size, mtime, ctime)`.
type Stamp = (u64, u32, u32, u32, u64, u64, [i64; 2], [i64; 2]);

fn stamp(path: &Path) -> Stamp {
    let found = path.symlink_metadata().unwrap();
    let times = ([found.mtime(), found.mtime_nsec()], [found.ctime(), found.ctime_nsec()]);
    (found.ino(), found.mode(), found.uid(), found.gid(), found.nlink(), found.size(), times.0, times.1)
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Unpacks the input as a layer, and again with the checksums of its headers put right: what changes bytes at random
/// would else never get past them.
pub fn layer(input: &[u8]) {
    unpack(input);
    let repaired = repair(input);
    if repaired != input {
        unpack(&repaired);
    }
}

/// An uncompressed archive with right checksums (POSIX pax, "ustar Interchange Format"). Sizes beyond octal digits
/// count as nothing.
fn repair(input: &[u8]) -> Vec<u8> {
    let mut archive = input.to_vec();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + 512) {
        if header.iter().any(|&byte| byte != 0) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let digits = header[124..136].iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
        let size = digits.fold(0_u64, |size, digit| size.saturating_mul(8).saturating_add(u64::from(digit - b'0')));
        let blocks = size.div_ceil(512).saturating_add(1).saturating_mul(512);
        at = at.saturating_add(usize::try_from(blocks).unwrap_or(usize::MAX));
        if at >= archive.len() {
            break;
        }
    }
    archive
}

/// Unpacks one blob and looks at everything around it.
fn unpack(input: &[u8]) {
    let temp = tempfile::tempdir().unwrap();
    let top = temp.path();
    let [canary, aside, correction] = ["canary", "layer", "correction"].map(|name| top.join(name));
    let diff = aside.join("diff");
    fs::write(&canary, CANARY).unwrap();
    fs::set_permissions(&canary, fs::Permissions::from_mode(0o640)).unwrap();
    for directory in [&aside, &diff, &correction] {
        fs::create_dir(directory).unwrap();
    }
    let door = rustix::io::fcntl_dupfd_cloexec(fs::File::open(top).unwrap(), DOOR).unwrap();
    let before = [stamp(&canary), stamp(top)];
    let result = rootlay::fuzzing::layer(input, &diff, &aside, &correction);
    drop(door);

    assert_eq!([stamp(&canary), stamp(top)], before, "something outside was touched");
    assert_eq!(fs::read(&canary).unwrap(), CANARY);
    assert_eq!(names(top), ["canary", "correction", "layer"].map(str::to_owned).into());
    let mut beside = names(&aside);
    assert!(beside.remove("diff"));
    assert!(beside.iter().all(|name| name.starts_with("kept-")), "beside the diff directory: {beside:?}");
    let Ok(Shape { diff: expected, kept }) = result else { return };
    assert_eq!(beside, kept, "kept beside the diff directory");
    if expected.keys().all(|path| path.len() < LONGEST) {
        compare(&expected, &diff);
    }
}

fn compare(expected: &BTreeMap<Vec<u8>, Node>, diff: &Path) {
    let mut found = BTreeMap::new();
    let mut inodes: HashMap<u64, Option<u32>> = HashMap::new();
    for entry in WalkDir::new(diff).min_depth(1) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(diff).unwrap().as_os_str().as_bytes().to_vec();
        let metadata = entry.path().symlink_metadata().unwrap();
        let kind = kind(&metadata, expected.get(&path).map(|node| node.kind));
        let record = expected.get(&path).and_then(|node| node.record);
        if kind != Kind::Directory {
            let of_inode = *inodes.entry(metadata.ino()).or_insert(record);
            assert_eq!(of_inode, record, "{}: two contents in one inode", path.escape_ascii());
        }
        found.insert(path, kind);
    }
    let kinds: BTreeMap<Vec<u8>, Kind> = expected.iter().map(|(path, node)| (path.clone(), node.kind)).collect();
    assert_eq!(found, kinds, "the diff directory is not what the index says");
    let records: BTreeSet<u32> = expected.values().filter_map(|node| node.record).collect();
    let contents = inodes.values().filter(|record| record.is_some()).count();
    assert_eq!(contents, records.len(), "hard links of one file are several files");
}

fn kind(found: &fs::Metadata, expected: Option<Kind>) -> Kind {
    let file_type = found.file_type();
    let number = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
    match () {
        () if file_type.is_dir() => Kind::Directory,
        () if file_type.is_symlink() => Kind::Symlink,
        () if file_type.is_fifo() => Kind::Fifo,
        () if file_type.is_char_device() && number == (0, 0) => Kind::Whiteout,
        () if file_type.is_char_device() => Kind::Device { block: false, number },
        () if file_type.is_block_device() => Kind::Device { block: true, number },
        // On overlayfs itself a whiteout is an empty file with an attribute.
        () if expected == Some(Kind::Whiteout) && found.len() == 0 => Kind::Whiteout,
        () => Kind::File(found.len()),
    }
}
