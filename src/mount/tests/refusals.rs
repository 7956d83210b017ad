//! What cannot be mounted says why. Rows 156, 158, 159, and file systems that overlay cannot use.

use std::error::Error as _;

use rustix::mount::MountFlags;

use super::{WAYS, in_namespace, mount_tmpfs, mounts_at, names, overlay, writable};
use crate::error::ErrorKind;
use crate::mount::{Api, Upper, attach, live_views};
use crate::sys::caps::Capability;
use crate::sys::dir::Dir;

#[test]
fn row_156_too_few_layers() {
    in_namespace(|scratch| {
        let target = Dir::open(&scratch.target("merged")).unwrap();
        let none = attach(&overlay(vec![]), &target, Api::Auto).unwrap_err();
        let one = attach(&overlay(vec![scratch.layer("one", &[])]), &target, Api::Auto).unwrap_err();
        let upper = attach(&writable(vec![], scratch.upper("view")), &target, Api::Auto).unwrap_err();
        let words = "rootlay:test: too few layers: expected at least";
        assert_eq!(none.to_string(), format!("{words} 2 lower directories for a read-only overlay, got 0"));
        assert_eq!(one.to_string(), format!("{words} 2 lower directories for a read-only overlay, got 1"));
        assert_eq!(upper.to_string(), format!("{words} 1 lower directories for a writable overlay, got 0"));
        attach(&writable(vec![scratch.layer("one", &[])], scratch.upper("view")), &target, Api::Auto).unwrap();
    });
}

#[test]
fn row_158_upper_and_work() {
    in_namespace(|scratch| {
        for way in WAYS {
            let here = |name: &str| format!("{way:?}/{name}");
            let lower = || scratch.layer(&here("lower"), &[]);
            let target = scratch.target(&here("merged"));
            let refused = |upper: Upper, words: &str| {
                let error = way.attach(&writable(vec![lower()], upper), &target).unwrap_err();
                assert!(error.to_string().contains(words), "{way:?}: {error}: {:?}", error.source());
                assert!(mounts_at(&target).is_empty());
            };
            let work_inside = Upper {
                upper: scratch.layer(&here("inside/upper"), &[]),
                work: scratch.layer(&here("inside/upper/work"), &[]),
            };
            refused(work_inside, "lie in each other");
            let upper_is_lower =
                Upper { upper: scratch.layer(&here("lower"), &[]), work: scratch.layer(&here("work"), &[]) };
            refused(upper_is_lower, "twice");
            mount_tmpfs(&scratch.target(&here("other")));
            let elsewhere = Upper {
                upper: scratch.layer(&here("apart/upper"), &[]),
                work: scratch.layer(&here("other/work"), &[]),
            };
            refused(elsewhere, "not on the same mount");

            // What lies in the work directory is wiped.
            let upper = scratch.upper(&here("view"));
            scratch.layer(&here("view/work"), &["left"]);
            scratch.layer(&here("view/work/work"), &["left"]);
            way.attach(&writable(vec![lower()], upper), &target).unwrap();
            assert_eq!(names(&scratch.path(&here("view/work/work"))), Vec::<String>::new(), "{way:?}");
        }
    });
}

#[test]
fn row_158_an_upper_on_an_overlay_is_refused_before_the_kernel_does() {
    in_namespace(|scratch| {
        let outer = scratch.target("outer");
        let mount = writable(vec![scratch.layer("lower", &[])], scratch.upper("view"));
        attach(&mount, &Dir::open(&outer).unwrap(), Api::Auto).unwrap();
        let inner = || writable(vec![scratch.layer("lower2", &[])], scratch.upper("outer/view"));
        let target = scratch.target("merged");
        for api in [Api::Auto, Api::Fsopen, Api::Legacy] {
            let error = attach(&inner(), &Dir::open(&target).unwrap(), api).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(
                error.to_string(),
                "rootlay:test: the upper directory lies on an overlay, which cannot hold it: \
                 keep the state root on ext4, xfs (ftype=1) or btrfs"
            );
        }
        // Layers on an overlay can be read; on an overlay of an overlay the kernel stops.
        let two = |place: &str| {
            vec![scratch.layer(&format!("{place}/a"), &["a"]), scratch.layer(&format!("{place}/b"), &["b"])]
        };
        two("outer/lowers");
        for way in WAYS {
            way.attach(&overlay(two("outer/lowers")), &target).unwrap();
            let deep = scratch.target("deep");
            let lowers = vec![Dir::open(&target).unwrap(), scratch.layer("lower3", &[])];
            let error = way.attach(&overlay(lowers), &deep).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{way:?}: {error}");
            assert!(error.to_string().contains("cannot be stacked so deep"), "{way:?}: {error}");
            crate::mount::detach(&target, false).unwrap();
        }
    });
}

