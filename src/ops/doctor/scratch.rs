//! Where things are tried.

use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::store::{PROBE, Scratchpad, Store};
use crate::sys::dir::Dir;

/// A directory that is removed when this is dropped.
pub(super) enum Scratch {
    /// In the staging area of a state root, with a lease: if we are killed, the next command removes it.
    Staged(Scratchpad),
    /// Where there is no state root yet, or one that cannot be opened.
    Beside { dir: Dir, _removed: tempfile::TempDir },
}

impl Scratch {
    pub fn make(root: &Path, nearest: &Path) -> Result<Self> {
        if root.join("version").exists()
            && let Ok(store) = crate::mount::boot_id().and_then(|boot| Store::open(root, &boot))
        {
            return Ok(Self::Staged(store.scratchpad()?));
        }
        let tried = || format!("make a directory in {}", nearest.display());
        let made = tempfile::Builder::new().prefix(PROBE).tempdir_in(nearest).context(tried)?;
        Ok(Self::Beside { dir: Dir::open(made.path())?, _removed: made })
    }

    pub fn dir(&self) -> &Dir {
        match self {
            Self::Staged(pad) => pad.dir(),
            Self::Beside { dir, .. } => dir,
        }
    }
}

/// The directory itself, or the nearest one above that exists.
pub(super) fn nearest(root: &Path) -> PathBuf {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let found = absolute.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    found.to_owned()
}
