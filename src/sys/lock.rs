//! Advisory locks on whole files (`flock(2)`): they belong to the open file and go with the process.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::errno::{SysError, SysResult};

/// How a file is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Many holders.
    Shared,
    /// One holder.
    Exclusive,
}

/// Waits for the lock. It is held until the file is closed.
pub fn lock(file: &File, mode: Mode, label: &str) -> SysResult<()> {
    let operation = match mode {
        Mode::Shared => FlockOperation::LockShared,
        Mode::Exclusive => FlockOperation::LockExclusive,
    };
    loop {
        match flock(file, operation) {
            Err(Errno::INTR) => {}
            result => return result.map_err(|errno| SysError::new("flock", label.as_bytes(), errno)),
        }
    }
}

/// Takes the lock only if nobody holds it; `false` when somebody does.
pub fn try_lock(file: &File, mode: Mode, label: &str) -> SysResult<bool> {
    let operation = match mode {
        Mode::Shared => FlockOperation::NonBlockingLockShared,
        Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(SysError::new("flock", label.as_bytes(), errno)),
    }
}
