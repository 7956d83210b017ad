//! Unmounting a view.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::mountinfo::{self, Mount};
use super::namespaces::view_name;
use super::{MountedAt, SOURCE_PREFIX};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::escape;
use crate::sys::mount::{UnmountFlags, unmount};
use crate::sys::proc;

/// Unmounts the view that is mounted topmost on `target`, in the mount namespace of the calling thread.
///
/// `target` is a path as `mountinfo` gives it, of any length and with any bytes; no symlink in it is followed,
/// and what is mounted there must be a view. A `lazy` detach takes the view out of the tree at once, with all that
/// is mounted within it; it ends when its last user does.
///
/// # Errors
///
/// * [`ErrorKind::NotFound`]: no such directory, or nothing is mounted on it.
/// * [`ErrorKind::Conflict`]: what is mounted there, topmost, is no view.
/// * [`ErrorKind::InUse`]: somebody uses the view, or something is mounted within it.
pub fn detach(target: &Path, lazy: bool) -> Result<()> {
    take_off(target, lazy, None)
}

/// The same for one mount of the view `name`. Another view that was mounted there in the meantime stays.
///
/// # Errors
///
/// Those of [`detach`]; [`ErrorKind::NotFound`] also if the mount is not there any more, and [`ErrorKind::Conflict`] if
/// another one covers it.
pub fn detach_view(name: &str, at: &MountedAt, lazy: bool) -> Result<()> {
    take_off(&at.target, lazy, Some((name, at)))
}

fn take_off(target: &Path, lazy: bool, only: Option<(&str, &MountedAt)>) -> Result<()> {
    let shown = escape(target.as_os_str().as_bytes());
    let (parent, name) = open_parent(target, &shown)?;
    check_view(&parent, name, only, &shown)?;
    let flags = if lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    unmount(&parent, name, flags).map_err(|error| {
        let (kind, what) = match error.errno() {
            Errno::EBUSY => (ErrorKind::InUse, "the view is in use"),
            // The table named a view that `target` lies in: nothing is mounted on `target` itself.
            Errno::EINVAL | Errno::ENOENT => (ErrorKind::NotFound, "nothing is mounted there"),
            Errno::EPERM => (ErrorKind::Permission, "the kernel denies it"),
            _ => (ErrorKind::Failed, "the kernel refuses it"),
        };
        Error::with_source(kind, format!("unmount {shown}: {what}"), Error::from(error))
    })
}

/// The directory that holds the last name of `target`, reached step by step: no symlink is followed, and no path
/// is too long.
fn open_parent<'a>(target: &'a Path, shown: &str) -> Result<(Dir, &'a [u8])> {
    let bytes = target.as_os_str().as_bytes();
    let mut names: Vec<&[u8]> = bytes.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
    let Some(last) = names.pop().filter(|last| *last != b"." && *last != b"..") else {
        return Err(Error::new(ErrorKind::Usage, format!("expected the path of a view, got \"{shown}\"")));
    };
    let mut here = Dir::open(Path::new(if bytes.starts_with(b"/") { "/" } else { "." }))?;
    for name in names {
        here = here.open_dir(name).map_err(|error| Error::from(error).context(format!("unmount {shown}")))?;
    }
    Ok((here, last))
}

/// Refuses to unmount what is no view of ours: a mount over a view, or another file system altogether; and every view but
/// `only` this one.
fn check_view(parent: &Dir, name: &[u8], only: Option<(&str, &MountedAt)>, shown: &str) -> Result<()> {
    // The handle would keep the mount busy: it must be gone before the caller goes on.
    let id = match parent.open_path(name) {
        Ok(top) => proc::mount_of(top)?,
        Err(error) => return Err(Error::from(error).context(format!("unmount {shown}"))),
    };
    let mounts = mountinfo::of_self()?;
    let not_mounted = || Error::new(ErrorKind::NotFound, format!("unmount {shown}: nothing is mounted there"));
    if proc::mount_of(parent)? == id {
        return Err(not_mounted());
    }
    let mount = mounts.iter().find(|mount| mount.id == id).ok_or_else(not_mounted)?;
    let Some(found) = view_name(mount, SOURCE_PREFIX) else {
        let (fs_type, source) = (escape(&mount.fs_type), escape(&mount.source));
        let message = format!("unmount {shown}: expected a view, got {fs_type} of \"{source}\" mounted there");
        return Err(Error::new(ErrorKind::Conflict, message));
    };
    let Some((wanted, at)) = only else { return Ok(()) };
    // The kernel gives numbers of mounts and devices out again as soon as they are free: none of them is enough.
    let is_it = |mount: &Mount| {
        mount.id == at.mount && mount.dev == at.dev && view_name(mount, SOURCE_PREFIX).as_deref() == Some(wanted)
    };
    if is_it(mount) {
        return Ok(());
    }
    let found = found.escape_debug();
    if mounts.iter().any(is_it) {
        let message = format!("unmount {shown}: the view `{found}` is mounted over the view `{wanted}`");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Err(Error::new(ErrorKind::NotFound, format!("unmount {shown}: only the view `{found}` is mounted there")))
}
