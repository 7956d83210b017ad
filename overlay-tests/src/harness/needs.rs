//! What a case may need of the machine, and whether it is there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// What makes `mkfs.xfs` leave out types of directory entries, and all that needs version 5.
pub const OLD_XFS: &[&str] = &["-m", "crc=0,finobt=0,rmapbt=0,reflink=0", "-n", "ftype=0"];

/// Something that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The `rootlay` binary.
    Program,
    /// Effective user 0.
    Root,
    /// A program in `PATH`.
    Tool(&'static str),
    /// A Docker engine of its own: Debian's `docker.io`, `containerd` and `runc`, installed or only unpacked.
    Docker,
    /// A file system that can be made in a file and mounted; `tmpfs` and `overlay` need neither.
    FileSystem(&'static str),
    /// `/dev/fuse`, for a block device of our own.
    Fuse,
    /// The official images, which do not come with the repository.
    Images,
    /// A kernel of at least this version: for behaviour of the kernel itself, which has no probe.
    Kernel(u32, u32),
    /// A kernel that still mounts xfs of version 4, the only one that can do without `ftype`.
    OldXfs,
    /// A kernel that lets root make user namespaces; in a chroot none does.
    UserNamespaces,
    /// A state root with room for upper directories: one on an overlay has none.
    WritableViews,
    /// A capability, by its name and number, that containers keep from root.
    Capability(&'static str, u32),
}

impl Need {
    /// Why this need is not met, if it is not.
    pub fn unmet(self) -> Option<String> {
        let (met, what) = match self {
            Self::Program => (program().is_file(), "the rootlay binary".to_owned()),
            Self::Root => (nix::unistd::geteuid().is_root(), "root".to_owned()),
            Self::Tool(tool) => (in_path(tool), tool.to_owned()),
            Self::Docker => {
                (["dockerd", "containerd", "runc", "docker"].iter().all(|tool| in_path(tool)), "dockerd".to_owned())
            }
            Self::FileSystem(name) => (has_file_system(name), format!("the file system {name}")),
            Self::Fuse => (Path::new("/dev/fuse").exists(), "/dev/fuse".to_owned()),
            Self::Images => (images().is_dir(), "OVERLAY_TESTS_IMAGES".to_owned()),
            Self::Kernel(major, minor) => (kernel() >= (major, minor), format!("Linux {major}.{minor}")),
            Self::OldXfs => (mounts_old_xfs(), "a kernel with xfs of version 4".to_owned()),
            Self::UserNamespaces => (makes_user_namespaces(), "user namespaces".to_owned()),
            Self::WritableViews => {
                (env::var("OVERLAY_TESTS_FS").as_deref() != Ok("overlay"), "a state root for writable views".to_owned())
            }
            Self::Capability(name, number) => (has_capability(number), name.to_owned()),
        };
        (!met).then_some(what)
    }

    /// Whether nobody is blamed where it is not there: no package brings it, or one that is too much to ask for.
    pub(super) fn is_of_the_machine(self) -> bool {
        matches!(
            self,
            Self::Docker
                | Self::Fuse
                | Self::Images
                | Self::Kernel(..)
                | Self::OldXfs
                | Self::UserNamespaces
                | Self::WritableViews
                | Self::Capability(..)
        )
    }
}

/// The binary under test: `ROOTLAY_BIN`, else the one that cargo built next to this test.
pub(super) fn program() -> PathBuf {
    if let Some(path) = env::var_os("ROOTLAY_BIN") {
        return path.into();
    }
    let own = env::current_exe().unwrap();
    // target/PROFILE/deps/suite-HASH
    own.parent().and_then(Path::parent).unwrap().join("rootlay")
}

/// Where the official images lie: `OVERLAY_TESTS_IMAGES`, else `shared/images` beside the repository.
pub(super) fn images() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/images");
    env::var_os("OVERLAY_TESTS_IMAGES").map_or_else(beside, PathBuf::from)
}

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set >> number & 1 == 1)
}

fn in_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(tool).is_file()))
}

fn has_file_system(name: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let known = known.lines().any(|line| line.split_whitespace().last() == Some(name));
    // A module may be loaded by the mount itself; without the tool to make one there is none.
    matches!(name, "tmpfs" | "overlay")
        || (in_path(&format!("mkfs.{name}")) && (known || Path::new("/sbin/modprobe").exists()))
}

/// There is no probe but a mount, which goes with the namespace that it is made in.
fn mounts_old_xfs() -> bool {
    let try_it = || -> std::io::Result<bool> {
        let dir = tempfile::tempdir()?;
        let (image, target) = (dir.path().join("image"), dir.path().join("target"));
        fs::File::create(&image)?.set_len(512 << 20)?;
        fs::create_dir(&target)?;
        let made = Command::new("mkfs.xfs").arg("-q").args(OLD_XFS).arg(&image).output()?;
        let mount = Command::new("unshare").args(["-m", "mount", "-o", "loop"]).arg(&image).arg(&target).output()?;
        Ok(made.status.success() && mount.status.success())
    };
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| try_it().unwrap_or(false))
}

fn makes_user_namespaces() -> bool {
    let output = Command::new("unshare").args(["--user", "--map-root-user", "true"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn kernel() -> (u32, u32) {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
