//! A block device in user space: a loop device on the one file of a FUSE file system of our own.
//!
//! Every write and every flush of the file system above arrives in order, is written down, and can be made to fail. From
//! what was written down a [`Replay`] makes the disk as a power cut may have left it. The server is a process of its own,
//! which touches only the tmpfs of the case: who waits for the disk can be killed, and who is killed leaves nothing behind.

mod event;
mod fault;
mod replay;
mod server;

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Mutex;

use nix::mount::{MntFlags, umount2};

use crate::harness::{Context, STAGE as STAGE_OF_A_CHILD};

pub use event::{Event, Log};
pub use fault::{Fault, Request};
pub use replay::{Cut, Replay, Tail, copy_sparse};

/// What a child is told that has to serve a device.
pub(crate) const STAGE: &str = "disk";

/// The server's side.
pub(crate) fn serve() -> ExitCode {
    server::from_environment()
}

/// A device. Unmount what is on it before it goes.
#[derive(Debug)]
pub struct Device {
    image: PathBuf,
    place: PathBuf,
    server: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Device {
    /// A disk with this content; what is written goes into the file.
    pub fn on(context: &Context, image: &Path) -> Self {
        let place = context.fresh_dir("device");
        let mut server = Command::new(env::current_exe().unwrap())
            .env(STAGE_OF_A_CHILD, STAGE)
            .env(server::IMAGE, image)
            .env(server::TARGET, &place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(server.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the server of a device did not start");
        let talk = Mutex::new((server.stdin.take().unwrap(), out));
        Self { image: image.to_owned(), place, server, talk }
    }

    /// The content as it is now.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// The file that stands for the disk.
    pub fn path(&self) -> PathBuf {
        self.place.join(server::DISK)
    }

    /// From now on everything is written down in this file.
    pub fn record(&self, log: &Path) {
        self.say(&format!("log {}", log.display()));
    }

    /// Sets a mark behind everything that arrived so far.
    pub fn mark(&self, mark: u64) {
        self.say(&format!("mark {mark}"));
    }

    /// From now on this fails.
    pub fn fail(&self, fault: &Fault) {
        self.say(&format!("fail {fault}"));
    }

    /// From now on nothing fails.
    pub fn be_well(&self) {
        self.say("well");
    }

    /// How many requests have failed.
    pub fn failed(&self) -> u64 {
        self.say("failed")
    }

    fn say(&self, line: &str) -> u64 {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{line}").unwrap();
        let mut answer = String::new();
        talk.1.read_line(&mut answer).unwrap();
        answer.trim_end().parse().unwrap_or_else(|_| panic!("{line}: the server of a device answered {answer:?}"))
    }

    /// Mounts what is on the disk.
    pub fn mount(&self, file_system: &str, options: &str, target: &Path) -> Mounted {
        Mounted::new(file_system, options, &self.path(), target).unwrap()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = umount2(&self.place, MntFlags::MNT_DETACH);
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A file system that is mounted from a file by a loop device, which goes with the mount.
#[derive(Debug)]
pub struct Mounted {
    target: PathBuf,
    mounted: bool,
}

impl Mounted {
    /// Mounts a file.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn new(file_system: &str, options: &str, image: &Path, target: &Path) -> Result<Self, String> {
        let options = format!("loop,{options}");
        let output = Command::new("mount")
            .args(["-t", file_system, "-o", options.trim_end_matches(',')])
            .args([image, target])
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(Self { target: target.to_owned(), mounted: true })
    }

    /// Unmounts it; fails if somebody uses it.
    #[track_caller]
    pub fn unmount(mut self) {
        umount2(&self.target, MntFlags::empty()).unwrap_or_else(|error| panic!("{}: {error}", self.target.display()));
        self.mounted = false;
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.mounted {
            let _ = umount2(&self.target, MntFlags::MNT_DETACH);
        }
    }
}

/// Makes a small file system in a new file.
pub fn make_file_system(file_system: &str, image: &Path) {
    // XFS makes one as small as that only for tests.
    let (mebibytes, options): (u64, &[&str]) = match file_system {
        "ext4" => (96, &["-E", "lazy_itable_init=0,nodiscard"]),
        "xfs" => (128, &["-K", "--unsupported"]),
        "btrfs" => (160, &["-K", "-m", "single"]),
        other => panic!("no size is known for {other}"),
    };
    if let Err(error) = make(file_system, image, mebibytes, options) {
        assert_eq!(file_system, "xfs", "mkfs.{file_system}: {error}");
        make(file_system, image, 300, &["-K"]).unwrap_or_else(|error| panic!("mkfs.xfs: {error}"));
    }
}

fn make(file_system: &str, image: &Path, mebibytes: u64, options: &[&str]) -> Result<(), String> {
    File::create(image).unwrap().set_len(mebibytes << 20).unwrap();
    let output = Command::new(format!("mkfs.{file_system}")).arg("-q").args(options).arg(image).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
