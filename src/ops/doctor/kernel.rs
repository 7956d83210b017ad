//! What the kernel offers.

use super::{Observation, Probe};
use crate::mount;
use crate::sys::dir::Dir;

pub(super) fn observations(dir: &Dir) -> Vec<Observation> {
    let features = mount::kernel_features(dir);
    let named = [
        (Probe::Overlay, "overlay"),
        (Probe::MountCalls, "fsopen"),
        (Probe::LowerdirPlus, "lowerdir+"),
        (Probe::LayerDescriptors, "lowerdir+ by descriptor"),
    ];
    let mut all: Vec<Observation> = named
        .into_iter()
        .filter_map(|(probe, name)| {
            let feature = features.iter().find(|feature| feature.name == name)?;
            Some(Observation { probe, works: feature.available, seen: String::new() })
        })
        .collect();
    all.push(Observation::new(Probe::Openat2, dir.has_openat2(), ""));
    all.push(Observation::new(Probe::MountSetattr, crate::sys::mount::has_mount_setattr(), ""));
    all
}
