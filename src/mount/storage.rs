//! Whether layers can lie on a file system at all. Where they cannot, nothing fails: the kernel shows a wrong tree.

use rustix::fs::FileType;

use super::diagnosis::ADVICE;
use super::trial::try_out;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::file_system::Kind;

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
        dir.remove_tree(NESTED)?;
        dir.create_dir(NESTED, 0o700)?;
        let trial = try_out(&dir.open_dir(NESTED)?);
        dir.remove_tree(NESTED)?;
        // What cannot be tried may work, or the real mount says why not.
        if trial.is_ok_and(|trial| trial.hides == Some(false)) {
            return unsupported(format!(
                "the state root lies on an overlay, and this kernel's overlay cannot hold layers (Linux 6.8 or newer \
                 can): {ADVICE}"
            ));
        }
    }
    Ok(())
}

const NESTED: &[u8] = b"nested";
