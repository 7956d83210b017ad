//! What counts after the disk failed.
//!
//! An error of write-back is told once, to whoever asks first (`syncfs(2)`), and in memory everything still looks right.
//! So it concerns everything that no record names, whoever made it: a new era begins. What was committed in another
//! era is made again, and whoever found something in it gives up instead of recording it.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;

use super::Store;
use super::layout::FILE_LIMIT;
use crate::error::{Context, Error, ErrorKind, Result};

/// In the directory of the locks: it is of this boot, as they are.
const FILE: &str = "era";

impl Store {
    /// What stands for the time since the last failure.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub(super) fn era(&self) -> Result<String> {
        match self.locks.read(FILE.as_bytes(), FILE_LIMIT) {
            Err(error) if error.errno() == Errno::ENOENT => Ok(String::new()),
            result => Ok(String::from_utf8_lossy(&result.context(|| format!("read locks/{FILE}"))?).into_owned()),
        }
    }

    /// Fails if another era began since `era`: what was found then may not be on the disk.
    ///
    /// # Errors
    /// `Failed` in that case, and what keeps it from being found out.
    pub(super) fn is_still(&self, era: &str) -> Result<()> {
        if self.era()? == era {
            return Ok(());
        }
        let message = format!("the disk of the state root {} failed meanwhile: try again", self.path.display());
        Err(Error::new(ErrorKind::Failed, message))
    }

    /// Begins another era.
    pub(super) fn begin_era(&self) -> Result<()> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let era = format!("{}-{nanos:x}", std::process::id());
        let draft = format!("{FILE}-{era}");
        self.locks.write_new(draft.as_bytes(), 0o600, era.as_bytes())?;
        Ok(self.locks.rename(draft.as_bytes(), &self.locks, FILE.as_bytes())?)
    }
}
