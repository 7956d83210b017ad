//! The capabilities of the calling thread (capabilities(7)): each thread has its own, and begins with those of the
//! thread that started it.

use std::collections::HashSet;

use caps::CapSet;
pub use caps::Capability;

use super::errno::{SysError, SysResult};

/// Those of `required` that the calling thread's effective set lacks, in the order given.
pub fn missing(required: &[Capability]) -> SysResult<Vec<Capability>> {
    let effective = read(CapSet::Effective)?;
    Ok(required.iter().copied().filter(|capability| !effective.contains(capability)).collect())
}

/// Drops all capabilities of the calling thread but these, from its permitted, effective, inheritable and ambient
/// sets. Of the inheritable and ambient ones none stays. The bounding set stays as it is: it says what programs may
/// have that root starts.
pub fn keep_only(kept: &[Capability]) -> SysResult<()> {
    // Before Linux 4.3 there are none.
    let _ = caps::clear(None, CapSet::Ambient);
    write(CapSet::Inheritable, &HashSet::new())?;
    // The effective ones first: the kernel wants them to be permitted at any time.
    for set in [CapSet::Effective, CapSet::Permitted] {
        let left = read(set)?.into_iter().filter(|capability| kept.contains(capability)).collect();
        write(set, &left)?;
    }
    Ok(())
}

/// Drops all capabilities of the calling thread.
pub fn drop_all() -> SysResult<()> {
    keep_only(&[])
}

/// Whether the calling thread has no capability, and none that it could take back.
pub fn holds_none() -> SysResult<bool> {
    Ok(read(CapSet::Permitted)?.is_empty())
}

fn read(set: CapSet) -> SysResult<HashSet<Capability>> {
    caps::read(None, set).map_err(|_| SysError::new("capget", b"self", rustix::io::Errno::PERM))
}

fn write(set: CapSet, to: &HashSet<Capability>) -> SysResult<()> {
    caps::set(None, set, to).map_err(|_| SysError::new("capset", b"self", rustix::io::Errno::PERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_drops_its_own_and_those_that_it_starts_have_no_more() {
        let before = read(CapSet::Effective).unwrap();
        std::thread::spawn(|| {
            keep_only(&[Capability::CAP_CHOWN]).unwrap();
            assert!(read(CapSet::Permitted).unwrap().iter().all(|left| *left == Capability::CAP_CHOWN));
            drop_all().unwrap();
            assert!(holds_none().unwrap());
            assert_eq!(missing(&[Capability::CAP_CHOWN]).unwrap(), [Capability::CAP_CHOWN]);
            assert!(std::thread::spawn(|| holds_none().unwrap()).join().unwrap());
        })
        .join()
        .unwrap();
        assert_eq!(read(CapSet::Effective).unwrap(), before);
    }
}
