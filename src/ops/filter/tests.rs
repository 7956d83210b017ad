use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::store::ManifestRecord;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn image(id: &str, created: &str, names: &[&str]) -> ImageRecord {
    let manifest = digest(&format!("manifest of {id}"));
    let names = names.iter().map(|name| Name {
        reference: name.replace("DIGEST", &manifest.to_string()).parse().unwrap(),
        manifest: manifest.clone(),
        generation: 1,
        tagged: String::new(),
        former: Vec::new(),
    });
    ImageRecord {
        id: digest(id),
        platform: Platform::new("linux", "amd64", ""),
        diff_ids: Vec::new(),
        created: Some(created.to_owned()).filter(|created| !created.is_empty()),
        size: 0,
        names: names.collect(),
        pinned: false,
        manifests: vec![ManifestRecord {
            media_type: String::new(),
            digest: manifest.clone(),
            size: 0,
            indexes: vec![digest(&format!("index of {id}"))],
            layers: Vec::new(),
            origin: String::new(),
            added: String::new(),
        }],
    }
}

/// `old`, `middle` and `new` are a day apart; `bare` has no name and no date; `pinned` has a digest only.
fn catalog() -> Catalog {
    let mut images = vec![
        image("old", "2021-01-01T00:00:00Z", &["alpine:3", "alpine:latest", "quay.io/org/app:1"]),
        image("middle", "2021-01-02T00:00:00+00:00", &["nigelpoulton/tu-demo:latest"]),
        image("new", "2021-01-03T00:00:00Z", &["busybox:latest"]),
        image("bare", "", &[]),
        image("pinned", "2021-01-02T00:00:00.5Z", &["redis@DIGEST"]),
    ];
    images[1].platform = Platform::new("linux", "arm64", "v8");
    images[2].platform = Platform::new("linux", "arm", "v6");
    Catalog { images, unreadable: Vec::new() }
}

fn filters(texts: &[&str]) -> Result<ImageFilters> {
    let pairs: Vec<(String, String)> = texts
        .iter()
        .map(|text| text.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    // 2021-01-04.
    ImageFilters::new(&pairs, UNIX_EPOCH + Duration::from_secs(1_609_718_400))
}

/// The images that are meant, with the number of their names.
fn select(texts: &[&str]) -> Result<Vec<(&'static str, usize)>> {
    let catalog = catalog();
    let labels = |record: &ImageRecord| {
        let labels: &[(&str, &str)] = match record {
            record if record.id == digest("old") => &[("stage", "test"), ("team", "")],
            record if record.id == digest("new") => &[("stage", "live")],
            record if record.id == digest("bare") => return None,
            _ => &[],
        };
        Some(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    let mounted = BTreeSet::from([digest("middle")]);
    let around = Surroundings { labels: &labels, mounted: &mounted };
    let selected = filters(texts)?.select(&catalog, &around)?;
    let named = |selected: &Selected<'_>| {
        let known = ["old", "middle", "new", "bare", "pinned"];
        let name = known.into_iter().find(|name| digest(name) == selected.image.id).unwrap();
        (name, selected.names.len())
    };
    Ok(selected.iter().map(named).collect())
}

fn ids(texts: &[&str]) -> Vec<&'static str> {
    select(texts).unwrap().into_iter().map(|(id, _)| id).collect()
}

#[test]
fn s32_dangling_images_have_neither_tag_nor_digest() {
    assert_eq!(ids(&["dangling=true"]), ["bare"]);
    assert_eq!(ids(&["dangling=1", "dangling=t"]), ["bare"]);
    assert_eq!(ids(&["dangling=F"]), ["old", "middle", "new", "pinned"]);
    for (texts, words) in [
        (&["dangling=x"][..], "invalid filter 'dangling=[x]'"),
        (&["dangling="], "invalid filter 'dangling=[]'"),
        (&["dangling=true", "dangling=false"], "invalid filter 'dangling=[true false]'"),
        (&["mounted=no"], "invalid filter 'mounted=[no]'"),
        (&["platform=toaster"], "invalid filter 'platform=[toaster]'"),
        (&["colour=red"], "invalid filter 'colour'"),
    ] {
        let error = filters(texts).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Failed, words));
    }
}

