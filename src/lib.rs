//! Container images on disk as `OverlayFS` root filesystems, without a daemon.
//!
//! The use cases are in [`ops`]. Layers of the code, lowest first; a module names only lower ranks, which
//! `tests/architecture.rs` checks:
//!
//! | rank | modules |
//! |---|---|
//! | 0 | [`error`], [`cancel`], [`progress`] |
//! | 1 | `compression`, [`oci`], `sys` |
//! | 2 | `content`, `layer`, `mount`, `source` |
//! | 3 | `store` |
//! | 4 | [`ops`] |

pub mod cancel;
pub mod error;
pub mod oci;
pub mod ops;
pub mod progress;

mod chunks;
mod compression;
mod content;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod hashing;
mod layer;
mod mount;
mod source;
mod store;
mod sys;

pub use error::{Error, ErrorKind, Result};
