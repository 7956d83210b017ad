use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::remove::image;
use super::tag::with_records;
use super::view;
use crate::oci::{DiffId, Digest};
use crate::ops::{Force, Pinned, PruneFilters, PruneRequest, PruneScope, RemoveRequest, Rootlay, Selected};
use crate::store::{ImageRecord, Item, Kind};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn unused() -> PruneRequest {
    PruneRequest { scope: PruneScope::Unused, ..PruneRequest::default() }
}

fn left(rootlay: &Rootlay) -> BTreeSet<Digest> {
    rootlay.store.catalog().unwrap().images.into_iter().map(|image| image.id).collect()
}

fn of(texts: &[&str]) -> BTreeSet<Digest> {
    texts.iter().map(|text| digest(text)).collect()
}

/// An image with layers, whose blobs are not here.
fn layered(text: &str, layers: &[&str], names: &[&str]) -> ImageRecord {
    let diff_ids = layers.iter().map(|layer| DiffId(digest(layer))).collect();
    ImageRecord { diff_ids, ..image(text, names) }
}

fn commit_layer(rootlay: &Rootlay, text: &str, size: usize) {
    let staging = rootlay.store.stage().unwrap();
    let (draft, dir) = staging.new_dir("layer", 0o700).unwrap();
    dir.write_new(b"content", 0o600, &vec![1; size]).unwrap().sync_all().unwrap();
    assert!(rootlay.store.commit(&staging, &draft, Kind::Layer, &digest(text)).unwrap());
}

/// Makes the last use of an image so many hours old.
fn age(root: &Path, text: &str, hours: u64) {
    let folder = root.join("root/used/sha256");
    std::fs::create_dir_all(&folder).unwrap();
    let file = std::fs::File::create(folder.join(digest(text).hex())).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
}

#[test]
fn s68_s70_only_what_has_no_name_goes_unless_all_is_asked_for() {
    let records = || vec![image("a", &["app"]), image("b", &[]), image("c", &["c@DIGEST"]), image("d", &[])];
    let (_temp, rootlay) = with_records(records());
    rootlay.pin(&[digest("d").to_string()], Pinned::Yes).unwrap().remove(0).unwrap();
    let plan = rootlay.plan_prune(&PruneRequest::default()).unwrap();
    assert_eq!((plan.deleted, plan.pinned, plan.in_use), (vec![digest("b")], 1, 0));
    assert_eq!(left(&rootlay).len(), 4);
    let pruned = rootlay.prune(&PruneRequest::default()).unwrap();
    assert_eq!((pruned.deleted, pruned.untagged.len()), (vec![digest("b")], 0));
    let pruned = rootlay.prune(&unused()).unwrap();
    assert_eq!((pruned.deleted.len(), pruned.untagged.len(), pruned.pinned), (2, 2, 1));
    assert_eq!(left(&rootlay), of(&["d"]));
    rootlay.pin(&[digest("d").short().to_owned()], Pinned::No).unwrap().remove(0).unwrap();
    rootlay.prune(&PruneRequest::default()).unwrap();
    assert!(left(&rootlay).is_empty());
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let records = vec![
        layered("a", &["base", "one"], &["a"]),
        layered("b", &["base", "two"], &["b"]),
        layered("c", &["base", "three"], &["c"]),
    ];
    let (temp, rootlay) = with_records(records);
    for text in ["base", "one", "two", "three"] {
        commit_layer(&rootlay, text, 100_000);
    }
    for (text, hours) in [("a", 5), ("b", 50), ("c", 20)] {
        age(temp.path(), text, hours);
    }
    let size = rootlay.store.disk_usage(&Item::Dir(Kind::Layer, digest("one"))).unwrap();
    assert!(size >= 100_000);
    let plan = |keep_size| rootlay.plan_prune(&PruneRequest { keep_size: Some(keep_size), ..unused() }).unwrap();
    assert!(plan(4 * size).deleted.is_empty());
    assert_eq!(plan(3 * size).untagged, ["b:latest"]);
    assert_eq!(plan(4 * size - 1).bytes, size);
    assert_eq!(plan(2 * size).untagged, ["b:latest", "c:latest"]);
    assert_eq!((plan(0).untagged.len(), plan(0).bytes), (3, 4 * size));
    let unused_for = |hours: u64| PruneRequest { unused_for: Some(Duration::from_secs(hours * 3600)), ..unused() };
    assert_eq!(rootlay.plan_prune(&unused_for(10)).unwrap().untagged, ["b:latest", "c:latest"]);
    let pruned = rootlay.prune(&unused_for(30)).unwrap();
    assert_eq!((pruned.untagged, pruned.bytes), (vec!["b:latest".to_owned()], size));
    assert_eq!(left(&rootlay), of(&["a", "c"]));
    // To be used makes young.
    rootlay.store.note_use(&digest("c"));
    assert_eq!(rootlay.plan_prune(&unused_for(3)).unwrap().untagged, ["a:latest"]);
}