#[test]
fn s33_s34_before_and_since_are_strict_and_anded() {
    assert_eq!(ids(&["before=busybox"]), ["old", "middle", "pinned"]);
    assert_eq!(ids(&["before=busybox", "before=nigelpoulton/tu-demo"]), ["old"]);
    assert_eq!(ids(&["since=alpine:3"]), ["middle", "new", "pinned"]);
    assert_eq!(ids(&["since=alpine:3", "since=nigelpoulton/tu-demo"]), ["new", "pinned"]);
    assert_eq!(ids(&["since=alpine:3", "before=busybox"]), ["middle", "pinned"]);
    let by_id = format!("since={}", digest("middle").short());
    assert_eq!(ids(&[&by_id]), ["new", "pinned"]);
    // An image without a date is before and after nothing.
    let bare = format!("before={}", digest("bare"));
    assert_eq!(ids(&[&bare]).len(), 5);
    let error = select(&["before=nothing"]).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "No such image: nothing:latest"));
}

#[test]
fn s37_until_is_a_date_or_an_age() {
    assert_eq!(ids(&["until=2021-01-02"]), ["old"]);
    assert_eq!(ids(&["until=48h"]), ["old"]);
    assert_eq!(ids(&["until=24h"]), ["old", "middle", "pinned"]);
    assert_eq!(ids(&["until=24h", "until=2021-01-02"]), ["old"]);
    assert!(filters(&["until=soon"]).is_err());
}

#[test]
fn s35_labels_are_anded() {
    assert_eq!(ids(&["label=stage"]), ["old", "new"]);
    assert_eq!(ids(&["label=stage=live"]), ["new"]);
    assert_eq!(ids(&["label=stage", "label=team"]), ["old"]);
    assert_eq!(ids(&["label=team="]), ["old"]);
    assert_eq!(ids(&["label!=stage"]), ["middle", "pinned"]);
    assert_eq!(ids(&["label!=stage=live", "label=stage"]), ["old"]);
    assert_eq!(ids(&["label!=team", "label!=stage=live"]), ["middle", "pinned"]);
}

#[test]
fn s36_references_are_ored_and_only_their_names_are_listed() {
    for (texts, expected) in [
        (&["reference=*:latest"][..], &[("old", 1), ("new", 1)][..]),
        (&["reference=*/*:latest"], &[("middle", 1)]),
        (&["reference=**:latest"], &[("old", 1), ("middle", 1), ("new", 1)]),
        (&["reference=alpine"], &[("old", 2)]),
        (&["reference=alpine:3", "reference=busybox"], &[("old", 1), ("new", 1)]),
        (&["reference=docker.io/library/*"], &[("old", 2), ("new", 1), ("pinned", 1)]),
        (&["reference=docker.io/library/alpine:3"], &[("old", 1)]),
        (&["reference=quay.io/*/app"], &[("old", 1)]),
        (&["reference=redis"], &[("pinned", 1)]),
        (&["reference=redis@sha256:*"], &[("pinned", 1)]),
        (&["reference=busybox@sha256:*"], &[("new", 1)]),
        (&["reference=none"], &[]),
    ] {
        assert_eq!(select(texts).unwrap(), expected, "{texts:?}");
    }
    let error = filters(&["reference=["]).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Failed, "syntax error in pattern `[`"));
}

#[test]
fn s37_ids_digests_platforms_and_views() {
    assert_eq!(ids(&[&format!("id={}", digest("new").short())]), ["new"]);
    assert_eq!(ids(&[&format!("id={}", digest("new")), &format!("id={}", digest("old").hex())]), ["old", "new"]);
    assert_eq!(ids(&[&format!("digest={}", digest("manifest of new"))]), ["new"]);
    assert_eq!(ids(&[&format!("digest={}", digest("index of old"))]), ["old"]);
    assert_eq!(ids(&["platform=linux/arm64"]), ["middle"]);
    assert_eq!(ids(&["platform=aarch64", "platform=linux/arm/v6"]), ["middle", "new"]);
    assert_eq!(ids(&["platform=linux/arm/v7"]), [""; 0]);
    assert_eq!(ids(&["mounted=true"]), ["middle"]);
    assert_eq!(ids(&["mounted=false", "dangling=false"]), ["old", "new", "pinned"]);
}
