//! How many files the process may have open (`RLIMIT_NOFILE`), and what its children get of that.

#![expect(unsafe_code, reason = "a limit of the child alone is set between fork and exec")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits that the process was started with, once it has changed them.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit to the hard one. Without it everything but the largest stacks still works.
pub fn raise() {
    let before = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before }).is_ok() {
        // Only the first call sees what we were started with.
        let _ = BEFORE.set(before);
    }
}

/// How many there may be at most; `None` for any number.
pub fn most() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Gives a child the limits that this process was started with. Programs that use `select(2)`, or close every
/// descriptor that there may be, cannot live with the raised one.
pub fn restore_in(command: &mut Command) {
    let Some(before) = BEFORE.get() else { return };
    let (current, maximum) = (before.current, before.maximum);
    let restore = move || setrlimit(Resource::Nofile, Rlimit { current, maximum }).map_err(io::Error::from);
    // SAFETY: between fork and exec only what is safe in a signal handler is allowed: this is one system call on
    // copied numbers, it neither allocates nor takes a lock.
    unsafe { command.pre_exec(restore) };
}
