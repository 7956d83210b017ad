//! Image records: one file per image ID, with the names that the image has.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Store;
use super::layout;
use super::moves;
use super::names;
use super::record;
use super::staging::Staging;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::{Algorithm, DiffId, Digest, Platform, Reference};
use crate::sys::dir::Dir;
use crate::sys::errno::escape;

/// How often somebody who holds no lock begins to read anew.
const MAX_TRIES: u32 = 10;

/// An image as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The digest of its config.
    pub id: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// Its layers, base first.
    pub diff_ids: Vec<DiffId>,
    /// When it was made, as its config says.
    pub created: Option<String>,
    /// The sum of the bytes of its unpacked layers.
    pub size: u64,
    /// The manifests it came with, the newest last; never empty.
    pub manifests: Vec<ManifestRecord>,
    /// Its names. An image without any is dangling.
    pub names: Vec<Name>,
    /// Whether it is kept from being pruned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

/// One manifest of an image. The same image may come with several, which differ in the compression of the layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRecord {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The indexes on the way to it, the one that was asked for first.
    pub indexes: Vec<Digest>,
    /// The blobs of its layers, base first.
    pub layers: Vec<Digest>,
    /// Where it came from, as its source is written.
    pub origin: String,
    /// When it came.
    pub added: String,
}

impl ManifestRecord {
    /// What listings show as the digest: that of the index where there was one.
    pub fn shown_digest(&self) -> &Digest {
        self.indexes.first().unwrap_or(&self.digest)
    }

    /// Whether this digest means this manifest.
    pub fn is(&self, digest: &Digest) -> bool {
        self.digest == *digest || self.indexes.contains(digest)
    }
}

/// A name of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// A tag, or a digest if the user named one.
    pub reference: Reference,
    /// The manifest that the name stands for.
    pub manifest: Digest,
    /// Of two images with one name the one with the greater number has it.
    pub generation: u64,
    /// When the image got the name.
    pub tagged: String,
    /// What the name stood for before, the latest first. It keeps nothing alive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
}

/// An image that lost a name to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The image ID.
    pub image: Digest,
    /// What listings showed as its digest.
    pub digest: Digest,
    /// When the image had got the name.
    pub tagged: String,
}

impl ImageRecord {
    /// Its names alone.
    pub fn references(&self) -> Vec<Reference> {
        self.names.iter().map(|name| name.reference.clone()).collect()
    }

    /// The manifest that a name stands for, otherwise the newest.
    pub fn manifest(&self, name: Option<&Name>) -> Option<&ManifestRecord> {
        name.and_then(|name| self.manifests.iter().find(|manifest| manifest.digest == name.manifest))
            .or_else(|| self.manifests.last())
    }
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The image ID that the file name gives, if it gives one.
    pub id: Option<Digest>,
    /// The path of the file in the state root.
    pub file: String,
    /// Why it cannot be read.
    pub why: String,
}

/// All image records of one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The readable ones, by image ID; a name that two records claim has been given to the later owner.
    pub images: Vec<ImageRecord>,
    /// The others.
    pub unreadable: Vec<Unreadable>,
}

/// An image that is ready to be recorded.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The digest of its config.
    pub id: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// Its layers, base first.
    pub diff_ids: Vec<DiffId>,
    /// When it was made.
    pub created: Option<String>,
    /// The sum of the bytes of its unpacked layers.
    pub size: u64,
    /// The manifest it came with.
    pub manifest: ManifestRecord,
    /// The names it gets. Another image of the same platform loses them.
    pub names: Vec<Reference>,
}

impl Store {
    /// Reads all image records. One that is unreadable does not keep the others from being read.
    ///
    /// A change that is going on, or was cut off, counts as done.
    pub fn catalog(&self) -> Result<Catalog> {
        let mut tries = 0;
        loop {
            let before = self.images_changed()?;
            let catalog = self.read_catalog()?;
            tries += 1;
            // A change may have begun and ended meanwhile. Those who hold the lock are not kept waiting by others.
            if tries == MAX_TRIES || self.images_changed()? == before {
                return Ok(catalog);
            }
        }
    }

