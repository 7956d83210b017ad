//! Where images come from: OCI layouts, OCI archives, archives of `docker save`, a stream on standard input.
//!
//! A [`Source`] lists its images and opens blobs by descriptor. What it hands out is unverified: [`resolve()`] checks
//! the documents, the ingest of the content store checks the layers. [`select()`] finds the images that a
//! [`SourceSpec`] means, [`resolve()`] follows indexes to the manifest and configuration of one platform.
//!
//! Archives are indexed and read in place, never unpacked: names in them are keys of a table and no paths on disk.

mod archive;
mod docker;
mod files;
mod layout;
mod legacy;
mod names;
mod registry;
mod resolve;
mod select;
mod spec;
mod spool;
mod synthesis;

use std::fmt::Debug;
use std::fs::File;
use std::io::{Cursor, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::{Descriptor, Reference};
use crate::sys::dir::Dir;
use crate::sys::errno::{SysError, escape};

#[cfg(fuzzing)]
pub use registry::fuzzing;
pub use registry::options::{AuthFile, AuthFileKind, Jobs, Proxies, RegistryOptions, Retry, Tls};
pub use registry::secret::Secret;
pub use registry::{Arrived, Destination, Hit, Kept, Outgoing, Registries, RemoteDocument, RemoteManifest, Repository};
pub use resolve::{Resolved, resolve};
pub use select::select;
pub use spec::SourceSpec;

use archive::Archive;
use docker::DockerArchive;
use files::DirFiles;
use layout::Layout;

/// One image that a source offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The full names that the source gives it, without repetition.
    pub names: Vec<Reference>,
    /// A bare tag such as `latest` that the source gives it: a name within the source only.
    pub tag: Option<String>,
    /// Its manifest or index.
    pub descriptor: Descriptor,
}

/// What sort of source it is; decides what a specification without a tag means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory in OCI layout.
    Layout,
    /// A tar of an OCI layout.
    Archive,
    /// A tar of an OCI layout that is an archive of `docker save` as well (Docker 25 and later).
    DockerLayout,
    /// An archive of `docker save`.
    DockerArchive,
    /// A repository of a registry.
    Registry,
}

/// A place with images. Blobs may be opened from several threads at once.
pub trait Source: Debug + Send + Sync {
    /// What sort of source it is.
    fn kind(&self) -> Kind;

    /// All images in it, in its own order.
    fn images(&self) -> Result<Vec<Candidate>>;

    /// Opens the raw bytes of a blob, unverified. Embedded `data` is served from the descriptor.
    ///
    /// # Errors
    /// Refused naming the digest, if the source should have the blob and has not.
    fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>>;

    /// Whether the source has a blob, as far as it can tell without a transfer. An archive may leave out layers that
    /// whoever reads it has (`save --without`).
    fn has_blob(&self, _descriptor: &Descriptor) -> Result<bool> {
        Ok(true)
    }

    /// The blobs of layers, where reading them is a transfer: what came of it is worth keeping.
    fn remote(&self) -> Option<&dyn Remote> {
        None
    }
}

/// Blobs that come over a network, from one of several places.
pub trait Remote: Sync {
    /// How many places have them.
    fn places(&self) -> usize;

    /// The bytes of a blob from `from` on, unverified, but never more than it has. The first `skip` places are passed
    /// over; where one fails the next one is asked.
    fn fetch<'a>(
        &'a self,
        blob: &'a Descriptor,
        from: u64,
        skip: usize,
        waiting: Waiting<'a>,
    ) -> Box<dyn Read + Send + 'a>;
}

/// Who waits for a transfer.
#[derive(Clone, Copy)]
pub struct Waiting<'a> {
    /// Is asked while nothing moves whether to go on.
    pub check: &'a (dyn Fn() -> Result<()> + Sync),
    /// Is told how long it takes to the next attempt after a failure.
    pub retrying: &'a (dyn Fn(Duration) + Sync),
}

