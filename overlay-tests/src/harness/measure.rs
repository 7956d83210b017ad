//! How much memory a run of the program took: it is the child of a small process of its own.
//!
//! The kernel counts for a program also what the process held that started it, so the process of a case, with its
//! fixtures in memory, must not be that one.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use nix::sys::resource::{UsageWho, getrusage};

/// Tells a child where it writes what it measured.
const MEASURED: &str = "OVERLAY_TESTS_MEASURED";

/// A run that takes longer is stuck or does something again and again: no case needs a twentieth of it.
const WATCHDOG: Duration = Duration::from_secs(120);

/// A command that runs another one, whose program and arguments are to follow, and measures it.
pub(super) fn command(report: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(super::process::STAGE, "measure").env(MEASURED, report);
    command
}

/// The largest resident memory of a measured run, in bytes.
pub(super) fn read(report: &Path) -> u64 {
    let kibibytes: u64 = fs::read_to_string(report).unwrap().parse().unwrap();
    kibibytes * 1024
}

/// The child's side: runs the program and writes down its memory.
pub(super) fn child() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let report = env::var_os(MEASURED).unwrap();
    let mut command = Command::new(arguments.next().unwrap());
    command.args(arguments).env_remove(super::process::STAGE).env_remove(MEASURED).stdin(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    let end = Instant::now() + WATCHDOG;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("no end after {} s: {command:?}", WATCHDOG.as_secs());
        }
        thread::sleep(Duration::from_millis(2));
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    fs::write(report, usage.max_rss().to_string()).unwrap();
    // A signal shows as what a shell makes of it.
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::from(255), ExitCode::from)
}
