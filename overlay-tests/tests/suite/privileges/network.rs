//! The network: threads without capabilities, and no other thread speaks with a server.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Bed, Fault, noise};

use super::threads::{Thread, set, threads, wait_for};
use super::{SYS_PTRACE, SYS_RESOURCE, UNPACK, layers};

pub fn cases() -> Vec<Case> {
    cases![
        network_threads_have_nothing_while_layers_come;
        network_threads_have_nothing_while_layers_go;
        only_threads_without_capabilities_connect
    ]
}

/// Every thread is one of the network, without anything, the one that waits for signals, or one that unpacks.
#[track_caller]
fn assert_split(threads: &[Thread], holds: &[u32]) {
    for thread in threads {
        let nothing = ["registry", "signals"].contains(&thread.name.as_str());
        assert!(thread.has(if nothing { 0 } else { set(holds) }), "{thread:x?} of {threads:x?}");
    }
    assert!(threads.iter().filter(|thread| thread.name == "registry").count() >= 2, "{threads:x?}");
}

fn network_threads_have_nothing_while_layers_come(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&Image::of((1..=2).map(|seed| noise(seed, 512))), "app:1");
    proxy.fault("GET /blobs/", .., Fault::Stall(300_000));
    let mut child = bed.spawn(["pull", &proxy.name("app:1")]);
    let found = wait_for("pull", &mut child, |process| {
        let came = written.layers.iter().all(|layer| bed.partial(layer) > 0);
        came.then(|| threads(process))
    });
    assert_split(&found, &[&UNPACK[..], &[SYS_PTRACE, SYS_RESOURCE]].concat());
    child.kill().unwrap();
    child.wait().unwrap();
}

fn network_threads_have_nothing_while_layers_go(context: &Context) {
    let (bed, _registry, proxy) = Bed::open(context);
    let id = bed.load(&Image::of([noise(1, 512)])).image_id;
    // The answer to the first request never ends.
    proxy.fault("HEAD /blobs/", .., Fault::Stall(0));
    let mut child = bed.spawn(["push", &id, &proxy.name("app:1")]);
    let found = wait_for("push", &mut child, |process| {
        let asked = proxy.records().iter().any(|record| record.target.contains("/blobs/"));
        let found = threads(process);
        (asked && found.iter().any(|thread| thread.name == "registry")).then_some(found)
    });
    assert_split(&found, &[super::DAC_OVERRIDE, super::FOWNER, SYS_PTRACE, SYS_RESOURCE]);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Follows the program through a whole pull and a search by name, system call for system call.
fn only_threads_without_capabilities_connect(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&Image::of(layers()), "app:1");
    let name = proxy.name("app:1").replace("127.0.0.1", "localhost");
    let mut line = Command::new("sh");
    line.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).arg(context.program()).arg("--root").arg(context.root());
    line.args(["--progress", "none", "pull", &name]).env("HOME", bed.home()).env_remove("ROOTLAY_ROOT");
    let mut child = line.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let process = Pid::from_raw(child.id().try_into().unwrap());
    let stopped = waitpid(process, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert!(matches!(stopped, WaitStatus::Stopped(_, Signal::SIGSTOP)), "{stopped:?}");
    let follow = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::seize(process, follow).unwrap();
    kill(process, Signal::SIGCONT).unwrap();
    let mut calls: BTreeMap<i64, usize> = BTreeMap::new();
    let ended = loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)).unwrap() {
            WaitStatus::Exited(pid, code) if pid == process => break code,
            WaitStatus::PtraceSyscall(thread) => {
                if let Some(call) = network_call(thread) {
                    let found = Thread::of(child.id(), thread.as_raw().try_into().unwrap()).unwrap();
                    assert!(found.has(0), "{call}: {found:x?}");
                    *calls.entry(call).or_default() += 1;
                }
                // It may have been killed with its process.
                let _ = ptrace::syscall(thread, None);
            }
            WaitStatus::PtraceEvent(thread, ..) => drop(ptrace::syscall(thread, None)),
            WaitStatus::Stopped(thread, Signal::SIGSTOP | Signal::SIGTRAP | Signal::SIGCONT) => {
                let _ = ptrace::syscall(thread, None);
            }
            WaitStatus::Stopped(thread, signal) => drop(ptrace::syscall(thread, signal)),
            _ => {}
        }
    };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut text).unwrap();
    // The loop above has reaped it: there is nothing left to wait for.
    assert!(child.wait().is_err());
    assert_eq!(ended, 0, "{text}");
    for call in [libc::SYS_socket, libc::SYS_connect, libc::SYS_recvfrom] {
        assert!(calls.contains_key(&call), "{call} is not in {calls:?}: the test looks at the wrong calls");
    }
    assert!(fs::read_dir(context.root().join("layers/sha256")).unwrap().count() > 0);
}

/// The number of the system call that a stopped thread begins or ends, if it makes, connects or uses a socket.
fn network_call(thread: Pid) -> Option<i64> {
    let text = fs::read_to_string(format!("/proc/{thread}/syscall")).ok()?;
    let mut words = text.split_whitespace();
    let call: i64 = words.next()?.parse().ok()?;
    let first = u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok()?;
    // Where there is a name service cache, it is asked over a local socket.
    let local = fs::read_to_string(format!("/proc/{thread}/net/unix")).unwrap_or_default();
    let is_socket = || {
        let link = fs::read_link(format!("/proc/{thread}/fd/{first}")).unwrap_or_default();
        let number = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
        (!local.lines().any(|line| line.split_whitespace().any(|word| word == number))).then_some(())
    };
    let concerned = match call {
        // AF_INET and AF_INET6: the others lead nowhere.
        libc::SYS_socket => matches!(first, 2 | 10),
        libc::SYS_connect
        | libc::SYS_sendto
        | libc::SYS_recvfrom
        | libc::SYS_sendmsg
        | libc::SYS_recvmsg
        | libc::SYS_write
        | libc::SYS_writev
        | libc::SYS_read => is_socket().is_some(),
        _ => false,
    };
    concerned.then_some(call)
}