    /// Reads the record of one image, with the names that it claims; `None` if there is none that can be read.
    pub fn image(&self, id: &Digest) -> Result<Option<ImageRecord>> {
        if let Some(change) = self.unfinished_change() {
            if change.delete.contains(id) {
                return Ok(None);
            }
            if let Some(record) = change.write.into_iter().find(|record| record.id == *id) {
                return Ok(Some(record));
            }
        }
        let dir = match self.images.open_dir(id.algorithm().as_str().as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => return Ok(None),
            result => result.context(|| "read the image records".to_owned())?,
        };
        let mut catalog = Catalog::default();
        read_image(&dir, id.algorithm(), format!("{}.json", id.hex()).as_bytes(), &mut catalog);
        Ok(catalog.images.pop())
    }

    /// Does something that needs the image: nobody removes its record before that is done.
    ///
    /// # Errors
    /// `NotFound` if the record is gone, or what `act` says.
    pub fn beside_image<T>(&self, id: &Digest, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let _lock = self.lock_shared()?;
        match self.image(id)? {
            Some(_) => act(),
            None => {
                Err(Error::new(ErrorKind::NotFound, format!("No such image: {}: it was removed meanwhile", id.short())))
            }
        }
    }

    fn images_changed(&self) -> Result<(i64, u64)> {
        let stat = self.images.stat(b".")?;
        Ok((stat.st_mtime, stat.st_mtime_nsec))
    }

    fn read_catalog(&self) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let dir = match self.images.open_dir(algorithm.as_str().as_bytes()) {
                Err(error) if error.errno() == Errno::ENOENT => continue,
                result => result.context(|| "read the image records".to_owned())?,
            };
            for entry in dir.entries()? {
                read_image(&dir, algorithm, &entry.name, &mut catalog);
            }
        }
        if let Some(change) = self.unfinished_change() {
            catalog.apply(&change);
        }
        catalog.images.sort_by(|one, other| one.id.cmp(&other.id));
        catalog.unreadable.sort_by(|one, other| one.file.cmp(&other.file));
        names::give_to_latest(&mut catalog.images);
        Ok(catalog)
    }

    /// Records images, all or none, and that they have these names now; of two with one name the later has it. Everything
    /// that they need is durable already ([`Store::sync`]), and nobody takes it away for another era from here on.
    ///
    /// # Errors
    /// `Failed` if another era has begun since `staging` was made.
    pub fn install(&self, staging: &Staging<'_>, images: Vec<Installed>) -> Result<()> {
        let now = super::now();
        let decide = |catalog: &Catalog| {
            staging.is_trusted()?;
            Ok((moves::install(catalog, images, &now), ()))
        };
        self.change(staging, decide).map(drop)
    }

    pub(super) fn image_dir(&self, algorithm: Algorithm) -> Result<Dir> {
        let tried = || "make the folder of the image records".to_owned();
        let exists = self.images.exists(algorithm.as_str().as_bytes())?;
        let dir = layout::private_dir(&self.images, algorithm.as_str()).context(tried)?;
        if !exists {
            self.images.sync().context(tried)?;
        }
        Ok(dir)
    }
}

fn read_image(dir: &Dir, algorithm: Algorithm, name: &[u8], catalog: &mut Catalog) {
    let text = String::from_utf8_lossy(name);
    let id = text.strip_suffix(".json").and_then(|hex| Digest::from_hex(algorithm, hex));
    let why = match record::read::<ImageRecord>(dir, name) {
        Ok(Some(record)) if Some(&record.id) == id.as_ref() && !record.manifests.is_empty() => {
            return catalog.images.push(record);
        }
        // Removed between the listing and now.
        Ok(None) => return,
        Ok(Some(record)) => format!("it is the record of {}", record.id),
        Err(error) => super::why(&error),
    };
    let file = format!("images/{}/{}", algorithm.as_str(), escape(name));
    catalog.unreadable.push(Unreadable { id, file, why });
}
