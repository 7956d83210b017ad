//! Removing trees: whatever is in them, nothing outside is touched.

use rustix::fs::{FileType, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::dir::{BENEATH, Dir};
use super::errno::{SysError, SysResult};

/// Policy of what is removed: no other mount either. What lies there belongs to somebody else.
const SAME_MOUNT: ResolveFlags = BENEATH.union(ResolveFlags::NO_XDEV);

impl Dir {
    /// Opens a directory below this one to remove what is in it: `EBUSY` where something is mounted. Where both
    /// `openat2` and `/proc` are missing only another file system is noticed.
    pub fn open_dir_to_empty(&self, path: &[u8]) -> SysResult<Self> {
        let opened = self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY, SAME_MOUNT).map(Self::from);
        opened.map_err(|error| match error.errno() {
            nix::errno::Errno::EXDEV => SysError::new("openat2", path, Errno::BUSY),
            _ => error,
        })
    }

    /// Removes a name with everything below it, whatever it is; a missing name is no error.
    ///
    /// Symlinks are removed, never followed, and mount points below make it fail with `EBUSY`, with what is mounted there
    /// untouched. Depth costs neither stack nor descriptors: a deep directory is first moved up beside the top.
    pub fn remove_tree(&self, name: &[u8]) -> SysResult<()> {
        use nix::errno::Errno as E;
        match self.remove_file(name) {
            Ok(()) => return Ok(()),
            Err(error) if error.errno() == E::ENOENT => return Ok(()),
            Err(error) if error.errno() == E::EISDIR => {}
            Err(error) => return Err(error),
        }
        let top = self.open_dir_to_empty(name)?;
        let mut moved: u64 = 0;
        top.empty(&top, 0, &mut moved)?;
        drop(top);
        self.remove_dir(name)
    }

    /// Removes everything in this directory; what lies deeper than `MAX_DEPTH` is moved up into `top` first.
    fn empty(&self, top: &Self, depth: usize, moved: &mut u64) -> SysResult<()> {
        const MAX_DEPTH: usize = 32;
        use nix::errno::Errno as E;
        loop {
            let entries = self.entries()?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                if entry.file_type != FileType::Directory {
                    match self.remove_file(&entry.name) {
                        Err(error) if error.errno() == E::EISDIR => {}
                        result => {
                            result?;
                            continue;
                        }
                    }
                }
                if depth < MAX_DEPTH {
                    self.open_dir_to_empty(&entry.name)?.empty(top, depth + 1, moved)?;
                    self.remove_dir(&entry.name)?;
                    continue;
                }
                loop {
                    let name = format!(".removing-{moved}");
                    *moved += 1;
                    match self.rename_new(&entry.name, top, name.as_bytes()) {
                        Err(error) if error.errno() == E::EEXIST => {}
                        result => break result?,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::sys::namespace::with_own_mounts;

    /// Another mount of the same file system, seen both ways.
    #[test]
    fn what_is_mounted_below_is_not_opened() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["outside", "top", "top/mounted", "top/plain"] {
            std::fs::create_dir(temp.path().join(name)).unwrap();
        }
        let mounted = temp.path().join("top/mounted");
        with_own_mounts(|| {
            rustix::mount::mount_bind(temp.path().join("outside"), &mounted).unwrap();
            let top = Dir::open(&temp.path().join("top")).unwrap();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let step_by_step = |name: &[u8]| top.open_step_by_step(name, flags, SAME_MOUNT).map(Dir::from);
            for busy in [
                top.open_dir_to_empty(b"mounted").map_err(|error| error.errno()),
                step_by_step(b"mounted").map_err(|error| error.errno()),
            ] {
                assert!(matches!(busy, Err(nix::errno::Errno::EBUSY | nix::errno::Errno::EXDEV)), "{busy:?}");
            }
            top.open_dir_to_empty(b"plain").unwrap();
            step_by_step(b"plain").unwrap();
        })
        .unwrap();
    }

    #[test]
    fn a_tree_of_any_depth_is_removed_and_links_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("kept"), "x").unwrap();
        dir.create_dir(b"top", 0o755).unwrap();
        let mut here = dir.open_dir(b"top").unwrap();
        for level in 0..3000 {
            here.create_dir(b"d", 0o755).unwrap();
            here.write_new(b"f", 0o644, b"").unwrap();
            if level % 500 == 0 {
                here.symlink(temp.path().as_os_str().as_bytes(), b"out").unwrap();
            }
            here = here.open_dir(b"d").unwrap();
        }
        dir.remove_tree(b"top").unwrap();
        assert!(!dir.exists(b"top").unwrap());
        assert!(dir.exists(b"kept").unwrap());
        dir.remove_tree(b"top").unwrap();
    }
}
