//! The real thing: Debian's `dockerd` with its data in the scratch directory, to hold the program beside it.
//!
//! No container is ever started, so nothing of the machine is needed but namespaces and overlay mounts: no bridge, no
//! firewall, no control group. A stopped container, which `docker create` makes, is in the way of `rmi` as well.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};

use crate::harness::{Context, Output};
use crate::registry::Bed;

/// An engine that runs until the case ends, and a command line that talks to it.
#[derive(Debug)]
pub struct Docker {
    dir: PathBuf,
    engine: Child,
}

impl Docker {
    /// A bed with an engine in it.
    pub fn start(context: &Context) -> (Bed<'_>, Self) {
        keep_the_machine_clean(context);
        let bed = Bed::new(context);
        let dir = context.fresh_dir("docker");
        let engine = Self::engine(&dir);
        let mut docker = Self { dir, engine };
        docker.wait();
        (bed, docker)
    }

    /// How `docker` finds this engine.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [("DOCKER_HOST", host(&self.dir).into()), ("DOCKER_CONFIG", self.dir.clone()), ("HOME", self.dir.clone())]
    }

    /// Runs a line of shell in which `docker` is the real one.
    pub fn shell(&self, context: &Context, line: &str) -> Output {
        let mut command = Command::new("sh");
        context.output(command.args(["-c", line]).envs(self.environment()).env("TZ", "UTC").current_dir(context.dir()))
    }

    fn engine(dir: &Path) -> Child {
        let log = File::create(dir.join("log")).unwrap();
        let mut command = Command::new("dockerd");
        for (flag, value) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(flag).arg(dir.join(value));
        }
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]);
        command.args(["--ip-masq=false", "--userland-proxy=false", "--storage-driver=overlay2", "--log-level=error"]);
        command.args(["--host", &host(dir)]).env("HOME", dir).env("TMPDIR", dir);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            let ended = self.engine.try_wait().unwrap();
            let log = || fs::read_to_string(self.dir.join("log")).unwrap();
            assert!(ended.is_none() && Instant::now() < end, "dockerd: {ended:?}: {}", log());
            sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        let mut command = Command::new("docker");
        command.args(["version", "--format", "{{.Server.Version}}"]).envs(self.environment());
        self.dir.join("docker.sock").exists() && command.output().is_ok_and(|output| output.status.success())
    }
}

fn host(dir: &Path) -> String {
    format!("unix://{}", dir.join("docker.sock").display())
}

/// The engine writes a key to `/etc/docker` and sockets to `/run`, and wants a hierarchy of control groups: it gets its own.
fn keep_the_machine_clean(context: &Context) {
    let none = None::<&str>;
    let (upper, work) = (context.fresh_dir("etc-upper"), context.fresh_dir("etc-work"));
    let options = format!("lowerdir=/etc,upperdir={},workdir={}", upper.display(), work.display());
    mount(Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(options.as_str())).unwrap();
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    if Path::new("/sys/fs/cgroup").is_dir() {
        mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), none).unwrap();
    }
}
