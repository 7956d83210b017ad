//! What dead processes and earlier boots left of views.

use super::Rootlay;
use super::liveness::Live;
use crate::error::Result;
use crate::store::{Access, State, View, ViewDir, ViewRecord};

/// What becomes of a view that nobody works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    /// It was mounted, but who did it died before writing that down.
    Complete,
    /// It was unmounted without us, and its device number will soon be another file system's.
    Save,
    Remove,
}

fn verdict(record: &ViewRecord, gone: bool) -> Verdict {
    match (record.state, record.access, gone) {
        (State::New, _, true) | (_, Access::ReadOnly, true) => Verdict::Remove,
        (State::New, _, false) => Verdict::Complete,
        (_, Access::Writable, true) if record.device.is_some() => Verdict::Save,
        (State::Mounted | State::Detached, _, _) => Verdict::Keep,
    }
}

impl Rootlay {
    /// Removes the read-only views that are gone, those that never came to be, and those of which a power cut left
    /// nothing, completes those whose maker died after the mount, and saves what was unmounted without us. Views that
    /// somebody works on are left alone.
    pub(super) fn heal(&self) -> Result<()> {
        let views = self.store.views()?;
        if views.is_empty() {
            return Ok(());
        }
        let live = Live::of(&self.store, &views)?;
        // Where a view without a record would be mounted, nobody knows: one of its name may be it.
        for view in views.iter().filter(|view| view.record().is_none() && live.named(&view.name).is_empty()) {
            if let Some(view) = self.store.try_lock_view(&view.name)?
                && view.is_hollow().unwrap_or(false)
            {
                self.store.remove_view(&self.store.stage()?, view)?;
            }
        }
        for record in views.iter().filter_map(View::record) {
            if verdict(record, live.is_gone(&self.store, record)?) == Verdict::Keep {
                continue;
            }
            if let Some(view) = self.store.try_lock_view(&record.name)? {
                self.heal_one(view)?;
            }
        }
        Ok(())
    }

    /// Writes down that a writable view is not mounted.
    pub(super) fn save_view(&self, view: &ViewDir, mut record: ViewRecord) -> Result<()> {
        record.state = State::Mounted;
        record.device = None;
        // No boot: nothing that is mounted is this view.
        record.boot = String::new();
        view.write(&self.store.stage()?, &record)
    }

    /// Decides again, now that nobody else can change the view.
    pub(super) fn heal_one(&self, view: ViewDir) -> Result<()> {
        let mut record = view.record()?;
        let live = Live::now()?;
        match verdict(&record, live.is_gone(&self.store, &record)?) {
            Verdict::Keep => Ok(()),
            Verdict::Complete => {
                record.device = live.mounts(&self.store, &record).first().map(|at| at.dev);
                record.state = State::Mounted;
                view.write(&self.store.stage()?, &record)
            }
            Verdict::Save => self.save_view(&view, record),
            Verdict::Remove => self.store.remove_view(&self.store.stage()?, view),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::view;

    #[test]
    fn only_what_is_gone_and_worth_nothing_is_removed() {
        use Access::{ReadOnly, Writable};
        for (state, access, gone, expected) in [
            (State::New, ReadOnly, true, Verdict::Remove),
            (State::New, Writable, true, Verdict::Remove),
            (State::New, Writable, false, Verdict::Complete),
            (State::Mounted, ReadOnly, true, Verdict::Remove),
            (State::Mounted, ReadOnly, false, Verdict::Keep),
            (State::Mounted, Writable, true, Verdict::Keep),
            (State::Detached, ReadOnly, false, Verdict::Keep),
            (State::Detached, ReadOnly, true, Verdict::Remove),
            (State::Detached, Writable, true, Verdict::Keep),
        ] {
            let mut record = ViewRecord { access, state, ..view("v", "image") };
            assert_eq!(verdict(&record, gone), expected, "{state:?} {access:?} {gone}");
            record.device = Some((0, 50));
            let saved = expected == Verdict::Keep && access == Writable && gone;
            assert_eq!(verdict(&record, gone), if saved { Verdict::Save } else { expected });
        }
    }
}
