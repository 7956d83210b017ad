//! Older kernels: system calls that fail as if they did not exist.

#![expect(unsafe_code, reason = "no crate that we use installs seccomp filters")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::{env, ptr};

/// A system call that shall fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Its number.
    pub call: i64,
    /// Only with this second argument.
    pub second: Option<u32>,
    /// The error that it returns.
    pub errno: i32,
}

impl Denied {
    /// `fsopen`: the whole new mount API is of no use without it (before Linux 5.2).
    pub const MOUNT_API: Self = Self { call: libc::SYS_fsopen, second: None, errno: libc::ENOSYS };
    /// `FSCONFIG_SET_FD` (5): before Linux 6.13 overlayfs takes strings only.
    pub const LAYERS_BY_DESCRIPTOR: Self = Self { call: libc::SYS_fsconfig, second: Some(5), errno: libc::EINVAL };
    /// Attributes of open files: an overlay before Linux 6.7 refuses those that are marks of an overlay.
    pub const ATTRIBUTES: Self = Self { call: libc::SYS_fsetxattr, second: None, errno: libc::EPERM };
    /// `openat2` (before Linux 5.6).
    pub const OPENAT2: Self = Self { call: libc::SYS_openat2, second: None, errno: libc::ENOSYS };

    fn to_text(self) -> String {
        format!("{}:{}:{}", self.call, self.second.map_or(String::new(), |second| second.to_string()), self.errno)
    }

    fn from_text(text: &str) -> Self {
        let parts: Vec<&str> = text.split(':').collect();
        Self { call: parts[0].parse().unwrap(), second: parts[1].parse().ok(), errno: parts[2].parse().unwrap() }
    }
}

/// Tells a child which calls to deny.
const DENY: &str = "OVERLAY_TESTS_DENY";

/// A command that runs another one, whose arguments are to follow, under these conditions.
pub(super) fn command(denied: &[Denied]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    let texts: Vec<String> = denied.iter().map(|denied| denied.to_text()).collect();
    command.env(super::process::STAGE, "deny").env(DENY, texts.join(","));
    command
}

/// The child's side: installs the filters and becomes the program.
pub(super) fn child() -> ExitCode {
    for text in env::var(DENY).unwrap().split(',') {
        install(Denied::from_text(text));
    }
    let mut arguments = env::args_os().skip(1);
    let mut command = Command::new(arguments.next().unwrap());
    let error = command.args(arguments).env_remove(super::process::STAGE).env_remove(DENY).exec();
    panic!("{error}");
}

fn install(denied: Denied) {
    // Offsets in `struct seccomp_data`; the lower half of the second argument comes first or last.
    const NUMBER: u32 = 0;
    const SECOND: u32 = 24 + if cfg!(target_endian = "big") { 4 } else { 0 };
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, offset);
    let unless = |value, skip| statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, skip, value);
    let leave = |what| statement(libc::BPF_RET | libc::BPF_K, 0, what);
    let number = u32::try_from(denied.call).unwrap();
    let mut program = vec![load(NUMBER), unless(number, if denied.second.is_some() { 3 } else { 1 })];
    if let Some(second) = denied.second {
        program.extend([load(SECOND), unless(second, 1)]);
    }
    program.push(leave(libc::SECCOMP_RET_ERRNO | u32::try_from(denied.errno).unwrap()));
    program.push(leave(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog { len: u16::try_from(program.len()).unwrap(), filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which `filter` points to with its right length, before the call returns.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, ptr::from_ref(&filter)) };
    assert_eq!(result, 0, "installing a filter needs root");
}

fn statement(code: u32, unless: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap(), jt: 0, jf: unless, k: value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back() {
        for denied in [Denied::MOUNT_API, Denied::LAYERS_BY_DESCRIPTOR, Denied::OPENAT2] {
            assert_eq!(Denied::from_text(&denied.to_text()), denied);
        }
    }
}
