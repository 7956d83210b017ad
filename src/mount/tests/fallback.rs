//! Kernels and sandboxes that lack a way to mount: the next one is taken, or the error says what is lacking.

use nix::errno::Errno;

use super::{Scratch, Way, in_namespace, mounts_at, names, overlay, writable};
use crate::error::ErrorKind;
use crate::mount::{Api, attach, explain};
use crate::sys::deny::{Call, deny};
use crate::sys::dir::Dir;

/// `FSCONFIG_SET_STRING` and `FSCONFIG_SET_FD`
const SET_STRING: Option<u32> = Some(1);
const SET_FD: Option<u32> = Some(5);

/// The way that was taken, by the layers that the table of mounts shows.
fn way_taken(super_options: &[u8]) -> Way {
    let shown = String::from_utf8_lossy(super_options);
    if shown.contains("lowerdir+=/proc/self/fd/") {
        Way::Names
    } else if shown.contains("lowerdir+=/") {
        Way::Descriptors
    } else {
        Way::Legacy
    }
}

fn mount_both(scratch: &Scratch, expected: Way) {
    let lowers = || vec![scratch.layer("one", &["one"]), scratch.layer("two", &["two"])];
    for (name, mount) in [("ro", overlay(lowers())), ("rw", writable(lowers(), scratch.upper("view")))] {
        let target = scratch.target(name);
        attach(&mount, &Dir::open(&target).unwrap(), Api::Auto).unwrap();
        assert_eq!(names(&target), ["one", "two"]);
        assert_eq!(way_taken(&mounts_at(&target)[0].super_options), expected);
    }
}

#[test]
fn descriptors_come_first() {
    in_namespace(|scratch| mount_both(scratch, Way::Descriptors));
}

#[test]
fn a_kernel_that_takes_no_descriptors_takes_names() {
    in_namespace(|scratch| {
        deny(Call::Fsconfig, SET_FD, Errno::EINVAL);
        mount_both(scratch, Way::Names);
        let kernel = explain(&scratch.layer("dir", &[])).unwrap().kernel;
        let feature = |name| kernel.iter().find(|feature| feature.name == name).unwrap().available;
        assert_eq!(feature("lowerdir+ by descriptor"), Some(false));
        assert_eq!(feature("lowerdir+"), Some(true));
    });
}

#[test]
fn without_the_new_calls_there_is_mount_2() {
    let calls = [Call::Fsopen, Call::Fsconfig, Call::Fsmount, Call::MoveMount];
    for call in calls {
        for errno in [Errno::ENOSYS, Errno::EPERM] {
            in_namespace(move |scratch| {
                deny(call, None, errno);
                mount_both(scratch, Way::Legacy);
            });
        }
    }
}

#[test]
fn overlay_before_6_7_is_mounted_by_mount_2() {
    // 6.5 and 6.6 read options as they come, but do not know this one; before, any option is accepted unread.
    for errno in [Errno::EINVAL, Errno::UnknownErrno] {
        assert_eq!(Errno::UnknownErrno as i32, 0);
        in_namespace(move |scratch| {
            deny(Call::Fsconfig, SET_FD, Errno::EINVAL);
            deny(Call::Fsconfig, SET_STRING, errno);
            mount_both(scratch, Way::Legacy);
        });
    }
}

#[test]
fn a_way_that_was_asked_for_is_not_replaced() {
    in_namespace(|scratch| {
        deny(Call::Fsopen, None, Errno::ENOSYS);
        let mount = overlay(vec![scratch.layer("one", &[]), scratch.layer("two", &[])]);
        let target = scratch.target("merged");
        let error = attach(&mount, &Dir::open(&target).unwrap(), Api::Fsopen).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "rootlay:test: this kernel lacks the mount calls");
        assert!(mounts_at(&target).is_empty());
        let kernel = explain(&scratch.layer("dir", &[])).unwrap().kernel;
        let feature = |name| kernel.iter().find(|feature| feature.name == name).unwrap().available;
        assert_eq!(feature("overlay"), Some(true));
        assert_eq!(feature("fsopen"), Some(false));
        assert_eq!(feature("lowerdir+"), None);
    });
}

#[test]
fn a_sandbox_that_denies_all_mounting_is_a_lack_of_permission() {
    in_namespace(|scratch| {
        deny(Call::Fsopen, None, Errno::EPERM);
        deny(Call::Mount, None, Errno::EPERM);
        let mount = overlay(vec![scratch.layer("one", &[]), scratch.layer("two", &[])]);
        let target = Dir::open(&scratch.target("merged")).unwrap();
        let error = attach(&mount, &target, Api::Auto).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        let words = "rootlay:test: the kernel denies the mount though no capability is missing: a sandbox";
        assert!(error.to_string().starts_with(words), "{error}");
    });
}

#[test]
fn a_kernel_without_overlay_says_so() {
    for call in [Call::Fsopen, Call::Mount] {
        in_namespace(move |scratch| {
            let mount = overlay(vec![scratch.layer("one", &[]), scratch.layer("two", &[])]);
            let target = Dir::open(&scratch.target("merged")).unwrap();
            deny(call, None, Errno::ENODEV);
            let api = if call == Call::Fsopen { Api::Auto } else { Api::Legacy };
            let error = attach(&mount, &target, api).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let words = "rootlay:test: this kernel has no overlay file system (CONFIG_OVERLAY_FS, module overlay)";
            assert_eq!(error.to_string(), words);
        });
    }
}
