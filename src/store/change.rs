//! Changes of image records. All of one change happens, or nothing of it.
//!
//! A change of several records is written down as a whole, in `images/change.json`, before the first of them is
//! touched. As long as that file is there, the change counts as done for everybody who reads the records.

use std::collections::BTreeSet;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Store;
use super::images::{Catalog, ImageRecord};
use super::layout::FILE_LIMIT;
use super::mark;
use super::record::{self, Durability};
use super::staging::{Item, Staging};
use super::sweep::Freed;
use crate::error::{Context, ErrorKind, Result};
use crate::oci::{Algorithm, Digest};

const UNFINISHED: &str = "change.json";

/// How far the search for what nothing names goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What the changed records named.
    Changed,
    /// Everything that is in the state root.
    Everything,
}

/// A change of image records.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Records to write.
    pub write: Vec<ImageRecord>,
    /// Image IDs whose records go.
    pub delete: Vec<Digest>,
}

impl Change {
    fn touched(&self) -> BTreeSet<&Digest> {
        self.write.iter().map(|record| &record.id).chain(&self.delete).collect()
    }

    /// Adds a change that comes after this one.
    pub fn then(&mut self, next: &Self) {
        let touched = next.touched();
        self.write.retain(|record| !touched.contains(&record.id));
        self.delete.retain(|id| !touched.contains(id));
        self.write.extend(next.write.iter().cloned());
        self.delete.extend(next.delete.iter().cloned());
    }
}

impl Catalog {
    /// Makes this the catalog that the change leaves.
    pub fn apply(&mut self, change: &Change) {
        let touched = change.touched();
        self.images.retain(|image| !touched.contains(&image.id));
        self.unreadable.retain(|record| record.id.as_ref().is_none_or(|id| !touched.contains(id)));
        self.images.extend(change.write.iter().filter(|record| !change.delete.contains(&record.id)).cloned());
        self.images.sort_by(|one, other| one.id.cmp(&other.id));
    }
}

impl Store {
    /// Decides on the records of this moment and changes them; then takes away what only the changed records
    /// named. What was taken is deleted when `staging` is dropped.
    pub fn change<T>(
        &self,
        staging: &Staging<'_>,
        decide: impl FnOnce(&Catalog) -> Result<(Change, T)>,
    ) -> Result<(T, Freed)> {
        self.change_and_sweep(staging, Reach::Changed, decide)
    }

    /// The same with a say in what is taken away.
    pub fn change_and_sweep<T>(
        &self,
        staging: &Staging<'_>,
        reach: Reach,
        decide: impl FnOnce(&Catalog) -> Result<(Change, T)>,
    ) -> Result<(T, Freed)> {
        let _lock = self.lock_exclusive()?;
        self.finish_change(staging)?;
        let before = self.catalog()?;
        let (change, answer) = decide(&before)?;
        if change != Change::default() {
            self.write_change(staging, &change)?;
            // The records have changed, which cannot be taken back. The next command makes up for it.
            if let Err(error) = self.write_index(staging) {
                tracing::debug!(%error, "index.json is old");
            }
        } else if reach == Reach::Changed {
            return Ok((answer, Freed::default()));
        }
        let freed = self.sweep(staging, &self.candidates(&before, &change, reach)?)?;
        Ok((answer, freed))
    }

    /// Decides as [`Store::change`] does and tells what that would take away; nothing is changed.
    pub fn rehearse<T>(
        &self,
        reach: Reach,
        decide: impl FnOnce(&Catalog) -> Result<(Change, T)>,
    ) -> Result<(T, Freed)> {
        let _lock = self.lock_exclusive()?;
        let before = self.catalog()?;
        let (change, answer) = decide(&before)?;
        let candidates = self.candidates(&before, &change, reach)?;
        let mut after = before;
        after.apply(&change);
        let freed = self.unreachable(&after, &candidates)?;
        Ok((answer, self.existing(freed)?))
    }

