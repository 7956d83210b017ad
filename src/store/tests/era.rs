use std::fs::{self, File};
use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::*;
use crate::content::Ingest;
use crate::error::ErrorKind;
use crate::sys::lock::{self, Mode};
use crate::sys::memory;

fn era(store: &Store) -> String {
    store.era().unwrap().unwrap()
}

/// As if the file system was unmounted, and mounted again.
fn forget(root: &Root) {
    memory::unmark(File::open(root.path().join("locks/sync")).unwrap()).unwrap();
}

#[test]
fn an_era_is_that_of_all_processes_until_the_disk_fails() {
    let root = Root::new();
    let store = root.open();
    let first = era(&store);
    store.sync(&Cancel::new()).unwrap();
    assert_eq!((era(&store), era(&root.open())), (first.clone(), first.clone()));
    fail(&store);
    let second = era(&root.open());
    assert!(second != first && era(&store) == second);
    assert_eq!(entries(&root, "locks"), ["era", "store", "sync"]);
}

#[test]
fn an_era_goes_on_while_somebody_asks() {
    let root = Root::new();
    let store = root.open();
    let first = era(&store);
    let mut meanwhile = String::new();
    store
        .asking(&Cancel::new(), || {
            meanwhile = era(&root.open());
            Ok(())
        })
        .unwrap();
    assert_eq!((meanwhile, era(&store)), (first.clone(), first));
}

/// Nobody knows what the kernel told them, and it does not tell it again.
#[test]
fn who_is_killed_while_asking_ends_the_era() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "unnamed");
    let before = store.stage().unwrap();
    std::os::unix::fs::symlink("another", root.path().join("locks/next-era")).unwrap();
    let lock = File::open(root.path().join("locks/sync")).unwrap();
    lock::lock(&lock, Mode::Exclusive, "locks/sync").unwrap();
    assert_eq!(found(&store, "unnamed"), "usable");
    drop(lock);
    assert_eq!(found(&store, "unnamed"), "stale");
    assert_eq!(era(&store), "another");
    assert_eq!(before.is_trusted().unwrap_err().kind(), ErrorKind::Failed);
    store.stage().unwrap().is_trusted().unwrap();
}

/// The file system does not take the name of the next era: what was asked for before stays, and says the same.
#[test]
fn an_era_that_cannot_begin_is_none() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "unnamed");
    install(&store, image("x", &["named"], &["x"]));
    commit_layer(&store, "named");
    let before = store.stage().unwrap();
    let path = root.path().join("locks/era");
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("in-the-way")).unwrap();
    fail(&store);
    for store in [&store, &root.open()] {
        assert_eq!(store.era().unwrap(), None);
        assert_eq!((found(store, "unnamed"), found(store, "named")), ("stale", "usable"));
        store.stage().unwrap().is_trusted().unwrap_err();
    }
    before.is_trusted().unwrap_err();
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(found(&store, "unnamed"), "stale");
    store.stage().unwrap().is_trusted().unwrap();
}

#[test]
fn an_era_ends_with_the_memory_of_the_file_system() {
    let root = Root::new();
    let first = {
        let store = root.open();
        commit_layer(&store, "unnamed");
        era(&store)
    };
    assert_eq!(era(&root.open()), first);
    forget(&root);
    let store = root.open();
    assert_ne!(era(&store), first);
    assert_eq!(found(&store, "unnamed"), "stale");
    commit_layer(&store, "other");
    assert_eq!(found(&root.open(), "other"), "usable");
}