#[test]
fn s69_filters_select_by_age_and_label() {
    let made = |text: &str, created: &str| ImageRecord { created: Some(created.to_owned()), ..image(text, &[]) };
    let (_temp, rootlay) = with_records(vec![made("old", "2001-01-01T00:00:00Z"), made("new", "2021-01-01T00:00:00Z")]);
    let request = |key: &str, value: &str| PruneRequest {
        filters: PruneFilters::new(&[(key.to_owned(), value.to_owned())], SystemTime::now()).unwrap(),
        ..PruneRequest::default()
    };
    assert_eq!(rootlay.plan_prune(&request("until", "2010-01-01")).unwrap().deleted, [digest("old")]);
    // The labels of these nobody knows.
    assert!(rootlay.plan_prune(&request("label!", "x")).unwrap().deleted.is_empty());
}

#[test]
fn a_system_prune_also_takes_what_nothing_names() {
    let (temp, rootlay) = with_records(vec![layered("a", &["named"], &["a"]), layered("b", &["mine"], &[])]);
    for text in ["named", "mine", "lost"] {
        commit_layer(&rootlay, text, 10_000);
    }
    let partial = temp.path().join("root/partial/sha256").join(digest("part").hex());
    std::fs::write(&partial, [1; 5000]).unwrap();
    let lock = temp.path().join("root/locks").join(format!("layer-{}", digest("dead").hex()));
    std::fs::write(&lock, "").unwrap();
    let plan = rootlay.plan_prune_system(&PruneRequest::default()).unwrap();
    assert!(partial.exists() && left(&rootlay).len() == 2);
    let done = rootlay.prune_system(&PruneRequest::default()).unwrap();
    assert_eq!(plan, done);
    assert_eq!(done.unnamed, [format!("layer {}", digest("lost"))]);
    assert_eq!(done.downloads, [digest("part").to_string()]);
    assert_eq!(done.images.deleted.len(), 2);
    assert!(done.images.bytes >= 25_000, "{done:?}");
    assert!(!partial.exists() && !lock.exists());
    assert_eq!(left(&rootlay), of(&["a"]));
    let nothing = rootlay.prune_system(&PruneRequest::default()).unwrap();
    assert_eq!(nothing.images.bytes, 0);
}

/// As if somebody mounted and unmounted all the time.
#[test]
fn views_that_come_and_go_do_not_keep_images_from_being_removed() {
    // It takes a while to see what so many layers take.
    let layers: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    let (temp, rootlay) = with_records(vec![layered("a", &["base"], &["a"]), layered("b", &layers, &["b"])]);
    commit_layer(&rootlay, "1", 1000);
    let (dir, draft) = (temp.path().join("root/views/v"), temp.path().join("draft"));
    std::fs::create_dir_all(&dir).unwrap();
    let is_over = AtomicBool::new(false);
    let (removed, pruned) = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Who is at it then would be at it for ever.
            let patience = Instant::now() + Duration::from_secs(10);
            let mut record = view("v", "another");
            while !is_over.load(Ordering::Relaxed) {
                record.created += Duration::from_secs(1);
                std::fs::write(&draft, serde_json::to_vec(&record).unwrap()).unwrap();
                std::fs::rename(&draft, dir.join("view.json")).unwrap();
                if Instant::now() > patience {
                    rootlay.cancel.raise(15);
                }
            }
        });
        let images = Selected::Named(vec!["a".to_owned()]);
        let removed = rootlay.remove_images(RemoveRequest { images, force: Force::No, platform: None });
        let pruned = rootlay.prune(&PruneRequest { keep_size: Some(0), ..unused() });
        is_over.store(true, Ordering::Relaxed);
        (removed, pruned)
    });
    assert_eq!(removed.unwrap().remove(0).unwrap().untagged, ["a:latest"]);
    assert_eq!(pruned.unwrap().untagged, ["b:latest"]);
}