    /// What may go when the records change like this.
    fn candidates(&self, before: &Catalog, change: &Change, reach: Reach) -> Result<BTreeSet<Item>> {
        if reach == Reach::Everything {
            return self.all_items();
        }
        let touched = change.touched();
        let images = before.images.iter().filter(|image| touched.contains(&image.id));
        Ok(images.flat_map(mark::items_of_image).collect())
    }

    /// The change that is not finished: its maker is at work, or was cut off.
    pub(super) fn unfinished_change(&self) -> Option<Change> {
        // Every record is whole, with the change or without it: one that cannot be read was never made.
        record::read(&self.images, UNFINISHED.as_bytes()).unwrap_or_else(|error| {
            tracing::debug!(%error, "an unfinished change is not counted");
            None
        })
    }

    /// Does what is left of a change that was cut off. The caller holds the exclusive store lock.
    pub(super) fn finish_change(&self, staging: &Staging<'_>) -> Result<()> {
        match self.images.read(UNFINISHED.as_bytes(), FILE_LIMIT) {
            Err(error) if error.errno() == Errno::ENOENT => return Ok(()),
            // It may be whole, and be read the next time.
            Err(error) if matches!(error.errno(), Errno::EIO | Errno::ENOMEM | Errno::ENFILE | Errno::EMFILE) => {
                return Err(error).context(|| format!("read images/{UNFINISHED}"));
            }
            _ => {}
        }
        if let Some(change) = self.unfinished_change() {
            let drafts = self.drafts(staging, &change)?;
            self.put(staging, &change, &drafts)?;
        }
        let tried = || format!("remove images/{UNFINISHED}");
        self.images.remove_tree(UNFINISHED.as_bytes()).context(tried)?;
        self.images.sync().context(tried)
    }

    fn write_change(&self, staging: &Staging<'_>, change: &Change) -> Result<()> {
        // What needs space comes first: a full disk changes nothing.
        let drafts = self.drafts(staging, change)?;
        let mut whole = change.touched().len() > 1;
        if whole {
            match record::write(staging, &self.images, UNFINISHED, change, Durability::Synced) {
                // Images are removed because the disk is full: rather one by one than not at all.
                Err(error) if error.kind() == ErrorKind::NoSpace && change.write.is_empty() => whole = false,
                result => result?,
            }
        }
        self.put(staging, change, &drafts)?;
        if whole {
            let tried = || format!("remove images/{UNFINISHED}");
            self.images.remove_file(UNFINISHED.as_bytes()).context(tried)?;
            self.images.sync().context(tried)?;
        }
        Ok(())
    }

    fn drafts(&self, staging: &Staging<'_>, change: &Change) -> Result<Vec<String>> {
        for image in &change.write {
            self.image_dir(image.id.algorithm())?;
        }
        let draft = |image: &ImageRecord| {
            record::draft(staging, image, Durability::Synced).context(|| format!("write the record of {}", image.id))
        };
        change.write.iter().map(draft).collect()
    }

    /// Renames the drafts into their places, removes the records that go, and makes that durable.
    fn put(&self, staging: &Staging<'_>, change: &Change, drafts: &[String]) -> Result<()> {
        let mut algorithms: BTreeSet<Algorithm> = BTreeSet::new();
        for (image, draft) in change.write.iter().zip(drafts) {
            let tried = || format!("write the record of {}", image.id);
            let dir = self.image_dir(image.id.algorithm())?;
            record::place(staging, draft, &dir, file_name(&image.id).as_bytes()).context(tried)?;
            algorithms.insert(image.id.algorithm());
        }
        for id in &change.delete {
            let tried = || format!("remove the record of {id}");
            // Whatever it is: it may not be a file any more.
            self.image_dir(id.algorithm())?.remove_tree(file_name(id).as_bytes()).context(tried)?;
            self.forget_use(id);
            algorithms.insert(id.algorithm());
        }
        for algorithm in algorithms {
            self.image_dir(algorithm)?.sync().context(|| "write the image records".to_owned())?;
        }
        Ok(())
    }
}

fn file_name(id: &Digest) -> String {
    format!("{}.json", id.hex())
}
