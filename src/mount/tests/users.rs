//! Who has a view mounted, and who uses it: in this namespace and in others.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use super::{Scratch, enter_new_namespace, in_namespace, mounts_at, overlay};
use crate::mount::namespaces::all_namespaces;
use crate::mount::{Api, attach, detach, holders, live_views};
use crate::sys::dir::Dir;
use crate::sys::proc;

/// A view with a program in it, under a name that no other test uses.
fn mounted(scratch: &Scratch, name: &str) -> PathBuf {
    let lowers = vec![scratch.layer("one", &["file"]), scratch.layer("two", &["below/"])];
    std::fs::copy("/bin/sleep", scratch.path("one/program")).unwrap();
    let target = scratch.target("merged");
    let mut mount = overlay(lowers);
    mount.source = format!("rootlay:{name}");
    attach(&mount, &Dir::open(&target).unwrap(), Api::Auto).unwrap();
    target
}

/// Ends with the test, whatever its outcome.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.arg("600").stdout(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

/// Waits until `done`, for what another process does.
fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

#[test]
fn holders_are_found_by_whatever_they_hold() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "holders");
        let dev = mounts_at(&target)[0].dev;
        let found = || holders(dev).unwrap().into_iter().map(|holder| holder.pid).collect::<Vec<_>>();
        assert_eq!(found(), Vec::<i32>::new());

        let cwd = Process::start(Command::new("sleep").current_dir(target.join("below")));
        let open = Process::start(Command::new("sleep").stdin(File::open(target.join("file")).unwrap()));
        let program = Process::start(&mut Command::new(target.join("program")));
        let elsewhere =
            Process::start(Command::new("unshare").args(["--mount", "sleep"]).current_dir(target.join("below")));
        let unrelated = Process::start(&mut Command::new("sleep"));
        eventually("unshare", || proc::command(elsewhere.pid()).as_deref() == Some(b"sleep"));

        let mut expected = [&cwd, &open, &program, &elsewhere].map(Process::pid).to_vec();
        expected.sort_unstable();
        assert_eq!(found(), expected);
        assert!(!expected.contains(&unrelated.pid()));
        let all = holders(dev).unwrap();
        let command = |process: &Process| {
            all.iter().find(|holder| holder.pid == process.pid()).map(|holder| holder.command.clone())
        };
        assert_eq!(command(&cwd).as_deref(), Some("sleep"));
        assert_eq!(command(&program).as_deref(), Some("program"));
    });
}

#[test]
fn a_view_is_live_in_every_namespace_that_shows_it() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "live");
        std::fs::create_dir(scratch.path("bind")).unwrap();
        let places = || live_views("rootlay:").unwrap().remove("live").unwrap_or_default();
        let own = places();
        assert_eq!(own.len(), 1);
        assert!(own[0].own && own[0].whole);
        assert_eq!(own[0].target, target);
        assert_eq!(own[0].dev, mounts_at(&target)[0].dev);
        assert_eq!(own[0].mount, mounts_at(&target)[0].id);

        rustix::mount::mount_bind(target.join("below"), scratch.path("bind")).unwrap();
        assert_eq!(places().iter().filter(|place| place.own && !place.whole).count(), 1);
        rustix::mount::unmount(scratch.path("bind"), rustix::mount::UnmountFlags::empty()).unwrap();

        // A copy in another namespace keeps the view when ours is gone.
        let (ready, is_ready) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            enter_new_namespace();
            ready.send(()).unwrap();
            let _ = may_end.recv();
        });
        is_ready.recv().unwrap();
        assert_eq!(places().len(), 2);
        detach(&target, false).unwrap();
        let left = places();
        assert_eq!(left.len(), 1);
        assert!(!left[0].own);
        assert_ne!(left[0].namespace, own[0].namespace);
        drop(end);
        other.join().unwrap();
        eventually("the end of the namespace", || places().is_empty());
    });
}

#[test]
fn a_view_outside_of_a_changed_root_is_still_seen() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "chroot");
        // The only other member of the namespace has its root elsewhere, and comes first or last by its ID.
        let (ready, is_ready) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let jail = scratch.target("jail");
        let other = std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).unwrap();
            rustix::process::chroot(&jail).unwrap();
            ready.send(()).unwrap();
            let _ = may_end.recv();
        });
        is_ready.recv().unwrap();
        let places = live_views("rootlay:").unwrap().remove("chroot").unwrap();
        assert_eq!(places.iter().map(|place| place.target.as_path()).collect::<Vec<&Path>>(), [target.as_path()]);
        drop(end);
        other.join().unwrap();
    });
}

#[test]
fn every_namespace_is_there_once() {
    in_namespace(|_| {
        let namespaces = all_namespaces().unwrap();
        let mut inodes: Vec<u64> = namespaces.iter().map(|namespace| namespace.inode).collect();
        let own = proc::place(Path::new("/proc/thread-self/ns/mnt")).unwrap().inode;
        let process = proc::place(Path::new("/proc/self/ns/mnt")).unwrap().inode;
        assert_ne!(own, process);
        assert!(inodes.contains(&own) && inodes.contains(&process));
        let count = inodes.len();
        inodes.dedup();
        assert_eq!(inodes.len(), count);
        for namespace in namespaces {
            let mut ids: Vec<u64> = namespace.mounts.iter().map(|mount| mount.id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), namespace.mounts.len());
        }
    });
}
