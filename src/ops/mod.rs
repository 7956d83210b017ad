//! The use cases, one file each. The only place that joins stores, sources, layers and mounts.
//!
//! ```text
//! load, import, pull ─► install ─► unpack (per layer, in parallel) ─► lowers (correction) ─► record
//! save, push ◄── outgoing (blobs that are not here)
//! mount, remount ─► lowers ─► attach            unmount, rm ─► liveness
//! images, inspect, history, tree, views, info: what is there   tag, remove, prune: names and images away
//! check: whether it is as it was made, and how it gets that way again
//! ```
//!
//! Everything begins with [`Rootlay::open`]. A request is a struct; a call that takes several arguments gives one
//! result for each, so that one failure does not hide the others. Nothing here prints, exits or reads the environment.

mod attach;
mod check;
mod doctor;
mod filter;
mod heal;
mod history;
mod images;
mod import;
mod info;
mod inspect;
mod install;
mod liveness;
mod load;
mod lowers;
mod mount;
mod outgoing;
mod parallel;
mod pin;
mod privileges;
mod prune;
mod pull;
mod push;
mod remove;
mod rm;
mod save;
mod tag;
mod target;
mod tee;
mod transfer;
mod tree;
mod unmount;
mod unpack;
mod usage;
mod uses;
mod views;

#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::progress::Progress;
use crate::store::Store;

pub use crate::layer::{Changes, Limits, Oddities};
pub use crate::source::{
    AuthFile, AuthFileKind, Hit, Jobs, Kept, Proxies, Registries, RegistryOptions, RemoteDocument, RemoteManifest,
    Retry, Secret, SourceSpec, Tls,
};
pub use crate::store::Access;
pub use check::{CheckRequest, Checked, Depth, Finding, Outcome, Severity, Thing};
pub use doctor::{Examination, Observation, Probe, examine};
pub use filter::ImageFilters;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use filter::matches as matches_pattern;
pub use history::HistoryStep;
pub use images::{ImageInfo, ImageName};
pub use import::{ImportRequest, Input};
pub use info::{Feature, Info};
pub use load::{LoadRequest, Loaded};
pub use mount::{Flag, MountRequest};
pub use pin::Pinned;
pub use privileges::{Privileges, raise_open_files};
pub use prune::{PruneFilters, PruneRequest, PruneScope, Pruned, SystemPruned};
pub use pull::{Freshness, News, PlannedLayer, PullPlan, PullRequest, Pulled};
pub use push::{PushRequest, Pushed};
pub use remove::{Force, RemovalPlan, RemoveRequest, Removed, Selected};
pub use save::{ArchiveFormat, SaveRequest, SaveTo};
pub use tag::TagEntry;
pub use tree::{ImageTree, TreeLayer};
pub use unmount::{Detach, UnmountRequest, Which};
pub use usage::{DiskUsage, ImageDisk, LayerDisk, Share, ViewDisk};
pub use views::ViewInfo;

/// What [`Rootlay::open`] needs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state root. It is created if it is missing.
    pub root: PathBuf,
    /// How many layers are unpacked at once, and how many threads create the files of one; without it as many as the
    /// process may use cores.
    pub threads: Option<NonZero<usize>>,
    /// Is told what happens.
    pub progress: Arc<dyn Progress>,
    /// Stops long work.
    pub cancel: Cancel,
}

/// An open state root and what can be done with it.
#[derive(Debug)]
pub struct Rootlay {
    store: Store,
    threads: Option<NonZero<usize>>,
    progress: Arc<dyn Progress>,
    cancel: Cancel,
}

impl Rootlay {
    /// Opens the state root, and clears away what dead processes and earlier boots left in it.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if the root has a newer format,
    /// [`Conflict`](crate::ErrorKind::Conflict) if the directory holds something else.
    pub fn open(options: Options) -> Result<Self> {
        let Options { root, threads, progress, cancel } = options;
        let store = Store::open(&root, &crate::mount::boot_id()?)?;
        let rootlay = Self { store, threads, progress, cancel };
        if let Err(error) = rootlay.heal() {
            // What is asked for may still work, and the next command tries again.
            tracing::debug!(%error, "views of the dead stay");
        }
        Ok(rootlay)
    }
}
