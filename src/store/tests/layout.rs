use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ErrorKind;

#[test]
fn row_170_the_root_is_private_whatever_it_was() {
    let root = Root::new();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = root.open();
    assert_eq!(fs::metadata(root.path()).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(store.path(), fs::canonicalize(root.path()).unwrap());
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o711)).unwrap();
    root.open();
    assert_eq!(fs::metadata(root.path()).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn a_missing_root_is_created_with_its_parents() {
    let root = Root::new();
    let path = root.path().join("a/b");
    Store::open(&path, BOOT).unwrap();
    assert_eq!(fs::read_to_string(path.join("version")).unwrap(), "1\n");
    let layout = fs::read_to_string(path.join("oci-layout")).unwrap();
    assert_eq!(layout, r#"{"imageLayoutVersion":"1.0.0"}"#);
    for folder in ["locks", "blobs/sha256", "layers", "corrections", "merged", "images", "views", "partial", "staging"]
    {
        assert!(path.join(folder).is_dir(), "{folder}");
    }
}

#[test]
fn a_newer_format_is_refused() {
    let root = Root::new();
    root.open();
    fs::write(root.path().join("version"), "2\n").unwrap();
    let error = Store::open(root.path(), BOOT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    fs::write(root.path().join("version"), "one\n").unwrap();
    assert!(Store::open(root.path(), BOOT).is_err());
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let root = Root::new();
    fs::write(root.path().join("letter.txt"), "dear").unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(Store::open(root.path(), BOOT).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(fs::metadata(root.path()).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_trial_in_the_directory_does_not_keep_it_from_becoming_a_state_root() {
    let root = Root::new();
    fs::create_dir(root.path().join(".rootlay-probe-x")).unwrap();
    root.open();
}

#[test]
fn a_creation_that_was_cut_off_is_finished() {
    let root = Root::new();
    fs::write(root.path().join(".version.1.ThreadId(1)"), "").unwrap();
    root.open();
    root.open();
}
