//! What the use cases decide without a disk.

mod flow;
mod prune;
mod remove;
mod tag;

use std::time::SystemTime;

use crate::oci::Digest;
use crate::store::{Access, State, ViewOptions, ViewRecord};

/// The record of a mounted read-only view of this image.
pub(super) fn view(name: &str, image: &str) -> ViewRecord {
    ViewRecord {
        name: name.to_owned(),
        image: image.to_owned(),
        image_id: Digest::of(image.as_bytes()),
        stack: Vec::new(),
        merged: None,
        access: Access::ReadOnly,
        options: ViewOptions { nosuid: true, nodev: true },
        target: None,
        state: State::Mounted,
        boot: String::new(),
        era: None,
        device: None,
        created: SystemTime::UNIX_EPOCH,
    }
}
