//! Cancellation: a flag that a signal handler may set and that long work looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// A shared flag that stops long work at its next safe point. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicI32>);

impl Cancel {
    /// A flag that nobody has raised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop because of `signal` (a signal number above 0). Async-signal-safe.
    pub fn raise(&self, signal: i32) {
        self.0.store(signal, Ordering::SeqCst);
    }

    /// Returns `Err` of kind [`ErrorKind::Interrupted`] once the flag was raised.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Error::new(ErrorKind::Interrupted(signal), "interrupted")),
        }
    }
}
