//! Why an overlay was not mounted, in one sentence that says what to do.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::probe::{self, Ability};
use super::{OverlayMount, Upper, check_capabilities};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::SysError;
use crate::sys::file_system::{Kind, folds_case};
use crate::sys::proc;

/// What a state root should be on, for every message that sends it elsewhere.
pub(super) const ADVICE: &str = "keep the state root on ext4, xfs (ftype=1) or btrfs";

/// The kernel's error as ours: what we make of it first, then the call and the kernel's own words as its cause.
pub(super) fn explain(mount: &OverlayMount, error: &SysError, messages: &[String]) -> Error {
    let (kind, sentence) = diagnose(mount, error.errno()).unwrap_or_else(|| match error.errno() {
        Errno::ENOSPC | Errno::EDQUOT => (ErrorKind::NoSpace, "no space left for the work directory".to_owned()),
        // Much of what overlay has to say goes to the kernel's log only.
        _ if messages.is_empty() => {
            (ErrorKind::Failed, "the kernel refuses the overlay; its log (dmesg) may say why".to_owned())
        }
        _ => (ErrorKind::Failed, "the kernel refuses the overlay".to_owned()),
    });
    let cause = Error::new(kind, with_messages(error, messages));
    cause.context(format!("{}: {sentence}", mount.source))
}

/// The call that failed and what the kernel said about it.
pub(super) fn with_messages(error: &SysError, messages: &[String]) -> String {
    if messages.is_empty() { error.to_string() } else { format!("{error}: {}", messages.join("; ")) }
}

fn diagnose(mount: &OverlayMount, errno: Errno) -> Option<(ErrorKind, String)> {
    let unsupported = |sentence: String| Some((ErrorKind::Unsupported, sentence));
    match errno {
        Errno::ENODEV => {
            return unsupported(
                "this kernel has no overlay file system (CONFIG_OVERLAY_FS, module overlay)".to_owned(),
            );
        }
        Errno::ENOSYS => return unsupported("this kernel lacks the mount calls".to_owned()),
        Errno::EPERM | Errno::EACCES => {
            let sentence = match check_capabilities() {
                Ok(()) => "the kernel denies the mount though no capability is missing: a sandbox (seccomp, AppArmor, \
                           SELinux) or a user namespace forbids it"
                    .to_owned(),
                Err(missing) => missing.to_string(),
            };
            return Some((ErrorKind::Permission, sentence));
        }
        Errno::ELOOP => {
            let sentence = "a directory of the overlay is there twice, or lies within another one";
            return Some((ErrorKind::Failed, sentence.to_owned()));
        }
        Errno::EINVAL | Errno::EXDEV | Errno::EOPNOTSUPP | Errno::ESTALE => {}
        _ => return None,
    }
    if let Some(upper) = &mount.upper {
        if let Err(error) = check_upper(upper) {
            return Some((error.kind(), error.to_string()));
        }
        if let (Ok(one), Ok(two)) = (proc::mount_of(&upper.upper), proc::mount_of(&upper.work))
            && one != two
        {
            return Some((ErrorKind::Failed, "the upper and the work directory are not on the same mount".to_owned()));
        }
        if let (Ok(one), Ok(two)) = (upper.upper.current_path(), upper.work.current_path())
            && (one.starts_with(&two) || two.starts_with(&one))
        {
            return Some((ErrorKind::Failed, "the upper and the work directory lie in each other".to_owned()));
        }
    }
    for dir in &mount.lowers {
        if folds_case(dir) {
            return unsupported(format!("a layer lies in a directory that ignores case: {ADVICE}"));
        }
        if Kind::of(dir) == Ok(Kind::OVERLAY) {
            return unsupported(format!(
                "a layer lies on an overlay, and overlays cannot be stacked so deep: {ADVICE}"
            ));
        }
    }
    None
}

/// Refuses an upper directory on a file system that overlay cannot use, or would use wrongly: the kernel only
/// writes a warning to its log when directory entries have no type or attributes cannot be stored.
///
/// The kernel empties the work directory at each mount, so the test entries go there.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`], saying what is missing and what to do.
pub(super) fn check_upper(upper: &Upper) -> Result<()> {
    let unsupported = |sentence: String| Err(Error::new(ErrorKind::Unsupported, sentence));
    for dir in [&upper.upper, &upper.work] {
        let kind = Kind::of(dir)?;
        if kind == Kind::OVERLAY {
            return unsupported(format!("the upper directory lies on an overlay, which cannot hold it: {ADVICE}"));
        }
        if folds_case(dir) {
            return unsupported(format!("the upper directory lies in a directory that ignores case: {ADVICE}"));
        }
    }
    let name = Kind::of(upper.work.as_fd())?.name();
    let Ability { entry_types, trusted_xattrs, whiteouts } = probe::ability(&upper.work)?;
    let missing = [
        (entry_types, "types of directory entries"),
        (trusted_xattrs, "trusted extended attributes"),
        (whiteouts, "device nodes"),
    ];
    match missing.into_iter().find(|(able, _)| !able) {
        Some((_, what)) => unsupported(format!("the upper directory's file system ({name}) has no {what}: {ADVICE}")),
        None => Ok(()),
    }
}

/// Refuses layers that are too many or too few before the kernel does, in words.
pub(super) fn check_count(lowers: &[Dir], upper: Option<&Upper>) -> Result<()> {
    let count = lowers.len();
    if count > super::MAX_LOWERS {
        let message = format!("too many layers: expected at most {} lower directories, got {count}", super::MAX_LOWERS);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let (least, access) = if upper.is_some() { (1, "writable") } else { (2, "read-only") };
    if count < least {
        let message =
            format!("too few layers: expected at least {least} lower directories for a {access} overlay, got {count}");
        return Err(Error::new(ErrorKind::Failed, message));
    }
    Ok(())
}
