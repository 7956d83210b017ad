//! The blobs that are here: `<algorithm>/<hex>` below one directory.

use std::fs::File;
use std::io::Read;

use nix::errno::Errno;
use rustix::fs::FileType;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::{Algorithm, Digest};
use crate::sys::dir::Dir;
use crate::sys::errno::SysError;

/// A directory of blobs, each named by its digest.
#[derive(Debug)]
pub struct ContentStore {
    blobs: Dir,
}

impl ContentStore {
    /// The store in this directory (`blobs` of the state root).
    pub fn new(blobs: Dir) -> Self {
        Self { blobs }
    }

    /// The size of a blob, `None` if it is not here.
    pub fn size_of(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.directory(digest.algorithm())? {
            Some(directory) => size_in(&directory, digest),
            None => Ok(None),
        }
    }

    /// Opens a blob. What is read is not verified again.
    ///
    /// # Errors
    /// `NotFound` naming the digest, if the blob is not here.
    pub fn open(&self, digest: &Digest) -> Result<File> {
        match self.blobs.open_file(path(digest).as_bytes()) {
            Ok(file) => Ok(file),
            Err(error) if error.errno() == Errno::ENOENT => Err(missing(digest)),
            Err(error) => Err(error).context(|| format!("blob {digest}")),
        }
    }

    /// Reads a whole blob and verifies it.
    ///
    /// # Errors
    /// `NotFound` naming the digest; refused, if the blob is larger than `limit` or does not match its digest.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let file = self.open(digest)?;
        let size = file.metadata().map_or(0, |metadata| metadata.len().min(limit));
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        file.take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|error| SysError::from_io("read", path(digest).as_bytes(), &error))?;
        if content.len() as u64 > limit {
            return Err(Error::refused(format!("blob {digest} has more than {limit} bytes")));
        }
        let mut hasher = digest.algorithm().hasher();
        hasher.update(&content);
        let got = hasher.finish();
        if got != *digest {
            return Err(Error::refused(format!("blob {digest} is damaged: its content has the digest {got}")));
        }
        Ok(content)
    }

    /// Removes a blob that turned out to be damaged. One that is gone already is success.
    pub fn remove_damaged(&self, digest: &Digest) -> Result<()> {
        match self.directory(digest.algorithm())? {
            Some(directory) => {
                directory.remove_tree(digest.hex().as_bytes()).context(|| format!("remove blob {digest}"))
            }
            None => Ok(()),
        }
    }

    /// The digests of all blobs, sorted. Other names are ignored.
    #[cfg(test)]
    pub fn list(&self) -> Result<Vec<Digest>> {
        let mut all = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let Some(directory) = self.directory(algorithm)? else {
                continue;
            };
            for entry in directory.entries()? {
                let hex = String::from_utf8_lossy(&entry.name);
                if let Ok(digest) = format!("{}:{hex}", algorithm.as_str()).parse() {
                    all.push(digest);
                }
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Whether what has the name of a blob is certainly something else: that it cannot be read is no proof.
    ///
    /// # Errors
    /// What keeps it from being found out.
    pub fn is_damaged(&self, digest: &Digest) -> Result<bool> {
        let Some(directory) = self.directory(digest.algorithm())? else { return Ok(false) };
        let stat = directory.stat(digest.hex().as_bytes())?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(true);
        }
        Ok(!is_right(&directory, digest).context(|| format!("read blob {digest}"))?)
    }

    /// Gives a verified file that is on the disk its name. A whole blob that is here already stays.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn adopt(&self, from: &Dir, name: &[u8], digest: &Digest, size: u64) -> Result<()> {
        let tried = || format!("store blob {digest}");
        let directory = self.blobs.create_dirs(digest.algorithm().as_str().as_bytes(), 0o755).context(tried)?;
        match from.rename_new(name, &directory, digest.hex().as_bytes()) {
            Err(error) if error.errno() == Errno::EEXIST => {}
            result => return result.context(tried),
        }
        match size_in(&directory, digest) {
            Ok(Some(found)) if found == size && is_right(&directory, digest).unwrap_or(false) => {
                from.remove_file(name).context(tried)
            }
            // Damage: another size or other content, or no file at all.
            _ => replace(from, name, &directory, digest).context(tried),
        }
    }

    /// The same, but what is here goes: it is known to be damaged.
    pub(super) fn put(&self, staging: &Dir, name: &[u8], digest: &Digest) -> Result<()> {
        let directory = self.blobs.create_dirs(digest.algorithm().as_str().as_bytes(), 0o755)?;
        replace(staging, name, &directory, digest)?;
        Ok(directory.sync()?)
    }

    fn directory(&self, algorithm: Algorithm) -> Result<Option<Dir>> {
        match self.blobs.open_dir(algorithm.as_str().as_bytes()) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if error.errno() == Errno::ENOENT => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Gives a file of `staging` the name of a blob, whatever has it.
fn replace(staging: &Dir, name: &[u8], directory: &Dir, digest: &Digest) -> Result<()> {
    let blob = digest.hex().as_bytes();
    match staging.rename(name, directory, blob) {
        Err(error) if error.errno() == Errno::EISDIR => {
            directory.remove_tree(blob)?;
            Ok(staging.rename(name, directory, blob)?)
        }
        result => Ok(result?),
    }
}

fn size_in(directory: &Dir, digest: &Digest) -> Result<Option<u64>> {
    let stat = match directory.stat(digest.hex().as_bytes()) {
        Ok(stat) => stat,
        Err(error) if error.errno() == Errno::ENOENT => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::new(ErrorKind::Failed, format!("blob {digest} is not a regular file")));
    }
    Ok(Some(u64::try_from(stat.st_size).unwrap_or_default()))
}

/// Whether the content of a blob has its digest.
fn is_right(directory: &Dir, digest: &Digest) -> std::io::Result<bool> {
    let mut file = directory.open_file(digest.hex().as_bytes()).map_err(std::io::Error::other)?;
    let mut hasher = digest.algorithm().hasher();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish() == *digest),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn path(digest: &Digest) -> String {
    format!("{}/{}", digest.algorithm().as_str(), digest.hex())
}

fn missing(digest: &Digest) -> Error {
    Error::new(ErrorKind::NotFound, format!("blob {digest} is not here"))
}
