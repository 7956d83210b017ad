//! Replaces a file of the user: whole, and as its owner would have done.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::owner;

/// As many symlinks as the kernel follows.
const MAX_LINKS: usize = 40;

/// Gives a file new content. Readers find the old or the new one. A symlink stays, and the file behind it is replaced.
/// New files and folders are for their owner alone; others but the owner's group lose a file that they could read.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let fail = |error| Error::io(format!("write {}", path.display()), error);
    let target = behind_links(path).map_err(fail)?;
    let dir = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let old = match target.symlink_metadata() {
        Ok(old) if !old.is_file() => {
            return Err(Error::new(ErrorKind::Failed, format!("{} is not a regular file", path.display())));
        }
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(fail(error)),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
    written(dir, old.as_ref(), content, &target).map_err(fail)
}

fn written(dir: &Path, old: Option<&Metadata>, content: &[u8], target: &Path) -> io::Result<()> {
    let mut new = tempfile::Builder::new().prefix(".rootlay-").tempfile_in(dir)?;
    if let Some(old) = old {
        let mine = new.as_file().metadata()?;
        // Under sudo the file is somebody else's, who wants to read it again. If that cannot be had, the login still
        // counts.
        if (old.uid(), old.gid()) != (mine.uid(), mine.gid()) {
            let _ = owner::set_owner(new.as_file().as_fd(), old.uid(), old.gid());
        }
        let mode = 0o600 | old.mode() & 0o660;
        new.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// The place that a name stands for in the end; nothing need be there.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match path.read_link() {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::from(rustix::io::Errno::LOOP))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn new_files_and_folders_are_for_their_owner() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("a/b/config.json");
        replace(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!([mode(&dir.path().join("a")), mode(&dir.path().join("a/b")), mode(&file)], [0o700, 0o700, 0o600]);
        assert_eq!(fs::read_dir(dir.path().join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn an_old_file_stays_with_its_owner_and_group() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("config.json");
        for (before, after) in [(0o644, 0o640), (0o600, 0o600), (0o400, 0o600), (0o4777, 0o660)] {
            fs::write(&file, "old").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(before)).unwrap();
            replace(&file, b"new").unwrap();
            assert_eq!((mode(&file), fs::read(&file).unwrap().as_slice()), (after, &b"new"[..]));
        }
    }

    #[test]
    fn a_symlink_stays_and_its_target_is_replaced() {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("dotfiles")).unwrap();
        symlink("dotfiles/link", path("config.json")).unwrap();
        symlink("real.json", path("dotfiles/link")).unwrap();
        for content in ["first", "second"] {
            replace(&path("config.json"), content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(path("dotfiles/real.json")).unwrap(), content);
        }
        assert!(path("config.json").is_symlink() && path("dotfiles/link").is_symlink());

        symlink("loop", path("loop")).unwrap();
        assert_eq!(replace(&path("loop"), b"").unwrap_err().to_string(), format!("write {}", path("loop").display()));
    }

    #[test]
    fn what_is_no_file_stays() {
        let dir = TempDir::new().unwrap();
        let error = replace(dir.path(), b"").unwrap_err().to_string();
        assert_eq!(error, format!("{} is not a regular file", dir.path().display()));
    }
}
