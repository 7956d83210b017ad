use std::fs;

use super::*;

#[test]
fn what_the_dead_left_is_removed_and_the_living_stay() {
    let root = Root::new();
    let store = root.open();
    let living = store.stage().unwrap();
    living.rely_on([layer_item("a")]).unwrap();
    let staging = root.path().join("staging");
    fs::create_dir_all(staging.join("killed/layer-0/diff/etc")).unwrap();
    fs::write(staging.join("killed/lease"), format!("layer {}\nlay", digest("a"))).unwrap();
    fs::create_dir(staging.join("killed-before-its-lease")).unwrap();
    fs::write(staging.join("a-file"), "").unwrap();
    let other = root.open();
    assert_eq!(entries(&root, "staging").len(), 1);
    assert_eq!(other.leases().unwrap().items, BTreeSet::from([layer_item("a")]));
    drop(living);
    assert!(entries(&root, "staging").is_empty());
}

#[test]
fn nothing_is_removed_while_somebody_uses_the_store() {
    let root = Root::new();
    let store = root.open();
    fs::create_dir(root.path().join("staging/killed")).unwrap();
    let lock = store.lock_shared().unwrap();
    // Opening neither waits nor fails.
    root.open();
    assert_eq!(entries(&root, "staging"), ["killed"]);
    drop(lock);
    root.open();
    assert!(entries(&root, "staging").is_empty());
}

#[test]
fn leases_read_back() {
    let root = Root::new();
    let store = root.open();
    let items = BTreeSet::from([
        layer_item("a"),
        Item::Dir(Kind::Correction, digest("b")),
        Item::Dir(Kind::Merged, digest("c")),
        Item::Blob(digest("d")),
    ]);
    let staging = store.stage().unwrap();
    staging.rely_on(items.clone()).unwrap();
    assert_eq!(store.leases().unwrap().items, items);
    staging.end_lease().unwrap();
    assert!(store.leases().unwrap().items.is_empty());
    staging.rely_on([layer_item("z")]).unwrap();
    assert_eq!(store.leases().unwrap().items, BTreeSet::from([layer_item("z")]));
}
