use std::fs;

use super::*;
use crate::store::moves;

fn on(text: &str, architecture: &str, names: &[&str]) -> Installed {
    let mut image = image(text, &[], names);
    image.platform = Platform::new("linux", architecture, "");
    image
}

/// Gives names to images that are here, as `tag` does.
fn tag(store: &Store, texts: &[&str], name: &str) {
    let decide = |catalog: &Catalog| Ok((tagging(catalog, texts, name), ()));
    store.change(&store.stage().unwrap(), decide).unwrap();
}

fn tagging(catalog: &Catalog, texts: &[&str], name: &str) -> Change {
    let find = |text: &&str| catalog.images.iter().find(|image| image.id == digest(text)).unwrap().clone();
    let images = texts.iter().map(find).map(|image| (image.clone(), image.manifests[0].digest.clone())).collect();
    moves::tag(catalog, images, &[reference(name)], "now")
}

fn found(store: &Store, text: &str) -> Result<Vec<Digest>> {
    let catalog = store.catalog().unwrap();
    let resolved = catalog.resolve(text, &Platform::new("linux", "amd64", ""))?;
    Ok(resolved.images.iter().map(|image| image.id.clone()).collect())
}

fn error(store: &Store, text: &str) -> String {
    let error = found(store, text).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::NotFound);
    error.to_string()
}

#[test]
fn s18_a_tag_remembers_what_it_named_before() {
    let root = Root::new();
    let store = root.open();
    for text in ["a", "b", "c"] {
        install(&store, image(text, &[], &["app"]));
    }
    for (text, expected) in [("app", "c"), ("app@{0}", "c"), ("app@{1}", "b"), ("app:latest@{2}", "a")] {
        assert_eq!(found(&store, text).unwrap(), [digest(expected)], "{text}");
    }
    assert_eq!(error(&store, "app@{3}"), "No such image: app:latest@{3}: the history of the tag ends with @{2}");
    assert_eq!(error(&store, "other@{1}"), "No such image: other:latest");
    assert!(error(&store, &format!("{}@{{1}}", digest("a"))).ends_with("is no tag: only tags have a history"));
    for text in ["app@{}", "app@{-1}", "app@{x}", "app@1", "app{1}", "@{1}", "app@{99999999999999999999}"] {
        assert!(found(&store, text).is_err(), "{text}");
    }
    // The image that has the tag already changes nothing, and going back is a move too.
    install(&store, image("c", &[], &["app"]));
    assert_eq!(found(&store, "app@{1}").unwrap(), [digest("b")]);
    tag(&store, &["b"], "app");
    assert_eq!(found(&store, "app@{1}").unwrap(), [digest("c")]);
    assert_eq!(found(&store, "app@{2}").unwrap(), [digest("b")]);
    // The history keeps nothing alive.
    delete(&store, "c");
    let gone = format!("No such image: app:latest@{{1}}: it was {}, which was removed", digest("c"));
    assert_eq!(error(&store, "app@{1}"), gone);
    assert_eq!(found(&store, "app@{3}").unwrap(), [digest("a")]);
}

#[test]
fn the_history_is_that_of_the_platform() {
    let root = Root::new();
    let store = root.open();
    for (text, architecture) in [("a1", "amd64"), ("r1", "arm64"), ("a2", "amd64")] {
        install(&store, on(text, architecture, &["app"]));
    }
    assert_eq!(found(&store, "app").unwrap(), [digest("a2"), digest("r1")]);
    assert_eq!(found(&store, "app@{1}").unwrap(), [digest("a1")]);
    install(&store, on("r2", "arm64", &["app"]));
    assert_eq!(found(&store, "app@{1}").unwrap(), [digest("a1"), digest("r1")]);
    let name = |image: &ImageRecord| image.names.iter().find(|name| name.reference == reference("app")).cloned();
    let catalog = store.catalog().unwrap();
    assert!(catalog.images.iter().filter_map(name).all(|name| name.former.len() == 1));
}

#[test]
fn a_name_remembers_at_most_a_hundred_images() {
    let mut catalog = Catalog::default();
    for turn in 0..130 {
        let change = moves::install(&catalog, vec![image(&turn.to_string(), &[], &["app"])], "now");
        catalog.apply(&change);
    }
    let resolve = |text: &str| catalog.resolve(text, &Platform::host()).map(|found| found.images[0].id.clone());
    assert_eq!(resolve("app@{100}").unwrap(), digest("29"));
    assert!(resolve("app@{101}").is_err());
}

