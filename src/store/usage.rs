//! What the state root takes on disk: every block counted once, as `du -x` does.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use nix::errno::Errno;
use rustix::fs::{FileType, Stat};

use super::images::{Catalog, ImageRecord};
use super::mark;
use super::shelf::Kind;
use super::staging::Item;
use super::views::ViewRecord;
use super::{Store, layout};
use crate::error::{Context, Result};
use crate::oci::{DiffId, Digest};
use crate::sys::dir::Dir;
use crate::sys::errno::{SysResult, escape};

/// The bytes of a block in `st_blocks`, whatever the blocks of the file system are.
const BLOCK: u64 = 512;

/// Bytes on disk, each in one field only.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Layers, corrections and merged directories, and blobs.
    pub items: BTreeMap<Item, u64>,
    /// Image records, by the image ID.
    pub records: BTreeMap<Digest, u64>,
    /// Views, by name, without what they show.
    pub views: BTreeMap<String, u64>,
    /// Partial downloads.
    pub partial: u64,
    /// The directories that hold all that, locks, and what is unfinished.
    pub rest: u64,
}

/// What all of one kind take together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// How many there are.
    pub count: usize,
    /// How many views need.
    pub active: usize,
    /// The bytes of all.
    pub bytes: u64,
    /// The bytes of those that no view needs.
    pub reclaimable: u64,
}

impl Row {
    /// Counts one.
    pub fn add(&mut self, bytes: u64, active: bool) {
        self.count += 1;
        self.bytes += bytes;
        if active {
            self.active += 1;
        } else {
            self.reclaimable += bytes;
        }
    }
}

/// What an image takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageUsage {
    /// What goes when the image goes.
    pub unique: u64,
    /// What other images have as well.
    pub shared: u64,
}

impl Usage {
    /// What each of the images takes.
    pub fn of_images(&self, catalog: &Catalog) -> Vec<ImageUsage> {
        let items: Vec<BTreeSet<Item>> = catalog.images.iter().map(mark::items_of_image).collect();
        let mut users: BTreeMap<&Item, usize> = BTreeMap::new();
        for item in items.iter().flatten() {
            *users.entry(item).or_default() += 1;
        }
        let usage = |(image, items): (&ImageRecord, &BTreeSet<Item>)| {
            let record = self.records.get(&image.id).copied().unwrap_or_default();
            let mut usage = ImageUsage { unique: record, shared: 0 };
            for item in items {
                let bytes = self.items.get(item).copied().unwrap_or_default();
                if users.get(item) == Some(&1) { usage.unique += bytes } else { usage.shared += bytes }
            }
            usage
        };
        catalog.images.iter().zip(&items).map(usage).collect()
    }

    /// What the layers and what was made of them take together, and the blobs, if these images and views are in use.
    pub fn layers_and_blobs<'r>(
        &self,
        images: impl Iterator<Item = &'r ImageRecord>,
        views: impl Iterator<Item = &'r ViewRecord>,
    ) -> [Row; 2] {
        let mut active: BTreeSet<Item> = images.flat_map(mark::items_of_image).collect();
        active.extend(views.flat_map(|view| mark::items_of_stack(&view.stack)));
        let [mut layers, mut blobs] = [Row::default(); 2];
        for (item, &bytes) in &self.items {
            match item {
                Item::Blob(_) => blobs.add(bytes, active.contains(item)),
                Item::Dir(kind, _) => {
                    layers.add(bytes, active.contains(item));
                    if *kind != Kind::Layer {
                        layers.count -= 1;
                        layers.active -= usize::from(active.contains(item));
                    }
                }
            }
        }
        [layers, blobs]
    }

    /// The bytes of an unpacked layer.
    pub fn of_layer(&self, id: &DiffId) -> Option<u64> {
        self.items.get(&Item::Dir(Kind::Layer, id.0.clone())).copied()
    }
}

