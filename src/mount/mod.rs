//! Overlays: which layers are mounted (pure), attach and detach, and who uses what.
//!
//! A view is an overlay whose source is [`SOURCE_PREFIX`] and the view's name: by that it is found again in the
//! kernel's tables of mounts, in any mount namespace. Directories are always handed over as descriptors, or as the
//! names that descriptors have in `/proc`: paths of any length and with any bytes work, and nothing needs an escape.
//! The process never changes its working directory.

mod capabilities;
mod detach;
mod diagnosis;
mod fsopen;
mod holders;
mod legacy;
mod namespaces;
mod options;
mod plan;
mod probe;
mod storage;
mod trial;

pub mod mountinfo;

#[cfg(test)]
mod tests;

pub use capabilities::{MOUNTER, check_capabilities};
pub use detach::{detach, detach_view};
pub use holders::{Holder, holders};
pub use namespaces::{MountedAt, live_views, own_views};
pub use plan::{MAX_LOWERS, PlanLayer, lowest_to_merge, plan_layers};
pub use probe::{explain, features as kernel_features};
pub use storage::check_storage;
pub use trial::try_out;

use crate::error::{Error, Result};
use crate::sys::dir::Dir;
use crate::sys::file_system::Kind;
use crate::sys::proc;

use fsopen::{Attempt, Handover};
use options::{OverlayOption, STATED, stated};

/// What the source of every view begins with.
pub const SOURCE_PREFIX: &str = "rootlay:";

/// The writable part of an overlay. Both directories are on one mount, and neither lies in the other.
#[derive(Debug)]
pub struct Upper {
    /// Holds what was written.
    pub upper: Dir,
    /// The kernel's own; emptied at each mount.
    pub work: Dir,
}

/// An overlay to be mounted.
#[derive(Debug)]
pub struct OverlayMount {
    /// Base first. At least two without an upper, at least one with it, at most [`MAX_LOWERS`].
    pub lowers: Vec<Dir>,
    /// Without it the mount is read-only.
    pub upper: Option<Upper>,
    /// [`SOURCE_PREFIX`] and the view's name; at most 255 bytes.
    pub source: String,
    /// Set-user-ID bits have no effect.
    pub nosuid: bool,
    /// Device nodes have no effect.
    pub nodev: bool,
    /// Read-only in spite of an upper.
    pub read_only: bool,
}

impl OverlayMount {
    /// The lower directories in the order of the kernel. The only place that turns a stack round.
    fn top_first(&self) -> impl Iterator<Item = &Dir> {
        self.lowers.iter().rev()
    }

    /// The options that are stated, by where the layers lie. All of them are on one file system.
    fn options(&self) -> Result<[OverlayOption; 5]> {
        Ok(self.lowers.first().map_or(Ok(STATED), |lower| Kind::of(lower).map(stated))?)
    }

    fn is_read_only(&self) -> bool {
        self.read_only || self.upper.is_none()
    }
}

/// Which mount calls are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    /// The best that the kernel offers.
    #[default]
    Auto,
    /// `fsopen` and what belongs to it, or an error.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests force each way"))]
    Fsopen,
    /// `mount(2)`.
    Legacy,
}

/// Mounts the overlay on `target`, above whatever is mounted there, in the mount namespace of the calling thread.
///
/// The caller has asked [`check_capabilities`]: overlay uses the mounter's credentials for every later access.
/// Nobody else may mount the same upper directory at the same time: the kernel would let both write (with
/// `index=off` it only warns). `/proc` must be mounted.
///
/// # Errors
///
/// Nothing is mounted then. [`Unsupported`](crate::ErrorKind::Unsupported): the kernel or the file system lacks
/// something, too many layers included. [`Permission`](crate::ErrorKind::Permission): a capability is missing or a
/// sandbox denies the call. The message says what to do about it; its cause has the kernel's own words.
///
/// Returns the device number of the overlay, where the calls tell it; otherwise the table of mounts does.
pub fn attach(mount: &OverlayMount, target: &Dir, api: Api) -> Result<Option<(u32, u32)>> {
    diagnosis::check_count(&mount.lowers, mount.upper.as_ref()).map_err(|error| in_view(mount, error))?;
    if let Some(upper) = &mount.upper {
        diagnosis::check_upper(upper).map_err(|error| in_view(mount, error))?;
    }
    if api != Api::Legacy {
        let mut lacking = None;
        for handover in [Handover::Descriptors, Handover::Names] {
            match fsopen::attach(mount, target, handover)? {
                Attempt::Attached(device) => return Ok(Some(device)),
                Attempt::NotOffered(error) => lacking = Some(error),
            }
        }
        if let (Api::Fsopen, Some(error)) = (api, lacking) {
            return Err(diagnosis::explain(mount, &error, &[]));
        }
    }
    legacy::attach(mount, target).map(|()| None)
}

fn in_view(mount: &OverlayMount, error: Error) -> Error {
    Error::with_source(error.kind(), format!("{}: {error}", mount.source), error)
}

/// The random ID that the kernel drew at this boot: no view outlives it.
pub fn boot_id() -> Result<String> {
    Ok(proc::boot_id()?)
}
