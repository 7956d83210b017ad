//! Putting something sound in the place of something damaged.

use nix::errno::Errno;

use super::Store;
use super::layout;
use super::record::{self, Durability};
use super::shelf::{Commit, Kind, TAKEN};
use super::staging::{Item, Staging};
use super::views::View;
use crate::cancel::Cancel;
use crate::error::{Context, Result};
use crate::oci::Digest;
use crate::sys::dir::Dir;

/// What became of an attempt to replace a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swapped {
    /// The new one has the name; the old one goes when the staging directory does.
    Done,
    /// Another command relies on the old one.
    Leased,
    /// A view shows the old one, or may do so.
    Shown(String),
}

impl Store {
    /// Gives the directory `draft` of `staging` the name of a damaged one, which it replaces in one step. Its content
    /// is durable when the name is.
    ///
    /// A mounted view holds the directories of its layers: `shown_by` says which view shows this one. Nothing is
    /// replaced then, and nothing that the lease of another command names.
    pub fn replace(
        &self,
        staging: &Staging<'_>,
        draft: &str,
        (kind, digest): (Kind, &Digest),
        shown_by: &dyn Fn(&[View]) -> Option<String>,
        cancel: &Cancel,
    ) -> Result<Swapped> {
        let tried = || format!("replace {} {digest}", kind.word());
        let dir = staging.dir().open_dir(draft.as_bytes()).context(tried)?;
        self.write_commit(staging, &dir)?;
        drop(dir);
        // Records name it already, so it counts from the rename on, after a power cut too.
        self.sync(cancel).context(tried)?;
        let shelf = layout::private_dir(self.shelf(kind), digest.algorithm().as_str()).context(tried)?;
        let _lock = self.lock_exclusive()?;
        if let Some(reason) = self.user(&Item::Dir(kind, digest.clone()), staging, shown_by)? {
            return Ok(reason);
        }
        let (name, draft) = (digest.hex().as_bytes(), draft.as_bytes());
        match staging.dir().exchange(draft, &shelf, name) {
            // There is none any more, or never was.
            Err(error) if error.errno() == Errno::ENOENT => {
                staging.dir().rename_new(draft, &shelf, name).context(tried)?;
            }
            // A file system that cannot exchange.
            Err(error) if matches!(error.errno(), Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
                let aside = staging.fresh_name(TAKEN);
                shelf.rename(name, staging.dir(), aside.as_bytes()).context(tried)?;
                staging.dir().rename_new(draft, &shelf, name).context(tried)?;
            }
            result => result.context(tried)?,
        }
        shelf.sync().context(tried)?;
        Ok(Swapped::Done)
    }

    /// Who else uses a directory. The caller holds the exclusive store lock.
    fn user(
        &self,
        item: &Item,
        own: &Staging<'_>,
        shown_by: &dyn Fn(&[View]) -> Option<String>,
    ) -> Result<Option<Swapped>> {
        if self.leases_but(own)?.items.contains(item) {
            return Ok(Some(Swapped::Leased));
        }
        Ok(shown_by(&self.views()?).map(Swapped::Shown))
    }

    /// Writes the file that tells in which boot, and era of it, a directory got its name.
    pub fn write_commit(&self, staging: &Staging<'_>, dir: &Dir) -> Result<()> {
        let commit = Commit::of(self, staging);
        if let Ok(stat) = dir.stat(b"commit.json")
            && stat.st_mode & 0o170_000 == 0o040_000
        {
            dir.remove_tree(b"commit.json")?;
        }
        record::write(staging, dir, "commit.json", &commit, Durability::ThisBoot)
    }
}

/// Why the file that tells in which boot a directory got its name cannot be read, if it cannot.
pub fn broken_commit(dir: &Dir) -> Option<String> {
    match record::read::<Commit>(dir, b"commit.json") {
        Ok(Some(_)) => None,
        Ok(None) => Some("missing".to_owned()),
        Err(error) => Some(super::why(&error)),
    }
}
