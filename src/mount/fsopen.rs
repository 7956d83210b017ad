//! Mounting with `fsopen`, `fsconfig`, `fsmount`, `move_mount`.
//!
//! What a kernel cannot do is found out by trying, each with its own sign:
//!
//! | the kernel | sign |
//! |---|---|
//! | has no such calls (before 5.2), or a sandbox hides them | `fsopen`: `ENOSYS`; `EPERM` in a sandbox, and without `CAP_SYS_ADMIN` |
//! | has no overlay | `fsopen`: `ENODEV` |
//! | collects options unread (overlay before 6.5) | an unknown key is accepted |
//! | knows no `lowerdir+` (before 6.7) | `EINVAL`, log "Unknown parameter" |
//! | takes no descriptors (before 6.13) | `EINVAL`, log "Bad value" or "Parameter type … not supported" |

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;

use super::{OverlayMount, diagnosis, in_view};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::{SysError, SysResult};
use crate::sys::file_system::device_of;
use crate::sys::mount::{DESCRIPTORS, FsContext, MountAttrFlags, move_onto};

/// How directories are handed to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handover {
    /// As open descriptors (Linux 6.13).
    Descriptors,
    /// As the short names that descriptors have in `/proc` (Linux 6.7).
    Names,
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The view is attached. This is its device number.
    Attached((u32, u32)),
    /// This kernel or sandbox does not offer this way; nothing was mounted.
    NotOffered(SysError),
}

/// Attaches the overlay on `target`. Whatever fails before the last call leaves nothing behind.
pub(super) fn attach(mount: &OverlayMount, target: &Dir, handover: Handover) -> Result<Attempt> {
    let context = match FsContext::open("overlay") {
        Ok(context) => context,
        Err(error) if matches!(error.errno(), Errno::ENOSYS | Errno::EPERM) => {
            return Ok(Attempt::NotOffered(error));
        }
        Err(error) => return Err(diagnosis::explain(mount, &error, &[])),
    };
    if let Some(error) = configure(mount, &context, handover)? {
        return Ok(Attempt::NotOffered(error));
    }
    let fail = |error| diagnosis::explain(mount, &error, &context.messages());
    context.create().map_err(fail)?;
    let attached = context.mount(attributes(mount)).and_then(|detached: OwnedFd| {
        let device = device_of(&detached)?;
        move_onto(&detached, target).map(|()| device)
    });
    match attached {
        Ok(device) => Ok(Attempt::Attached(device)),
        Err(error) if matches!(error.errno(), Errno::ENOSYS | Errno::EPERM) => Ok(Attempt::NotOffered(error)),
        Err(error) => Err(fail(error)),
    }
}

/// Sets everything before the creation. Returns the error by which the kernel shows that it lacks this way.
fn configure(mount: &OverlayMount, context: &FsContext, handover: Handover) -> Result<Option<SysError>> {
    // A kernel that accepts this would accept `lowerdir+` as well, and only fail on it later.
    if context.set_string("rootlay", b"probe").is_ok() {
        return Ok(Some(SysError::new("fsconfig", b"overlay", rustix::io::Errno::NOSYS)));
    }
    context.messages();
    let fail = |error| diagnosis::explain(mount, &error, &context.messages());
    let hand_over = |key: &str, dir: &Dir| -> SysResult<()> {
        match handover {
            Handover::Descriptors => context.set_fd(key, dir),
            Handover::Names => context.set_string(key, format!("{DESCRIPTORS}/{}", dir.as_fd().as_raw_fd()).as_bytes()),
        }
    };
    for (place, lower) in mount.top_first().enumerate() {
        if let Err(error) = hand_over("lowerdir+", lower) {
            let messages = context.messages();
            // The way is lacking only if the very first directory finds no ear; what is refused later, or in other
            // words, is that directory.
            let lacking = match error.errno() {
                Errno::ENOSYS | Errno::EPERM => true,
                Errno::EINVAL => messages.iter().all(|message| is_about_the_key(message)),
                _ => false,
            };
            if place == 0 && lacking {
                return Ok(Some(error));
            }
            return Err(diagnosis::explain(mount, &error, &messages));
        }
    }
    if let Some(upper) = &mount.upper {
        hand_over("upperdir", &upper.upper).map_err(fail)?;
        hand_over("workdir", &upper.work).map_err(fail)?;
    }
    context.set_string("source", mount.source.as_bytes()).map_err(fail)?;
    for option in mount.options()? {
        state(context, option.key, option.value).map_err(|error| in_view(mount, error))?;
    }
    if mount.is_read_only() {
        context.set_flag("ro").map_err(fail)?;
    }
    Ok(None)
}

/// States an option; one that this kernel does not know is left out, for then it has nothing to switch off.
pub(super) fn state(context: &FsContext, key: &str, value: &str) -> Result<()> {
    let Err(error) = context.set_string(key, value.as_bytes()) else {
        return Ok(());
    };
    let messages = context.messages();
    if error.errno() == Errno::EINVAL && messages.iter().any(|message| message.contains("Unknown parameter")) {
        return Ok(());
    }
    let kind = match error.errno() {
        Errno::ENOSPC | Errno::EDQUOT => ErrorKind::NoSpace,
        _ => ErrorKind::Failed,
    };
    Err(Error::new(kind, diagnosis::with_messages(&error, &messages)))
}

/// Whether the kernel complains about the key or the form of its value, and not about the directory in it.
fn is_about_the_key(message: &str) -> bool {
    ["Unknown parameter", "Bad value for", "Parameter type"].iter().any(|words| message.contains(words))
}

fn attributes(mount: &OverlayMount) -> MountAttrFlags {
    let mut attributes = MountAttrFlags::empty();
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, mount.is_read_only());
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOSUID, mount.nosuid);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, mount.nodev);
    attributes
}
