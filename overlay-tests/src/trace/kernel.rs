//! The filter, and the conversation with the kernel.

#![expect(unsafe_code, reason = "no crate that we use has seccomp filters that notify")]

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::{env, io, ptr};

use nix::errno::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::table::{Only, known};

/// Flags of `open` with which a file is made or emptied.
pub(super) const CREATING: u32 = (libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;

/// What the kernel tells of a call, and what it wants to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    pub id: u64,
    pub thread: u32,
    pub number: i64,
    pub arguments: [u64; 6],
}

/// The child's side: standard input is the socket to the test. Installs the filter, hands its descriptor over, and becomes
/// the program.
pub(crate) fn child() -> ExitCode {
    let listener = install();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let fds = [listener.as_fd()];
    assert!(message.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(io::stdin(), &[IoSlice::new(b"!")], &mut message, SendFlags::empty()).unwrap();
    nix::unistd::dup2_stdin(File::open("/dev/null").unwrap()).unwrap();
    let mut arguments = env::args_os().skip(1);
    let mut command = Command::new(arguments.next().unwrap());
    let error = command.args(arguments).env_remove(crate::harness::STAGE).exec();
    panic!("{error}");
}

/// The test's side: the descriptor of the child's filter.
pub(super) fn receive(socket: impl AsFd) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut messages = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut messages, RecvFlags::CMSG_CLOEXEC).unwrap();
    let received = messages.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    received.unwrap_or_else(|| panic!("no filter: it needs root and Linux 5.5"))
}

/// The next call; `None` if its process is gone already.
pub(super) fn next(listener: &OwnedFd) -> Option<Notice> {
    // SAFETY: all bytes zero is a value of this plain structure, and what the kernel asks for.
    let mut raw: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and the structure is that of the request and lives during the call.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, ptr::from_mut(&mut raw)) };
    match Errno::result(result) {
        Ok(_) => Some(Notice { id: raw.id, thread: raw.pid, number: raw.data.nr.into(), arguments: raw.data.args }),
        Err(Errno::ENOENT | Errno::EINTR) => None,
        Err(error) => panic!("receive a call: {error}"),
    }
}

/// Lets a call take place, or fail.
pub(super) fn answer(listener: &OwnedFd, id: u64, error: Option<Errno>) {
    let flags = if error.is_none() { u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap() } else { 0 };
    let mut raw = libc::seccomp_notif_resp { id, val: 0, error: error.map_or(0, |error| -(error as i32)), flags };
    // SAFETY: as above.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, ptr::from_mut(&mut raw)) };
    match Errno::result(result) {
        // The process was killed meanwhile.
        Ok(_) | Err(Errno::ENOENT) => {}
        Err(error) => panic!("answer a call: {error}"),
    }
}

/// Installs the filter in this thread, and in whatever it becomes.
fn install() -> OwnedFd {
    // Offset in `struct seccomp_data` of the half of an argument that has its flags.
    let argument = |index: usize| 16 + 8 * u32::try_from(index).unwrap() + u32::from(cfg!(target_endian = "big")) * 4;
    let notify = statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_USER_NOTIF);
    let allow = statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW);
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for call in known() {
        let number = u32::try_from(call.number).unwrap();
        if let Only::Creating(index) = call.only {
            program.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 4, number));
            program.push(statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, argument(index)));
            program.push(statement(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 1, CREATING));
            program.extend([notify, allow]);
        } else {
            program.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number));
            program.push(notify);
        }
    }
    program.push(allow);
    let filter = libc::sock_fprog { len: u16::try_from(program.len()).unwrap(), filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which `filter` points to with its right length, before the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            ptr::from_ref(&filter),
        )
    };
    let fd = Errno::result(result).unwrap_or_else(|error| panic!("install a filter: {error}"));
    // SAFETY: the call has just made this descriptor, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap()) }
}

fn statement(code: u32, unless: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap(), jt: 0, jf: unless, k: value }
}
