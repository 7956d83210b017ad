//! Names on a store without layers.

use std::sync::Arc;

use super::remove::image;
use crate::cancel::Cancel;
use crate::error::ErrorKind;
use crate::oci::{Platform, Reference};
use crate::ops::{Options, Rootlay};
use crate::progress::Silent;
use crate::store::{Change, ImageRecord};

/// A state root with these records.
pub(super) fn with_records(records: Vec<ImageRecord>) -> (tempfile::TempDir, Rootlay) {
    let temp = tempfile::tempdir().unwrap();
    let options =
        Options { root: temp.path().join("root"), threads: None, progress: Arc::new(Silent), cancel: Cancel::new() };
    let rootlay = Rootlay::open(options).unwrap();
    let change = Change { write: records, delete: Vec::new() };
    rootlay.store.change(&rootlay.store.stage().unwrap(), |_| Ok((change, ()))).unwrap();
    (temp, rootlay)
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// `name image` of all names, in the order of the names.
fn names(rootlay: &Rootlay) -> Vec<String> {
    let catalog = rootlay.store.catalog().unwrap();
    let lines = catalog.images.iter().flat_map(|image| {
        image.names.iter().map(|name| format!("{} {}", name.reference.familiar(), image.platform.architecture))
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

fn on(text: &str, architecture: &str, names: &[&str]) -> ImageRecord {
    ImageRecord { platform: Platform::new("linux", architecture, ""), ..image(text, names) }
}

#[test]
fn a_tag_of_two_platforms_is_given_and_taken_as_one() {
    let (_temp, rootlay) = with_records(vec![on("x", "amd64", &["app"]), on("y", "arm64", &["app"])]);
    rootlay.tag("app", &[reference("quay.io/a/b"), reference("other:1")]).unwrap();
    assert_eq!(
        names(&rootlay),
        [
            "app:latest amd64",
            "app:latest arm64",
            "other:1 amd64",
            "other:1 arm64",
            "quay.io/a/b:latest amd64",
            "quay.io/a/b:latest arm64"
        ]
    );
    rootlay.untag("app", &[reference("other:1")]).unwrap();
    assert_eq!(names(&rootlay).len(), 4);
    let error = rootlay.untag("app", &[reference("app"), reference("other:1")]).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "other:1: tag not known"));
    assert_eq!(names(&rootlay).len(), 4);
    rootlay.untag("app", &[]).unwrap();
    assert_eq!(names(&rootlay), ["quay.io/a/b:latest amd64", "quay.io/a/b:latest arm64"]);
    for image in rootlay.store.catalog().unwrap().images {
        rootlay.untag(image.id.hex(), &[]).unwrap();
    }
    assert!(names(&rootlay).is_empty());
    let catalog = rootlay.store.catalog().unwrap();
    assert_eq!(catalog.images.len(), 2);
    rootlay.tag(catalog.images[0].id.short(), &[reference("one")]).unwrap();
    assert_eq!(names(&rootlay).len(), 1);
    rootlay.untag("one", &[]).unwrap();
}

#[test]
fn what_cannot_be_a_name_is_refused() {
    let (_temp, rootlay) = with_records(vec![image("x", &["app"])]);
    let digest = format!("app@{}", rootlay.store.catalog().unwrap().images[0].id);
    for (source, target, kind, words) in [
        ("app", digest.as_str(), ErrorKind::Usage, "refusing to create a tag with a digest reference"),
        ("app", "sha256:abc", ErrorKind::Usage, "refusing to create an ambiguous tag"),
        ("none", "new", ErrorKind::NotFound, "No such image: none:latest"),
        ("app@{1}", "new", ErrorKind::NotFound, "No such image: app:latest@{1}: the history"),
    ] {
        let error = rootlay.tag(source, &[reference(target)]).unwrap_err();
        assert_eq!(error.kind(), kind, "{source} {target}");
        assert!(error.to_string().starts_with(words), "{error}");
    }
    assert_eq!(names(&rootlay).len(), 1);
}

#[test]
fn the_history_of_a_tag_begins_with_now() {
    let (_temp, rootlay) = with_records(vec![image("x", &["app"]), image("y", &["new"])]);
    rootlay.tag("new", &[reference("app")]).unwrap();
    rootlay.tag("app@{1}", &[reference("old")]).unwrap();
    let host = Platform::host().architecture;
    let expected = ["app", "new", "old"].map(|name| format!("{name}:latest {host}"));
    assert_eq!(names(&rootlay), expected);
    let history = rootlay.tag_history(&reference("app")).unwrap();
    let short: Vec<_> = history.iter().map(|entry| (entry.number, entry.id.clone(), entry.here)).collect();
    let digest = |text: &str| crate::oci::Digest::of(text.as_bytes());
    assert_eq!(short, [(0, digest("y"), true), (1, digest("x"), true)]);
    assert_eq!(history[1].digest, digest("manifest of x"));
    assert_eq!(rootlay.tag_history(&reference("none")).unwrap_err().kind(), ErrorKind::NotFound);
}