/// The kernel may forget the file alone, but a mounted view has kept the file system.
#[test]
fn an_era_outlives_the_file_while_a_view_is_mounted() {
    let root = Root::new();
    let first = {
        let store = root.open();
        let staging = store.stage().unwrap();
        let (draft, dir) = staging.new_dir("correction", 0o700).unwrap();
        dir.create_dir(b"diff", 0o755).unwrap();
        let chain = ChainId::of(&[layer("a")]).unwrap();
        assert!(store.commit(&staging, &draft, Kind::Correction, &chain.0).unwrap());
        create_view(&store, &view("v", &["a"], Access::ReadOnly)).unwrap();
        store.note_mounted(&store.open_diff(Kind::Correction, &chain.0).unwrap().unwrap());
        era(&store)
    };
    forget(&root);
    assert_eq!(era(&root.open()), first);
    forget(&root);
    assert_ne!(era(&root.open_in("boot-2")), first);
}

#[test]
fn what_a_read_only_view_shows_counts_in_its_era() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "a");
    let mut record = view("v", &["a"], Access::ReadOnly);
    record.era = store.era().unwrap();
    create_view(&store, &record).unwrap();
    let item = Item::Dir(Kind::Merged, ChainId::of(&record.stack).unwrap().0);
    assert!(store.named().unwrap().contains(&item));
    fail(&store);
    assert!(!store.named().unwrap().contains(&item));
}

#[test]
fn a_blob_has_no_name_before_it_is_on_the_disk() {
    let root = Root::new();
    let store = root.open();
    let staging = store.stage().unwrap();
    let blob = digest("content");
    let mut ingest = Ingest::new(staging.dir(), &blob, 7).unwrap();
    ingest.write_all(b"content").unwrap();
    let ready = ingest.ready().unwrap().unwrap();
    assert_eq!(store.content().size_of(&blob).unwrap(), None);
    let mut named = false;
    store
        .sync_and_name(&Cancel::new(), || {
            named = store.name_blob(&staging, &ready)?;
            Ok(())
        })
        .unwrap();
    assert!(named);
    assert_eq!(store.content().read(&blob, 10).unwrap(), b"content");
}

/// A full disk or too many open files say nothing of what was written before.
#[test]
fn an_era_goes_on_where_only_naming_failed() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "unnamed");
    let first = era(&store);
    let error = store.sync_and_name(&Cancel::new(), || Err(Error::new(ErrorKind::NoSpace, "full"))).unwrap_err();
    assert_eq!((error.kind(), era(&store)), (ErrorKind::NoSpace, first));
    assert_eq!(found(&store, "unnamed"), "usable");
    assert_eq!(entries(&root, "locks"), ["era", "store", "sync"]);
}

/// What it needs may be gone already: others discard it when the era ends.
#[test]
fn an_image_is_not_recorded_after_its_era() {
    let root = Root::new();
    let store = root.open();
    let staging = store.stage().unwrap();
    commit_layer(&store, "a");
    fail(&store);
    let error = store.install(&staging, vec![image("x", &["a"], &["x"])]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(store.catalog().unwrap().images.is_empty());
}

/// The process is not ended for being slow while it asks: that would end the era.
#[test]
fn who_asks_is_not_ended() {
    let root = Root::new();
    let store = root.open();
    let cancel = Cancel::new();
    let (sender, ended) = channel();
    let ender = {
        let cancel = cancel.clone();
        move || {
            let _end = cancel.wait();
            sender.send(()).unwrap();
        }
    };
    let mut thread = None;
    let name = || {
        thread = Some(std::thread::spawn(ender));
        assert_eq!(ended.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
        Ok(())
    };
    store.sync_and_name(&cancel, name).unwrap();
    ended.recv().unwrap();
    thread.unwrap().join().unwrap();
}

#[test]
fn who_waits_for_others_that_ask_can_be_interrupted() {
    let root = Root::new();
    let store = root.open();
    let first = era(&store);
    let cancel = Cancel::new();
    cancel.raise(2);
    let lock = File::open(root.path().join("locks/sync")).unwrap();
    lock::lock(&lock, Mode::Exclusive, "locks/sync").unwrap();
    assert_eq!(store.sync(&cancel).unwrap_err().kind(), ErrorKind::Interrupted(2));
    drop(lock);
    // What has come before it was interrupted is recorded.
    store.sync(&cancel).unwrap();
    assert_eq!(era(&store), first);
}
