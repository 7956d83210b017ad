//! Directories that are named by a digest: layers, correction layers, merged directories.
//!
//! Each has a `diff` and a `commit.json` that tells in which boot it was renamed into place, and in which era of that boot.
//! Its content became durable when the first record that names it was written. Until then a power cut or a disk that
//! fails may have emptied its files, so in a later boot or era it is discarded and made again.

use std::collections::BTreeSet;

use hashbrown::HashSet;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Store;
use super::layout;
use super::mark::{Keep, items_of_stack};
use super::record;
use super::staging::{Item, Staging};
use super::views::{Access, View, ViewRecord};
use crate::error::{Context, Result};
use crate::oci::{Algorithm, Digest};
use crate::sys::dir::Dir;

/// What the names of things that were taken away begin with, in staging.
pub(super) const TAKEN: &str = "taken";

/// What a directory named by a digest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One unpacked layer, named by its diff ID.
    Layer,
    /// What a plain overlay of a stack gets wrong, named by the stack's chain ID.
    Correction,
    /// A stack as one directory, named by its chain ID.
    Merged,
}

impl Kind {
    /// Its folder in the state root.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Layer => "layers",
            Self::Correction => "corrections",
            Self::Merged => "merged",
        }
    }

    /// What it is called in messages and leases.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Correction => "correction",
            Self::Merged => "merged",
        }
    }
}

/// What was found under a digest.
#[derive(Debug)]
pub enum Found {
    /// It is here, and its content can be relied on.
    Usable(Dir),
    /// It is left over from an earlier boot or era and nothing names it.
    Stale,
    /// There is none.
    Missing,
}

/// The content of `commit.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Commit {
    /// The boot in which the directory was renamed into place.
    pub boot: String,
    /// The era of that boot.
    #[serde(default)]
    pub era: Option<String>,
}

impl Commit {
    /// What is committed now, by this owner.
    pub fn of(store: &Store, owner: &Staging<'_>) -> Self {
        Self { boot: store.boot.clone(), era: owner.era().map(str::to_owned) }
    }
}

impl Store {
    pub(super) fn shelf(&self, kind: Kind) -> &Dir {
        match kind {
            Kind::Layer => &self.layers,
            Kind::Correction => &self.corrections,
            Kind::Merged => &self.merged,
        }
    }

    /// Opens the directory of this digest, whatever it is worth; `None` if there is none.
    pub fn open_committed(&self, kind: Kind, digest: &Digest) -> Result<Option<Dir>> {
        let path = format!("{}/{}", digest.algorithm().as_str(), digest.hex());
        match self.shelf(kind).open_dir(path.as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(None),
            result => result.map(Some).context(|| format!("open {} {digest}", kind.word())),
        }
    }

    /// Opens the `diff` of a directory that can be relied on; `None` if there is none.
    pub fn open_diff(&self, kind: Kind, digest: &Digest) -> Result<Option<Dir>> {
        let path = format!("{}/{}/diff", digest.algorithm().as_str(), digest.hex());
        match self.shelf(kind).open_dir(path.as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(None),
            result => result.map(Some).context(|| format!("open {} {digest}", kind.word())),
        }
    }

    /// Looks for the directory of this digest; `named` is what records name ([`Store::named`]).
    ///
    /// Write it into the lease before, or it may be gone a moment later.
    pub fn find(&self, kind: Kind, digest: &Digest, named: &Keep) -> Result<Found> {
        let Some(dir) = self.open_committed(kind, digest)? else { return Ok(Found::Missing) };
        let usable = named.contains(&Item::Dir(kind, digest.clone())) || self.is_of_this_era(&dir)?;
        Ok(if usable { Found::Usable(dir) } else { Found::Stale })
    }

