//! A mount namespace of a thread's own: what is mounted there goes with the thread, however it ends.

use std::thread;

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, mount_change};

use super::errno::{SysError, SysResult};
use crate::error::{Error, ErrorKind, Result};

/// Runs `work` on a thread with a mount namespace of its own, of which nothing shows elsewhere. Directories that were
/// opened before belong to the old namespace: nothing can be mounted on them.
///
/// # Errors
/// Where no such namespace can be made: without `CAP_SYS_ADMIN`, in a sandbox, or where the root directory is no mount.
pub fn with_own_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    let enter = || -> SysResult<()> {
        unshare(CloneFlags::CLONE_NEWNS)
            .map_err(|errno| SysError::from_io("unshare", b"CLONE_NEWNS", &errno.into()))?;
        mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
            .map_err(|errno| SysError::new("mount", b"/", errno))
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .spawn_scoped(scope, move || enter().map(|()| work()))
            .map_err(|error| Error::io("clone", error))?;
        let result = thread.join().map_err(|_| Error::new(ErrorKind::Failed, "the thread that mounts has died"))?;
        Ok(result?)
    })
}
