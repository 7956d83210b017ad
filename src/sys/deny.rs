//! For tests: makes single system calls fail on one thread, as an older kernel or a sandbox does.

#![expect(unsafe_code, reason = "no crate that we use installs seccomp filters")]

use std::ptr;

use nix::errno::Errno;

/// A system call that can be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `fsopen(2)`.
    Fsopen,
    /// `fsconfig(2)`.
    Fsconfig,
    /// `fsmount(2)`.
    Fsmount,
    /// `move_mount(2)`.
    MoveMount,
    /// `mount(2)`.
    Mount,
}

impl Call {
    fn number(self) -> libc::c_long {
        match self {
            Self::Fsopen => libc::SYS_fsopen,
            Self::Fsconfig => libc::SYS_fsconfig,
            Self::Fsmount => libc::SYS_fsmount,
            Self::MoveMount => libc::SYS_move_mount,
            Self::Mount => libc::SYS_mount,
        }
    }
}

/// Lets a system call of this thread, and of threads that it starts, fail with `errno` from now on.
/// With `second` only if that is the call's second argument.
pub fn deny(call: Call, second: Option<u32>, errno: Errno) {
    // Offsets in `struct seccomp_data`; the lower half of the second argument comes first or last.
    const NUMBER: u32 = 0;
    const SECOND: u32 = 24 + if cfg!(target_endian = "big") { 4 } else { 0 };
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, offset);
    let unless = |value, skip| statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, skip, value);
    let leave = |what| statement(libc::BPF_RET | libc::BPF_K, 0, what);
    let mut program =
        vec![load(NUMBER), unless(u32::try_from(call.number()).unwrap(), if second.is_some() { 3 } else { 1 })];
    if let Some(second) = second {
        program.extend([load(SECOND), unless(second, 1)]);
    }
    program.push(leave(libc::SECCOMP_RET_ERRNO | u32::try_from(errno as i32).unwrap()));
    program.push(leave(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog { len: u16::try_from(program.len()).unwrap(), filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which `filter` points to with its right length, before the call returns.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, ptr::from_ref(&filter)) };
    Errno::result(result).expect("installing a filter needs root");
}

fn statement(code: u32, unless: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap(), jt: 0, jf: unless, k: value }
}