    /// The digests of the directories of this kind that are here, whatever they are worth.
    pub fn committed(&self, kind: Kind) -> Result<HashSet<Digest>> {
        let mut all = HashSet::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let dir = match self.shelf(kind).open_dir(algorithm.as_str().as_bytes()) {
                Err(error) if error.errno() == Errno::ENOENT => continue,
                result => result.context(|| format!("list {}", kind.folder()))?,
            };
            let entries = dir.entries()?;
            let names = entries.iter().filter_map(|entry| std::str::from_utf8(&entry.name).ok());
            all.extend(names.filter_map(|hex| Digest::from_hex(algorithm, hex)));
        }
        Ok(all)
    }

    /// A commit file that cannot be read was never durable: an earlier boot.
    fn is_of_this_era(&self, dir: &Dir) -> Result<bool> {
        match record::read::<Commit>(dir, b"commit.json").ok().flatten() {
            Some(commit) if commit.boot == self.boot => Ok(commit.era.is_some() && commit.era == self.era()?),
            _ => Ok(false),
        }
    }

    /// Renames the directory `draft` of `staging` into its place, and says whether it was the first there.
    pub fn commit(&self, staging: &Staging<'_>, draft: &str, kind: Kind, digest: &Digest) -> Result<bool> {
        let tried = || format!("commit {} {digest}", kind.word());
        let commit = Commit::of(self, staging);
        let dir = staging.dir().open_dir(draft.as_bytes()).context(tried)?;
        record::write(staging, &dir, "commit.json", &commit, record::Durability::ThisBoot).context(tried)?;
        let shelf = layout::private_dir(self.shelf(kind), digest.algorithm().as_str()).context(tried)?;
        match staging.dir().rename_new(draft.as_bytes(), &shelf, digest.hex().as_bytes()) {
            Err(error) if matches!(error.errno(), Errno::EEXIST | Errno::ENOTEMPTY) => Ok(false),
            result => result.context(tried).map(|()| true),
        }
    }

    /// Takes a directory of an earlier boot or era out of the way, unless it was replaced or named meanwhile, or a view of
    /// this boot may show it.
    pub fn discard_stale(&self, staging: &Staging<'_>, kind: Kind, digest: &Digest) -> Result<()> {
        let _lock = self.lock_exclusive()?;
        let views = self.views()?;
        let shown = |view: &ViewRecord| items_of_stack(&view.stack).contains(&Item::Dir(kind, digest.clone()));
        if views.iter().filter_map(View::record).any(|view| view.boot == self.boot && shown(view)) {
            return Ok(());
        }
        match self.find(kind, digest, &self.named()?)? {
            Found::Stale => self.take(staging, &Item::Dir(kind, digest.clone())).map(drop),
            Found::Usable(_) | Found::Missing => Ok(()),
        }
    }

    /// What durable records name, those of the images and of the writable views; and what was good when a read-only
    /// view of this boot and era was mounted.
    pub fn named(&self) -> Result<Keep> {
        let views = self.views()?;
        let era = self.era()?;
        let is_now = |view: &ViewRecord| view.boot == self.boot && view.era.is_some() && view.era == era;
        let counts = |view: &&ViewRecord| view.access == Access::Writable || is_now(view);
        let views = views.iter().filter_map(View::record).filter(counts);
        Ok(Keep::named(&self.catalog()?.images, views))
    }

    /// Everything that is named by a digest.
    pub(super) fn all_items(&self) -> Result<BTreeSet<Item>> {
        let mut items = BTreeSet::new();
        let kinds = [Kind::Layer, Kind::Correction, Kind::Merged].map(Some);
        for kind in kinds.into_iter().chain([None]) {
            let shelf = kind.map_or(&self.blobs, |kind| self.shelf(kind));
            for algorithm in layout::algorithms() {
                let entries = match shelf.open_dir(algorithm.as_bytes()) {
                    Err(error) if error.errno() == Errno::ENOENT => continue,
                    result => result?.entries()?,
                };
                let names = entries.iter().map(|entry| String::from_utf8_lossy(&entry.name));
                let digests = names.filter_map(|name| format!("{algorithm}:{name}").parse::<Digest>().ok());
                items.extend(digests.map(|digest| match kind {
                    Some(kind) => Item::Dir(kind, digest),
                    None => Item::Blob(digest),
                }));
            }
        }
        Ok(items)
    }

    /// The folder that has an item, and its name below that.
    pub(super) fn place<'i>(&self, item: &'i Item) -> (&Dir, &'i Digest) {
        match item {
            Item::Dir(kind, digest) => (self.shelf(*kind), digest),
            Item::Blob(digest) => (&self.blobs, digest),
        }
    }

    /// Renames an item into staging, and says whether it was there. The caller holds the exclusive store lock.
    pub(super) fn take(&self, staging: &Staging<'_>, item: &Item) -> Result<bool> {
        let (shelf, digest) = self.place(item);
        let tried = || format!("take {item} away");
        let shelf = match shelf.open_dir(digest.algorithm().as_str().as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => return Ok(false),
            result => result.context(tried)?,
        };
        let name = staging.fresh_name(TAKEN);
        match shelf.rename(digest.hex().as_bytes(), staging.dir(), name.as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(false),
            result => result.context(tried).map(|()| true),
        }
    }
}
