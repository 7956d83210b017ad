//! Regular files: how they are created, and what they get besides their content.

use std::fs::File;
use std::os::fd::AsFd;

use super::metadata::Metadata;
use super::tar::Time;
use super::writer::{XattrSlice, payload, time};
use crate::error::Result;
use crate::sys::dir::Dir;
use crate::sys::owner::{self, Creation, Stored};
use crate::sys::xattr;

/// Creates regular files; several threads may.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// What a new file has without being given it.
    pub creation: Creation,
    /// Receives warnings.
    pub warn: &'a (dyn Fn(&str) + Sync),
}

impl Files<'_> {
    /// Creates an empty regular file, to be filled and then given to [`Files::finish`].
    pub fn create(&self, dir: &Dir, name: &[u8], metadata: &Metadata) -> Result<File> {
        Ok(dir.create_file(name, self.creation.mode(metadata.mode, metadata.uid, metadata.gid))?)
    }

    /// Gives a file everything but its content.
    pub fn finish(&self, file: &File, metadata: &Metadata, xattrs: XattrSlice<'_>, atime: Option<Time>) -> Result<()> {
        let Metadata { mode, uid, gid, mtime } = *metadata;
        if !self.creation.is_owner(uid, gid) {
            owner::set_owner(file.as_fd(), uid, gid)?;
        }
        if !self.creation.keeps_mode(mode, uid, gid) {
            owner::set_mode(file.as_fd(), u32::from(mode))?;
        }
        for (name, value) in xattrs {
            xattr::set_fd(file, name, value).map_err(|error| payload(error, name))?;
        }
        let stored = owner::set_times(file.as_fd(), time(atime.unwrap_or(mtime)), time(mtime))?;
        self.check_time(stored, mtime);
        Ok(())
    }

    /// Warns about a time that the file system could not store.
    pub fn check_time(&self, stored: Stored, mtime: Time) {
        if stored == Stored::Clamped {
            (self.warn)(&format!("modification time {} is clamped by the file system", mtime.seconds));
        }
    }
}
