//! View records, and the directories of the views.
//!
//! Whoever changes a view holds a lock on its directory. The directory is locked before it gets its name, so a view
//! that nobody locks and that was never mounted is the leaving of a dead process.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Store;
use super::layout;
use super::record::{self, Durability};
use super::staging::Staging;
use crate::cancel::Cancel;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::{ChainId, DiffId, Digest};
use crate::sys::dir::Dir;
use crate::sys::errno::escape;
use crate::sys::file_system::device_of;
use crate::sys::lock::{self, Mode};

/// How long a waiter sleeps between two looks at the lock and at its cancellation.
const POLL: Duration = Duration::from_millis(20);

/// Whether a view can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// For inspection.
    ReadOnly,
    /// With an upper directory of its own.
    Writable,
}

/// How far a view got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was never mounted.
    New,
    /// It was mounted once.
    Mounted,
    /// It was detached while somebody used it.
    Detached,
}

/// How a view is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewOptions {
    /// Set-user-ID bits have no effect.
    pub nosuid: bool,
    /// Device nodes have no effect.
    pub nodev: bool,
}

/// A mounted image, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// The view's name, that of its directory.
    pub name: String,
    /// The image as the user named it.
    pub image: String,
    /// The image ID.
    pub image_id: Digest,
    /// The layers, base first.
    pub stack: Vec<DiffId>,
    /// The stack whose merged directory stands for the lowest layers.
    pub merged: Option<ChainId>,
    /// Whether it can be written to.
    pub access: Access,
    /// How it is mounted.
    pub options: ViewOptions,
    /// The directory of the user's that it is mounted on; `None` for its own.
    #[serde(with = "path_bytes")]
    pub target: Option<PathBuf>,
    /// How far it got.
    pub state: State,
    /// The boot that `state` and `device` are of.
    pub boot: String,
    /// The era in which what it shows was found.
    #[serde(default)]
    pub era: Option<String>,
    /// The device number of the overlay.
    pub device: Option<(u32, u32)>,
    /// When it was made.
    pub created: SystemTime,
}

/// One entry of the directory of views.
#[derive(Debug)]
pub struct View {
    /// The name of its directory.
    pub name: String,
    /// When the directory was changed last.
    pub changed: SystemTime,
    /// Its record, or why that cannot be read.
    pub content: Result<ViewRecord>,
}

impl View {
    /// The record, if it can be read.
    pub fn record(&self) -> Option<&ViewRecord> {
        self.content.as_ref().ok()
    }
}

/// The directory of a view, locked: nobody else changes the view while this value lives.
#[derive(Debug)]
pub struct ViewDir {
    name: String,
    dir: Dir,
}

impl ViewDir {
    /// Makes a view of the directory `draft` of `staging`: it has this record, and is locked, but has no name yet.
    pub fn draft(staging: &Staging<'_>, draft: &str, record: &ViewRecord) -> Result<Self> {
        let view = Self { dir: staging.dir().open_dir(draft.as_bytes())?, name: record.name.clone() };
        lock::lock(&as_file(&view.dir)?, Mode::Exclusive, "view")?;
        view.write(staging, record)?;
        Ok(view)
    }

    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The record as it is now.
    pub fn record(&self) -> Result<ViewRecord> {
        read(&self.dir, &self.name)
    }

    /// Whether there is neither a record nor anything that was written: that is how a power cut leaves a read-only view,
    /// whose record is not synced.
    ///
    /// # Errors
    /// What keeps the directory from being read.
    pub fn is_hollow(&self) -> Result<bool> {
        if self.dir.exists(b"upper")? {
            return Ok(false);
        }
        match self.dir.read(b"view.json", layout::FILE_LIMIT) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(true),
            Err(error) => Err(error.into()),
            Ok(content) => Ok(serde_json::from_slice::<ViewRecord>(&content).is_err()),
        }
    }

    /// Replaces the record. That of a writable view is durable when this returns.
    pub fn write(&self, staging: &Staging<'_>, record: &ViewRecord) -> Result<()> {
        record::write(staging, &self.dir, "view.json", record, durability(record))
            .context(|| format!("view {}", record.name))
    }
}

