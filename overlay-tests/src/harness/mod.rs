//! Runs cases: each in a process of its own, with its own mount and PID namespaces and its own state root.
//!
//! ```text
//! suite (libtest-mimic, one thread a case)
//!   └─ suite, stage "enter": unshare(NEWNS | NEWPID)
//!        └─ suite, stage "run": PID 1 of the namespace, private mounts, own /proc, tmpfs on the scratch directory, the case
//!             └─ rootlay, tools
//! ```
//! When the case ends in whatever way, PID 1 is gone, the kernel kills what is left, and with the mount namespace go all
//! mounts and loop devices. Only the empty scratch directory is left, which the first process removes.

mod case;
mod context;
mod deny;
mod measure;
mod needs;
mod process;
mod rootlay;
mod row;
mod sandbox;
mod store_listing;

pub use case::Case;
pub use context::Context;
pub use deny::Denied;
pub use needs::{Need, OLD_XFS};
pub(crate) use process::STAGE;
pub use process::run_suite;
pub use rootlay::Output;
pub use row::Row;
pub use store_listing::StoreListing;
