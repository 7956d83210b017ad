//! The capabilities that each kind of work needs of the process (capabilities(7)).
//!
//! Root without capabilities still owns the state root and can read and write everything of its own in it. What
//! remains is said here, once. Whoever writes uses `CAP_SYS_RESOURCE`: where `cp` as root goes on beyond a quota, or takes
//! blocks that are reserved, no command of ours may say that the disk is full.

use crate::error::{Error, ErrorKind, Result};
use crate::mount::MOUNTER;
use crate::sys::caps::{self, Capability};
use crate::sys::{open_files, owner};

/// What a kind of work cannot do without, and what it makes use of where it is there.
#[derive(Debug, Clone, Copy)]
pub struct Privileges {
    needs: &'static [Capability],
    uses: Uses,
}

#[derive(Debug, Clone, Copy)]
enum Uses {
    These(&'static [Capability]),
    Everything,
}

impl Privileges {
    /// Printing: nothing.
    pub const NONE: Self = Self::of(&[], &[]);

    /// Asking registries: their configuration, credentials and keys may be files of another user, under `sudo` say.
    pub const ASK: Self = Self::of(&[], &[Capability::CAP_DAC_READ_SEARCH]);

    /// Writing files of a user, who may be another one under `sudo`: the file stays with its owner.
    pub const USER_FILES: Self = Self::of(
        &[],
        &[Capability::CAP_CHOWN, Capability::CAP_DAC_OVERRIDE, Capability::CAP_FOWNER, Capability::CAP_SYS_RESOURCE],
    );

    /// Reading and changing records, and reading blobs. Every command that opens the state root also clears away what
    /// dead processes have left, and asks which views are mounted anywhere on the machine.
    pub const RECORDS: Self = Self::of(
        &[],
        &[
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_FOWNER,
            Capability::CAP_SYS_PTRACE,
            Capability::CAP_SYS_RESOURCE,
        ],
    );

    /// Measuring trees, which have directories of any owner and mode.
    pub const MEASURE: Self = Self::of(
        &[Capability::CAP_DAC_OVERRIDE],
        &[Capability::CAP_FOWNER, Capability::CAP_SYS_PTRACE, Capability::CAP_SYS_RESOURCE],
    );

    /// Trying what the kernel and the file system offer.
    pub const PROBE: Self = Self::of(
        &[],
        &[
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_FOWNER,
            Capability::CAP_MKNOD,
            Capability::CAP_SYS_ADMIN,
            Capability::CAP_SYS_PTRACE,
            Capability::CAP_SYS_RESOURCE,
        ],
    );

    /// Trying what works, mounts included: whatever is missing is told.
    pub const EXAMINE: Self = Self { needs: &[], uses: Uses::Everything };

    /// Comparing trees with what was recorded. To see what a file system makes of metadata, files are made in staging.
    pub const CHECK: Self = Self::of(
        &[Capability::CAP_DAC_OVERRIDE, Capability::CAP_SYS_ADMIN],
        &[
            Capability::CAP_CHOWN,
            Capability::CAP_FOWNER,
            Capability::CAP_FSETID,
            Capability::CAP_MKNOD,
            Capability::CAP_SETFCAP,
            Capability::CAP_SYS_PTRACE,
            Capability::CAP_SYS_RESOURCE,
        ],
    );

    /// Removing trees.
    pub const REMOVE: Self = Self::of(
        &[Capability::CAP_DAC_OVERRIDE, Capability::CAP_FOWNER],
        &[Capability::CAP_SYS_PTRACE, Capability::CAP_SYS_RESOURCE],
    );

    /// Unmounting.
    pub const UNMOUNT: Self = Self::of(
        &[Capability::CAP_SYS_ADMIN],
        &[
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_FOWNER,
            Capability::CAP_SYS_PTRACE,
            Capability::CAP_SYS_RESOURCE,
        ],
    );

    /// Unpacking layers: files of any owner and mode, devices, set-id bits, attributes of all classes.
    pub const UNPACK: Self = Self::of(
        &[
            Capability::CAP_CHOWN,
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_FOWNER,
            Capability::CAP_FSETID,
            Capability::CAP_MKNOD,
            Capability::CAP_SETFCAP,
            Capability::CAP_SYS_ADMIN,
        ],
        &[Capability::CAP_SYS_PTRACE, Capability::CAP_SYS_RESOURCE],
    );

    /// Mounting. Nothing is dropped before: overlay does every later access to the layers with the credentials of the
    /// process that mounted it.
    pub const MOUNT: Self = Self { needs: &MOUNTER, uses: Uses::Everything };

