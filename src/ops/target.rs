//! The directory that a view is mounted on.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::cancel::Cancel;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{SOURCE_PREFIX, mountinfo};
use crate::store::Store;
use crate::sys::dir::Dir;
use crate::sys::errno::{SysError, escape};
use crate::sys::file_system::Kind;
use crate::sys::lock::{self, Mode};

/// A directory of the user's, locked against other commands that want to mount a view there.
#[derive(Debug)]
pub(super) struct Target {
    /// Absolute, without symlinks.
    pub path: PathBuf,
    pub dir: Dir,
    /// Holds the lock.
    lock: File,
}

impl Target {
    /// Opens the directory.
    ///
    /// # Errors
    /// `NotFound` if there is none, `InUse` if it is a view already, `Conflict` if it is a part of the state root, or if
    /// the view would hide what unmounting it needs: the state root or `/proc`.
    pub fn open(store: &Store, path: &Path, cancel: &Cancel) -> Result<Self> {
        let shown = escape(path.as_os_str().as_bytes());
        let open = || -> Result<_> {
            let path = path
                .canonicalize()
                .map_err(|error| SysError::from_io("realpath", path.as_os_str().as_bytes(), &error))?;
            let dir = Dir::open(&path)?;
            let lock = File::open(&path)?;
            Ok(Self { path, dir, lock })
        };
        let target = open().context(|| format!("target {shown}: expected a directory that exists"))?;
        while !lock::try_lock(&target.lock, Mode::Exclusive, "target")? {
            cancel.check()?;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        if is_view(&target.path)? {
            return Err(Error::new(ErrorKind::InUse, format!("target {shown}: a view is mounted there")));
        }
        for needed in [store.path(), Path::new("/proc")] {
            if needed.starts_with(&target.path) {
                let message =
                    format!("target {shown}: a view there would hide {}", escape(needed.as_os_str().as_bytes()));
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        }
        let device = |dir: &Dir| Ok::<_, Error>(dir.stat(b".")?.st_dev);
        if target.path.starts_with(store.path()) && device(&target.dir)? == device(store.root())? {
            return Err(Error::new(ErrorKind::Conflict, format!("target {shown}: it is inside the state root")));
        }
        Ok(target)
    }
}

/// Whether what is mounted topmost at this path is a view.
fn is_view(path: &Path) -> Result<bool> {
    // The table of mounts is long where views have many layers.
    if Kind::of(Dir::open(path)?)? != Kind::OVERLAY {
        return Ok(false);
    }
    let mounts = mountinfo::of_self()?;
    let top = mounts.iter().rfind(|mount| mount.target == path.as_os_str().as_bytes());
    Ok(top.is_some_and(|mount| mount.fs_type == b"overlay" && mount.source.starts_with(SOURCE_PREFIX.as_bytes())))
}
