//! Overlays that are mounted only to see whether they work: on a file system that nobody knows, by a kernel that nobody
//! knows. They lie in a mount namespace of their own and are gone with it.

use std::path::Path;

use nix::errno::Errno;
use rustix::fs::FileType;

use super::{Api, OverlayMount, Upper, attach};
use crate::error::{Context, Result};
use crate::sys::dir::Dir;
use crate::sys::namespace::with_own_mounts;
use crate::sys::xattr;

/// What came of it.
#[derive(Debug)]
pub struct Trial {
    /// Whether layers can be mounted.
    pub read_only: Result<()>,
    /// Whether the kernel hides what a layer deletes; `None` where that could not be seen.
    pub hides: Option<bool>,
    /// Whether a view can be written to.
    pub writable: Result<()>,
}

/// Mounts overlays of directories that are made in `place`, an empty directory that the caller removes.
///
/// # Errors
/// It cannot be tried at all.
pub fn try_out(place: &Dir) -> Result<Trial> {
    let tried = || "try an overlay".to_owned();
    for name in ["base", "top", "top/only", "top/only/here", "upper", "work", "merged"] {
        place.create_dir(name.as_bytes(), 0o755).context(tried)?;
    }
    let base = place.open_dir(b"base")?;
    for name in [&b"hidden"[..], b"shown"] {
        base.write_new(name, 0o600, b"").context(tried)?;
    }
    let top = place.open_dir(b"top")?;
    let deletes = delete(&top, b"hidden").and_then(|()| delete(&top.open_dir(NOTHING_BELOW)?, b"hidden")).is_ok();
    let path = place.current_path()?;
    with_own_mounts(|| mount_both(&path, deletes))
}

/// A directory of the upper layer that the lower one does not have, nor what it is in.
const NOTHING_BELOW: &[u8] = b"only/here";

/// A whiteout as layers have them: a device, or where there can be none a file with an attribute; and the marks of its
/// directory.
fn delete(dir: &Dir, name: &[u8]) -> Result<()> {
    xattr::set_fd(dir, b"trusted.overlay.origin", b"")?;
    match dir.make_node(name, FileType::CharacterDevice, 0, 0) {
        Err(error) if error.errno() == Errno::EPERM => {}
        result => return Ok(result?),
    }
    let file = dir.create_file(name, 0)?;
    xattr::set_fd(&file, b"trusted.overlay.whiteout", b"")?;
    Ok(xattr::set_fd(dir, b"trusted.overlay.opaque", b"x")?)
}

/// Only directories that are opened here belong to this mount namespace.
fn mount_both(path: &Path, deletes: bool) -> Trial {
    let open = |name: &str| Dir::open(&path.join(name));
    let overlay = |writable: bool| -> Result<OverlayMount> {
        let upper = if writable { Some(Upper { upper: open("upper")?, work: open("work")? }) } else { None };
        Ok(OverlayMount {
            lowers: vec![open("base")?, open("top")?],
            upper,
            source: "rootlay-probe".to_owned(),
            nosuid: true,
            nodev: true,
            read_only: !writable,
        })
    };
    let merged = path.join("merged");
    let mut hides = None;
    let read_only = overlay(false).and_then(|overlay| attach(&overlay, &open("merged")?, Api::Auto)).and_then(|_| {
        let view = Dir::open(&merged)?;
        let mut seen = view.entries()?;
        if deletes && seen.iter().any(|entry| entry.name == b"shown") {
            seen.extend(view.open_dir(NOTHING_BELOW)?.entries()?);
            hides = Some(seen.iter().all(|entry| entry.name != b"hidden"));
        }
        Ok(())
    });
    let writable = overlay(true).and_then(|overlay| attach(&overlay, &open("merged")?, Api::Auto)).and_then(|_| {
        let view = Dir::open(&merged)?;
        view.write_new(b"written", 0o600, b"x")?;
        Ok(view.remove_file(b"shown")?)
    });
    Trial { read_only, hides: if deletes { hides } else { Some(false) }, writable }
}
