//! When an image was used last: the time of an empty file, `used/<alg>/<hex>`.
//!
//! Nothing is synced, and what fails here fails silently: a time that is lost makes an image look older.

use std::time::SystemTime;

use super::Store;
use super::layout;
use crate::error::Result;
use crate::oci::Digest;

impl Store {
    /// Remembers that an image is used now.
    pub fn note_use(&self, image: &Digest) {
        if let Err(error) = self.try_note_use(image) {
            tracing::debug!(%error, "the use of an image is not remembered");
        }
    }

    fn try_note_use(&self, image: &Digest) -> Result<()> {
        let dir = layout::private_dir(&self.used, image.algorithm().as_str())?;
        let file = dir.open_or_create_file(image.hex().as_bytes(), 0o600)?;
        Ok(file.set_modified(SystemTime::now())?)
    }

    /// When an image was used last, if that is known.
    pub fn last_use(&self, image: &Digest) -> Option<SystemTime> {
        let file = self.used.open_file(format!("{}/{}", image.algorithm().as_str(), image.hex()).as_bytes());
        file.ok()?.metadata().ok()?.modified().ok()
    }

    pub(super) fn forget_use(&self, image: &Digest) {
        if let Ok(dir) = self.used.open_dir(image.algorithm().as_str().as_bytes()) {
            // Most images have none.
            let _ = dir.remove_file(image.hex().as_bytes());
        }
    }
}
