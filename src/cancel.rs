//! Cancellation: a flag that a signal handler may set and that long work looks at.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// A shared flag that stops long work at its next safe point. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    signal: AtomicI32,
    /// How many [`Held`] there are.
    held: Mutex<usize>,
    released: Condvar,
}

/// Keeps the process from being ended between two safe points ([`Cancel::wait`]) until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Held(Arc<Shared>);

impl Cancel {
    /// A flag that nobody has raised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop because of `signal` (a signal number above 0). Async-signal-safe.
    pub fn raise(&self, signal: i32) {
        self.0.signal.store(signal, Ordering::SeqCst);
    }

    /// Returns `Err` of kind [`ErrorKind::Interrupted`] once the flag was raised.
    pub fn check(&self) -> Result<()> {
        match self.0.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Error::new(ErrorKind::Interrupted(signal), "interrupted")),
        }
    }

    /// Keeps the process from being ended meanwhile for being slow. May be held several times.
    pub fn hold(&self) -> Held {
        *self.0.count() += 1;
        Held(self.0.clone())
    }

    /// Waits until nobody holds it. Nobody begins to as long as the guard lives: the process may be ended.
    pub fn wait(&self) -> impl Sized {
        self.0.released.wait_while(self.0.count(), |held| *held > 0).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_ends_the_process_waits_until_nobody_holds_it() {
        let cancel = Cancel::new();
        let (one, two) = (cancel.hold(), cancel.hold());
        let (sender, ended) = channel();
        let ender = {
            let cancel = cancel.clone();
            thread::spawn(move || {
                let _end = cancel.wait();
                sender.send(()).unwrap();
            })
        };
        for held in [one, two] {
            assert_eq!(ended.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
            drop(held);
        }
        ended.recv().unwrap();
        ender.join().unwrap();
        drop(cancel.hold());
    }
}
