//! What the kernel offers.

use super::{Finding, Probe};
use crate::mount;
use crate::sys::dir::Dir;

pub(super) fn findings(dir: &Dir) -> Vec<Finding> {
    let features = mount::kernel_features(dir);
    let named = [
        (Probe::Overlay, "overlay"),
        (Probe::MountCalls, "fsopen"),
        (Probe::LowerdirPlus, "lowerdir+"),
        (Probe::LayerDescriptors, "lowerdir+ by descriptor"),
    ];
    let mut all: Vec<Finding> = named
        .into_iter()
        .filter_map(|(probe, name)| {
            let feature = features.iter().find(|feature| feature.name == name)?;
            Some(Finding { probe, works: feature.available, seen: String::new() })
        })
        .collect();
    all.push(Finding::new(Probe::Openat2, dir.has_openat2(), ""));
    all.push(Finding::new(Probe::MountSetattr, crate::sys::mount::has_mount_setattr(), ""));
    all
}
