use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::ErrorKind;
use crate::cancel::Cancel;

#[test]
fn a_view_has_its_name_alone() {
    let root = Root::new();
    let (store, other) = (root.open(), root.open());
    let record = view("v", &["a"], Access::Writable);
    let held = create_view(&store, &record).unwrap();
    assert_eq!(create_view(&other, &record).unwrap_err().kind(), ErrorKind::Conflict);
    assert!(entries(&root, "staging").is_empty());
    assert!(other.try_lock_view("v").unwrap().is_none());
    let interrupted = Cancel::new();
    interrupted.raise(2);
    assert_eq!(other.lock_view("v", &interrupted).unwrap_err().kind(), ErrorKind::Interrupted(2));
    drop(held);
    let held = other.lock_view("v", &Cancel::new()).unwrap().unwrap();
    assert_eq!(held.record().unwrap(), record);
    other.remove_view(&other.stage().unwrap(), held).unwrap();
    assert!(store.views().unwrap().is_empty());
    assert!(store.lock_view("v", &Cancel::new()).unwrap().is_none());
    create_view(&store, &record).unwrap();
}

#[test]
fn an_image_stays_while_something_is_done_beside_it() {
    let root = Root::new();
    let store = root.open();
    let id = digest("x");
    assert_eq!(store.beside_image(&id, || Ok(())).unwrap_err().kind(), ErrorKind::NotFound);
    install(&store, image("x", &["a"], &[]));
    std::thread::scope(|scope| {
        let remover = store
            .beside_image(&id, || {
                let remover = scope.spawn(|| delete(&root.open(), "x"));
                std::thread::sleep(std::time::Duration::from_millis(30));
                assert!(store.image(&id)?.is_some());
                Ok(remover)
            })
            .unwrap();
        remover.join().unwrap();
    });
    assert_eq!(store.beside_image(&id, || Ok(())).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_waiter_does_not_get_a_view_that_was_replaced() {
    let root = Root::new();
    let store = root.open();
    let held = create_view(&store, &view("v", &["a"], Access::ReadOnly)).unwrap();
    std::thread::scope(|scope| {
        let waiter =
            scope.spawn(|| root.open().lock_view("v", &Cancel::new()).unwrap().map(|view| view.record().unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(30));
        store.remove_view(&store.stage().unwrap(), held).unwrap();
        let held = create_view(&store, &view("v", &["b"], Access::ReadOnly)).unwrap();
        drop(held);
        // Either nothing was there when it looked, or the new one.
        let seen = waiter.join().unwrap();
        assert!(seen.is_none_or(|record| record.stack == [layer("b")]));
    });
}

#[test]
fn a_record_changes_by_one_rename_and_any_path_survives() {
    let root = Root::new();
    let store = root.open();
    let mut record = view("v", &[], Access::Writable);
    let held = create_view(&store, &record).unwrap();
    for target in [&b"/mnt/x"[..], b"/mnt/\xff\n"] {
        record.target = Some(OsString::from_vec(target.to_vec()).into());
        record.state = State::Mounted;
        record.device = Some((0, 77));
        held.write(&store.stage().unwrap(), &record).unwrap();
        assert_eq!(held.record().unwrap(), record);
    }
    drop(held);
    let views = store.views().unwrap();
    assert_eq!(views[0].record(), Some(&record));
}

#[test]
fn an_unreadable_view_is_listed_by_its_name() {
    let root = Root::new();
    let store = root.open();
    create_view(&store, &view("good", &[], Access::ReadOnly)).unwrap();
    std::fs::create_dir_all(root.path().join("views/empty")).unwrap();
    std::fs::create_dir_all(root.path().join("views/bad")).unwrap();
    std::fs::write(root.path().join("views/bad/view.json"), "{").unwrap();
    let views = store.views().unwrap();
    let listed: Vec<(&str, bool)> = views.iter().map(|view| (view.name.as_str(), view.content.is_ok())).collect();
    assert_eq!(listed, [("bad", false), ("empty", false), ("good", true)]);
}

#[test]
fn names_of_views_are_safe_as_paths() {
    for good in ["a", "busybox-1", "A.b_c-d", "0"] {
        check_view_name(good).unwrap();
    }
    for bad in ["", ".", "..", "-a", "a/b", "a b", "a\n", "é", &"a".repeat(129)] {
        assert_eq!(check_view_name(bad).unwrap_err().kind(), ErrorKind::Usage, "{bad:?}");
    }
}
