//! The comparison and the expectations, without a layer on disk.

use rustix::fs::FileType;

use super::compare::{Aspect, Seen, differences, is_known_of_file_systems, is_whiteout};
use super::expected::{ExpectedLayer, Node, Shape};
use super::{Content, Verify};
use crate::layer::content_hash::Rule;
use crate::layer::metadata::Metadata;
use crate::layer::paths::{PathId, PathTable};
use crate::layer::records::{Records, What};
use crate::layer::tar::Time;
use crate::sys::dir::Dir;
use crate::sys::xattr::Xattrs;

const METADATA: Metadata = Metadata { mode: 0o640, uid: 1, gid: 2, mtime: Time { seconds: 100, nanos: 5 } };

fn file(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Node<'_> {
    Node { shape: Shape::File { size: 3, hash: (0, Rule::Blocks) }, metadata: METADATA, xattrs, origin: None }
}

fn directory(opaque: bool, has_whiteouts: bool) -> Node<'static> {
    Node { shape: Shape::Directory { opaque, has_whiteouts }, metadata: METADATA, xattrs: &[], origin: None }
}

fn seen(kind: FileType) -> Seen {
    Seen {
        kind,
        mode: 0o640,
        uid: 1,
        gid: 2,
        size: 3,
        mtime: (100, 5),
        number: (0, 0),
        links: 1,
        target: None,
        xattrs: Xattrs::new(),
    }
}

fn attribute(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.into(), value.into())
}

fn texts(node: &Node<'_>, seen: &Seen) -> Vec<String> {
    differences(node, seen, 1, false).iter().map(ToString::to_string).collect()
}

#[test]
fn each_difference_is_told_with_both_values() {
    let good = seen(FileType::RegularFile);
    assert!(texts(&file(&[]), &good).is_empty());
    for (seen, expected) in [
        (Seen { mode: 0o4640, ..good.clone() }, "mode: expected 640, got 4640"),
        (Seen { gid: 3, ..good.clone() }, "owner: expected 1:2, got 1:3"),
        (Seen { size: 4, ..good.clone() }, "size: expected 3, got 4"),
        (Seen { mtime: (100, 6), ..good.clone() }, "mtime: expected 100.000000005, got 100.000000006"),
        (Seen { links: 2, ..good.clone() }, "hard links: expected 1, got 2"),
        (Seen { kind: FileType::Symlink, ..good.clone() }, "type: expected a file, got a symlink"),
        (Seen { xattrs: vec![attribute("user.a", "1")], ..good.clone() }, "attributes: expected none, got user.a=1"),
    ] {
        assert_eq!(texts(&file(&[]), &seen), [expected]);
    }
    let xattrs = [attribute("user.a", "1")];
    assert_eq!(texts(&file(&xattrs), &good), ["attributes: expected user.a=1, got none"]);
}

#[test]
fn a_long_value_that_differs_is_a_difference() {
    let [one, other] = ["x", "y"].map(|letter| [attribute("user.a", &letter.repeat(100))]);
    let seen = Seen { xattrs: other.to_vec(), ..seen(FileType::RegularFile) };
    assert_eq!(texts(&file(&one), &seen), ["attributes: expected user.a=(100 bytes), got user.a=(100 bytes)"]);
}

#[test]
fn labels_of_security_modules_and_attributes_of_file_systems_do_not_count() {
    let names = [
        "security.selinux",
        "security.ima",
        "security.evm",
        "btrfs.compression",
        "system.nfs4_acl",
        "trusted.SGI_ACL_FILE",
    ];
    let xattrs = names.map(|name| attribute(name, "x")).to_vec();
    assert!(texts(&file(&[]), &Seen { xattrs, ..seen(FileType::RegularFile) }).is_empty());
    let xattrs = vec![attribute("security.capability", "x")];
    assert_eq!(texts(&file(&[]), &Seen { xattrs, ..seen(FileType::RegularFile) }).len(), 1);
}

#[test]
fn row_053_user_attributes_of_a_symlink_may_be_missing() {
    let xattrs = [attribute("user.a", "1"), attribute("trusted.b", "2")];
    let node = Node { shape: Shape::Symlink(b"t"), ..file(&xattrs) };
    let link = Seen { mode: 0o777, target: Some(b"t".to_vec()), ..seen(FileType::Symlink) };
    assert_eq!(texts(&node, &link), ["attributes: expected trusted.b=2, got none"]);
    let link = Seen { xattrs: vec![attribute("trusted.b", "2")], ..link };
    assert!(texts(&node, &link).is_empty());
    let other = Seen { target: Some(b"u".to_vec()), ..link };
    assert_eq!(texts(&node, &other), ["target: expected t, got u"]);
}

#[test]
fn marks_of_directories_depend_on_their_whiteouts() {
    let marked = |pairs: &[(&str, &str)]| {
        let name = |(name, value): &(&str, &str)| attribute(&format!("trusted.overlay.{name}"), value);
        Seen { xattrs: pairs.iter().map(name).collect(), ..seen(FileType::Directory) }
    };
    for (node, whiteout_files, marks) in [
        (directory(false, false), false, &[][..]),
        (directory(true, false), false, &[("opaque", "y")]),
        (directory(false, true), false, &[("origin", "")]),
        (directory(false, true), true, &[("opaque", "x"), ("origin", "")]),
        (directory(true, true), true, &[("opaque", "y"), ("origin", "")]),
    ] {
        assert!(differences(&node, &marked(marks), 1, whiteout_files).is_empty(), "{marks:?}");
        let other = if marks.is_empty() { marked(&[("opaque", "y")]) } else { marked(&[]) };
        assert_eq!(differences(&node, &other, 1, whiteout_files).len(), 1, "{marks:?}");
    }
}

