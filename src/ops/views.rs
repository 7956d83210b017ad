//! The views that there are.

use std::path::PathBuf;
use std::time::SystemTime;

use super::liveness::{Live, target_of};
use super::{Access, Rootlay};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::Digest;
use crate::store::{State, View, ViewDir, ViewRecord};

/// A view, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewInfo {
    /// Its name.
    pub name: String,
    /// The image as it was named when it was mounted; empty for a broken view.
    pub image: String,
    /// The image ID, where it is known.
    pub image_id: Option<Digest>,
    /// Whether it can be written to.
    pub access: Access,
    /// Where it is mounted, or was.
    pub target: PathBuf,
    /// Whether a mount namespace of the machine shows it.
    pub mounted: bool,
    /// When it was made.
    pub created: SystemTime,
    /// Why its record cannot be read.
    pub broken: Option<String>,
}

impl Rootlay {
    /// All views: those that are mounted, the saved writable ones, and those whose record cannot be read.
    pub fn views(&self) -> Result<Vec<ViewInfo>> {
        let views = self.store.views()?;
        if views.is_empty() {
            return Ok(Vec::new());
        }
        let live = Live::of(&self.store, &views)?;
        Ok(views.into_iter().filter_map(|view| self.describe(view, &live)).collect())
    }

    fn describe(&self, view: View, live: &Live) -> Option<ViewInfo> {
        match view.content {
            Ok(record) => {
                let mounted = live.shows(&self.store, &record);
                // What is about to be mounted, or about to be cleared away, is no view.
                let shown = mounted || record.access == Access::Writable && record.state != State::New;
                shown.then(|| self.view_info(&record, mounted))
            }
            Err(error) => Some(ViewInfo {
                target: self.store.merged_path(&view.name),
                mounted: live.shows_broken(&self.store, &view.name),
                image: String::new(),
                image_id: None,
                access: Access::Writable,
                created: view.changed,
                broken: Some(innermost(&error)),
                name: view.name,
            }),
        }
    }

    pub(super) fn view_info(&self, record: &ViewRecord, mounted: bool) -> ViewInfo {
        ViewInfo {
            name: record.name.clone(),
            image: record.image.clone(),
            image_id: Some(record.image_id.clone()),
            access: record.access,
            target: target_of(&self.store, record),
            mounted,
            created: record.created,
            broken: None,
        }
    }

    /// Waits until nobody else works on the view.
    pub(super) fn lock_view(&self, name: &str) -> Result<ViewDir> {
        if crate::store::check_view_name(name).is_err() {
            return Err(no_such_view(name));
        }
        self.store.lock_view(name, &self.cancel)?.ok_or_else(|| no_such_view(name))
    }
}

pub(super) fn no_such_view(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no such view: {}", name.escape_debug()))
}

/// The cause of all causes, for one cell of a table.
pub(super) fn innermost(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