fn read(dir: &Dir, name: &str) -> Result<ViewRecord> {
    match record::read::<ViewRecord>(dir, b"view.json")? {
        Some(record) if record.name == name => Ok(record),
        Some(record) => {
            Err(Error::new(ErrorKind::Failed, format!("it is the record of {}", record.name.escape_debug())))
        }
        None => Err(Error::new(ErrorKind::Failed, "it has no record")),
    }
}

/// The boot ID voids the records of read-only views.
fn durability(record: &ViewRecord) -> Durability {
    match record.access {
        Access::ReadOnly => Durability::ThisBoot,
        Access::Writable => Durability::Synced,
    }
}

/// Checks the name of a view: a letter or a digit, then letters, digits, `_`, `.` and `-`.
pub fn check_view_name(name: &str) -> Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric();
    let fits = name.len() <= 128
        && name.bytes().next().is_some_and(word)
        && name.bytes().all(|byte| word(byte) || matches!(byte, b'_' | b'.' | b'-'));
    if fits {
        return Ok(());
    }
    let message = format!(
        "bad view name `{}`: expected a letter or digit, then letters, digits, `_`, `.` and `-`, at most 128",
        name.escape_debug()
    );
    Err(Error::new(ErrorKind::Usage, message))
}

impl Store {
    /// Reads all view records, sorted by name. One that is unreadable does not keep the others from being read.
    pub fn views(&self) -> Result<Vec<View>> {
        let mut views = Vec::new();
        for entry in self.views.entries()? {
            let name = escape(&entry.name);
            let dir = match self.views.open_dir(&entry.name) {
                // Removed between the listing and now.
                Err(error) if error.errno() == Errno::ENOENT => continue,
                result => result,
            };
            let content = dir
                .map_err(Error::from)
                .and_then(|dir| Ok((changed(&dir)?, read(&dir, &name))))
                .unwrap_or_else(|error| (SystemTime::UNIX_EPOCH, Err(error)));
            if content.1.is_err() && !self.views.exists(&entry.name)? {
                continue;
            }
            views.push(View { name, changed: content.0, content: content.1 });
        }
        views.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(views)
    }

    /// Gives a view that was made of `draft` the name that its record has: one rename, which [`Store::sync_views`] makes
    /// durable.
    ///
    /// # Errors
    /// `Conflict` if the name is taken; the draft is still there then.
    pub fn name_view(&self, staging: &Staging<'_>, draft: &str, view: &ViewDir) -> Result<()> {
        match staging.dir().rename_new(draft.as_bytes(), &self.views, view.name.as_bytes()) {
            Err(error) if matches!(error.errno(), Errno::EEXIST | Errno::ENOTEMPTY) => {
                Err(Error::new(ErrorKind::Conflict, format!("the view name `{}` is taken", view.name)))
            }
            result => result.context(|| format!("create the view {}", view.name)),
        }
    }

    /// Makes the names of views durable.
    pub fn sync_views(&self) -> Result<()> {
        self.views.sync().context(|| "write the names of the views".to_owned())
    }

    /// Whether there is a view of this name, or something else in its place.
    pub fn has_view(&self, name: &str) -> Result<bool> {
        Ok(self.views.exists(name.as_bytes())?)
    }

    /// Replaces the record of a view by one that names what was made for it. It is on the disk already, and nobody takes it
    /// away for another era meanwhile.
    ///
    /// # Errors
    /// `Failed` if another era has begun since `staging` was made.
    pub fn write_trusted(&self, staging: &Staging<'_>, view: &ViewDir, record: &ViewRecord) -> Result<()> {
        let _lock = self.lock_shared()?;
        staging.is_trusted()?;
        view.write(staging, record)
    }

