//! The state root on a temporary directory. Several [`Store`]s on one root behave as several processes do, because
//! `flock` belongs to the open file.

mod concurrency;
mod era;
mod images;
mod layout;
mod moves;
mod names;
mod partial;
mod plan;
mod staging;
mod sweep;
mod views;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::oci::{ChainId, DiffId, Platform, Reference};

const BOOT: &str = "boot-1";

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn open(&self) -> Store {
        Store::open(self.path(), BOOT).unwrap()
    }

    fn open_in(&self, boot: &str) -> Store {
        Store::open(self.path(), boot).unwrap()
    }
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn layer(text: &str) -> DiffId {
    DiffId(digest(text))
}

fn layer_item(text: &str) -> Item {
    Item::Dir(Kind::Layer, digest(text))
}

fn reference(text: &str) -> Reference {
    text.parse::<Reference>().unwrap().with_default_tag()
}

/// Commits a layer with one file in it.
fn commit_layer(store: &Store, text: &str) -> bool {
    let staging = store.stage().unwrap();
    let (draft, dir) = staging.new_dir("layer", 0o700).unwrap();
    dir.create_dir(b"diff", 0o755).unwrap();
    dir.write_new(b"layer.json", 0o600, text.as_bytes()).unwrap();
    store.commit(&staging, &draft, Kind::Layer, &digest(text)).unwrap()
}

fn found(store: &Store, text: &str) -> &'static str {
    match store.find(Kind::Layer, &digest(text), &store.named().unwrap()).unwrap() {
        Found::Usable(_) => "usable",
        Found::Stale => "stale",
        Found::Missing => "missing",
    }
}

/// An image with these layers, whose ID follows from `text`.
fn image(text: &str, layers: &[&str], names: &[&str]) -> Installed {
    let manifest = digest(&format!("manifest of {text}"));
    Installed {
        id: digest(text),
        platform: Platform::new("linux", "amd64", ""),
        diff_ids: layers.iter().map(|text| layer(text)).collect(),
        created: None,
        size: 0,
        manifest: ManifestRecord {
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            digest: manifest,
            size: 2,
            indexes: Vec::new(),
            layers: layers.iter().map(|text| digest(&format!("blob of {text}"))).collect(),
            origin: "test".to_owned(),
            added: now(),
        },
        names: names.iter().map(|name| reference(name)).collect(),
    }
}

fn install(store: &Store, image: Installed) {
    store.install(&store.stage().unwrap(), vec![image]).unwrap();
}

fn delete(store: &Store, text: &str) -> Freed {
    let change = Change { write: Vec::new(), delete: vec![digest(text)] };
    store.change(&store.stage().unwrap(), |_| Ok((change, ()))).unwrap().1
}

/// `name image` of all names.
fn names(store: &Store) -> BTreeSet<String> {
    let catalog = store.catalog().unwrap();
    let lines = catalog
        .images
        .iter()
        .flat_map(|image| image.names.iter().map(|name| format!("{} {}", name.reference.familiar(), image.id.short())));
    lines.collect()
}

fn view(name: &str, layers: &[&str], access: Access) -> ViewRecord {
    let stack: Vec<DiffId> = layers.iter().map(|text| layer(text)).collect();
    ViewRecord {
        name: name.to_owned(),
        image: "busybox".to_owned(),
        image_id: digest("busybox"),
        merged: ChainId::of(&stack),
        stack,
        access,
        options: ViewOptions { nosuid: true, nodev: true },
        target: None,
        state: State::New,
        boot: BOOT.to_owned(),
        era: None,
        device: None,
        created: SystemTime::UNIX_EPOCH,
    }
}

fn create_view(store: &Store, record: &ViewRecord) -> Result<ViewDir> {
    let staging = store.stage().unwrap();
    let (draft, _) = staging.new_dir("view", 0o700).unwrap();
    let view = ViewDir::draft(&staging, &draft, record)?;
    store.name_view(&staging, &draft, &view)?;
    Ok(view)
}

/// The disk fails, and somebody is told.
fn fail(store: &Store) {
    let error = Error::new(crate::error::ErrorKind::Failed, "the disk failed");
    assert_eq!(store.asking(&Cancel::new(), || Err(error)).unwrap_err().to_string(), "the disk failed");
}

fn entries(root: &Root, folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root.path().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
