//! What the threads of a process have, as the kernel tells it.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process may take to get where it is looked at. On a busy machine that is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// One thread (`proc_pid_status(5)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    pub id: u32,
    pub name: String,
    /// Inheritable, permitted, effective and ambient capabilities, a bit each.
    pub sets: [u64; 4],
    pub bounding: u64,
    pub no_new_privs: bool,
}

impl Thread {
    pub fn of(process: u32, id: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/task/{id}/status"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("{name} is not in {text}")).trim().to_owned()
        };
        let set = |name| u64::from_str_radix(&field(name), 16).unwrap();
        Ok(Self {
            id,
            name: field("Name"),
            sets: ["CapInh", "CapPrm", "CapEff", "CapAmb"].map(set),
            bounding: set("CapBnd"),
            no_new_privs: field("NoNewPrivs") == "1",
        })
    }

    /// Whether it has exactly these, permitted and effective, as far as the machine lets anybody have them, and hands none on.
    pub fn has(&self, capabilities: u64) -> bool {
        let there = capabilities & self.bounding;
        self.sets == [0, there, there, 0]
    }
}

/// The set of these.
pub fn set(capabilities: &[u32]) -> u64 {
    capabilities.iter().fold(0, |set, one| set | 1 << one)
}

/// All threads of a process, its first one in front.
pub fn threads(process: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let mut ids: Vec<u32> = tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    ids.sort_by_key(|id| (*id != process, *id));
    // One may end meanwhile.
    ids.into_iter().filter_map(|id| Thread::of(process, id).ok()).collect()
}

/// Waits until `there` has something.
#[track_caller]
pub fn wait_for<T>(what: &str, child: &mut Child, mut there: impl FnMut(u32) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = there(child.id()) {
            return found;
        }
        if let Some(status) = child.try_wait().unwrap() {
            let mut text = String::new();
            if let Some(stderr) = &mut child.stderr {
                stderr.read_to_string(&mut text).unwrap();
            }
            panic!("{what}: ended before, {status}: {text}");
        }
        sleep(Duration::from_millis(2));
    }
    panic!("{what}: not within {PATIENCE:?}")
}

/// A pipe into which nothing goes any more: whoever writes to it waits.
pub fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
    while rustix::io::write(&writer, &[0]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// Runs a command until it writes its first line to standard output, and returns what its threads have then.
#[track_caller]
pub fn at_its_first_line(command: &mut Command) -> Vec<Thread> {
    let (reader, writer) = full_pipe();
    let shown = format!("{command:?}");
    let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let writes = format!("{} 0x1 ", libc::SYS_write);
    let threads = wait_for(&shown, &mut child, |process| {
        let call = fs::read_to_string(format!("/proc/{process}/task/{process}/syscall")).unwrap_or_default();
        call.starts_with(&writes).then(|| threads(process))
    });
    // Without a reader the write fails, and the command ends quietly.
    drop(reader);
    child.wait().unwrap();
    threads
}
