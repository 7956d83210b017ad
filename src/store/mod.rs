//! The state root on disk: the only module that knows its directory names.
//!
//! ```text
//! version                                 format number; a newer one is refused
//! locks/                                  flock files: `store`, `sync`, one per layer being unpacked; `era`, `next-era` ([`era`])
//! oci-layout, index.json, blobs/          the content store, an OCI layout that other tools can read
//! layers/<alg>/<hex>/{diff,layer.json,commit.json}    one unpacked layer, named by its diff ID
//! corrections/<alg>/<hex>/{diff,plan.json,commit.json}    the correction layer of a stack, named by its chain ID
//! merged/<alg>/<hex>/{diff,commit.json}               the lowest layers of a long stack as one directory
//! images/<alg>/<hex>.json                 one record per image ID, with the names of the image
//! images/change.json                      a change of several records, until all of them are written
//! used/<alg>/<hex>                        empty; its time is that of the last use of an image
//! views/<name>/{view.json,upper,work,merged}          mounts
//! partial/<alg>/<hex>                     downloads, complete or not, until the image is recorded; locked while one goes on
//! staging/<unique>/                       everything unfinished, with a `lease` file that its owner keeps locked
//! ```
//!
//! # Crash rule
//! Every visible name appears by one `rename`. Nothing is in `blobs/` that is not on the disk. Directories named by a
//! digest carry the boot and the era in which they were renamed ([`shelf`], [`era`]): until a record names them, they count
//! only in these. A record is written after [`Store::sync_and_name`], and is itself durable before anybody is told of it.
//! Several records change as one ([`change`]).
//!
//! # Garbage collection
//! Roots are the image records, the view records and the leases. [`mark`] turns them into what must stay, a pure
//! function; [`sweep`] renames the rest into staging under the exclusive store lock and deletes it after the lock
//! was released.
//!
//! # Concurrency
//! The store lock is held for milliseconds, never while something is unpacked, downloaded or deleted. Whoever
//! relies on a layer or a blob writes that into the lease first and looks for it afterwards ([`staging`]).

mod change;
mod clock;
mod era;
mod images;
mod index;
mod layout;
mod locks;
mod mark;
mod measure;
mod moves;
mod names;
mod partial;
mod plan;
mod record;
mod remembered;
mod shelf;
mod staging;
mod survey;
mod swap;
mod sweep;
mod usage;
mod uses;
mod views;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cancel::Cancel;
use crate::content::ContentStore;
use crate::error::{Context, Error, Result};
use crate::oci::Digest;
use crate::sys::dir::Dir;

pub use change::{Change, Reach};
pub use clock::{now, text_of};
pub use images::{Catalog, ImageRecord, Installed, ManifestRecord, Name, Unreadable};
pub use layout::PROBE;
pub use locks::LayerLock;
pub use mark::{Keep, chains, items_of_image, items_of_stack};
pub use moves::{tag, untag};
pub use names::{Resolved, ResolvedBy, drop_unused_manifests, same_repository, stored_form};
pub use plan::PlanRecord;
pub use remembered::Remembered;
pub use shelf::{Found, Kind};
pub use staging::{Item, Scratchpad, Staging};
pub use survey::{Leftover, Misplaced};
pub use swap::{Swapped, broken_commit};
pub use sweep::Freed;
pub use usage::Row;
pub use views::{Access, State, View, ViewDir, ViewOptions, ViewRecord, check_view_name, part};

/// The state root. Cheap calls; nothing of it is cached, so that several processes may use one root.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    root: Dir,
    locks: Dir,
    blobs: Dir,
    layers: Dir,
    corrections: Dir,
    merged: Dir,
    images: Dir,
    partial: Dir,
    views: Dir,
    staging: Dir,
    used: Dir,
    content: ContentStore,
    boot: String,
    /// Keeps in memory what says that the era is not over, once it has begun.
    memory: OnceLock<File>,
}

impl Store {
    /// Opens the state root at `path` and creates what is missing of it.
    ///
    /// `boot` identifies the running boot of the machine.
    ///
    /// # Errors
    /// `Unsupported` if the root has a newer format, `Conflict` if the directory is in use for something else.
    pub fn open(path: &Path, boot: &str) -> Result<Self> {
        let root = layout::open_root(path)?;
        let private =
            |name: &str| layout::private_dir(&root, name).context(|| format!("state root {}: {name}", path.display()));
        let blobs = private("blobs")?;
        let content = ContentStore::new(blobs.try_clone()?);
        let store = Self {
            path: root.current_path()?,
            locks: private("locks")?,
            layers: private("layers")?,
            corrections: private("corrections")?,
            merged: private("merged")?,
            images: private("images")?,
            partial: private("partial")?,
            views: private("views")?,
            staging: private("staging")?,
            used: private("used")?,
            boot: boot.to_owned(),
            memory: OnceLock::new(),
            content,
            blobs,
            root,
        };
        store.remembers();
        store.create_layout_files()?;
        store.reap();
        Ok(store)
    }

    /// Where the state root is: absolute, without symlinks.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state root itself.
    pub fn root(&self) -> &Dir {
        &self.root
    }

    /// The blobs.
    pub fn content(&self) -> &ContentStore {
        &self.content
    }

    /// The boot that this store was opened in.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Makes everything durable that was renamed into place so far: one `syncfs` of the file system, then an
    /// `fsync` of every directory that a rename touches. `cancel` ends only the waiting for
    /// others who do the same.
    ///
    /// # Errors
    /// What the kernel says of anything that was not written since this store was opened, by whomever. From then on nothing
    /// that no record names is relied on any more ([`era`]).
    pub fn sync(&self, cancel: &Cancel) -> Result<()> {
        self.sync_and_name(cancel, || Ok(()))
    }

    /// The same; `name` gives names to what must not have them before it is on the disk: to blobs.
    ///
    /// # Errors
    /// As [`Store::sync`], and those of `name`, which say nothing of the disk.
    pub fn sync_and_name(&self, cancel: &Cancel, name: impl FnOnce() -> Result<()>) -> Result<()> {
        let tried = || format!("sync the state root {}", self.path.display());
        let mut named = Ok(());
        self.asking(cancel, || {
            self.root.sync_file_system().context(tried)?;
            match name().and_then(|()| self.renamed_in()) {
                Ok(dirs) => dirs.iter().try_for_each(Dir::sync).context(tried),
                Err(error) => {
                    named = Err(error);
                    Ok(())
                }
            }
        })?;
        named
    }

    /// The directories that a rename touches, from within.
    fn renamed_in(&self) -> Result<Vec<Dir>> {
        let mut dirs = Vec::new();
        for shelf in [&self.blobs, &self.layers, &self.corrections, &self.merged] {
            for algorithm in layout::algorithms() {
                if shelf.exists(algorithm.as_bytes())? {
                    dirs.push(shelf.open_dir(algorithm.as_bytes())?);
                }
            }
            dirs.push(shelf.try_clone()?);
        }
        dirs.push(self.root.try_clone()?);
        Ok(dirs)
    }

    /// The path of something in the state root, for reports.
    pub fn path_of(&self, kind: Kind, digest: &Digest) -> PathBuf {
        self.path.join(kind.folder()).join(digest.algorithm().as_str()).join(digest.hex()).join("diff")
    }
}

/// Why a record cannot be read: what stands behind the error that names it.
fn why(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
