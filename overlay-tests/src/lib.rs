//! What the privileged suite in `tests/suite` is built from.
//!
//! The program is a black box here: nothing of the `rootlay` crate is named, only its command line. Expected values come
//! from the image-spec and from `docs/layer-semantics.md`, never from what the program printed once.
//!
//! * [`fixture`] writes tar streams, layers, images and archives, honest and lying ones, byte by byte.
//! * [`oracle`] is the image-spec's result of a stack of layers, in memory.
//! * [`tree`] reads a directory tree exactly and says how two of them differ.
//! * [`random`] makes stacks for the property test and shrinks those that fail.
//! * [`docker`] is a Docker engine in the scratch directory, to compare with.
//! * [`registry`] is a test bed for registries: real ones, a token server, and a proxy that does damage.
//! * [`trace`] stops the program before a system call: it is killed there, or the call fails.
//! * [`block`] is a block device that writes down what reaches it, and fails when it is told to.
//! * [`harness`] runs cases in processes and namespaces of their own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "support code of tests: a panic is a failed test"
)]

pub mod block;
pub mod docker;
pub mod fixture;
pub mod harness;
pub mod oracle;
pub mod random;
pub mod registry;
pub mod trace;
pub mod tree;
