//! Files of a source by their path within it: a directory on disk or the members of a tar.

use std::fmt::Debug;
use std::io::Read;

use nix::errno::Errno;

use crate::error::{Context, Error, Result};
use crate::oci::MAX_DOCUMENT;
use crate::sys::dir::Dir;
use crate::sys::errno::{SysError, escape};

/// A file that was found: its size and its bytes.
pub(super) struct Found {
    /// How many bytes there should be.
    pub size: u64,
    /// The bytes.
    pub content: Box<dyn Read + Send>,
}

/// A read-only tree of files.
pub(super) trait Files: Debug + Send + Sync {
    /// Opens a regular file; `None` if there is none of that name.
    fn find(&self, path: &str) -> Result<Option<Found>>;

    /// The whole content of a JSON document.
    ///
    /// # Errors
    /// Refused above 8 MiB.
    fn document(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let Some(found) = self.find(path)? else {
            return Ok(None);
        };
        let name = escape(path.as_bytes());
        if found.size > MAX_DOCUMENT {
            return Err(Error::refused(format!("{name} has {} bytes, the limit is {MAX_DOCUMENT}", found.size)));
        }
        let mut bytes = Vec::new();
        found.content.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).context(|| format!("read {name}"))?;
        Ok(Some(bytes))
    }
}

/// The files below a directory. Symlinks are not followed: they could lead anywhere.
#[derive(Debug)]
pub(super) struct DirFiles(pub(super) Dir);

impl Files for DirFiles {
    fn find(&self, path: &str) -> Result<Option<Found>> {
        let name = escape(path.as_bytes());
        let file = match self.0.open_file(path.as_bytes()) {
            Ok(file) => file,
            Err(error) if error.errno() == Errno::ENOENT => return Ok(None),
            Err(error) if error.is_not_a_file() => {
                return Err(Error::refused(format!("{name} is not a regular file")));
            }
            Err(error) if matches!(error.errno(), Errno::ELOOP | Errno::EXDEV | Errno::ENOTDIR) => {
                return Err(Error::refused(format!("{name} is or lies below a symlink, which is not followed")));
            }
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata().map_err(|error| SysError::from_io("fstat", path.as_bytes(), &error))?;
        Ok(Some(Found { size: metadata.len(), content: Box::new(file) }))
    }
}
