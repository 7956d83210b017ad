//! Whole use cases on the real kernel: each test is a thread with a mount namespace of its own. They need root.

mod full;
mod images;
mod looks;
mod transfers;
mod views;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mount::MountPropagationFlags;
use serde_json::json;

use crate::cancel::Cancel;
use crate::error::ErrorKind;
use crate::oci::Digest;
use crate::ops::{
    Access, Detach, Flag, Force, ImportRequest, Input, Limits, LoadRequest, MountRequest, Oddities, Options,
    RemoveRequest, Rootlay, Selected, SourceSpec, UnmountRequest, Which,
};
use crate::progress::Silent;

/// A state root, and beside it a layout whose images are made in code.
struct Bench {
    temp: tempfile::TempDir,
}

/// Files of a layer: a name that ends with `/` is a directory.
type Files<'a> = &'a [(&'a str, &'a str)];

/// Another state root may have a view of the same name and, a moment later, device number.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn in_own_namespace(test: impl FnOnce(&Bench) + Send + 'static) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let bench = Bench { temp: tempfile::tempdir().unwrap() };
        test(&bench);
        for result in bench.open().unmount(UnmountRequest { which: Which::All, mode: Detach::Lazy }).unwrap() {
            result.unwrap();
        }
    });
    thread.join().unwrap();
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn open(&self) -> Rootlay {
        self.open_with(&Cancel::new())
    }

    fn open_with(&self, cancel: &Cancel) -> Rootlay {
        let options =
            Options { root: self.path("root"), threads: None, progress: Arc::new(Silent), cancel: cancel.clone() };
        Rootlay::open(options).unwrap()
    }

    fn blob(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let folder = self.path("layout/blobs/sha256");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(digest.hex()), content).unwrap();
        digest
    }

    /// Makes a layout with one image, `localhost/<name>:1`, and gives its specification.
    fn image(&self, name: &str, layers: &[Files<'_>]) -> SourceSpec {
        let tars: Vec<Vec<u8>> = layers.iter().map(|files| tar(files)).collect();
        let diff_ids: Vec<String> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
        self.image_with_diff_ids(name, &tars, &diff_ids)
    }

    fn image_with_diff_ids(&self, name: &str, tars: &[Vec<u8>], diff_ids: &[String]) -> SourceSpec {
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": { "Cmd": ["/bin/sh"], "Labels": { "name": name } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = serde_json::to_vec(&config).unwrap();
        let layers: Vec<_> = tars
            .iter()
            .map(|tar| {
                json!({
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": self.blob(tar), "size": tar.len(),
                })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.blob(&config), "size": config.len(),
            },
            "layers": layers,
        });
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": self.blob(&manifest), "size": manifest.len(),
                "annotations": { "org.opencontainers.image.ref.name": format!("localhost/{name}:1") },
            }],
        });
        fs::write(self.path("layout/index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        fs::write(self.path("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        SourceSpec::Oci { dir: self.path("layout"), tag: None }
    }

    /// Names below a folder of the state root.
    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("root").join(folder)) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn tar(files: Files<'_>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(if name.ends_with('/') { 0o750 } else { 0o644 });
        header.set_entry_type(if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn load(source: SourceSpec) -> LoadRequest {
    LoadRequest { source, platform: None, name: None, limits: Limits::default(), oddities: Oddities::Warn }
}

fn mount(image: &str) -> MountRequest {
    MountRequest {
        image: image.to_owned(),
        target: None,
        name: None,
        access: Access::ReadOnly,
        platform: None,
        upto: None,
        suid: Flag::Default,
        dev: Flag::Default,
    }
}

fn writable(image: &str, name: &str) -> MountRequest {
    MountRequest { access: Access::Writable, name: Some(name.to_owned()), ..mount(image) }
}

fn unmount(rootlay: &Rootlay, argument: impl Into<OsString>, mode: Detach) -> crate::Result<Vec<String>> {
    let which = Which::Named(vec![argument.into()]);
    rootlay.unmount(UnmountRequest { which, mode }).unwrap().into_iter().collect()
}

fn remove(rootlay: &Rootlay, image: &str, force: Force) -> crate::Result<(Vec<String>, usize)> {
    let request = RemoveRequest { images: Selected::Named(vec![image.to_owned()]), force, platform: None };
    let removed = rootlay.remove_images(request).unwrap().remove(0)?;
    Ok((removed.untagged, removed.deleted.len()))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
