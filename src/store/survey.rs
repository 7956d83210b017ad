//! Names in the state root that do not belong there, and what the dead left.

use std::fs::File;

use hashbrown::HashSet;
use nix::errno::Errno;
use rustix::fs::FileType;

use super::Store;
use super::era;
use super::layout;
use super::locks::is_named;
use super::staging::Item;
use super::views::check_view_name;
use crate::error::Result;
use crate::oci::{Algorithm, Digest};
use crate::sys::dir::{Dir, DirEntry};
use crate::sys::errno::{SysError, escape};
use crate::sys::lock::{self, Mode};

/// A file that no version of the format knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misplaced {
    /// Its path in the state root.
    pub file: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Something that nobody needs any more, and that may be removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// A directory in staging whose owner is gone.
    Staging(Vec<u8>),
    /// The lock of a layer that nobody unpacks.
    Lock(Vec<u8>),
    /// A download that nobody goes on with.
    Download(Digest),
    /// The time of use of an image that is not here.
    Use(Digest),
}

impl Leftover {
    /// Its path in the state root.
    pub fn file(&self) -> String {
        match self {
            Self::Staging(name) => format!("staging/{}", escape(name)),
            Self::Lock(name) => format!("locks/{}", escape(name)),
            Self::Download(blob) => format!("partial/{}/{}", blob.algorithm().as_str(), blob.hex()),
            Self::Use(image) => format!("used/{}/{}", image.algorithm().as_str(), image.hex()),
        }
    }
}

const NOT_OURS: &str = "not a file of the state root";
const NOT_A_DIRECTORY: &str = "type: expected a directory, got something else";

/// The entries of a directory; none of one that went, or that is something else.
fn entries(dir: &Dir, name: &[u8]) -> Result<Option<(Dir, Vec<DirEntry>)>> {
    let gone = |error: &SysError| matches!(error.errno(), Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP);
    let listed = dir.open_dir(name).and_then(|below| below.entries().map(|entries| (below, entries)));
    match listed {
        Err(error) if gone(&error) => Ok(None),
        result => Ok(Some(result?)),
    }
}

fn algorithm(name: &[u8]) -> Option<Algorithm> {
    [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|algorithm| algorithm.as_str().as_bytes() == name)
}

fn digest(algorithm: Algorithm, name: &[u8]) -> Option<Digest> {
    std::str::from_utf8(name).ok().and_then(|hex| Digest::from_hex(algorithm, hex))
}

impl Store {
    /// Looks at all names but those in diff directories, in staging, and in what views hold.
    pub fn misplaced(&self) -> Result<Vec<Misplaced>> {
        let mut found = Vec::new();
        let folders =
            ["blobs", "corrections", "images", "layers", "locks", "merged", "partial", "staging", "used", "views"];
        let files: [&[u8]; 4] = [b"version", b"oci-layout", b"index.json", b"lost+found"];
        for entry in self.root.entries()? {
            let known = folders.iter().any(|name| name.as_bytes() == entry.name) || files.contains(&&entry.name[..]);
            if !known {
                found.push(Misplaced { file: escape(&entry.name), problem: NOT_OURS });
            }
        }
        self.by_digest("blobs", &[], &mut found)?;
        self.by_digest("partial", &[], &mut found)?;
        self.by_digest("used", &[], &mut found)?;
        self.by_digest("images", &[], &mut found)?;
        self.by_digest("layers", &[b"diff", b"layer.json", b"commit.json"], &mut found)?;
        self.by_digest("corrections", &[b"diff", b"plan.json", b"commit.json"], &mut found)?;
        self.by_digest("merged", &[b"diff", b"commit.json"], &mut found)?;
        self.misplaced_views(&mut found)?;
        for entry in self.locks.entries()? {
            let known = entry.name == b"store" || era::FILES.contains(&&entry.name[..]);
            if !known && !entry.name.starts_with(b"layer-") {
                found.push(Misplaced { file: format!("locks/{}", escape(&entry.name)), problem: NOT_OURS });
            }
        }
        found.sort();
        Ok(found)
    }

    /// `FOLDER/ALG/HEX`, and for directories what may be in one.
    fn by_digest(&self, folder: &str, inside: &[&[u8]], found: &mut Vec<Misplaced>) -> Result<()> {
        let Some((shelf, algorithms)) = entries(&self.root, folder.as_bytes())? else { return Ok(()) };
        for entry in algorithms {
            let path = format!("{folder}/{}", escape(&entry.name));
            if folder == "images" && entry.name == b"change.json" {
                continue;
            }
            let Some(algorithm) = algorithm(&entry.name) else {
                found.push(Misplaced { file: path, problem: NOT_OURS });
                continue;
            };
            let Some((dir, items)) = entries(&shelf, &entry.name)? else {
                found.push(Misplaced { file: path, problem: NOT_A_DIRECTORY });
                continue;
            };
            // What is no record among the records is told with them: it keeps the others from being pruned.
            for item in items.iter().filter(|_| folder != "images") {
                let path = format!("{path}/{}", escape(&item.name));
                if digest(algorithm, &item.name).is_none() {
                    found.push(Misplaced { file: path, problem: NOT_OURS });
                    continue;
                }
                if inside.is_empty() {
                    continue;
                }
                // One that is no directory is told as what it should be.
                for part in entries(&dir, &item.name)?.map_or_else(Vec::new, |(_, parts)| parts) {
                    let is_kept = folder == "layers" && part.name.starts_with(b"kept-");
                    if !is_kept && !inside.contains(&&part.name[..]) {
                        found.push(Misplaced { file: format!("{path}/{}", escape(&part.name)), problem: NOT_OURS });
                    }
                }
            }
        }
        Ok(())
    }