#[test]
fn an_upper_without_extended_attributes_is_refused() {
    in_namespace(|scratch| {
        let place = scratch.target("ramfs");
        rustix::mount::mount("scratch", &place, "ramfs", MountFlags::empty(), None).unwrap();
        let mount = writable(vec![scratch.layer("lower", &[])], scratch.upper("ramfs/view"));
        let target = Dir::open(&scratch.target("merged")).unwrap();
        let error = attach(&mount, &target, Api::Auto).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let words = "(ramfs) has no trusted extended attributes: keep the state root on ext4";
        assert!(error.to_string().contains(words), "{error}");
    });
}

#[test]
fn row_159_the_kernel_lets_two_overlays_write_to_one_upper() {
    in_namespace(|scratch| {
        for way in WAYS {
            let here = |name: &str| format!("{way:?}/{name}");
            let source = format!("rootlay:row-159-{way:?}");
            for place in ["one", "two"] {
                let lower = scratch.layer(&here("lower"), &[]);
                let mut mount = writable(vec![lower], scratch.upper(&here("view")));
                mount.source.clone_from(&source);
                way.attach(&mount, &scratch.target(&here(place))).unwrap();
            }
            // So the caller has to look first: both are found by their source.
            let views = live_views("rootlay:").unwrap();
            assert_eq!(views.get(&source["rootlay:".len()..]).map(Vec::len), Some(2));
        }
    });
}

#[test]
fn without_capabilities_the_missing_ones_are_named() {
    in_namespace(|scratch| {
        let mount = overlay(vec![scratch.layer("one", &[]), scratch.layer("two", &[])]);
        let target = Dir::open(&scratch.target("merged")).unwrap();
        crate::mount::check_capabilities().unwrap();
        caps::drop(None, caps::CapSet::Effective, Capability::CAP_MKNOD).unwrap();
        let error = crate::mount::check_capabilities().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert_eq!(error.to_string(), "missing capability: CAP_MKNOD");

        caps::drop(None, caps::CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap();
        for api in [Api::Auto, Api::Fsopen, Api::Legacy] {
            let error = attach(&mount, &target, api).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permission, "{api:?}");
            assert_eq!(error.to_string(), "rootlay:test: missing capabilities: CAP_MKNOD, CAP_SYS_ADMIN", "{api:?}");
        }
    });
}

#[test]
fn a_source_above_255_bytes_and_a_target_that_is_gone_are_errors() {
    in_namespace(|scratch| {
        for way in WAYS {
            let mount =
                overlay(vec![scratch.layer(&format!("{way:?}one"), &[]), scratch.layer(&format!("{way:?}two"), &[])]);
            let path = scratch.target("gone");
            let gone = Dir::open(&path).unwrap();
            std::fs::remove_dir(&path).unwrap();
            let api = if way == super::Way::Legacy { Api::Legacy } else { Api::Fsopen };
            attach(&mount, &gone, api).unwrap_err();
        }
        let mut mount = overlay(vec![scratch.layer("one", &[]), scratch.layer("two", &[])]);
        mount.source = format!("rootlay:{}", "x".repeat(300));
        let target = Dir::open(&scratch.target("merged")).unwrap();
        attach(&mount, &target, Api::Fsopen).unwrap_err();
    });
}
