//! Tests on the real kernel, each on a thread with a mount namespace and a tmpfs of its own.
//!
//! They need root. Without it they fail: a privileged test that passes by not running is worth nothing.

mod attach;
mod detach;
mod fallback;
mod limits;
mod mountinfo;
mod plan;
mod probe;
mod refusals;
mod users;

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags};

use super::fsopen::{self, Attempt, Handover};
use super::{Api, OverlayMount, Upper};
use crate::error::Result;
use crate::sys::dir::Dir;

/// Every way to mount, forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Descriptors,
    Names,
    Legacy,
}

const WAYS: [Way; 3] = [Way::Descriptors, Way::Names, Way::Legacy];

impl Way {
    fn attach(self, mount: &OverlayMount, target: &Path) -> Result<()> {
        let target = Dir::open(target).unwrap();
        let handover = match self {
            Self::Descriptors => Handover::Descriptors,
            Self::Names => Handover::Names,
            Self::Legacy => return super::attach(mount, &target, Api::Legacy).map(drop),
        };
        match fsopen::attach(mount, &target, handover)? {
            Attempt::Attached(_) => Ok(()),
            Attempt::NotOffered(error) => panic!("{self:?} is not offered by this kernel: {error}"),
        }
    }
}

/// An empty tmpfs in a mount namespace of the calling thread.
struct Scratch(PathBuf);

impl Scratch {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A new directory with these files; a name that begins with `-` is a whiteout, one that ends with `/` a directory.
    fn layer(&self, name: &str, files: &[&str]) -> Dir {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        let dir = Dir::open(&path).unwrap();
        for file in files {
            if let Some(hidden) = file.strip_prefix('-') {
                dir.make_node(hidden.as_bytes(), rustix::fs::FileType::CharacterDevice, 0, 0).unwrap();
            } else if let Some(below) = file.strip_suffix('/') {
                dir.create_dir(below.as_bytes(), 0o755).unwrap();
            } else {
                std::fs::write(path.join(file), name).unwrap();
            }
        }
        dir
    }

    fn upper(&self, name: &str) -> Upper {
        Upper { upper: self.layer(&format!("{name}/upper"), &[]), work: self.layer(&format!("{name}/work"), &[]) }
    }

    /// A new empty directory to mount on.
    fn target(&self, name: &str) -> PathBuf {
        self.layer(name, &[]);
        self.path(name)
    }
}

/// A read-only overlay of these layers, base first.
fn overlay(lowers: Vec<Dir>) -> OverlayMount {
    OverlayMount { lowers, upper: None, source: "rootlay:test".to_owned(), nosuid: true, nodev: true, read_only: true }
}

/// The same with an upper.
fn writable(lowers: Vec<Dir>, upper: Upper) -> OverlayMount {
    OverlayMount { upper: Some(upper), read_only: false, ..overlay(lowers) }
}

/// Sorted names in a directory.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}

/// The mount whose target is `path`, topmost last.
fn mounts_at(path: &Path) -> Vec<super::mountinfo::Mount> {
    let mut all = super::mountinfo::of_self().unwrap();
    all.retain(|mount| mount.target == path.as_os_str().as_encoded_bytes());
    all
}

fn enter_new_namespace() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("these tests need root");
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
}

fn mount_tmpfs(path: &Path) {
    rustix::mount::mount("scratch", path, "tmpfs", MountFlags::empty(), None).unwrap();
}

/// Runs a test on a thread with its own mount namespace, which goes with the thread.
fn in_namespace(test: impl FnOnce(&Scratch) + Send + 'static) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().canonicalize().unwrap();
    let thread = std::thread::spawn(move || {
        enter_new_namespace();
        mount_tmpfs(&path);
        test(&Scratch(path));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