    fn misplaced_views(&self, found: &mut Vec<Misplaced>) -> Result<()> {
        for entry in self.views.entries()? {
            let path = format!("views/{}", escape(&entry.name));
            let named = std::str::from_utf8(&entry.name).is_ok_and(|name| check_view_name(name).is_ok());
            if !named {
                found.push(Misplaced { file: path, problem: NOT_OURS });
                continue;
            }
            // One that is no directory is told as a broken view.
            for part in entries(&self.views, &entry.name)?.map_or_else(Vec::new, |(_, parts)| parts) {
                let known = [&b"view.json"[..], b"merged", b"upper", b"work"].contains(&&part.name[..]);
                if !known && !part.name.starts_with(b"empty-") {
                    found.push(Misplaced { file: format!("{path}/{}", escape(&part.name)), problem: NOT_OURS });
                }
            }
        }
        Ok(())
    }

    /// What the dead left, except what only the records tell to be unneeded.
    pub fn leftovers(&self) -> Result<Vec<Leftover>> {
        // Who takes a lease holds the store lock until it is locked.
        let _lock = self.lock_exclusive()?;
        let leased = self.leases()?.items;
        let mut found = Vec::new();
        for entry in self.staging.entries()? {
            if is_idle(&self.staging, &entry.name, b"lease")? {
                found.push(Leftover::Staging(entry.name));
            }
        }
        for entry in self.locks.entries()?.iter().filter(|entry| entry.name.starts_with(b"layer-")) {
            if is_idle(&self.locks, &entry.name, b"")? {
                found.push(Leftover::Lock(entry.name.clone()));
            }
        }
        let mut uses = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let folder = algorithm.as_str().as_bytes();
            if let Some((dir, downloads)) = entries(&self.partial, folder)? {
                for entry in downloads {
                    if let Some(blob) = digest(algorithm, &entry.name)
                        && !leased.contains(&Item::Blob(blob.clone()))
                        && is_idle(&dir, &entry.name, b"")?
                    {
                        found.push(Leftover::Download(blob));
                    }
                }
            }
            let files = entries(&self.used, folder)?.map_or_else(Vec::new, |(_, files)| files);
            uses.extend(files.iter().filter_map(|file| Some((digest(algorithm, &file.name)?, file.file_type))));
        }
        // An image is recorded before it is used.
        let catalog = self.catalog()?;
        let unreadable = catalog.unreadable.iter().filter_map(|record| record.id.as_ref());
        let needed: HashSet<&Digest> = catalog.images.iter().map(|record| &record.id).chain(unreadable).collect();
        let unneeded =
            uses.into_iter().filter(|(image, kind)| !needed.contains(image) || *kind != FileType::RegularFile);
        found.extend(unneeded.map(|(image, _)| Leftover::Use(image)));
        Ok(found)
    }

    /// Removes what is left over, and says whether it is gone: somebody may have begun to use it.
    ///
    /// # Errors
    /// What keeps it from being removed.
    pub fn remove_leftover(&self, leftover: &Leftover) -> Result<bool> {
        match leftover {
            Leftover::Staging(name) => {
                let reaped = self.try_reap();
                if self.staging.exists(name)? {
                    return reaped.map(|()| false);
                }
            }
            Leftover::Lock(name) => {
                self.clear_layer_locks()?;
                return Ok(!self.locks.exists(name)?);
            }
            Leftover::Download(blob) => {
                let dir = layout::private_dir(&self.partial, blob.algorithm().as_str())?;
                if is_file(&dir, blob.hex().as_bytes()) {
                    self.cut_partial(blob, 0)?;
                    return Ok(!dir.exists(blob.hex().as_bytes())?);
                }
                dir.remove_tree(blob.hex().as_bytes())?;
            }
            Leftover::Use(image) => {
                let dir = layout::private_dir(&self.used, image.algorithm().as_str())?;
                dir.remove_tree(image.hex().as_bytes())?;
            }
        }
        Ok(true)
    }
}

/// Whether nobody has locked this file, or the lease in this directory.
fn is_idle(dir: &Dir, name: &[u8], lease: &[u8]) -> Result<bool> {
    let path = if lease.is_empty() { name.to_vec() } else { [name, b"/", lease].concat() };
    let file: File = match dir.open_file(&path) {
        Ok(file) => file,
        // Nobody holds a lock on something else.
        Err(error) if matches!(error.errno(), Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EISDIR) => {
            return Ok(dir.exists(name)?);
        }
        Err(error) => return Err(error.into()),
    };
    if !lock::try_lock(&file, Mode::Shared, "leftover")? {
        return Ok(false);
    }
    if lease.is_empty() { is_named(dir, &String::from_utf8_lossy(name), &file) } else { Ok(true) }
}

fn is_file(dir: &Dir, name: &[u8]) -> bool {
    dir.stat(name).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}
