//! Whether layers can lie on a file system at all. Where they cannot, nothing fails: the kernel shows a wrong tree.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::FileType;
use rustix::mount::MountAttrFlags;

use super::diagnosis::ADVICE;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::SysResult;
use crate::sys::file_system::Kind;
use crate::sys::mount::{DESCRIPTORS, FsContext};
use crate::sys::xattr;

/// Refuses a file system whose layers the kernel would show wrongly. `dir` is a directory of ours that is not empty and
/// that nobody else writes to; what is tried in it is removed again.
///
/// - Without types of directory entries (ext4 without `filetype`, xfs with `ftype=0`) whiteouts are listed as files.
/// - An overlay refuses the marks of another one before Linux 6.7, and before 6.8 the kernel does not take their
///   attributes for whiteouts (kernel `Documentation/filesystems/overlayfs.rst`, "Nesting overlayfs mounts").
///
/// # Errors
///
/// [`ErrorKind::Unsupported`], saying what is missing and what to do.
pub fn check_storage(dir: &Dir) -> Result<()> {
    let unsupported = |sentence: String| Err(Error::new(ErrorKind::Unsupported, sentence));
    let kind = Kind::of(dir)?;
    if dir.entries()?.iter().any(|entry| entry.file_type == FileType::Unknown) {
        let name = kind.name();
        return unsupported(format!(
            "the state root's file system ({name}) has no types of directory entries: {ADVICE}"
        ));
    }
    if kind == Kind::OVERLAY {
        let found = nests(dir);
        dir.remove_tree(NESTED)?;
        if !found? {
            return unsupported(format!(
                "the state root lies on an overlay, and this kernel's overlay cannot hold layers (Linux 6.8 or newer \
                 can): {ADVICE}"
            ));
        }
    }
    Ok(())
}

const NESTED: &[u8] = b"nested";

/// Mounts two layers, the upper one with a whiteout as it has to be on an overlay, and looks whether it hides a file.
fn nests(dir: &Dir) -> SysResult<bool> {
    dir.remove_tree(NESTED)?;
    dir.create_dir(NESTED, 0o700)?;
    let nested = dir.open_dir(NESTED)?;
    let (lower, upper) = (nested.create_dirs(b"lower/d", 0o700)?, nested.create_dirs(b"upper/d", 0o700)?);
    lower.create_file(b"f", 0)?;
    let whiteout = upper.create_file(b"f", 0)?;
    let marked = xattr::set_fd(&whiteout, b"trusted.overlay.whiteout", b"")
        .and_then(|()| xattr::set_at(&nested.open_dir(b"upper")?, b"d", b"trusted.overlay.opaque", b"x"));
    if marked.is_err() {
        return Ok(false);
    }
    let mount = || -> SysResult<Dir> {
        let context = FsContext::open("overlay")?;
        for name in [&b"upper"[..], b"lower"] {
            let layer = nested.open_dir(name)?;
            context.set_string("lowerdir+", format!("{DESCRIPTORS}/{}", layer.as_fd().as_raw_fd()).as_bytes())?;
        }
        context.create()?;
        Dir::from(context.mount(MountAttrFlags::MOUNT_ATTR_RDONLY)?).open_dir(b"d")
    };
    // Where these calls are not to be had, or overlays lie too deep already, the real mount says so.
    Ok(mount().map_or(true, |merged| merged.entries().is_ok_and(|entries| entries.is_empty())))
}
