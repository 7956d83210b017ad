use super::*;
use crate::error::ErrorKind;

#[test]
fn s62_a_layer_goes_with_its_last_image() {
    let root = Root::new();
    let store = root.open();
    for text in ["base", "one", "two"] {
        commit_layer(&store, text);
    }
    install(&store, image("x", &["base", "one"], &["x"]));
    install(&store, image("y", &["base", "two"], &["y"]));
    let freed = delete(&store, "x");
    assert!(freed.contains(&layer_item("one")) && !freed.contains(&layer_item("base")));
    assert_eq!((found(&store, "base"), found(&store, "one"), found(&store, "two")), ("usable", "missing", "usable"));
    delete(&store, "y");
    assert!(entries(&root, "layers/sha256").is_empty());
    assert!(entries(&root, "staging").is_empty());
}

#[test]
fn a_view_keeps_its_layers_and_what_was_made_for_them() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "base");
    let staging = store.stage().unwrap();
    let (draft, _) = staging.new_dir("correction", 0o700).unwrap();
    assert!(store.commit(&staging, &draft, Kind::Correction, &digest("base")).unwrap());
    drop(staging);
    install(&store, image("x", &["base"], &["x"]));
    let view = create_view(&store, &view("v", &["base"], Access::Writable)).unwrap();
    assert_eq!(delete(&store, "x"), Freed::default());
    let item = |kind| store.find(kind, &digest("base"), &store.named().unwrap()).unwrap();
    assert!(matches!(item(Kind::Layer), Found::Usable(_)) && matches!(item(Kind::Correction), Found::Usable(_)));
    store.remove_view(&store.stage().unwrap(), view).unwrap();
    assert!(matches!(item(Kind::Layer), Found::Missing) && matches!(item(Kind::Correction), Found::Missing));
}

#[test]
fn a_refused_image_takes_back_what_nobody_else_leases() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "mine");
    commit_layer(&store, "wanted");
    let (mine, other) = (store.stage().unwrap(), store.stage().unwrap());
    mine.rely_on([layer_item("mine"), layer_item("wanted")]).unwrap();
    other.rely_on([layer_item("wanted")]).unwrap();
    store.discard(&mine, &BTreeSet::from([layer_item("mine"), layer_item("wanted")])).unwrap();
    assert_eq!((found(&store, "mine"), found(&store, "wanted")), ("missing", "usable"));
}

#[test]
fn nothing_is_taken_while_a_record_is_unreadable() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "base");
    install(&store, image("x", &["base"], &["x"]));
    install(&store, image("y", &["base"], &["y"]));
    let record = root.path().join("images/sha256").join(format!("{}.json", digest("y").hex()));
    std::fs::write(&record, "{").unwrap();
    assert_eq!(delete(&store, "x"), Freed::default());
    assert_eq!(found(&store, "base"), "usable");
}

#[test]
fn row_181_a_layer_that_no_record_names_does_not_outlive_its_boot() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "named");
    commit_layer(&store, "unnamed");
    install(&store, image("x", &["named"], &["x"]));
    assert_eq!((found(&store, "named"), found(&store, "unnamed")), ("usable", "usable"));
    let next = root.open_in("boot-2");
    assert_eq!((found(&next, "named"), found(&next, "unnamed")), ("usable", "stale"));
    let staging = next.stage().unwrap();
    next.discard_stale(&staging, Kind::Layer, &digest("named")).unwrap();
    next.discard_stale(&staging, Kind::Layer, &digest("unnamed")).unwrap();
    assert_eq!((found(&next, "named"), found(&next, "unnamed")), ("usable", "missing"));
    assert!(commit_layer(&next, "unnamed"));
    next.discard_stale(&staging, Kind::Layer, &digest("unnamed")).unwrap();
    assert_eq!(found(&next, "unnamed"), "usable");
    // The power cut may have emptied the file that tells the boot.
    std::fs::write(next.path_of(Kind::Layer, &digest("unnamed")).with_file_name("commit.json"), "").unwrap();
    assert_eq!(found(&next, "unnamed"), "stale");
}

#[test]
fn a_layer_that_no_record_names_does_not_outlive_a_failure_of_the_disk() {
    let root = Root::new();
    let store = root.open();
    commit_layer(&store, "named");
    commit_layer(&store, "unnamed");
    install(&store, image("x", &["named"], &["x"]));
    let before = store.stage().unwrap();
    before.is_trusted().unwrap();
    fail(&store);
    assert_eq!((found(&store, "named"), found(&store, "unnamed")), ("usable", "stale"));
    assert_eq!(before.is_trusted().unwrap_err().kind(), ErrorKind::Failed);
    // What is committed now by somebody who began before counts as little.
    let (draft, dir) = before.new_dir("layer", 0o700).unwrap();
    dir.create_dir(b"diff", 0o755).unwrap();
    assert!(store.commit(&before, &draft, Kind::Layer, &digest("late")).unwrap());
    assert_eq!(found(&store, "late"), "stale");
    store.discard_unnamed(&before).unwrap();
    assert_eq!((found(&store, "named"), found(&store, "late")), ("usable", "missing"));
    assert!(commit_layer(&store, "unnamed"));
    assert_eq!(found(&store, "unnamed"), "usable");
    store.stage().unwrap().is_trusted().unwrap();
}

#[test]
fn the_second_commit_of_a_layer_changes_nothing() {
    let root = Root::new();
    let store = root.open();
    assert!(commit_layer(&store, "a"));
    assert!(!commit_layer(&store, "a"));
    assert!(entries(&root, "staging").is_empty());
}

#[test]
fn every_part_of_a_stack_has_its_chain_id() {
    let stack = [layer("a"), layer("b"), layer("a"), layer("c")];
    let expected: Vec<ChainId> = (1..=4).filter_map(|count| ChainId::of(&stack[..count])).collect();
    assert_eq!(chains(&stack), expected);
    assert!(chains(&[]).is_empty());
}

#[test]
fn everything_that_nothing_names_or_leases_is_found() {
    let root = Root::new();
    let store = root.open();
    for text in ["named", "leased", "viewed", "lost"] {
        commit_layer(&store, text);
    }
    install(&store, image("x", &["named"], &["x"]));
    let lease = store.stage().unwrap();
    lease.rely_on([layer_item("leased")]).unwrap();
    create_view(&store, &view("v", &["viewed"], Access::ReadOnly)).unwrap();
    std::fs::write(root.path().join("blobs/sha256").join(digest("stray").hex()), "x").unwrap();
    let nothing = || Ok((Change::default(), ()));
    let expected = BTreeSet::from([layer_item("lost"), Item::Blob(digest("stray"))]);
    let would = store.rehearse(Reach::Everything, |_| nothing()).unwrap().1;
    assert_eq!(would, Freed::from(expected));
    assert_eq!(store.change_and_sweep(&store.stage().unwrap(), Reach::Everything, |_| nothing()).unwrap().1, would);
    assert_eq!(entries(&root, "layers/sha256").len(), 3);
    assert!(entries(&root, "blobs/sha256").is_empty());
}
