//! The capabilities of the calling thread.

use caps::CapSet;
pub use caps::Capability;

use super::errno::{SysError, SysResult};

/// Those of `required` that the calling thread's effective set lacks, in the order given.
pub fn missing(required: &[Capability]) -> SysResult<Vec<Capability>> {
    let effective =
        caps::read(None, CapSet::Effective).map_err(|_| SysError::new("capget", b"self", rustix::io::Errno::PERM))?;
    Ok(required.iter().copied().filter(|capability| !effective.contains(capability)).collect())
}
