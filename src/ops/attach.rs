//! What mounting an image and mounting a saved view again have in common.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Rootlay;
use super::lowers::{Lowers, empty_below};
use super::target::Target;
use crate::cancel::Cancel;
use crate::error::{Context, Result};
use crate::layer;
use crate::mount::{self, Api, OverlayMount, SOURCE_PREFIX, Upper, mountinfo};
use crate::oci::DiffId;
use crate::store::{self, Access, Staging, State, ViewDir, ViewRecord};
use crate::sys::dir::Dir;

/// How many lower directories an overlay needs at least.
fn fewest(access: Access) -> usize {
    match access {
        Access::ReadOnly => 2,
        Access::Writable => 1,
    }
}

impl Rootlay {
    /// Mounts a view that has its record, and writes down that it is mounted.
    pub(super) fn attach(
        &self,
        staging: &Staging<'_>,
        view: &ViewDir,
        record: &mut ViewRecord,
        lowers: Lowers,
        target: Option<&Target>,
    ) -> Result<()> {
        let mut dirs = lowers.dirs;
        let below = empty_below(view.dir())?;
        for number in 0.. {
            if number >= below && dirs.len() >= fewest(record.access) {
                break;
            }
            let tried = || format!("create the view {}", record.name);
            let empty = store::part(view.dir(), &format!("empty-{number}"), 0o755).context(tried)?;
            layer::correct(&[], &empty, &self.cancel).context(tried)?;
            dirs.insert(0, empty);
        }
        let upper = match record.access {
            Access::ReadOnly => None,
            Access::Writable => {
                Some(Upper { upper: view.dir().open_dir(b"upper")?, work: view.dir().open_dir(b"work")? })
            }
        };
        let overlay = OverlayMount {
            lowers: dirs,
            upper,
            source: format!("{SOURCE_PREFIX}{}", record.name),
            nosuid: record.options.nosuid,
            nodev: record.options.nodev,
            read_only: record.access == Access::ReadOnly,
        };
        let merged;
        let (dir, path) = if let Some(target) = target {
            (&target.dir, target.path.clone())
        } else {
            merged = view.dir().open_dir(b"merged")?;
            (&merged, self.store.merged_path(&record.name))
        };
        record.device = mount::attach(&overlay, dir, Api::Auto)?;
        drop(overlay);
        if let Some(correction) = &lowers.correction {
            self.store.note_mounted(correction);
        }
        self.mark_mounted(staging, view, record, &path).inspect_err(|_| {
            // Nobody will learn of this mount: the record says that it never came to be.
            let _ = mount::detach(&path, true);
        })
    }

    fn mark_mounted(&self, staging: &Staging<'_>, view: &ViewDir, record: &mut ViewRecord, path: &Path) -> Result<()> {
        if record.device.is_none() {
            let source = format!("{SOURCE_PREFIX}{}", record.name);
            let is_it = |mount: &&mountinfo::Mount| {
                mount.source == source.as_bytes() && mount.target == path.as_os_str().as_bytes()
            };
            record.device = mountinfo::of_self()?.iter().rfind(is_it).map(|mount| mount.dev);
        }
        self.store.boot().clone_into(&mut record.boot);
        record.state = State::Mounted;
        view.write(staging, record)
    }
}

/// The writable part of a new view: its root looks like that of the image.
pub(super) fn create_upper(view: &Dir, stack: &[DiffId], correction: Option<&Dir>) -> Result<()> {
    let upper = store::part(view, "upper", 0o755)?;
    store::part(view, "work", 0o700)?;
    match correction.filter(|_| !stack.is_empty()) {
        Some(correction) => layer::apply_root(correction, &upper),
        None => layer::correct(&[], &upper, &Cancel::new()),
    }
}
