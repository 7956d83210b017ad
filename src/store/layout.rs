//! The directories and fixed files of the state root.

use std::fs::{File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;

use super::Store;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::Algorithm;
use crate::sys::dir::Dir;

/// The format that this code writes, and the newest that it reads.
const VERSION: u32 = 1;

/// How large a record or another small file of ours may be.
pub const FILE_LIMIT: u64 = 64 << 20;

/// The content of `oci-layout`.
const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The folders below every directory of things that are named by a digest.
pub fn algorithms() -> [&'static str; 2] {
    [Algorithm::Sha256.as_str(), Algorithm::Sha512.as_str()]
}

/// Opens the state root, makes it private, and checks that it is one.
pub fn open_root(path: &Path) -> Result<Dir> {
    let tried = || format!("open the state root {}", path.display());
    let root = match Dir::open(path) {
        Err(error) if error.errno() == Errno::ENOENT => {
            while let Err(error) = std::fs::create_dir_all(path) {
                if error.kind() != std::io::ErrorKind::Interrupted {
                    return Err(error).context(tried);
                }
            }
            Dir::open(path).context(tried)?
        }
        result => result.context(tried)?,
    };
    match root.read(b"version", FILE_LIMIT) {
        Ok(content) => check_version(&content).context(tried)?,
        Err(error) if error.errno() == Errno::ENOENT => {
            // A directory of somebody else must not become private, nor get our files.
            let foreign = root.entries()?.into_iter().find(|entry| !is_ours_before_version(&entry.name));
            // Whoever creates the root at the same time has written the version before anything else.
            if let Some(entry) = foreign.filter(|_| !root.exists(b"version").unwrap_or(false)) {
                let message = format!(
                    "{} is not a state root: it holds {} but no version file",
                    path.display(),
                    crate::sys::errno::escape(&entry.name)
                );
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            set_mode(&root, 0o700).context(tried)?;
            write_version(&root).context(tried)?;
        }
        Err(error) => return Err(Error::from(error).context(tried())),
    }
    // Layers hold setuid programs: nobody but root may reach them by path.
    set_mode(&root, 0o700).context(tried)?;
    Ok(root)
}

/// How the names of directories begin in which something is tried before there is a state root.
pub const PROBE: &str = ".rootlay-probe-";

/// What may be there without a version file: leavings of a creation, or of a trial, that is going on or was cut off.
fn is_ours_before_version(name: &[u8]) -> bool {
    name.starts_with(b".version.") || name.starts_with(PROBE.as_bytes()) || name == b"lost+found"
}

fn check_version(content: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim();
    match text.parse::<u32>() {
        Ok(version) if version <= VERSION => Ok(()),
        Ok(version) => {
            let message =
                format!("expected format {VERSION} or older, got {version}: it was written by a newer rootlay");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        Err(_) => {
            Err(Error::new(ErrorKind::Failed, format!("expected a format number, got `{}`", text.escape_debug())))
        }
    }
}

fn write_version(root: &Dir) -> Result<()> {
    // The root has no staging directory yet. Two creators at once write the same content.
    let name = format!(".version.{}.{:?}", std::process::id(), std::thread::current().id());
    root.remove_tree(name.as_bytes())?;
    root.write_new(name.as_bytes(), 0o600, format!("{VERSION}\n").as_bytes())?.sync_all()?;
    root.rename(name.as_bytes(), root, b"version")?;
    Ok(root.sync()?)
}

/// Sets the mode of a directory, whatever the umask is.
pub fn set_mode(dir: &Dir, mode: u32) -> Result<()> {
    let file = File::from(dir.as_fd().try_clone_to_owned()?);
    let tried = || format!("set the mode of a directory to {mode:o}");
    if file.metadata().context(tried)?.permissions().mode() & 0o7777 != mode {
        file.set_permissions(Permissions::from_mode(mode)).context(tried)?;
    }
    Ok(())
}

/// Creates a directory that only root can enter, if it is missing, and opens it.
pub fn private_dir(parent: &Dir, name: &str) -> Result<Dir> {
    create_dir(parent, name.as_bytes(), 0o700)
}

/// Creates a directory with this mode, if it is missing, and opens it.
pub fn create_dir(parent: &Dir, name: &[u8], mode: u32) -> Result<Dir> {
    match parent.create_dir(name, mode) {
        Err(error) if error.errno() != Errno::EEXIST => return Err(error.into()),
        _ => {}
    }
    let dir = parent.open_dir(name)?;
    set_mode(&dir, mode)?;
    Ok(dir)
}

impl Store {
    /// `oci-layout` (image-layout.md) and a first `index.json`.
    pub(super) fn create_layout_files(&self) -> Result<()> {
        let tried = |name: &str| format!("state root {}: {name}", self.path.display());
        for algorithm in algorithms() {
            private_dir(&self.blobs, algorithm).context(|| tried("blobs"))?;
            private_dir(&self.partial, algorithm).context(|| tried("partial"))?;
        }
        let files: [(&[u8], &[u8]); 2] = [
            (b"oci-layout", OCI_LAYOUT),
            (
                b"index.json",
                br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
            ),
        ];
        for (name, content) in files {
            if !self.root.exists(name)? {
                self.create_layout_file(name, content).context(|| tried(&String::from_utf8_lossy(name)))?;
            }
        }
        Ok(())
    }

    fn create_layout_file(&self, name: &[u8], content: &[u8]) -> Result<()> {
        let staging = self.stage()?;
        let draft = staging.fresh_name("file");
        staging.dir().write_new(draft.as_bytes(), 0o600, content)?.sync_all()?;
        match staging.dir().rename_new(draft.as_bytes(), &self.root, name) {
            Err(error) if error.errno() == Errno::EEXIST => {}
            result => result?,
        }
        Ok(self.root.sync()?)
    }

    /// Why other tools would not take the state root for an OCI layout by its `oci-layout`.
    pub fn broken_layout(&self) -> Option<String> {
        let content = match self.root.read(b"oci-layout", FILE_LIMIT) {
            Ok(content) => content,
            Err(error) => return Some(error.to_string()),
        };
        let parse = |content: &[u8]| serde_json::from_slice::<serde_json::Value>(content);
        match (parse(&content), parse(OCI_LAYOUT)) {
            (Ok(found), Ok(wanted)) if found == wanted => None,
            (Ok(_), _) => Some("expected the version 1.0.0 of image layouts".to_owned()),
            (Err(error), _) => Some(format!("no JSON: {error}")),
        }
    }

    /// Writes `oci-layout` anew.
    pub fn rewrite_layout(&self) -> Result<()> {
        let staging = self.stage()?;
        let draft = staging.fresh_name("file");
        staging.dir().write_new(draft.as_bytes(), 0o600, OCI_LAYOUT)?.sync_all()?;
        super::record::place(&staging, &draft, &self.root, b"oci-layout")?;
        Ok(self.root.sync()?)
    }
}
