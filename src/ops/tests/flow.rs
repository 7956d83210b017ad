//! Whole use cases on the real kernel: each test is a thread with a mount namespace of its own. They need root.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::mount::MountPropagationFlags;
use serde_json::json;

use crate::cancel::Cancel;
use crate::error::ErrorKind;
use crate::oci::Digest;
use crate::ops::{
    Access, Detach, Flag, Force, ImportRequest, Input, Limits, LoadRequest, MountRequest, Options, RemoveRequest,
    Rootlay, SourceSpec, UnmountRequest, Which,
};
use crate::progress::Silent;

/// A state root, and beside it a layout whose images are made in code.
struct Bench {
    temp: tempfile::TempDir,
}

/// Files of a layer: a name that ends with `/` is a directory.
type Files<'a> = &'a [(&'a str, &'a str)];

fn in_own_namespace(test: impl FnOnce(&Bench) + Send + 'static) {
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
        let options = Options { root: self.path("root"), progress: Arc::new(Silent), cancel: cancel.clone() };
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
    LoadRequest { source, platform: None, name: None, limits: Limits::default() }
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
    let request = RemoveRequest { images: vec![image.to_owned()], force };
    let removed = rootlay.remove_images(request).unwrap().remove(0)?;
    Ok((removed.untagged, removed.deleted.len()))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn an_image_is_loaded_mounted_unmounted_and_removed() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let source =
            bench.image("app", &[&[("etc/", ""), ("etc/a", "1"), ("etc/b", "1")], &[("etc/.wh.b", ""), ("c", "3")]]);
        let loaded = rootlay.load(load(source.clone())).unwrap();
        assert_eq!(loaded[0].references[0].familiar(), "localhost/app:1");
        assert_eq!(rootlay.load(load(source)).unwrap(), loaded);
        let images = rootlay.images().unwrap();
        assert_eq!((images.len(), images[0].size, images[0].broken.as_ref()), (1, 3, None));

        let one = rootlay.mount(mount("localhost/app:1")).unwrap();
        let two = rootlay.mount(mount(loaded[0].id.short())).unwrap();
        assert_eq!((one.name.as_str(), two.name.as_str()), ("app-1", "app-2"));
        assert_eq!(text(&two.target.join("etc/a")), "1");
        assert!(!one.target.join("etc/b").exists());
        assert!(fs::write(one.target.join("c"), "").is_err());
        assert_eq!(rootlay.views().unwrap(), [one.clone(), two.clone()]);

        let error = remove(&rootlay, "localhost/app:1", Force::No).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert_eq!(unmount(&rootlay, one.target.as_os_str(), Detach::Normal).unwrap(), ["app-1"]);
        assert_eq!(text(&two.target.join("c")), "3");
        // What has a slash is a directory, even if an image has that name.
        assert_eq!(unmount(&rootlay, "localhost/app:1", Detach::Normal).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(unmount(&rootlay, loaded[0].id.short(), Detach::Normal).unwrap(), ["app-2"]);
        assert!(rootlay.views().unwrap().is_empty());
        assert!(bench.names("views").is_empty());
        assert_eq!(unmount(&rootlay, "app-1", Detach::Normal).unwrap_err().kind(), ErrorKind::NotFound);

        let inspected = rootlay.inspect("localhost/app:1").unwrap();
        assert_eq!(inspected["RepoTags"], json!(["localhost/app:1"]));
        assert_eq!(inspected["GraphDriver"]["Data"]["LowerDir"].as_str().unwrap().split(':').count(), 3);

        let (untagged, deleted) = remove(&rootlay, "localhost/app:1", Force::No).unwrap();
        assert_eq!((untagged, deleted), (vec!["localhost/app:1".to_owned()], 3));
        for folder in ["layers/sha256", "corrections/sha256", "images/sha256", "blobs/sha256", "staging"] {
            assert!(bench.names(folder).is_empty(), "{folder}: {:?}", bench.names(folder));
        }
    });
}

