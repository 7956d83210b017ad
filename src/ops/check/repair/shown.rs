//! Which views show something that is to be replaced. A mounted overlay holds the directories of its layers: what is
//! under their names afterwards it never sees, and what is removed of them it lacks.

use crate::error::Result;
use crate::oci::DiffId;
use crate::ops::liveness::Live;
use crate::store::{Store, View, ViewRecord};

/// The views of one moment.
pub(in crate::ops::check) struct Shown {
    live: Live,
    /// Those that nothing shows and nobody holds.
    gone: Vec<ViewRecord>,
}

impl Shown {
    /// Looks everywhere on the machine.
    pub fn now(store: &Store) -> Result<Self> {
        let views = store.views()?;
        let live = Live::now()?;
        let mut gone = Vec::new();
        for record in views.iter().filter_map(View::record) {
            if live.is_gone(store, record)? {
                gone.push(record.clone());
            }
        }
        Ok(Self { live, gone })
    }

    /// The first of these views that shows a stack which `uses` the thing. A view that changed since [`Shown::now`]
    /// may be mounted meanwhile; of one whose record cannot be read nobody knows the stack.
    pub fn by(&self, views: &[View], uses: &dyn Fn(&[DiffId]) -> bool) -> Option<String> {
        let shows = |view: &&View| match view.record() {
            Some(record) => uses(&record.stack) && !self.gone.contains(record),
            None => !self.live.named(&view.name).is_empty(),
        };
        views.iter().find(shows).map(|view| view.name.clone())
    }
}
