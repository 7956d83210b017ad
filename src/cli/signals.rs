//! SIGINT and SIGTERM: the first asks the work to stop at its next safe point, the second ends the process. SIGXFSZ does
//! nothing: the write that was too long is an error.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rootlay::cancel::Cancel;
use rootlay::ops::Privileges;
use rootlay::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::failure::by_signal;

/// How long the work may take to reach a safe point. It may hang in a read of an idle pipe, or of a dead disk; what is
/// on disk then is what a crash would leave, and that is always a valid state.
const GRACE: Duration = Duration::from_secs(5);

/// Raises `cancel` when a signal arrives.
///
/// # Errors
/// Where the handlers cannot be installed.
pub fn watch(cancel: &Cancel) -> Result<()> {
    let fail = |error| Error::io("install the signal handlers", error);
    // By default a file above the limit of `setrlimit(2)` ends the process. With any handler the write fails with EFBIG.
    flag::register(SIGXFSZ, Arc::default()).map_err(fail)?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(fail)?;
    let cancel = cancel.clone();
    let watcher = move || {
        // It only raises the flag, and ends the process.
        let _ = Privileges::NONE.drop_others();
        let mut first = None;
        for signal in signals.forever() {
            if first.is_some() {
                low_level::exit(by_signal(signal).into());
            }
            first = Some(signal);
            cancel.raise(signal);
            // Without the thread the work has all the time it wants, until the second signal.
            let cancel = cancel.clone();
            let _ = thread::Builder::new().spawn(move || {
                thread::sleep(GRACE);
                // Who is killed while asking whether the disk has everything takes it from everybody.
                let _end = cancel.wait();
                low_level::exit(by_signal(signal).into());
            });
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watcher)
        .map_err(|error| Error::io("start a thread", error))?;
    Ok(())
}
