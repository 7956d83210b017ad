//! The mount calls, both generations: `fsopen` … `move_mount`, and `mount(2)`, `umount2(2)`.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::io::retry_on_intr;
use rustix::mount::{FsMountFlags, FsOpenFlags, MoveMountFlags};
pub use rustix::mount::{MountAttrFlags, MountFlags, UnmountFlags};

use super::dir::Dir;
use super::errno::{SysError, SysResult, escape};
use crate::error::{Error, ErrorKind, Result};

/// The longest option string that `mount(2)` takes whole. It copies one page and makes its last byte the end;
/// what is longer is cut without an error, and a cut list of layers mounts as a wrong tree.
pub const MAX_OPTIONS: usize = 4095;

/// Where descriptors have names: `/proc/self/fd/<number>` opens what the descriptor is open on.
pub const DESCRIPTORS: &str = "/proc/self/fd";

/// A file system in the making (`fsopen(2)`).
#[derive(Debug)]
pub struct FsContext(OwnedFd);

impl FsContext {
    /// Begins a file system of this type.
    pub fn open(fs_type: &str) -> SysResult<Self> {
        retry_on_intr(|| rustix::mount::fsopen(fs_type, FsOpenFlags::FSOPEN_CLOEXEC))
            .map(Self)
            .map_err(|errno| SysError::new("fsopen", fs_type.as_bytes(), errno))
    }

    /// Sets `key=value`. The kernel refuses values above 255 bytes with `EINVAL`.
    pub fn set_string(&self, key: &str, value: &[u8]) -> SysResult<()> {
        retry_on_intr(|| rustix::mount::fsconfig_set_string(&self.0, key, value)).map_err(|errno| {
            let object = [key.as_bytes(), b"=", value].concat();
            SysError::new("fsconfig", &object, errno)
        })
    }

    /// Sets a key that has no value.
    pub fn set_flag(&self, key: &str) -> SysResult<()> {
        retry_on_intr(|| rustix::mount::fsconfig_set_flag(&self.0, key))
            .map_err(|errno| SysError::new("fsconfig", key.as_bytes(), errno))
    }

    /// Sets a key to an open file or directory.
    pub fn set_fd(&self, key: &str, file: impl AsFd) -> SysResult<()> {
        retry_on_intr(|| rustix::mount::fsconfig_set_fd(&self.0, key, file.as_fd()))
            .map_err(|errno| SysError::new("fsconfig", key.as_bytes(), errno))
    }

    /// Creates the file system from what was set.
    pub fn create(&self) -> SysResult<()> {
        retry_on_intr(|| rustix::mount::fsconfig_create(&self.0))
            .map_err(|errno| SysError::new("fsconfig", b"create", errno))
    }

    /// A mount of the created file system that is attached nowhere; it goes when the descriptor is closed.
    pub fn mount(&self, attributes: MountAttrFlags) -> SysResult<OwnedFd> {
        retry_on_intr(|| rustix::mount::fsmount(&self.0, FsMountFlags::FSMOUNT_CLOEXEC, attributes))
            .map_err(|errno| SysError::new("fsmount", b"", errno))
    }

    /// What the kernel has said since the last call, one message each, without its level, escaped.
    pub fn messages(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut buffer = [0; 1024];
        // ENODATA ends the log; any other error only costs an explanation.
        while let Ok(length) = rustix::io::read(&self.0, &mut buffer) {
            let message = buffer.get(..length).unwrap_or_default().trim_ascii_end();
            if length == 0 {
                break;
            }
            let level = [&b"e "[..], b"w ", b"i "].into_iter().find(|level| message.starts_with(level));
            all.push(escape(message.get(level.map_or(0, <[u8]>::len)..).unwrap_or_default()));
        }
        all
    }
}

/// Whether the kernel has `mount_setattr(2)` (Linux 5.12), and no sandbox hides it.
#[expect(unsafe_code, reason = "no crate that we use has the call")]
pub fn has_mount_setattr() -> bool {
    // SAFETY: a size of 0 is refused before any pointer is followed.
    let result = unsafe { libc::syscall(libc::SYS_mount_setattr, -1, c"".as_ptr(), 0, std::ptr::null::<u8>(), 0) };
    result == -1 && nix::errno::Errno::last() == nix::errno::Errno::EINVAL
}

/// Attaches a detached mount on a directory, above whatever is mounted there.
pub fn move_onto(mount: &OwnedFd, target: &Dir) -> SysResult<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    retry_on_intr(|| rustix::mount::move_mount(mount, "", target, "", flags))
        .map_err(|errno| SysError::new("move_mount", b"", errno))
}

/// Mounts by `mount(2)`, which gives no reason when it fails.
///
/// The calling thread's working directory is the table of descriptors while it runs, on a thread of its own, so
/// that `options` may name an open directory by its mere number. Options above [`MAX_OPTIONS`] bytes are refused
/// here: the kernel would cut them and succeed.
pub fn mount_by_numbers(
    fs_type: &str,
    source: &str,
    target: &Dir,
    flags: MountFlags,
    options: &[u8],
) -> Result<SysResult<()>> {
    if options.len() > MAX_OPTIONS {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("expected at most {MAX_OPTIONS} bytes of mount options, got {}", options.len()),
        ));
    }
    let options =
        CString::new(options).map_err(|_| Error::new(ErrorKind::Failed, "a NUL byte in the mount options"))?;
    let number = target.as_fd().as_raw_fd().to_string();
    in_directory(Path::new(DESCRIPTORS), || {
        retry_on_intr(|| rustix::mount::mount(source, number.as_str(), fs_type, flags, options.as_c_str()))
            .map_err(|errno| SysError::new("mount", source.as_bytes(), errno))
    })
}

/// Runs `work` on a thread of its own with this working directory. The process keeps its own.
fn in_directory<T: Send>(directory: &Path, work: impl FnOnce() -> SysResult<T> + Send) -> Result<SysResult<T>> {
    let enter = || -> SysResult<()> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)
            .map_err(|errno| SysError::from_io("unshare", b"CLONE_FS", &errno.into()))?;
        rustix::process::chdir(directory)
            .map_err(|errno| SysError::new("chdir", directory.as_os_str().as_encoded_bytes(), errno))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, move || enter().and_then(|()| work()))
            .map_err(|error| Error::io("clone", error))?;
        thread.join().map_err(|_| Error::new(ErrorKind::Failed, "the thread that mounts has died"))
    })
}

/// Detaches what is mounted topmost on `name` in `dir`. A symlink of that name is not followed.
pub fn unmount(dir: &Dir, name: &[u8], flags: UnmountFlags) -> SysResult<()> {
    let mut path = format!("{DESCRIPTORS}/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    retry_on_intr(|| rustix::mount::unmount(path.as_slice(), flags | UnmountFlags::NOFOLLOW))
        .map_err(|errno| SysError::new("umount2", name, errno))
}