#[test]
fn whiteouts_have_two_forms() {
    let device = Seen { number: (0, 0), ..seen(FileType::CharacterDevice) };
    assert!(is_whiteout(&device) && !is_whiteout(&Seen { number: (1, 3), ..device }));
    let mark = vec![attribute("trusted.overlay.whiteout", "")];
    let file = Seen { size: 0, xattrs: mark, ..seen(FileType::RegularFile) };
    assert!(is_whiteout(&file) && !is_whiteout(&Seen { size: 1, ..file.clone() }));
    let node = Node { shape: Shape::Whiteout, ..directory(false, false) };
    assert!(texts(&node, &file).is_empty());
    assert_eq!(texts(&node, &seen(FileType::Directory)), ["type: expected a whiteout, got a directory"]);
}

#[test]
fn what_file_systems_are_known_to_store_otherwise() {
    let acl = [(b"system.posix_acl_access".to_vec(), b"x".to_vec())];
    let good = seen(FileType::RegularFile);
    let known = |what, node: &Node<'_>, seen: &Seen| is_known_of_file_systems(what, node, seen, false);
    let late = Node { metadata: Metadata { mtime: Time { seconds: 1 << 31, nanos: 0 }, ..METADATA }, ..file(&[]) };
    let labelled = Seen { xattrs: vec![attribute("user.a", "1")], ..good.clone() };
    assert!(known(Aspect::Mode, &file(&acl), &good) && !known(Aspect::Mode, &file(&[]), &good));
    assert!(known(Aspect::Attributes, &file(&acl), &good) && !known(Aspect::Attributes, &file(&acl), &labelled));
    assert!(
        known(Aspect::Time, &late, &good) && !known(Aspect::Time, &file(&[]), &Seen { mtime: (99, 0), ..good.clone() })
    );
    assert!(known(Aspect::Time, &file(&[]), &Seen { mtime: (100, 0), ..good.clone() }));
    assert!(!known(Aspect::Owner, &file(&acl), &good));
}

/// A record that was damaged may have what no file can get: that is a difference too, and no end of the check.
#[test]
fn what_the_kernel_refuses_to_store_differs() {
    let temp = tempfile::tempdir().unwrap();
    let scratch = Dir::open(temp.path()).unwrap();
    let verify = Verify { content: Content::Unread, scratch: Some(&scratch), check: &|| Ok(()), advance: &|_| {} };
    let mut paths = PathTable::new(1);
    let records = Records::by(Rule::Blocks);
    let expected = ExpectedLayer::of(&mut paths, &records).unwrap();
    // No list (EINVAL), a name of more than 255 bytes (ERANGE), a value of more than 64 KiB (E2BIG).
    for (name, len) in [
        ("system.posix_acl_access".to_owned(), 1),
        (format!("user.{}", "n".repeat(251)), 1),
        ("user.a".to_owned(), 65_537),
    ] {
        let xattrs = [attribute(&name, &"x".repeat(len))];
        let mut flaws = Vec::new();
        let mut work = verify.begin(&paths, &expected.diff, &mut flaws);
        let found = work.compare(&file(&xattrs), &seen(FileType::RegularFile), 1, false).unwrap();
        assert_eq!(found.iter().map(|found| found.what).collect::<Vec<_>>(), [Aspect::Attributes], "{name}");
    }
}

#[test]
fn what_a_layer_holds_is_the_fold_of_its_entries() {
    let mut paths = PathTable::new(100);
    let mut records = Records::by(Rule::Blocks);
    let mut path = |text: &[u8]| paths.below(PathId::ROOT, text.split(|&byte| byte == b'/')).unwrap();
    let [a, b, gone, dir, shadowed] = [&b"d/a"[..], b"d/b", b"d/gone", b"e", b"e/x"].map(&mut path);
    let content = What::File { size: 1, hash: 7 };
    for (path, what) in [
        (a, content),
        (b, What::Link(a)),
        (gone, What::Whiteout),
        (shadowed, content),
        (dir, What::Directory),
        (dir, What::Opaque),
    ] {
        records.push(path, what, METADATA, Xattrs::new()).unwrap();
    }
    let expected = ExpectedLayer::of(&mut paths, &records).unwrap();
    let diff = &expected.diff;
    let shape = |path: PathId| diff.get(path).map(|node| node.shape);
    assert_eq!(shape(a), Some(Shape::File { size: 1, hash: (7, Rule::Blocks) }));
    assert_eq!(shape(a), shape(b));
    assert_eq!(diff.names(diff.get(a).unwrap()), 2);
    assert_eq!(diff.names(diff.get(shadowed).unwrap()), 1);
    assert_eq!(shape(gone), Some(Shape::Whiteout));
    assert_eq!(shape(dir), Some(Shape::Directory { opaque: true, has_whiteouts: false }));
    let implied = diff.get(paths.parent(a)).unwrap();
    assert_eq!(implied.shape, Shape::Directory { opaque: false, has_whiteouts: true });
    assert_eq!(implied.metadata, Metadata::IMPLIED);
    assert_eq!(diff.children(PathId::ROOT).len(), 2);
    assert!(expected.kept.is_empty() && !expected.opaque_root && !expected.empty);
}
