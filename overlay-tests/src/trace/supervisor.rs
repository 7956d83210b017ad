//! Runs a command and decides on each call.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::time::Timespec;

use super::call::Call;
use super::kernel;
use crate::harness::{Output, STAGE};

/// How long the program may go without a call and without an end: more than any work of a test takes.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It takes place.
    Go,
    /// The process is killed, and the call does not take place.
    Kill,
    /// It does not take place, and returns this error.
    Fail(Errno),
}

/// A run that was watched.
#[derive(Debug)]
pub struct Traced {
    /// The calls that counted, in their order.
    pub calls: Vec<Call>,
    /// Whether one of them was answered by something else than [`Step::Go`].
    pub hit: bool,
    /// How the run ended; after a kill the code is -9.
    pub output: Output,
}

/// Runs a command, whose standard input is empty, and asks of each call that concerns the state root `root`, by its number
/// from 0, what becomes of it.
///
/// # Panics
/// If the command hangs.
pub fn trace(command: &Command, root: &Path, decide: &mut dyn FnMut(usize, &Call) -> Step) -> Traced {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut wrapper = wrapper(command);
    wrapper.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = wrapper.spawn().unwrap();
    drop(wrapper);
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let process = pidfd_open(rustix::process::Pid::from_child(&child), PidfdFlags::empty()).unwrap();
    let listener = kernel::receive(&ours);
    let mut calls = Vec::new();
    let mut hit = false;
    loop {
        let mut fds = [PollFd::new(&listener, PollFlags::IN), PollFd::new(&process, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&PATIENCE)).unwrap();
        let (is_called, is_over) = (fds[0].revents(), fds[1].revents());
        if ready == 0 {
            kill(pid, Signal::SIGKILL).unwrap();
            panic!("{command:?} hangs; its last calls: {:?}", &calls[calls.len().saturating_sub(5)..]);
        }
        if is_called.contains(PollFlags::IN) {
            let Some(notice) = kernel::next(&listener) else { continue };
            let step = match Call::of(&notice, root) {
                Some(call) => {
                    let step = decide(calls.len(), &call);
                    calls.push(call);
                    step
                }
                None => Step::Go,
            };
            hit |= step != Step::Go;
            match step {
                Step::Go => kernel::answer(&listener, notice.id, None),
                Step::Fail(error) => kernel::answer(&listener, notice.id, Some(error)),
                Step::Kill => kill(pid, Signal::SIGKILL).unwrap(),
            }
        } else if is_over.contains(PollFlags::IN) {
            break;
        }
    }
    let output = Output::new(format!("{command:?}"), &child.wait_with_output().unwrap());
    Traced { calls, hit, output }
}

/// The same command behind the filter.
fn wrapper(command: &Command) -> Command {
    let mut wrapper = Command::new(std::env::current_exe().unwrap());
    wrapper.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapper.current_dir(dir);
    }
    wrapper.env(STAGE, "trace");
    wrapper
}