#[test]
fn a_writable_view_keeps_what_was_written() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        let view = rootlay.mount(writable("localhost/app:1", "work")).unwrap();
        fs::write(view.target.join("new"), "x").unwrap();
        fs::remove_file(view.target.join("a")).unwrap();
        assert_eq!(rootlay.mount(writable("localhost/app:1", "work")).unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(rootlay.remount("work").unwrap_err().kind(), ErrorKind::InUse);
        assert_eq!(rootlay.remove_views(&["work".into()]).unwrap()[0].as_ref().unwrap_err().kind(), ErrorKind::InUse);
        unmount(&rootlay, "work", Detach::Normal).unwrap();
        assert!(!rootlay.views().unwrap()[0].mounted);
        assert_eq!(remove(&rootlay, "localhost/app:1", Force::Yes).unwrap().1, 1);

        // A new boot: the layers have no other name than the view's.
        let view = bench.open().remount("work").unwrap();
        assert_eq!(text(&view.target.join("new")), "x");
        assert!(!view.target.join("a").exists());
        unmount(&rootlay, "work", Detach::Normal).unwrap();
        assert_eq!(bench.names("layers/sha256").len(), 1);
        assert_eq!(rootlay.remove_views(&["work".into()]).unwrap()[0].as_ref().unwrap(), "work");
        for folder in ["views", "layers/sha256", "corrections/sha256", "staging"] {
            assert!(bench.names(folder).is_empty(), "{folder}");
        }
        assert_eq!(rootlay.remount("work").unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_target_is_left_as_it_was_and_is_a_view_only_once() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        let target = bench.path("target");
        let request = MountRequest { target: Some(target.clone()), ..mount("localhost/app:1") };
        assert_eq!(rootlay.mount(request.clone()).unwrap_err().kind(), ErrorKind::NotFound);
        fs::create_dir(&target).unwrap();
        fs::write(target.join("mine"), "").unwrap();
        let view = rootlay.mount(request.clone()).unwrap();
        assert_eq!(view.target, target);
        assert_eq!(text(&target.join("a")), "1");
        assert_eq!(rootlay.mount(request).unwrap_err().kind(), ErrorKind::InUse);
        let held = fs::File::open(target.join("a")).unwrap();
        let error = unmount(&rootlay, "app-1", Detach::Normal).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        drop(held);
        assert_eq!(unmount(&rootlay, target.as_os_str(), Detach::Normal).unwrap(), ["app-1"]);
        assert!(target.join("mine").exists());
        let inside = MountRequest { target: Some(bench.path("root/blobs")), ..mount("localhost/app:1") };
        assert_eq!(rootlay.mount(inside).unwrap_err().kind(), ErrorKind::Conflict);
    });
}

#[test]
fn part_of_a_stack_and_a_stack_of_nothing() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")], &[(".wh.a", "")], &[]]))).unwrap();
        let upto = |count| MountRequest { upto: Some(count), ..mount("localhost/app:1") };
        assert!(rootlay.mount(upto(1)).unwrap().target.join("a").exists());
        assert!(!rootlay.mount(upto(2)).unwrap().target.join("a").exists());
        for bad in [0, 4] {
            assert_eq!(rootlay.mount(upto(bad)).unwrap_err().kind(), ErrorKind::Usage);
        }
        rootlay.load(load(bench.image("empty", &[]))).unwrap();
        for request in [mount("localhost/empty:1"), writable("localhost/empty:1", "w")] {
            assert_eq!(fs::read_dir(rootlay.mount(request).unwrap().target).unwrap().count(), 0);
        }
        rootlay.load(load(bench.image("hollow", &[&[]]))).unwrap();
        assert_eq!(fs::read_dir(rootlay.mount(mount("localhost/hollow:1")).unwrap().target).unwrap().count(), 0);
        // `app` keeps its three views.
        for result in rootlay.unmount(UnmountRequest { which: Which::All, mode: Detach::Normal }).unwrap() {
            result.unwrap();
        }
        assert_eq!(rootlay.views().unwrap().len(), 1);
    });
}

#[test]
fn a_refused_image_leaves_the_store_as_it_was() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("good", &[&[("a", "1")]]))).unwrap();
        let folders = ["layers/sha256", "corrections/sha256", "images/sha256", "blobs/sha256", "staging"];
        let before: Vec<_> = folders.iter().map(|folder| bench.names(folder)).collect();
        let tars = [tar(&[("b", "2")]), tar(&[("c", "3")])];
        let right = Digest::of(&tars[0]).to_string();
        let wrong = Digest::of(b"another").to_string();
        let error = rootlay.load(load(bench.image_with_diff_ids("bad", &tars, &[right, wrong]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().starts_with("layer 2 (sha256:"), "{error}");
        let after: Vec<_> = folders.iter().map(|folder| bench.names(folder)).collect();
        assert_eq!(before, after);
    });
}

#[test]
fn a_blob_that_is_not_what_its_digest_says_is_refused() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let source = bench.image("app", &[&[("a", "1")]]);
        let name = bench.path("layout/blobs/sha256").join(Digest::of(&tar(&[("a", "1")])).hex());
        let other = tar(&[("a", "2")]);
        fs::write(&name, &other).unwrap();
        let error = rootlay.load(load(source)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains(Digest::of(&other).hex()) && why.contains("expected blob"), "{why}");
        assert!(bench.names("blobs/sha256").is_empty());
    });
}

#[test]
fn an_interrupted_load_stops_and_leaves_no_debris() {
    in_own_namespace(|bench| {
        let source = bench.image("app", &[&[("a", "1")]]);
        let cancel = Cancel::new();
        let rootlay = bench.open_with(&cancel);
        cancel.raise(15);
        assert_eq!(rootlay.load(load(source)).unwrap_err().kind(), ErrorKind::Interrupted(15));
        assert!(bench.names("staging").is_empty() && bench.names("images").is_empty());
    });
}