    const fn of(needs: &'static [Capability], uses: &'static [Capability]) -> Self {
        Self { needs, uses: Uses::These(uses) }
    }

    /// The names of what the work cannot do without.
    pub fn needed(self) -> Vec<String> {
        self.needs.iter().map(ToString::to_string).collect()
    }

    /// The names of what it makes use of besides, where it has that; `None` for everything.
    pub fn used(self) -> Option<Vec<String>> {
        match self.uses {
            Uses::These(uses) => Some(uses.iter().map(ToString::to_string).collect()),
            Uses::Everything => None,
        }
    }

    /// Drops what the work has no use for, from all sets of the calling thread and of threads that it starts from now
    /// on.
    ///
    /// Work that asks who uses a view looks at other processes. Those that have more than we have let themselves be looked
    /// at only by `CAP_SYS_PTRACE` (`ptrace(2)`): where that is missing nothing is dropped, or a view in use would pass
    /// for one that is not.
    ///
    /// # Errors
    /// [`Permission`](ErrorKind::Permission) where a sandbox forbids it.
    pub fn drop_others(self) -> Result<()> {
        let Uses::These(uses) = self.uses else { return Ok(()) };
        const LOOK: Capability = Capability::CAP_SYS_PTRACE;
        if uses.contains(&LOOK) && !caps::missing(&[LOOK])?.is_empty() {
            return Ok(());
        }
        Ok(caps::keep_only(&[self.needs, uses].concat())?)
    }

    /// The names of what it cannot do without and the calling thread lacks.
    pub(super) fn missing(self) -> Result<Vec<String>> {
        Ok(caps::missing(self.needs)?.iter().map(ToString::to_string).collect())
    }

    /// Checks that the calling thread has what the work needs. For who is not root that includes access to the state
    /// root, which is root's.
    ///
    /// # Errors
    /// [`Permission`](ErrorKind::Permission), with the names of those that are missing.
    pub fn check(self) -> Result<()> {
        let is_root = owner::is_root();
        let mut needs = self.needs.to_vec();
        if !is_root && !needs.contains(&Capability::CAP_DAC_OVERRIDE) {
            needs.push(Capability::CAP_DAC_OVERRIDE);
        }
        match refusal(&caps::missing(&needs)?, is_root) {
            Some(message) => Err(Error::new(ErrorKind::Permission, message)),
            None => Ok(()),
        }
    }
}

fn refusal(missing: &[Capability], is_root: bool) -> Option<String> {
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    match (names.as_slice(), is_root) {
        ([], _) => None,
        (names, false) => Some(format!("rootlay must run as root: missing {}", names.join(", "))),
        ([name], true) => Some(format!("missing capability: {name}")),
        (names, true) => Some(format!("missing capabilities: {}", names.join(", "))),
    }
}

/// Lets the process have as many open files as its hard limit allows: an overlay of 500 layers and many threads that
/// unpack need more than the usual 1,024. Programs that it starts get back what it was started with.
pub fn raise_open_files() {
    open_files::raise();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_in_one_line() {
        let two = [Capability::CAP_SYS_ADMIN, Capability::CAP_MKNOD];
        for (missing, is_root, line) in [
            (&two[..0], true, None),
            (&two[..1], true, Some("missing capability: CAP_SYS_ADMIN")),
            (&two[..], true, Some("missing capabilities: CAP_SYS_ADMIN, CAP_MKNOD")),
            (&two[..], false, Some("rootlay must run as root: missing CAP_SYS_ADMIN, CAP_MKNOD")),
        ] {
            assert_eq!(refusal(missing, is_root).as_deref(), line);
        }
    }

    #[test]
    fn nothing_is_both_needed_and_only_used() {
        use Privileges as P;
        for one in [
            P::NONE,
            P::ASK,
            P::USER_FILES,
            P::RECORDS,
            P::MEASURE,
            P::CHECK,
            P::PROBE,
            P::REMOVE,
            P::UNMOUNT,
            P::UNPACK,
        ] {
            let used = one.used().unwrap();
            assert!(one.needed().iter().all(|needed| !used.contains(needed)), "{one:?}");
        }
        assert!(P::MOUNT.used().is_none());
    }

    #[test]
    fn who_may_mount_may_unpack_unmount_and_remove() {
        for other in [Privileges::UNPACK, Privileges::UNMOUNT, Privileges::REMOVE, Privileges::MEASURE] {
            assert!(other.needs.iter().all(|needed| MOUNTER.contains(needed)), "{other:?}");
        }
    }
}