    /// Locks a view if nobody else has it locked; `None` otherwise, and if there is no such view.
    pub fn try_lock_view(&self, name: &str) -> Result<Option<ViewDir>> {
        let dir = match self.views.open_dir(name.as_bytes()) {
            Err(error) if error.errno() == Errno::ENOENT => return Ok(None),
            result => result.context(|| format!("open the view {name}"))?,
        };
        let file = as_file(&dir)?;
        if !lock::try_lock(&file, Mode::Exclusive, "view")? {
            return Ok(None);
        }
        // It may have been removed, and made anew, before it was locked.
        let open = rustix::fs::fstat(&dir).map_err(std::io::Error::from)?;
        match self.views.stat(name.as_bytes()) {
            Ok(stat) if (stat.st_dev, stat.st_ino) == (open.st_dev, open.st_ino) => {
                Ok(Some(ViewDir { name: name.to_owned(), dir }))
            }
            Err(error) if error.errno() != Errno::ENOENT => Err(error.into()),
            _ => Ok(None),
        }
    }

    /// Waits until nobody else changes the view; `None` if there is no such view.
    pub fn lock_view(&self, name: &str, cancel: &Cancel) -> Result<Option<ViewDir>> {
        loop {
            cancel.check()?;
            if let Some(view) = self.try_lock_view(name)? {
                return Ok(Some(view));
            }
            if !self.views.exists(name.as_bytes())? {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Forgets a view with everything that was written to it, and takes away what only the view still named. All
    /// that is deleted when `staging` is dropped.
    pub fn remove_view(&self, staging: &Staging<'_>, view: ViewDir) -> Result<()> {
        let tried = || format!("remove the view {}", view.name);
        let record = view.record().ok();
        let draft = staging.fresh_name("view");
        self.views.rename(view.name.as_bytes(), staging.dir(), draft.as_bytes()).context(tried)?;
        self.views.sync().context(tried)?;
        drop(view);
        match record {
            Some(record) => self.forget_stack(staging, &record.image_id, &record.stack),
            None => Ok(()),
        }
    }

    /// Where a view's own directory for its mount is.
    pub fn merged_path(&self, name: &str) -> PathBuf {
        self.path_in_view(name, "merged")
    }

    /// The device number of what is seen in a view's own directory for its mount.
    pub fn merged_device(&self, name: &str) -> Option<(u32, u32)> {
        let place = self.views.open_path(format!("{name}/merged").as_bytes()).ok()?;
        device_of(place).ok()
    }

    /// Whether a view has a directory of this name.
    pub fn has_part(&self, name: &str, part: &str) -> bool {
        self.views.open_dir(format!("{name}/{part}").as_bytes()).is_ok()
    }

    /// Whether a view may hold what somebody wrote: it has an upper directory, or cannot be looked at.
    pub fn may_hold_writes(&self, name: &str) -> bool {
        let Ok(view) = self.views.open_dir(name.as_bytes()) else { return true };
        view.exists(b"upper").unwrap_or(true)
    }

    /// Where a part of a view is, for reports.
    pub fn path_in_view(&self, name: &str, part: &str) -> PathBuf {
        self.path.join("views").join(name).join(part)
    }
}

/// A directory in the draft of a view.
pub fn part(view: &Dir, name: &str, mode: u32) -> Result<Dir> {
    layout::create_dir(view, name.as_bytes(), mode)
}

/// The lock belongs to the open file that both descriptors share, not to the descriptor.
fn as_file(dir: &Dir) -> Result<File> {
    Ok(File::from(dir.as_fd().try_clone_to_owned()?))
}

fn changed(dir: &Dir) -> Result<SystemTime> {
    Ok(as_file(dir)?.metadata()?.modified()?)
}

/// A path as text where it is text, else as a list of its bytes.
mod path_bytes {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Bytes(Vec<u8>),
    }

    #[expect(clippy::ref_option, reason = "serde passes the field like that")]
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        let form = path.as_ref().map(|path| match path.to_str() {
            Some(text) => Form::Text(text.to_owned()),
            None => Form::Bytes(path.as_os_str().as_bytes().to_vec()),
        });
        form.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Form>::deserialize(deserializer)?.map(|form| match form {
            Form::Text(text) => text.into(),
            Form::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }))
    }
}
