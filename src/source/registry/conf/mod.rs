//! `registries.conf` (containers-registries.conf(5)): where the images of a registry really are.
//!
//! Image names stay what the user wrote; only the places that are asked change. Short names are Docker Hub's
//! whatever the file says: search lists and aliases are not read.

mod endpoints;
mod parse;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::oci::MAX_DOCUMENT;

pub use endpoints::Endpoint;

/// Everything that the files say about registries.
#[derive(Debug, Clone, Default)]
pub struct RegistriesConf {
    /// Each prefix once.
    rules: Vec<Rule>,
}

/// One `[[registry]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// Which images it is about: what their names begin with, or `*.` and the end of their host.
    prefix: String,
    /// What stands for the prefix in the place that is asked; `None` if that is the name itself.
    location: Option<String>,
    insecure: bool,
    blocked: bool,
    mirrors: Vec<Mirror>,
    /// Where it stands, for messages.
    file: Arc<Path>,
}

/// Another place with the same images, perhaps not all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirror {
    location: String,
    insecure: bool,
    serves: Serves,
}

/// Which images are asked of a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    All,
    /// Those that are named by digest: a mirror may be late with a tag, but not wrong about a digest.
    Digests,
    Tags,
}

impl RegistriesConf {
    /// Reads the file, and then the drop-ins (`*.conf`) of each folder by name. A table replaces an earlier file's
    /// table of the same prefix as a whole. What does not exist says nothing.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that says nothing sensible.
    pub fn load(main: Option<&Path>, drop_in_dirs: &[PathBuf]) -> Result<Self> {
        let mut conf = Self::default();
        if let Some(main) = main {
            conf.read(main)?;
        }
        for dir in drop_in_dirs {
            for file in drop_ins(dir)? {
                conf.read(&file)?;
            }
        }
        Ok(conf)
    }

    fn read(&mut self, path: &Path) -> Result<()> {
        let rules = match text_of(path)? {
            Some(text) => parse::rules(&text, path)?,
            None => Vec::new(),
        };
        let earlier = std::mem::take(&mut self.rules);
        let kept = earlier.into_iter().filter(|old| rules.iter().all(|new| new.prefix != old.prefix));
        self.rules = kept.collect();
        self.rules.extend(rules);
        Ok(())
    }
}

/// The drop-ins of a folder, by name.
fn drop_ins(dir: &Path) -> Result<Vec<PathBuf>> {
    let fail = |error| Error::io(format!("read the folder {}", dir.display()), error);
    let entries = match std::fs::read_dir(dir) {
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        // Another user's home.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::debug!(target: "rootlay::registry", "{} is passed over: {error}", dir.display());
            return Ok(Vec::new());
        }
        entries => entries.map_err(fail)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        if path.extension() == Some(OsStr::new("conf")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The text of a file, if there is one.
fn text_of(path: &Path) -> Result<Option<String>> {
    let fail = |error| Error::io(format!("read {}", path.display()), error);
    let file = match File::open(path) {
        Err(error) if is_absence(&error) => return Ok(None),
        file => file.map_err(fail)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(bad(path, format!("more than {MAX_DOCUMENT} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| bad(path, "not UTF-8"))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn bad(path: &Path, why: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Failed, format!("{}: {}", path.display(), why.as_ref()))
}

#[cfg(test)]
mod tests;
