//! Where an archive goes: a file that is there when it is complete, or something that bytes are simply written to.

use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal as _, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::errno::escape;

/// The place of one archive. Dropped before it is finished, it leaves nothing.
pub(super) enum Place<'a> {
    /// A file beside the one that it will replace, for nobody else to read: so Docker leaves it too.
    Beside {
        /// The file that is written.
        draft: NamedTempFile,
        /// What it will be called.
        path: PathBuf,
    },
    /// A device or a pipe.
    Device {
        /// It.
        file: File,
        /// How it was named.
        path: PathBuf,
    },
    /// The caller's.
    Stream(&'a mut dyn Write),
}

impl Place<'_> {
    /// Makes ready to write what will be at this path.
    ///
    /// # Errors
    /// `Failed` for a directory, a path in none, and a terminal.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = show(path);
        let bad = |why: &str| Err(Error::new(ErrorKind::Failed, format!("invalid output path: `{shown}`{why}")));
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return bad(" is a directory"),
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(path).context(|| format!("open {shown}"))?;
                if file.is_terminal() {
                    return Err(refuse_terminal());
                }
                return Ok(Self::Device { file, path: path.to_owned() });
            }
            _ => {}
        }
        // A link stays a link: what it leads to is replaced.
        let path = match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => {
                fs::canonicalize(path).map_err(|error| Error::new(ErrorKind::Failed, format!("{shown}: {error}")))?
            }
            _ => path.to_owned(),
        };
        let (Some(_), Some(parent)) = (path.file_name(), path.parent()) else { return bad(" is no name of a file") };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if !parent.is_dir() {
            let parent = show(parent);
            let message = format!("invalid output path: directory `{parent}` does not exist");
            return Err(Error::new(ErrorKind::Failed, message));
        }
        let draft = tempfile::Builder::new().prefix(".rootlay-save-").tempfile_in(parent);
        let draft = draft.context(|| format!("create a file beside {shown}"))?;
        Ok(Self::Beside { draft, path })
    }

    /// What takes the bytes.
    pub(super) fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Beside { draft, .. } => draft.as_file_mut(),
            Self::Device { file, .. } => file,
            Self::Stream(stream) => *stream,
        }
    }

    /// What it is called in messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Beside { path, .. } | Self::Device { path, .. } => show(path),
            Self::Stream(_) => "a stream".to_owned(),
        }
    }

    /// Gives a complete file its name, once its bytes are on disk.
    pub(super) fn finish(self) -> Result<()> {
        if let Self::Beside { draft, path } = self {
            draft.as_file().sync_all()?;
            draft.persist(&path).map_err(|error| error.error)?;
        }
        Ok(())
    }
}

/// Docker's words.
fn refuse_terminal() -> Error {
    let message = "cowardly refusing to save to a terminal. Use the -o flag or redirect";
    Error::new(ErrorKind::Failed, message)
}

fn show(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn save(path: &Path, content: &[u8]) -> Result<()> {
        let mut place = Place::open(path)?;
        place.writer().write_all(content)?;
        place.finish()
    }

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_file_is_replaced_when_it_is_complete() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.tar");
        fs::write(&path, "old").unwrap();
        let mut place = Place::open(&path).unwrap();
        place.writer().write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(place);
        assert_eq!((fs::read(&path).unwrap(), entries(temp.path())), (b"old".to_vec(), 1));
        save(&path, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), entries(temp.path())), (b"new".to_vec(), 1));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_link_stays_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let (path, link) = (temp.path().join("a.tar"), temp.path().join("link"));
        fs::write(&path, "old").unwrap();
        symlink("a.tar", &link).unwrap();
        save(&link, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_file(&path).unwrap();
        assert_eq!(save(&link, b"new").unwrap_err().kind(), ErrorKind::Failed);
    }

    #[test]
    fn what_cannot_hold_an_archive_is_refused_at_once() {
        let temp = tempfile::tempdir().unwrap();
        for (path, words) in [
            (temp.path().to_owned(), "is a directory"),
            (temp.path().join("none/a.tar"), "none` does not exist"),
            (PathBuf::from(""), "is no name of a file"),
        ] {
            let error = save(&path, b"").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed);
            assert!(error.to_string().contains(words), "{error}");
        }
        save(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
