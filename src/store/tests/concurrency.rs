use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::ErrorKind;
use crate::cancel::Cancel;

#[test]
fn row_182_two_that_want_one_layer_unpack_it_once() {
    let root = Root::new();
    let unpacked = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = root.open();
                let _lock = store.lock_layer(&layer("a"), &|| Ok(())).unwrap();
                if found(&store, "a") == "missing" {
                    thread::sleep(Duration::from_millis(5));
                    assert!(commit_layer(&store, "a"));
                    unpacked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(unpacked.into_inner(), 1);
    assert!(!root.path().join("locks").join(format!("layer-{}", digest("a").hex())).exists());
}

#[test]
fn a_waiter_for_a_layer_can_be_interrupted() {
    let root = Root::new();
    let store = root.open();
    let _lock = store.lock_layer(&layer("a"), &|| Ok(())).unwrap();
    let cancel = Cancel::new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| root.open().lock_layer(&layer("a"), &|| cancel.check()).unwrap_err().kind());
        thread::sleep(Duration::from_millis(30));
        cancel.raise(15);
        assert_eq!(waiter.join().unwrap(), ErrorKind::Interrupted(15));
    });
    // Another layer is not held up.
    drop(store.lock_layer(&layer("b"), &|| Ok(())).unwrap());
}

#[test]
fn installing_and_removing_at_once_never_loses_a_layer_that_is_named() {
    let root = Root::new();
    root.open();
    thread::scope(|scope| {
        for worker in 0..6 {
            let root = &root;
            scope.spawn(move || {
                for turn in 0..6 {
                    let store = root.open();
                    let staging = store.stage().unwrap();
                    let text = format!("image {worker} {turn}");
                    let own = format!("own {worker}");
                    staging.rely_on([layer_item("shared"), layer_item(&own)]).unwrap();
                    for text in ["shared", own.as_str()] {
                        let _lock = store.lock_layer(&layer(text), &|| Ok(())).unwrap();
                        if found(&store, text) == "missing" {
                            commit_layer(&store, text);
                        }
                    }
                    store.install(&staging, vec![image(&text, &["shared", &own], &["same"])]).unwrap();
                    drop(staging);
                    assert_eq!(found(&store, "shared"), "usable");
                    if turn < 5 {
                        delete(&store, &text);
                    }
                }
            });
        }
    });
    let store = root.open();
    assert_eq!(found(&store, "shared"), "usable");
    let catalog = store.catalog().unwrap();
    assert_eq!(catalog.images.len(), 6);
    assert_eq!(names(&store).len(), 1, "one image has the name: {:?}", names(&store));
    for worker in 0..6 {
        assert_eq!(found(&store, &format!("own {worker}")), "usable");
        delete(&store, &format!("image {worker} 5"));
    }
    assert!(entries(&root, "layers/sha256").is_empty());
    assert!(entries(&root, "staging").is_empty());
}

#[test]
fn opening_a_new_root_at_once_works() {
    let root = Root::new();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| root.open());
        }
    });
    assert!(entries(&root, "staging").is_empty());
}
