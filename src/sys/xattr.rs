//! Extended attributes of any kind of file, by directory handle and name, without following symlinks.

use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::XattrFlags;
use rustix::io::{Errno, retry_on_intr};

use super::dir::Dir;
use super::errno::{SysError, SysResult};

/// The largest value that the kernel knows (`XATTR_SIZE_MAX`), and the largest list of names (`XATTR_LIST_MAX`).
const XATTR_MAX: usize = 65536;

/// Names and values, sorted by name.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// A path that reaches `name` below `dir` through the descriptor: the `l*xattr` calls take no descriptor
/// before Linux 6.13, and no call takes one for a symlink.
fn through(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = String::with_capacity(32);
    // Writing to a String cannot fail.
    let _ = write!(path, "/proc/self/fd/{}/", dir.as_raw_fd());
    let mut path = path.into_bytes();
    path.extend_from_slice(name);
    path
}

/// Sets an attribute of the file behind a descriptor (not `O_PATH`).
pub fn set_fd(file: impl AsFd, attribute: &[u8], value: &[u8]) -> SysResult<()> {
    let file = file.as_fd();
    retry_on_intr(|| rustix::fs::fsetxattr(file, attribute, value, XattrFlags::empty()))
        .map_err(|errno| SysError::new("fsetxattr", attribute, errno))
}

/// Sets an attribute of `name` in `dir`; a symlink is not followed.
pub fn set_at(dir: &Dir, name: &[u8], attribute: &[u8], value: &[u8]) -> SysResult<()> {
    let path = through(dir.as_fd(), name);
    retry_on_intr(|| rustix::fs::lsetxattr(&path, attribute, value, XattrFlags::empty()))
        .map_err(|errno| SysError::new("lsetxattr", attribute, errno))
}

/// Removes an attribute of the file behind a descriptor; one that is not there is no error.
pub fn remove_fd(file: impl AsFd, attribute: &[u8]) -> SysResult<()> {
    let file = file.as_fd();
    match retry_on_intr(|| rustix::fs::fremovexattr(file, attribute)) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) | Ok(()) => Ok(()),
        Err(errno) => Err(SysError::new("fremovexattr", attribute, errno)),
    }
}

/// All attributes of the file behind a descriptor. A file system without attributes has none.
pub fn all_fd(file: impl AsFd) -> SysResult<Xattrs> {
    let file = file.as_fd();
    collect(|buffer| rustix::fs::flistxattr(file, buffer), |name, buffer| rustix::fs::fgetxattr(file, name, buffer))
}

/// All attributes of `name` in `dir`; a symlink is not followed.
pub fn all_at(dir: &Dir, name: &[u8]) -> SysResult<Xattrs> {
    let path = through(dir.as_fd(), name);
    collect(|buffer| rustix::fs::llistxattr(&path, buffer), |name, buffer| rustix::fs::lgetxattr(&path, name, buffer))
}

fn collect(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> SysResult<Xattrs> {
    let fail = |errno| SysError::new("listxattr", b"", errno);
    // Most files have few attributes: the list and each value get a small buffer first.
    let mut names = vec![0; 512];
    let used = match list(&mut names) {
        Err(Errno::OPNOTSUPP) | Ok(0) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {
            names = vec![0; XATTR_MAX];
            list(&mut names).map_err(fail)?
        }
        result => result.map_err(fail)?,
    };
    names.truncate(used);
    let mut all = Xattrs::new();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 256];
        let used = match get(name, &mut value) {
            Err(Errno::RANGE) => {
                value = vec![0; XATTR_MAX];
                get(name, &mut value)
            }
            result => result,
        };
        match used {
            Ok(used) => {
                value.truncate(used);
                all.push((name.to_vec(), value));
            }
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(SysError::new("getxattr", name, errno)),
        }
    }
    all.sort_unstable();
    Ok(all)
}
