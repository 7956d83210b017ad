//! Tests on images that are built here, in memory.

mod archive;
mod docker;
mod layout;
mod legacy;
mod resolve;
mod select;
mod spool;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use crate::oci::{Digest, Platform};

/// Files of a layout or an archive by their paths.
#[derive(Debug, Default, Clone)]
struct Tree(BTreeMap<String, Vec<u8>>);

impl Tree {
    /// A layout without images.
    fn layout() -> Self {
        let mut tree = Self::default();
        tree.json("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }));
        tree
    }

    fn put(&mut self, path: &str, bytes: &[u8]) {
        self.0.insert(path.to_owned(), bytes.to_vec());
    }

    fn json(&mut self, path: &str, value: &Value) {
        self.put(path, value.to_string().as_bytes());
    }

    /// Adds a blob and returns its descriptor.
    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.put(&format!("blobs/sha256/{}", digest.hex()), bytes);
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// Adds an image of one layer; its content and its platform make it different from others.
    fn image(&mut self, platform: &str, content: &str) -> Value {
        let config = config(platform, &[content.as_bytes()]);
        let config = self.blob(OCI_CONFIG, config.to_string().as_bytes());
        let layer = self.blob(OCI_LAYER, content.as_bytes());
        self.manifest(&config, &[layer])
    }

    fn manifest(&mut self, config: &Value, layers: &[Value]) -> Value {
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        self.blob(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    fn index(&mut self, entries: &[Value]) -> Value {
        self.blob(OCI_INDEX, index(entries).to_string().as_bytes())
    }

    /// Writes `index.json`.
    fn top(&mut self, entries: &[Value]) {
        self.json("index.json", &index(entries));
    }

    fn write(&self, dir: &Path) {
        for (path, bytes) in &self.0 {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in &self.0 {
            add(&mut builder, path, tar::EntryType::Regular, "", bytes);
        }
        builder.into_inner().unwrap()
    }
}

fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, link: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

fn index(entries: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries })
}

fn config(platform: &str, layers: &[&[u8]]) -> Value {
    let platform: Platform = platform.parse().unwrap();
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    json!({
        "os": platform.os, "architecture": platform.architecture, "variant": platform.variant,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
}

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"]["org.opencontainers.image.ref.name"] = name.into();
    descriptor
}

fn for_platform(mut descriptor: Value, platform: &str) -> Value {
    let platform: Platform = platform.parse().unwrap();
    descriptor["platform"] = serde_json::to_value(platform).unwrap();
    descriptor
}

fn descriptor(value: &Value) -> Descriptor {
    serde_json::from_value(value.clone()).unwrap()
}

/// A directory for the source and one for spooling.
struct Bench {
    temp: tempfile::TempDir,
    scratch: Dir,
}

impl Bench {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("scratch")).unwrap();
        let scratch = Dir::open(&temp.path().join("scratch")).unwrap();
        Self { temp, scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn open(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        open(spec, &self.scratch, &Cancel::new())
    }

    fn open_file(&self, bytes: &[u8]) -> Result<Box<dyn Source>> {
        self.open(&SourceSpec::Path(self.file("archive", bytes)))
    }

    fn open_dir(&self, tree: &Tree) -> Result<Box<dyn Source>> {
        tree.write(&self.path("layout"));
        self.open(&SourceSpec::Oci { dir: self.path("layout"), tag: None })
    }
}

/// The error with its causes, each once.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Asserts that something was refused, with these words.
fn refused<T>(result: Result<T>, words: &str) {
    let error = result.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{}", chain(&error));
    assert!(chain(&error).contains(words), "{}", chain(&error));
}

fn read(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.open_blob(descriptor)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn names(images: &[Candidate]) -> Vec<Vec<String>> {
    images.iter().map(|image| image.names.iter().map(Reference::familiar).collect()).collect()
}
