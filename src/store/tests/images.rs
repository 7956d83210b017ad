use std::fs;

use serde_json::Value;

use super::*;

fn index(root: &Root) -> Vec<(Option<String>, String)> {
    let text = fs::read_to_string(root.path().join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(index["schemaVersion"], 2);
    let manifests = index["manifests"].as_array().unwrap();
    let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned);
    manifests
        .iter()
        .map(|entry| (name(entry), entry["platform"]["architecture"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_tag_moves_and_its_old_image_stays() {
    let root = Root::new();
    let store = root.open();
    install(&store, image("old", &[], &["app", "app:1"]));
    install(&store, image("new", &[], &["app"]));
    let (old, new) = (digest("old"), digest("new"));
    let expected = [format!("app:1 {}", old.short()), format!("app:latest {}", new.short())];
    assert_eq!(names(&store), BTreeSet::from(expected));
    install(&store, image("new", &[], &["app:1"]));
    assert_eq!(names(&store).len(), 2);
    let catalog = store.catalog().unwrap();
    assert_eq!(catalog.images.len(), 2);
    assert!(catalog.images.iter().any(|image| image.id == old && image.names.is_empty()));
}

#[test]
fn a_crash_in_the_middle_of_a_move_loses_neither_name_nor_image() {
    let root = Root::new();
    let store = root.open();
    install(&store, image("old", &[], &["app"]));
    let record = root.path().join("images/sha256").join(format!("{}.json", digest("old").hex()));
    let before = fs::read(&record).unwrap();
    install(&store, image("new", &[], &["app"]));
    // The new owner was written, the old one not yet.
    fs::write(&record, before).unwrap();
    assert_eq!(names(&store), BTreeSet::from([format!("app:latest {}", digest("new").short())]));
    assert_eq!(store.catalog().unwrap().images.len(), 2);
}

#[test]
fn two_platforms_of_one_tag_live_side_by_side() {
    let root = Root::new();
    let store = root.open();
    let host = Platform::host();
    let foreign = if host.architecture == "arm64" { "amd64" } else { "arm64" };
    for (text, architecture) in [("foreign", foreign), ("host", host.architecture.as_str())] {
        let mut image = image(text, &[], &["app"]);
        image.platform = Platform::new("linux", architecture, "");
        install(&store, image);
    }
    assert_eq!(names(&store).len(), 2);
    let name = Some("docker.io/library/app:latest".to_owned());
    assert_eq!(index(&root), [(name.clone(), host.architecture), (name, foreign.to_owned())]);
}

#[test]
fn the_index_lists_tags_and_images_without_one() {
    let root = Root::new();
    let store = root.open();
    install(&store, image("a", &[], &["b", "quay.io/x/y:1"]));
    install(&store, image("c", &[], &[]));
    let listed: Vec<Option<String>> = index(&root).into_iter().map(|entry| entry.0).collect();
    let tag = |text: &str| Some(text.to_owned());
    assert_eq!(listed, [tag("docker.io/library/b:latest"), tag("quay.io/x/y:1"), None]);
    delete(&store, "a");
    delete(&store, "c");
    assert!(index(&root).is_empty());
}

#[test]
fn an_index_that_was_not_written_is_made_up_for() {
    let root = Root::new();
    let store = root.open();
    let stale = fs::read(root.path().join("index.json")).unwrap();
    let time = fs::metadata(root.path().join("index.json")).unwrap().modified().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    install(&store, image("a", &[], &["a"]));
    fs::write(root.path().join("index.json"), stale).unwrap();
    fs::File::options().write(true).open(root.path().join("index.json")).unwrap().set_modified(time).unwrap();
    assert!(index(&root).is_empty());
    root.open();
    assert_eq!(index(&root).len(), 1);
}

#[test]
fn one_bad_record_does_not_hide_the_others() {
    let root = Root::new();
    let store = root.open();
    install(&store, image("good", &[], &["good"]));
    let folder = root.path().join("images/sha256");
    let bad = digest("bad");
    fs::write(folder.join(format!("{}.json", bad.hex())), "").unwrap();
    let good = folder.join(format!("{}.json", digest("good").hex()));
    fs::copy(good, folder.join(format!("{}.json", digest("other").hex()))).unwrap();
    fs::write(folder.join("x"), "").unwrap();
    let catalog = store.catalog().unwrap();
    assert_eq!(catalog.images.len(), 1);
    assert_eq!(catalog.unreadable.len(), 3);
    let found = catalog.resolve_unreadable(bad.short()).unwrap();
    assert_eq!(found.id.as_ref(), Some(&bad));
    assert!(catalog.unreadable.iter().any(|record| record.id.is_none() && record.file == "images/sha256/x"));
}

#[test]
fn a_manifest_that_nothing_names_is_forgotten() {
    let root = Root::new();
    let store = root.open();
    let variant = |text: &str, name: &str| {
        let mut image = image("same", &[], &[name]);
        image.manifest.digest = digest(text);
        image
    };
    install(&store, variant("gzip", "app"));
    install(&store, variant("zstd", "app:zstd"));
    assert_eq!(store.catalog().unwrap().images[0].manifests.len(), 2);
    install(&store, variant("zstd", "app"));
    let catalog = store.catalog().unwrap();
    assert_eq!(catalog.images[0].manifests.len(), 1);
    assert_eq!(catalog.images[0].manifests[0].digest, digest("zstd"));
    assert_eq!(catalog.images[0].names.len(), 2);
}