impl Store {
    /// Looks at every file of the state root.
    pub fn usage(&self) -> Result<Usage> {
        let mut meter = Meter { device: stat_of(&self.root)?.st_dev, linked: HashSet::new() };
        let mut usage = Usage::default();
        let dir = |name: &str| -> Result<Option<Dir>> {
            match self.root.open_dir(name.as_bytes()) {
                Err(error) if error.errno() == Errno::ENOENT => Ok(None),
                result => result.map(Some).context(|| format!("measure {name}")),
            }
        };
        usage.rest += meter.own(&self.root)?;
        let apart = ["layers", "corrections", "merged", "blobs", "images", "views", "partial"];
        for entry in self.root.entries()? {
            if !apart.iter().any(|name| name.as_bytes() == entry.name) {
                usage.rest += meter.tree(&self.root, &entry.name)?;
            }
        }
        for folder in ["layers", "corrections", "merged", "blobs", "images"] {
            let Some(shelf) = dir(folder)? else { continue };
            usage.rest += meter.own(&shelf)?;
            for entry in shelf.entries()? {
                let algorithm = escape(&entry.name);
                if !layout::algorithms().contains(&algorithm.as_str()) {
                    usage.rest += meter.tree(&shelf, &entry.name)?;
                    continue;
                }
                let Ok(shelf) = shelf.open_dir(&entry.name) else { continue };
                usage.rest += meter.own(&shelf)?;
                for entry in shelf.entries()? {
                    let bytes = meter.tree(&shelf, &entry.name)?;
                    let name = escape(&entry.name);
                    let hex = name.strip_suffix(".json").filter(|_| folder == "images").unwrap_or(&name);
                    match (format!("{algorithm}:{hex}").parse::<Digest>(), folder) {
                        (Err(_), _) => usage.rest += bytes,
                        (Ok(digest), "images") => drop(usage.records.insert(digest, bytes)),
                        (Ok(digest), folder) => drop(usage.items.insert(item(folder, digest), bytes)),
                    }
                }
            }
        }
        if let Some(views) = dir("views")? {
            usage.rest += meter.own(&views)?;
            for entry in views.entries()? {
                let bytes = meter.tree(&views, &entry.name)?;
                usage.views.insert(escape(&entry.name), bytes);
            }
        }
        usage.partial = meter.tree(&self.root, b"partial")?;
        Ok(usage)
    }
}

fn item(folder: &str, digest: Digest) -> Item {
    match folder {
        "layers" => Item::Dir(Kind::Layer, digest),
        "corrections" => Item::Dir(Kind::Correction, digest),
        "merged" => Item::Dir(Kind::Merged, digest),
        _ => Item::Blob(digest),
    }
}

fn stat_of(dir: &Dir) -> SysResult<Stat> {
    dir.stat(b".")
}

/// Counts blocks; a file with several names once.
struct Meter {
    device: u64,
    linked: HashSet<u64>,
}

impl Meter {
    /// The blocks of a directory alone.
    #[expect(clippy::unused_self, reason = "reads as the other")]
    fn own(&self, dir: &Dir) -> Result<u64> {
        Ok(blocks(&stat_of(dir)?))
    }

    /// A name with everything below it. What another file system shows there is left out.
    fn tree(&mut self, parent: &Dir, name: &[u8]) -> Result<u64> {
        let mut total = 0;
        let mut open: Vec<(Dir, Vec<Vec<u8>>)> = Vec::new();
        let mut next = Some(name.to_vec());
        while let Some(name) = next.take() {
            let here = open.last().map_or(parent, |(dir, _)| dir);
            if let Some((bytes, dir)) = self.one(here, &name).context(|| format!("measure {}", escape(&name)))? {
                total += bytes;
                if let Some(dir) = dir {
                    let names = dir.entries()?.into_iter().map(|entry| entry.name).collect();
                    open.push((dir, names));
                }
            }
            while let Some((_, names)) = open.last_mut() {
                next = names.pop();
                if next.is_some() {
                    break;
                }
                open.pop();
            }
        }
        Ok(total)
    }

    /// One name, opened if it is a directory; `None` for what is gone meanwhile, and for another file system.
    fn one(&mut self, parent: &Dir, name: &[u8]) -> SysResult<Option<(u64, Option<Dir>)>> {
        let stat = match parent.stat(name) {
            Err(error) if error.errno() == Errno::ENOENT => return Ok(None),
            result => result?,
        };
        if stat.st_dev != self.device {
            return Ok(None);
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let again = stat.st_nlink > 1 && !self.linked.insert(stat.st_ino);
            return Ok(Some((if again { 0 } else { blocks(&stat) }, None)));
        }
        match parent.open_dir(name) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(None),
            result => Ok(Some((blocks(&stat), Some(result?)))),
        }
    }
}

fn blocks(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default() * BLOCK
}
