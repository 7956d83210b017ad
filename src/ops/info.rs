//! Info: the state root, what is in it, and what the kernel and the file system offer.

use std::path::PathBuf;

use super::Rootlay;
use super::liveness::Live;
use crate::error::Result;
use crate::mount;
use crate::store::{Kind, View};

/// A feature of the kernel or of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// What it is called.
    pub name: String,
    /// Whether it is there; `None` where that cannot be found out.
    pub available: Option<bool>,
}

/// The state root and its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Where the state root is.
    pub root: PathBuf,
    /// The version of this program.
    pub version: &'static str,
    /// How many images there are, unreadable records counted.
    pub images: usize,
    /// How many layers are unpacked.
    pub layers: usize,
    /// How many views there are.
    pub views: usize,
    /// How many of the views are mounted.
    pub mounted: usize,
    /// The type of the file system of the state root.
    pub file_system: String,
    /// What the kernel offers for overlay mounts.
    pub kernel: Vec<Feature>,
    /// What the file system of the state root can hold.
    pub storage: Vec<Feature>,
}

impl Rootlay {
    /// Looks at the state root, the kernel and the file system.
    pub fn info(&self) -> Result<Info> {
        let catalog = self.store.catalog()?;
        let views = self.store.views()?;
        let live = Live::now()?;
        let mounted =
            views.iter().filter_map(View::record).filter(|record| !live.mounts(&self.store, record).is_empty()).count();
        let staging = self.store.stage()?;
        let support = mount::explain(staging.dir())?;
        let feature = |name: &str, available| Feature { name: name.to_owned(), available };
        let file_system = support.file_system;
        Ok(Info {
            root: self.store.path().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            images: catalog.images.len() + catalog.unreadable.len(),
            layers: self.store.committed(Kind::Layer)?.len(),
            views: views.len(),
            mounted,
            file_system: file_system.fs_type,
            kernel: support.kernel.iter().map(|found| feature(found.name, found.available)).collect(),
            storage: vec![
                feature("directory entries with types", Some(file_system.ability.entry_types)),
                feature("trusted attributes", Some(file_system.ability.trusted_xattrs)),
                feature("whiteouts", Some(file_system.ability.whiteouts)),
                feature("names with case", Some(!file_system.folds_case)),
                feature("upper directories", Some(!file_system.overlay)),
            ],
        })
    }
}
