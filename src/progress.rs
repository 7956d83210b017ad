//! How long work tells what it is doing. The library never prints; a front end implements [`Progress`].

use std::fmt::Debug;
use std::time::Duration;

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The layer belongs to an image that is pulled.
    PullingLayer,
    /// It waits for other layers, or for another process that fetches the same one.
    Waiting,
    /// Its bytes are coming; `advance` counts them.
    Downloading,
    /// A transfer failed, and is tried again after this time.
    Retrying(Duration),
    /// All bytes came; size and digest are compared.
    VerifyingChecksum,
    /// The blob is here and right.
    DownloadComplete,
    /// Unpacking has begun, or goes on after the last byte came.
    Extracting,
    /// The layer was here already.
    AlreadyExists,
    /// The layer is unpacked and verified.
    Complete,
    /// The pulled layer is unpacked and verified.
    PullComplete,
    /// The layer belongs to an image that is pushed.
    Preparing,
    /// Its bytes are going; `advance` counts them.
    Pushing,
    /// The registry has it now.
    Pushed,
    /// The registry had it already.
    LayerAlreadyExists,
    /// The registry had it in this other repository of its own.
    MountedFrom(String),
    /// The bytes of a layer go into an archive; `advance` counts them.
    Saving,
    /// The archive has them all.
    Saved,
    /// What is here is compared with what was recorded; `advance` counts the bytes that are read.
    Checking,
    /// That was done.
    Checked,
}

/// Receives what happens. Every method is called from any thread.
pub trait Progress: Debug + Send + Sync {
    /// A task begins or changes its phase.
    fn phase(&self, task: &Task, phase: Phase);
    /// `bytes` more of the task's input were used.
    fn advance(&self, task: &Task, bytes: u64);
    /// `bytes` of the task's input were here before it began, from an earlier attempt.
    fn resumed(&self, task: &Task, bytes: u64);
    /// What the operation as a whole does now, in Docker's words.
    fn status(&self, message: &str);
    /// Something that a person should read; not an error.
    fn warning(&self, message: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _task: &Task, _phase: Phase) {}
    fn advance(&self, _task: &Task, _bytes: u64) {}
    fn resumed(&self, _task: &Task, _bytes: u64) {}
    fn status(&self, _message: &str) {}
    fn warning(&self, _message: &str) {}
}
