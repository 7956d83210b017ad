//! Rm: forgets views with what was written to them.

use super::Rootlay;
use super::liveness::Live;
use crate::error::{Error, ErrorKind, Result};

impl Rootlay {
    /// Forgets views; gives the name of each, or why it is still there. A view that is mounted or held is kept.
    pub fn remove_views(&self, names: &[String]) -> Result<Vec<Result<String>>> {
        Ok(names.iter().map(|name| self.remove_view(name).map(|()| name.clone())).collect())
    }

    fn remove_view(&self, name: &str) -> Result<()> {
        let view = self.lock_view(name)?;
        let live = Live::now()?;
        let gone = match view.record() {
            Ok(record) => live.is_gone(&self.store, &record)?,
            // Where it would be mounted, nobody knows: one of its name may be it.
            Err(_) => live.named(name).is_empty(),
        };
        if !gone {
            return Err(Error::new(ErrorKind::InUse, format!("the view `{name}` is mounted: unmount it first")));
        }
        self.store.remove_view(&self.store.stage()?, view)
    }
}
