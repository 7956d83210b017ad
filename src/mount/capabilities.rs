//! The capabilities that a mounter needs.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::caps::{Capability, missing};

/// Overlay does every later access to the layers with the credentials of the process that mounted it: one missing
/// capability would only show when somebody else opens, changes or deletes a file.
pub const MOUNTER: [Capability; 8] = [
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_CHOWN,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_SETFCAP,
    Capability::CAP_MKNOD,
    Capability::CAP_SYS_ADMIN,
];

/// Checks that the calling thread has all capabilities that a mount needs.
///
/// # Errors
///
/// [`ErrorKind::Permission`], with the names of those that are missing.
pub fn check_capabilities() -> Result<()> {
    let missing = missing(&MOUNTER)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let noun = if names.len() == 1 { "capability" } else { "capabilities" };
    Err(Error::new(ErrorKind::Permission, format!("missing {noun}: {}", names.join(", "))))
}