#[test]
fn row_182_parallel_loads_of_one_image_agree() {
    in_own_namespace(|bench| {
        let source = bench.image("app", &[&[("a", "1")], &[("b", "2")], &[("a", "1")]]);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| bench.open().load(load(source.clone())).unwrap());
            }
        });
        assert_eq!(bench.names("layers/sha256").len(), 2);
        assert_eq!(bench.names("corrections/sha256").len(), 1);
        assert!(bench.names("staging").is_empty());
        assert_eq!(bench.names("locks"), ["store"]);
    });
}

#[test]
fn what_died_between_record_and_mount_is_cleared_away() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        let view = rootlay.mount(mount("localhost/app:1")).unwrap();
        let record = bench.path("root/views/app-1/view.json");
        let mounted = text(&record);
        // Killed after the mount: it counts as one.
        let unmarked = mounted.replace("\"mounted\"", "\"new\"");
        let device = unmarked.find("\"device\"").unwrap();
        let end = device + unmarked[device..].find(']').unwrap() + 1;
        fs::write(&record, format!("{}\"device\": null{}", &unmarked[..device], &unmarked[end..])).unwrap();
        bench.open();
        assert_eq!(text(&record), mounted);
        // Killed before the mount.
        rustix::mount::unmount(&view.target, rustix::mount::UnmountFlags::empty()).unwrap();
        fs::write(&record, mounted.replace("\"mounted\"", "\"new\"")).unwrap();
        bench.open();
        assert!(bench.names("views").is_empty());
    });
}

#[test]
fn after_a_boot_only_writable_views_are_left() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("a", "1")]]))).unwrap();
        for request in [mount("localhost/app:1"), writable("localhost/app:1", "work")] {
            let view = rootlay.mount(request).unwrap();
            fs::write(view.target.join("new"), "x").ok();
            rustix::mount::unmount(&view.target, rustix::mount::UnmountFlags::empty()).unwrap();
            let record = bench.path("root/views").join(&view.name).join("view.json");
            let boot = crate::mount::boot_id().unwrap();
            fs::write(&record, text(&record).replace(&boot, "earlier")).unwrap();
        }
        let views = bench.open().views().unwrap();
        assert_eq!((views.len(), views[0].name.as_str(), views[0].mounted), (1, "work", false));
        assert_eq!(bench.names("views"), ["work"]);
        assert_eq!(text(&bench.open().remount("work").unwrap().target.join("new")), "x");
    });
}

#[test]
fn a_lazily_detached_view_keeps_its_layers_while_it_is_held() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        rootlay.load(load(bench.image("app", &[&[("bin/", ""), ("a", "1")]]))).unwrap();
        let view = rootlay.mount(mount("localhost/app:1")).unwrap();
        let mut holder =
            std::process::Command::new("sleep").arg("60").current_dir(view.target.join("bin")).spawn().unwrap();
        let error = unmount(&rootlay, "app-1", Detach::Normal).unwrap_err();
        assert_eq!(error.to_string(), format!("the view `app-1` is in use by {} (sleep)", holder.id()));
        unmount(&rootlay, "app-1", Detach::Lazy).unwrap();
        assert!(rootlay.views().unwrap().is_empty());
        assert_eq!(remove(&rootlay, "localhost/app:1", Force::Yes).unwrap().1, 0);
        assert_eq!(bench.names("layers/sha256").len(), 1);
        holder.kill().unwrap();
        holder.wait().unwrap();
        let rootlay = bench.open();
        assert!(bench.names("views").is_empty());
        let id = rootlay.images().unwrap()[0].id.to_string();
        assert_eq!(remove(&rootlay, &id, Force::No).unwrap().1, 2);
    });
}

#[test]
fn a_tar_is_imported_as_docker_does() {
    in_own_namespace(|bench| {
        let rootlay = bench.open();
        let file = bench.path("rootfs.tar");
        fs::write(&file, tar(&[("bin/", ""), ("bin/sh", "#!")])).unwrap();
        let request = ImportRequest {
            input: Input::File(file.clone()),
            name: Some("tiny".parse().unwrap()),
            changes: vec!["CMD [\"/bin/sh\"]".to_owned(), "ENV A=1".to_owned()],
            message: None,
            platform: None,
        };
        let id = rootlay.import(request).unwrap();
        let inspected = rootlay.inspect("tiny").unwrap();
        assert_eq!(inspected["Id"], json!(id));
        assert_eq!(inspected["Config"], json!({ "Cmd": ["/bin/sh"], "Env": ["A=1"] }));
        assert_eq!(inspected["Comment"], json!(format!("Imported from {}", file.display())));
        assert_eq!(text(&rootlay.mount(mount("tiny")).unwrap().target.join("bin/sh")), "#!");
        assert_eq!(rootlay.info().unwrap().mounted, 1);
        fs::write(&file, "no tar at all, but long enough to be refused").unwrap();
        let request =
            ImportRequest { input: Input::File(file), name: None, changes: Vec::new(), message: None, platform: None };
        assert_eq!(rootlay.import(request).unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(bench.names("blobs/sha256").len(), 3);
    });
}
