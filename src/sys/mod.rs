//! The fence to the kernel: directory handles, extended attributes, mount calls, capabilities.
//!
//! Any `unsafe` and any `libc::` call of the crate lives here. The functions take descriptors and names
//! relative to them, never paths from the top, and fail with an error that reads like a line of strace.

pub mod caps;
pub mod copy;
#[cfg(test)]
pub mod deny;
pub mod dir;
pub mod errno;
pub mod file_system;
pub mod lock;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod open_files;
pub mod owner;
pub mod proc;
mod remove;
pub mod sha256;
pub mod write_back;
pub mod xattr;
