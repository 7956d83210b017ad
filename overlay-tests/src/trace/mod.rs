//! Stops a command before a system call that changes the disk: the process is killed there, or the call fails.
//!
//! A seccomp filter hands these calls to the test before they take place (`SECCOMP_RET_USER_NOTIF`, Linux 5.5): the kernel
//! keeps the thread in the call until the test has said what becomes of it. Nothing else of the program is slowed down or
//! interrupted, all its threads are covered, no signal is involved, and an injected error needs nothing that differs by
//! architecture. A process that is killed meanwhile has never made the call.
//!
//! Only calls that concern the state root count, and those that mount; what goes to pipes, say, does not.

mod call;
mod kernel;
mod select;
mod supervisor;
mod table;

pub use call::Call;
pub use select::{exhaustive, select};
pub use supervisor::{Step, Traced, trace};

pub(crate) use kernel::child;
