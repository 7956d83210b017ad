//! How long work tells what it is doing. The library never prints; a front end implements [`Progress`].

use std::fmt::Debug;

/// One piece of work that is shown on its own: a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// A number that is unique within one operation; tasks are shown in this order.
    pub id: usize,
    /// What is shown in front of the bar, for a layer the first 12 digits of its digest.
    pub label: String,
    /// Bytes of input, where they are known.
    pub total: Option<u64>,
}

/// Where a task stands. The words are Docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Unpacking has begun.
    Extracting,
    /// The layer was here already.
    AlreadyExists,
    /// The layer is unpacked and verified.
    Complete,
}

/// Receives what happens. Every method is called from any thread.
pub trait Progress: Debug + Send + Sync {
    /// A task begins or changes its phase.
    fn phase(&self, task: &Task, phase: Phase);
    /// `bytes` more of the task's input were used.
    fn advance(&self, task: &Task, bytes: u64);
    /// Something that a person should read; not an error.
    fn warning(&self, message: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _task: &Task, _phase: Phase) {}
    fn advance(&self, _task: &Task, _bytes: u64) {}
    fn warning(&self, _message: &str) {}
}
