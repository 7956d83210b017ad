use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::content::{Ingest, Ready};
use crate::error::{Error, ErrorKind};

#[expect(clippy::unnecessary_wraps, reason = "the store asks it whether to go on")]
fn go_on() -> Result<()> {
    Ok(())
}

#[test]
fn a_download_is_found_again_and_written_behind_its_end() {
    let root = Root::new();
    let blob = digest("blob");
    let mut partial = root.open().partial(&blob, 10, &go_on).unwrap();
    assert_eq!(partial.kept, 0);
    partial.file.write_all(b"abc").unwrap();
    drop(partial);
    let store = root.open_in("boot-2");
    assert_eq!(store.kept_of(&blob).unwrap(), 3);
    let mut partial = store.partial(&blob, 10, &go_on).unwrap();
    assert_eq!(partial.kept, 3);
    partial.file.write_all(b"d").unwrap();
    let path = root.path().join("partial/sha256").join(blob.hex());
    assert_eq!(fs::read(&path).unwrap(), b"abcd");
    drop(partial);
    // It cannot be a part of a smaller blob.
    assert_eq!(store.partial(&blob, 2, &go_on).unwrap().kept, 0);
}

#[test]
fn nobody_else_has_it_meanwhile() {
    let root = Root::new();
    let (one, other) = (root.open(), root.open());
    let blob = digest("blob");
    let mut partial = one.partial(&blob, 10, &go_on).unwrap();
    partial.file.write_all(b"abc").unwrap();
    let asked = AtomicUsize::new(0);
    let impatient = || match asked.fetch_add(1, Ordering::SeqCst) {
        2 => Err(Error::new(ErrorKind::Interrupted(2), "interrupted")),
        _ => Ok(()),
    };
    assert_eq!(other.partial(&blob, 10, &impatient).unwrap_err().kind(), ErrorKind::Interrupted(2));
    other.cut_partial(&blob, 0).unwrap();
    assert_eq!(other.kept_of(&blob).unwrap(), 3);
    drop(partial);
    assert_eq!(other.partial(&blob, 10, &go_on).unwrap().kept, 3);
}

#[test]
fn what_a_refused_image_fetched_goes_again() {
    let root = Root::new();
    let store = root.open();
    let blob = digest("blob");
    store.partial(&blob, 10, &go_on).unwrap().file.write_all(b"abcdef").unwrap();
    store.cut_partial(&blob, 8).unwrap();
    assert_eq!(store.kept_of(&blob).unwrap(), 6);
    store.cut_partial(&blob, 4).unwrap();
    assert_eq!(store.kept_of(&blob).unwrap(), 4);
    store.cut_partial(&blob, 0).unwrap();
    store.cut_partial(&blob, 0).unwrap();
    assert_eq!(entries(&root, "partial/sha256"), [] as [&str; 0]);
}

#[test]
fn downloads_that_go_on_are_not_idle() {
    let root = Root::new();
    let store = root.open();
    let (idle, busy) = (digest("idle"), digest("busy"));
    store.partial(&idle, 10, &go_on).unwrap().file.write_all(b"abc").unwrap();
    let mut partial = store.partial(&busy, 10, &go_on).unwrap();
    partial.file.write_all(b"abc").unwrap();
    fs::write(root.path().join("partial/sha256/other"), "").unwrap();
    let found: Vec<Digest> = root.open().idle_partials().unwrap().into_iter().map(|(blob, _)| blob).collect();
    assert_eq!(found, [idle]);
}

fn go_on_with(store: &Store, content: &[u8]) -> Option<Ready> {
    let blob = Digest::of(content);
    let mut ingest = Ingest::resume(store.partial(&blob, content.len() as u64, &go_on).unwrap(), &blob, 7);
    ingest.write_all(content).unwrap();
    ingest.ready().unwrap()
}

#[test]
fn a_complete_download_waits_for_its_name_and_nobody_for_it() {
    let root = Root::new();
    let store = root.open();
    let staging = store.stage().unwrap();
    staging.rely_on([Item::Blob(digest("content"))]).unwrap();
    let (one, other) = (go_on_with(&store, b"content").unwrap(), go_on_with(&root.open(), b"content").unwrap());
    assert_eq!(entries(&root, "partial/sha256"), [digest("content").hex()]);
    assert!(
        store.idle_partials().unwrap().is_empty() && store.leftovers().unwrap().is_empty(),
        "somebody relies on it"
    );
    assert!(store.name_blob(&staging, &one).unwrap());
    assert!(!store.name_blob(&staging, &other).unwrap());
    assert_eq!(store.content().read(&digest("content"), 10).unwrap(), b"content");
    assert_eq!(entries(&root, "partial/sha256"), [] as [&str; 0]);
}

#[test]
fn a_download_that_is_not_what_it_was_gets_no_name() {
    let root = Root::new();
    let store = root.open();
    let staging = store.stage().unwrap();
    let path = root.path().join("partial/sha256").join(digest("content").hex());
    let damages: [&dyn Fn(); 3] = [
        &|| fs::File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap(),
        &|| {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "content").unwrap();
        },
        &|| fs::remove_file(&path).unwrap(),
    ];
    for damage in damages {
        store.cut_partial(&digest("content"), 0).unwrap();
        let ready = go_on_with(&store, b"content").unwrap();
        damage();
        assert!(!store.name_blob(&staging, &ready).unwrap());
        assert_eq!(store.content().size_of(&digest("content")).unwrap(), None);
    }
}

#[test]
fn a_download_that_somebody_relies_on_is_not_dropped() {
    let root = Root::new();
    let store = root.open();
    let blob = digest("content");
    let mut file = store.partial(&blob, 7, &|| Ok(())).unwrap().file;
    file.write_all(b"con").unwrap();
    drop(file);
    let own = store.stage().unwrap();
    own.rely_on([Item::Blob(blob.clone())]).unwrap();
    let other = store.stage().unwrap();
    other.rely_on([Item::Blob(blob.clone())]).unwrap();
    assert!(!store.drop_partial(&own, &blob).unwrap());
    assert_eq!(store.kept_of(&blob).unwrap(), 3);
    drop(other);
    assert!(store.drop_partial(&own, &blob).unwrap());
    assert_eq!(store.kept_of(&blob).unwrap(), 0);
}
