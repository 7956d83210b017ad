//! Mounting with `mount(2)`: for kernels and sandboxes without the new calls, and overlay before 6.7.
//!
//! All options are one string of at most 4,095 bytes, so directories are named by descriptor numbers alone,
//! relative to the table of descriptors: 500 of them take some 2,000 bytes, and no name needs an escape.
//! `mountinfo` then shows the numbers.

use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use super::options::OverlayOption;
use super::{OverlayMount, diagnosis};
use crate::error::Result;
use crate::sys::dir::Dir;
use crate::sys::mount::{MountFlags, mount_by_numbers};

/// Attaches the overlay on `target`.
pub(super) fn attach(mount: &OverlayMount, target: &Dir) -> Result<()> {
    let attempt = |stated: &[OverlayOption]| {
        mount_by_numbers("overlay", &mount.source, target, flags(mount), option_string(mount, stated).as_bytes())
    };
    let stated = mount.options()?;
    let first = known(&stated);
    let Err(mut error) = attempt(&first)? else {
        return Ok(());
    };
    // An option that the kernel does not know gives the same EINVAL as anything else. If the first attempt has loaded
    // the module, only now we can tell which options it knows.
    let second = known(&stated);
    if error.errno() == Errno::EINVAL && second != first {
        match attempt(&second)? {
            Ok(()) => return Ok(()),
            Err(again) => error = again,
        }
    }
    Err(diagnosis::explain(mount, &error, &[]))
}

fn known(stated: &[OverlayOption]) -> Vec<OverlayOption> {
    stated.iter().copied().filter(|option| option.known() != Some(false)).collect()
}

/// `lowerdir=<top>:…:<base>[,upperdir=…,workdir=…],key=value…`, each directory by its descriptor's number.
pub(super) fn option_string(mount: &OverlayMount, stated: &[OverlayOption]) -> String {
    let number = |dir: &Dir| dir.as_fd().as_raw_fd().to_string();
    let lowers: Vec<String> = mount.top_first().map(number).collect();
    let mut options = format!("lowerdir={}", lowers.join(":"));
    // Writing to a String cannot fail.
    if let Some(upper) = &mount.upper {
        let _ = write!(options, ",upperdir={},workdir={}", number(&upper.upper), number(&upper.work));
    }
    for option in stated {
        let _ = write!(options, ",{}={}", option.key, option.value);
    }
    options
}

fn flags(mount: &OverlayMount) -> MountFlags {
    let mut flags = MountFlags::empty();
    flags.set(MountFlags::RDONLY, mount.is_read_only());
    flags.set(MountFlags::NOSUID, mount.nosuid);
    flags.set(MountFlags::NODEV, mount.nodev);
    flags
}