impl Debug for Waiting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// Opens a source. `scratch` is a private directory for what must be spooled: standard input, other streams, and
/// the plain form of compressed archives. Nothing with a name stays in it.
///
/// # Errors
/// `NotFound` where there is no such file; refused, naming the file, where it is no source of images or damaged.
pub fn open(spec: &SourceSpec, scratch: &Dir, cancel: &Cancel) -> Result<Box<dyn Source>> {
    match spec {
        SourceSpec::Registry(reference) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("docker://{reference}: a registry is not read here, expected a local image"),
        )),
        SourceSpec::Oci { dir, .. } => open_layout(dir, cancel),
        SourceSpec::OciArchive { file, .. } => {
            let label = label(file);
            let archive = open_archive(file, scratch, cancel)?;
            layout_in(archive, cancel).context(|| format!("oci archive `{label}`"))
        }
        SourceSpec::DockerArchive { file, .. } => {
            let label = label(file);
            let archive = open_archive(file, scratch, cancel)?;
            docker_in(&archive, cancel).context(|| format!("docker archive `{label}`"))
        }
        SourceSpec::Path(path) if path.is_dir() => open_layout(path, cancel),
        SourceSpec::Path(path) => {
            let archive = open_archive(path, scratch, cancel)?;
            recognise(archive, cancel).context(|| format!("archive `{}`", label(path)))
        }
        SourceSpec::Stdin => {
            let stdin = std::io::stdin().as_fd().try_clone_to_owned();
            let stdin = File::from(stdin.map_err(|error| SysError::from_io("dup", b"standard input", &error))?);
            let archive = spool::seekable(stdin, scratch, cancel).and_then(|file| Archive::index(file, cancel));
            archive.and_then(|archive| recognise(archive, cancel)).context(|| "archive on standard input".to_owned())
        }
    }
}

fn open_layout(path: &Path, cancel: &Cancel) -> Result<Box<dyn Source>> {
    let open = |dir| Layout::open(DirFiles(dir), Kind::Layout, cancel);
    let layout = Dir::open(path).map_err(Error::from).and_then(open);
    Ok(Box::new(layout.context(|| format!("oci layout `{}`", label(path)))?))
}

fn open_archive(path: &Path, scratch: &Dir, cancel: &Cancel) -> Result<Archive> {
    let open = || {
        let fail = |error| SysError::from_io("open", path.as_os_str().as_bytes(), &error);
        let file = File::open(path).map_err(fail)?;
        if file.metadata().map_err(fail)?.is_dir() {
            return Err(Error::new(ErrorKind::Failed, "a directory, expected a file"));
        }
        Archive::index(spool::seekable(file, scratch, cancel)?, cancel)
    };
    open().context(|| format!("archive `{}`", label(path)))
}

fn layout_in(archive: Archive, cancel: &Cancel) -> Result<Box<dyn Source>> {
    let kind = if archive.contains(docker::MANIFEST) { Kind::DockerLayout } else { Kind::Archive };
    Ok(Box::new(Layout::open(archive, kind, cancel)?))
}

fn docker_in(archive: &Archive, cancel: &Cancel) -> Result<Box<dyn Source>> {
    Ok(Box::new(DockerArchive::open(archive, cancel)?))
}

/// Tells an archive by its members. One that is both (Docker 25 and later) is taken as OCI: there its manifests
/// are the real ones.
fn recognise(archive: Archive, cancel: &Cancel) -> Result<Box<dyn Source>> {
    if archive.contains(layout::MARK) && archive.contains(layout::INDEX) {
        return layout_in(archive, cancel);
    }
    if archive.contains(docker::MANIFEST) || legacy::is_one(&archive) {
        return docker_in(&archive, cancel);
    }
    let root = ["bin", "etc", "usr"].iter().filter(|name| archive.contains_tree(name)).count() >= 2;
    Err(Error::refused(if root {
        "not an image but a root filesystem: use `import` for it"
    } else {
        "not an image archive: neither oci-layout with index.json nor manifest.json is in it"
    }))
}

fn label(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

/// The embedded content of a descriptor.
fn embedded(descriptor: &Descriptor) -> Option<Box<dyn Read + Send>> {
    descriptor.data.clone().map(|data| Box::new(Cursor::new(data)) as Box<dyn Read + Send>)
}

#[cfg(test)]
mod tests;
