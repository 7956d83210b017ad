//! Which processes use a file system, for the message about a busy view.

use std::collections::BTreeSet;
use std::path::Path;

use super::namespaces::all_namespaces;
use crate::error::Result;
use crate::sys::errno::escape;
use crate::sys::proc;

/// A process that uses a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its ID.
    pub pid: i32,
    /// Its command name, escaped; empty when it has just ended.
    pub command: String,
}

/// The processes, ourselves excepted, whose working directory, root, program, open files or mapped files are on
/// this device, in any mount namespace; by process ID.
///
/// It compares mounts as well as devices: overlay may give a file of its own another device number than the mount
/// has. No file is opened and no file system is asked, so that a dead network mount cannot block it.
/// What may not be looked at is left out.
pub fn holders(dev: (u32, u32)) -> Result<Vec<Holder>> {
    let mounts: BTreeSet<u64> = all_namespaces()?
        .into_iter()
        .flat_map(|namespace| namespace.mounts)
        .filter(|mount| mount.dev == dev)
        .map(|mount| mount.id)
        .collect();
    let this = i32::try_from(std::process::id()).unwrap_or_default();
    Ok(proc::processes()?
        .into_iter()
        .filter(|&pid| pid != this && uses(pid, dev, &mounts))
        .map(|pid| Holder { pid, command: escape(&proc::command(pid).unwrap_or_default()) })
        .collect())
}

fn uses(pid: i32, dev: (u32, u32), mounts: &BTreeSet<u64>) -> bool {
    let links = proc::threads(pid)
        .into_iter()
        .flat_map(|thread| ["cwd", "root"].map(|link| format!("/proc/{pid}/task/{thread}/{link}")));
    links.chain([format!("/proc/{pid}/exe")]).any(|link| {
        proc::place(Path::new(&link))
            .is_ok_and(|place| place.device == dev || place.mount.is_some_and(|mount| mounts.contains(&mount)))
    }) || proc::descriptors(pid)
        .into_iter()
        .any(|descriptor| proc::mount_of_descriptor(pid, descriptor).is_some_and(|mount| mounts.contains(&mount)))
        || proc::mapped_devices(pid).contains(&dev)
}
