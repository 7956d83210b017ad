//! Whether a view is in use: as long as a mount namespace of the machine shows it, or a process holds it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::mount::{self, MountedAt, SOURCE_PREFIX};
use crate::store::{State, Store, View, ViewRecord};

/// The views that are mounted, of all state roots.
#[derive(Debug)]
pub(super) struct Live(BTreeMap<String, Vec<MountedAt>>);

impl Live {
    /// Looks now, everywhere on the machine.
    pub fn now() -> Result<Self> {
        Ok(Self(mount::live_views(SOURCE_PREFIX)?))
    }

    /// Enough to say of each of these views whether it is mounted ([`Live::shows`]). The table of the own namespace is
    /// read only if one of them is not in its own place, those of all others only if one is not in that table either.
    pub fn of(store: &Store, views: &[View]) -> Result<Self> {
        let is_in_place =
            |view: &View| view.record().is_some_and(|record| record.boot != store.boot() || in_place(store, record));
        if views.iter().all(is_in_place) {
            return Ok(Self(BTreeMap::new()));
        }
        let own = Self(mount::own_views(SOURCE_PREFIX)?);
        let is_settled = |view: &View| {
            let record = view.record();
            record.is_some_and(|record| record.boot != store.boot() || !own.mounts(store, record).is_empty())
        };
        if views.iter().all(is_settled) { Ok(own) } else { Self::now() }
    }

    /// Where this view is mounted. Another state root may have a view of the same name: the device number tells
    /// them apart, and before that is known the place does.
    pub fn mounts(&self, store: &Store, record: &ViewRecord) -> Vec<&MountedAt> {
        if record.boot != store.boot() {
            return Vec::new();
        }
        let target = target_of(store, record);
        let is_ours = |at: &&MountedAt| match record.device {
            Some(device) => at.dev == device,
            None => at.target == target,
        };
        self.named(&record.name).iter().filter(is_ours).collect()
    }

    /// Whether this view is mounted.
    pub fn shows(&self, store: &Store, record: &ViewRecord) -> bool {
        in_place(store, record) || !self.mounts(store, record).is_empty()
    }

    /// Every mount of a view of this name.
    pub fn named(&self, name: &str) -> &[MountedAt] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a view whose record cannot be read is mounted on its own directory; another place of it nobody knows.
    pub fn shows_broken(&self, store: &Store, name: &str) -> bool {
        let own = store.merged_path(name);
        self.named(name).iter().any(|at| at.target == own)
    }

    /// Whether nothing shows the view any more, and nobody holds what was detached.
    pub fn is_gone(&self, store: &Store, record: &ViewRecord) -> Result<bool> {
        if self.shows(store, record) {
            return Ok(false);
        }
        match record.device {
            Some(device) if record.state == State::Detached && record.boot == store.boot() => {
                Ok(mount::holders(device)?.is_empty())
            }
            _ => Ok(true),
        }
    }
}

/// Whether the view is mounted on its own directory, by the device number there: a table of mounts gets long where views
/// have many layers. At a place of the user's anything may be mounted meanwhile, or may not answer.
fn in_place(store: &Store, record: &ViewRecord) -> bool {
    record.boot == store.boot()
        && record.target.is_none()
        && record.device.is_some_and(|device| store.merged_device(&record.name) == Some(device))
}

/// Where a view is mounted if it is.
pub(super) fn target_of(store: &Store, record: &ViewRecord) -> std::path::PathBuf {
    record.target.clone().unwrap_or_else(|| store.merged_path(&record.name))
}
