//! Every mount namespace of the machine, and the views that are mounted in any of them.
//!
//! A namespace is found through the threads that live in it. One that no thread lives in, kept only by a bind
//! mount or a descriptor of its `nsfs` file, is out of reach; so are processes outside of this PID namespace.
//! Of a namespace we see what its threads can reach from their root directories: a mount that all of them have
//! hidden below another one is not in any table, and nobody can use it by name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind as IoKind;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::mountinfo::{self, Mount};
use crate::error::{Context, Result};
use crate::sys::proc::{self, Place};

/// One mount namespace and what its threads see in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The namespace's inode number; 0 where the kernel does not let us look (the mounts are still true).
    pub inode: u64,
    /// A thread that lives in it.
    pub pid: i32,
    /// Its mounts, each once. Targets are seen from the root directory of the thread that showed them.
    pub mounts: Vec<Mount>,
}

/// All mount namespaces that a thread of the machine lives in, each once.
///
/// Processes that end in the meantime are skipped. A namespace that is created in the meantime may be missed.
pub fn all_namespaces() -> Result<Vec<Namespace>> {
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    let mut seen: BTreeSet<(u64, Option<Place>)> = BTreeSet::new();
    let mut refused: BTreeSet<Vec<u8>> = BTreeSet::new();
    for process in proc::processes()? {
        for thread in proc::threads(process) {
            let base = format!("/proc/{process}/task/{thread}");
            let inode = match proc::place(Path::new(&format!("{base}/ns/mnt"))) {
                Ok(place) => place.inode,
                // Without CAP_SYS_PTRACE some processes keep their namespace's name, not their table, to themselves.
                // Threads of one process are then taken to share it.
                Err(error) if error.kind() == IoKind::PermissionDenied && thread == process => 0,
                Err(_) => continue,
            };
            // The table shows what is below the thread's root: another root may show more.
            let root = proc::place(Path::new(&format!("{base}/root"))).ok();
            if inode != 0 && !seen.insert((inode, root)) {
                continue;
            }
            let path = format!("{base}/mountinfo");
            let Ok(table) = proc::read_whole(&path) else {
                continue;
            };
            if inode == 0 && !refused.insert(table.clone()) {
                continue;
            }
            let mounts = mountinfo::parse(&table).context(|| format!("read {path}"))?;
            let namespace = found.entry(inode).or_insert_with(|| Namespace { inode, pid: thread, mounts: Vec::new() });
            let known: BTreeSet<u64> = namespace.mounts.iter().map(|mount| mount.id).collect();
            namespace.mounts.extend(mounts.into_iter().filter(|mount| !known.contains(&mount.id)));
        }
    }
    Ok(found.into_values().collect())
}

/// One place where a view is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedAt {
    /// Inode number of the mount namespace.
    pub namespace: u64,
    /// Whether that is the calling thread's own namespace.
    pub own: bool,
    /// Where in it.
    pub target: PathBuf,
    /// Whether the whole view is mounted there; `false` for a bind mount of one of its directories.
    pub whole: bool,
    /// The mount's ID.
    pub mount: u64,
    /// The view's device number: one file system has one, in all namespaces.
    pub dev: (u32, u32),
}

/// Where each view is mounted, in all namespaces: overlays whose source is `prefix` and the view's name.
///
/// Bind mounts of a view, or of a part of it, count: they use its layers all the same.
pub fn live_views(prefix: &str) -> Result<BTreeMap<String, Vec<MountedAt>>> {
    let own = own_namespace();
    let mut views = BTreeMap::new();
    for namespace in all_namespaces()? {
        collect(&mut views, namespace.mounts, prefix, namespace.inode, own == Some(namespace.inode));
    }
    Ok(views)
}

/// The same of what the calling thread can reach in its own namespace, which costs one look instead of one for each
/// thread of the machine.
pub fn own_views(prefix: &str) -> Result<BTreeMap<String, Vec<MountedAt>>> {
    let mut views = BTreeMap::new();
    collect(&mut views, mountinfo::of_self()?, prefix, own_namespace().unwrap_or_default(), true);
    Ok(views)
}

fn own_namespace() -> Option<u64> {
    proc::place(Path::new("/proc/thread-self/ns/mnt")).ok().map(|place| place.inode)
}

fn collect(views: &mut BTreeMap<String, Vec<MountedAt>>, mounts: Vec<Mount>, prefix: &str, namespace: u64, own: bool) {
    for mount in mounts {
        let Some(name) = view_name(&mount, prefix) else {
            continue;
        };
        views.entry(name).or_default().push(MountedAt {
            namespace,
            own,
            whole: mount.root == b"/",
            target: PathBuf::from(std::ffi::OsString::from_vec(mount.target)),
            mount: mount.id,
            dev: mount.dev,
        });
    }
}

/// The name of the view that a mount shows, if it shows one.
pub(super) fn view_name(mount: &Mount, prefix: &str) -> Option<String> {
    let name = mount.source.strip_prefix(prefix.as_bytes())?;
    (mount.fs_type == b"overlay").then(|| String::from_utf8_lossy(name).into_owned())
}