#[test]
fn a_tag_names_exactly_what_it_was_given_to() {
    let root = Root::new();
    let store = root.open();
    for (text, architecture, name) in
        [("a1", "amd64", "app:1"), ("r1", "arm64", "app:1"), ("a2", "amd64", "prod"), ("r2", "arm64", "prod")]
    {
        install(&store, on(text, architecture, &[name]));
    }
    tag(&store, &["a1", "r1"], "prod");
    assert_eq!(found(&store, "prod").unwrap(), [digest("a1"), digest("r1")]);
    assert_eq!(found(&store, "prod@{1}").unwrap(), [digest("a2"), digest("r2")]);
    // Another platform does not keep the tag, and the history goes on with the new one.
    tag(&store, &["r2"], "prod");
    assert_eq!(found(&store, "prod").unwrap(), [digest("r2")]);
    assert_eq!(found(&store, "prod@{1}").unwrap(), [digest("r1")]);
    tag(&store, &["a2"], "prod");
    assert_eq!(found(&store, "prod@{1}").unwrap(), [digest("r2")]);
    assert!(store.catalog().unwrap().images.iter().all(|image| image.manifests.len() == 1));
}

#[test]
fn a_change_of_several_records_happens_as_a_whole() {
    let root = Root::new();
    let store = root.open();
    for (text, architecture, name) in
        [("a1", "amd64", "app:1"), ("r1", "arm64", "app:1"), ("a2", "amd64", "prod"), ("r2", "arm64", "prod")]
    {
        install(&store, on(text, architecture, &[name]));
    }
    let file = |text: &str| root.path().join("images/sha256").join(format!("{}.json", digest(text).hex()));
    let journal = root.path().join("images/change.json");
    let texts = ["a1", "r1", "a2", "r2"];
    let read = || texts.map(|text| fs::read(file(text)).unwrap());
    let before = read();
    let change = tagging(&store.catalog().unwrap(), &["a1", "r1"], "prod");
    let written = serde_json::to_vec(&change).unwrap();
    assert_eq!(change.write.len(), 4);
    let old = names(&store);
    tag(&store, &["a1", "r1"], "prod");
    assert!(!journal.exists());
    let (after, new) = (read(), names(&store));
    assert_ne!(old, new);
    // Killed after any number of renames: the change counts, and the next command does the rest of it.
    for done in 0..=4 {
        for (index, text) in texts.iter().enumerate() {
            fs::write(file(text), if index < done { &after[index] } else { &before[index] }).unwrap();
        }
        fs::write(&journal, &written).unwrap();
        assert_eq!(names(&store), new, "{done}");
        let next = root.open();
        assert!(!journal.exists());
        assert_eq!(names(&next), new, "{done}");
        assert_eq!(next.catalog().unwrap().images.len(), 4);
    }
    // The same for a change that comes before any other command, and for records that go.
    fs::write(&journal, serde_json::to_vec(&Change { write: Vec::new(), delete: texts.map(digest).to_vec() }).unwrap())
        .unwrap();
    assert!(names(&store).is_empty());
    install(&store, image("new", &[], &["new"]));
    assert!(!journal.exists() && !file("r2").exists());
    assert_eq!(names(&store).len(), 1);
    // What is no change was never made.
    fs::write(&journal, "{").unwrap();
    assert_eq!(names(&store).len(), 1);
    root.open();
    assert!(!journal.exists());
}

#[test]
fn a_rehearsal_tells_what_would_go_and_changes_nothing() {
    let root = Root::new();
    let store = root.open();
    for text in ["base", "one", "two"] {
        commit_layer(&store, text);
    }
    install(&store, image("x", &["base", "one"], &["x"]));
    install(&store, image("y", &["base", "two"], &["y"]));
    let rehearse = |texts: &[&str]| {
        let change = Change { write: Vec::new(), delete: texts.iter().map(|text| digest(text)).collect() };
        let items: Vec<Item> =
            store.rehearse(Reach::Changed, |_| Ok((change, ()))).unwrap().1.items().cloned().collect();
        items
    };
    assert_eq!(rehearse(&["x"]), [layer_item("one")]);
    assert_eq!(rehearse(&["x", "y"]).len(), 3);
    assert_eq!(names(&store).len(), 2);
    let one = store.disk_usage(&layer_item("one")).unwrap();
    assert!(one > 0);
    assert_eq!(store.disk_usage(&layer_item("none")).unwrap(), 0);
    let staging = store.stage().unwrap();
    let change = Change { write: Vec::new(), delete: vec![digest("x")] };
    store.change(&staging, |_| Ok((change, ()))).unwrap();
    assert_eq!(staging.taken_bytes().unwrap(), one);
}

#[test]
fn the_last_use_is_forgotten_with_the_image() {
    let root = Root::new();
    let store = root.open();
    install(&store, image("x", &[], &["x"]));
    assert!(store.last_use(&digest("x")).is_none());
    store.note_use(&digest("x"));
    assert!(store.last_use(&digest("x")).unwrap() > SystemTime::UNIX_EPOCH);
    delete(&store, "x");
    assert!(entries(&root, "used/sha256").is_empty());
}

#[test]
fn records_of_earlier_versions_are_read_and_new_fields_only_written_where_they_say_something() {
    let root = Root::new();
    let store = root.open();
    install(&store, image("x", &[], &["x"]));
    let path = root.path().join("images/sha256").join(format!("{}.json", digest("x").hex()));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("pinned") && !text.contains("former"), "{text}");
    assert!(!store.catalog().unwrap().images[0].pinned);
}
