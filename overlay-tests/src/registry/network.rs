//! A network of the case's own: nothing but the loopback device, no port that anybody else uses, no name server.

#![expect(unsafe_code, reason = "no crate that we use sets the flags of an interface")]

use std::fs;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::net::{AddressFamily, SocketType, socket};

use crate::harness::Context;

/// Names that every case knows, besides `localhost`, and where they lead.
pub const HOSTS: [(&str, &str); 7] = [
    ("127.0.0.1", "registry.example"),
    ("127.0.0.1", "mirror.example"),
    ("127.0.0.1", "registry-1.docker.io"),
    ("127.0.0.1", "index.docker.io"),
    ("127.0.0.1", "docker.io"),
    ("127.0.0.1", "auth.docker.io"),
    // Nothing listens there: a request gets through by a proxy or not at all.
    ("127.0.0.9", "registry.test"),
];

/// Moves the case into a network of its own, with configuration of registries that says nothing.
pub fn isolate(context: &Context) {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    set_up(any.as_fd().as_raw_fd());
    let lines = HOSTS.iter().map(|(address, name)| format!("{address} {name}\n"));
    let hosts = format!("127.0.0.1 localhost\n{}", lines.collect::<String>());
    for (file, text) in
        [("/etc/hosts", hosts.as_str()), ("/etc/resolv.conf", ""), ("/etc/nsswitch.conf", "hosts: files\n")]
    {
        if Path::new(file).exists() {
            let own = context.fresh("etc");
            fs::write(&own, text).unwrap();
            bind(&own, Path::new(file));
        }
    }
    for dir in ["/etc/containers", "/etc/docker", "/run/containers"] {
        if Path::new(dir).is_dir() {
            bind(&context.fresh_dir("etc"), Path::new(dir));
        }
    }
}

fn bind(own: &Path, over: &Path) {
    mount(Some(own), over, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

fn set_up(socket: i32) {
    // SAFETY: all of `ifreq` is plain numbers, for which zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::try_from(*from).unwrap();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap();
    // SAFETY: the socket is open, and the kernel only reads the request, which has the type that this call wants.
    let result = unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS as _, std::ptr::from_ref(&request)) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
