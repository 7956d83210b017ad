//! Doctor: tries everything that rootlay relies on, in a scratch directory on the file system of the state root.
//!
//! It works where nothing else does: without root, without a state root, on a file system that is full or read-only.

mod kernel;
mod process;
mod scratch;
mod storage;

use std::path::{Path, PathBuf};

use super::Privileges;
use crate::cancel::Cancel;
use crate::error::Result;

use scratch::Scratch;

/// Something that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Probe {
    /// The capabilities that a mount needs.
    Capabilities,
    /// The first user namespace of the machine.
    FirstUserNamespace,
    /// Room for the descriptors of 500 layers.
    OpenFiles,
    /// `/proc`.
    Proc,
    /// No filter of system calls.
    Unfiltered,
    /// No security module that confines the process.
    Unconfined,
    /// `overlay` in the kernel.
    Overlay,
    /// `fsopen` and what belongs to it.
    MountCalls,
    /// One layer a call.
    LowerdirPlus,
    /// Layers as descriptors.
    LayerDescriptors,
    /// `openat2`.
    Openat2,
    /// `mount_setattr`.
    MountSetattr,
    /// A directory can be made on the file system of the state root.
    Scratch,
    /// Directory entries tell their type.
    EntryTypes,
    /// Names differ by case.
    CaseSensitive,
    /// Symbolic links.
    Symlinks,
    /// Hard links.
    HardLinks,
    /// Any owner, group and mode.
    Owners,
    /// Device nodes.
    Devices,
    /// `trusted.*` attributes.
    TrustedXattrs,
    /// `user.*` attributes.
    UserXattrs,
    /// `security.capability`.
    FileCapabilities,
    /// Times of a nanosecond.
    Nanoseconds,
    /// Times after 2038.
    LateTimes,
    /// Copies that share blocks.
    Reflinks,
    /// Files of 8 GiB.
    LargeFiles,
    /// A gigabyte of free space.
    Space,
    /// Free inodes.
    Inodes,
    /// An overlay of layers can be mounted.
    ReadOnlyViews,
    /// It hides what layers delete.
    Whiteouts,
    /// An overlay can be written to.
    WritableViews,
    /// What is mounted is seen in other mount namespaces.
    SharedMounts,
}

impl Probe {
    /// Whether no image can be used without it.
    pub fn is_needed(self) -> bool {
        use Probe::{
            Capabilities, CaseSensitive, EntryTypes, HardLinks, Overlay, Owners, Proc, ReadOnlyViews, Scratch,
            Symlinks, TrustedXattrs, Whiteouts,
        };
        matches!(
            self,
            Capabilities
                | Proc
                | Overlay
                | Scratch
                | EntryTypes
                | CaseSensitive
                | Symlinks
                | HardLinks
                | Owners
                | TrustedXattrs
                | ReadOnlyViews
                | Whiteouts
        )
    }
}

/// What came of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What was tried.
    pub probe: Probe,
    /// Whether it works; `None` where it could not be tried.
    pub works: Option<bool>,
    /// What was seen: a number, a name, the kernel's error.
    pub seen: String,
}

impl Observation {
    fn new(probe: Probe, works: bool, seen: impl Into<String>) -> Self {
        Self { probe, works: Some(works), seen: seen.into() }
    }

    /// What came of this probe.
    pub fn of(probe: Probe, works: Option<bool>, seen: impl Into<String>) -> Self {
        Self { probe, works, seen: seen.into() }
    }

    fn unknown(probe: Probe, why: impl Into<String>) -> Self {
        Self { probe, works: None, seen: why.into() }
    }

    /// Whether something that is needed does not work.
    pub fn is_fatal(&self) -> bool {
        self.probe.is_needed() && self.works == Some(false)
    }
}

/// All observations, and where they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// The state root, or the nearest directory above that exists.
    pub place: PathBuf,
    /// The type of its file system.
    pub file_system: String,
    /// In the order in which they are worth reading.
    pub observations: Vec<Observation>,
}

/// Tries everything that matters to a state root at `root`. What is made for that is removed again.
///
/// # Errors
/// Only [`Interrupted`](crate::ErrorKind::Interrupted).
pub fn examine(root: &Path, cancel: &Cancel) -> Result<Examination> {
    let place = scratch::nearest(root);
    let mut observations = process::observations();
    cancel.check()?;
    let (file_system, shared) = storage::surroundings(&place);
    match Scratch::make(root, &place) {
        Ok(scratch) => {
            let dir = scratch.dir();
            observations.extend(kernel::observations(dir));
            observations.push(Observation::new(Probe::Scratch, true, ""));
            observations.extend(storage::observations(dir));
            cancel.check()?;
            observations.extend(storage::views(dir));
        }
        Err(error) => {
            observations.extend(crate::sys::dir::Dir::open(&place).iter().flat_map(kernel::observations));
            observations.push(Observation::new(Probe::Scratch, false, error.innermost().to_string()));
        }
    }
    observations.push(shared);
    cancel.check()?;
    Ok(Examination { place, file_system, observations })
}
