//! Pin: images that no pruning takes.

use super::{Rootlay, images};
use crate::error::Result;
use crate::oci::{Digest, Platform};
use crate::store::Change;

/// Whether an image is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// No.
    No,
    /// Yes.
    Yes,
}

impl Rootlay {
    /// Pins images, or ends that; gives the IDs of what each argument means: of a name, all its platforms.
    ///
    /// # Errors
    /// In the results: [`NotFound`](crate::ErrorKind::NotFound) without such an image.
    pub fn pin(&self, images: &[String], pinned: Pinned) -> Result<Vec<Result<Vec<Digest>>>> {
        let staging = self.store.stage()?;
        let pin = |text: &String| {
            let decide = |catalog: &_| {
                let found = images::resolve(catalog, text, &Platform::host())?;
                let mut change = Change::default();
                for image in found.images.iter().filter(|image| image.pinned != (pinned == Pinned::Yes)) {
                    let mut image = (*image).clone();
                    image.pinned = pinned == Pinned::Yes;
                    change.write.push(image);
                }
                Ok((change, found.images.iter().map(|image| image.id.clone()).collect()))
            };
            self.store.change(&staging, decide).map(|(ids, _)| ids)
        };
        Ok(images.iter().map(pin).collect())
    }
}
