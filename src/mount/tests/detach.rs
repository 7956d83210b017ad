//! Unmounting: only views, only the topmost, never through a symlink.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Scratch, in_namespace, mount_tmpfs, mounts_at, names, overlay};
use crate::error::ErrorKind;
use crate::mount::{Api, MountedAt, SOURCE_PREFIX, attach, detach, detach_view, own_views};
use crate::sys::dir::Dir;

fn view(scratch: &Scratch, name: &str, target: &Dir) {
    let lowers = vec![
        scratch.layer(&format!("{name}-one"), &["one"]),
        scratch.layer(&format!("{name}-two"), &["two", "below/"]),
    ];
    let mut mount = overlay(lowers);
    mount.source = format!("rootlay:{name}");
    attach(&mount, target, Api::Auto).unwrap();
}

fn mounted(scratch: &Scratch, name: &str) -> PathBuf {
    let target = scratch.target(name);
    view(scratch, name, &Dir::open(&target).unwrap());
    target
}

#[test]
fn a_view_is_unmounted_once() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "view");
        detach(&target, false).unwrap();
        assert_eq!(names(&target), Vec::<String>::new());
        assert_eq!(detach(&target, false).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(detach(&target, true).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(detach(&scratch.path("none"), false).unwrap_err().kind(), ErrorKind::NotFound);
        for bad in ["/", "", "/tmp/.."] {
            assert_eq!(detach(Path::new(bad), false).unwrap_err().kind(), ErrorKind::Usage, "{bad}");
        }
    });
}

#[test]
fn only_the_topmost_of_two_goes() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "lower");
        view(scratch, "upper", &Dir::open(&target).unwrap());
        let sources = || mounts_at(&target).into_iter().map(|mount| mount.source).collect::<Vec<_>>();
        assert_eq!(sources(), [b"rootlay:lower", b"rootlay:upper"]);
        detach(&target, false).unwrap();
        assert_eq!(sources(), [b"rootlay:lower"]);
        view(scratch, "again", &Dir::open(&target).unwrap());
        detach(&target, true).unwrap();
        assert_eq!(sources(), [b"rootlay:lower"]);
    });
}

/// Where the view of this name is mounted.
fn place(name: &str) -> MountedAt {
    own_views(SOURCE_PREFIX).unwrap()[name].first().unwrap().clone()
}

#[test]
fn another_view_that_took_the_place_stays() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "first");
        let first = place("first");
        detach(&target, false).unwrap();
        view(scratch, "second", &Dir::open(&target).unwrap());
        // As a rule it has the numbers of the first one.
        let second = place("second");
        for lazy in [false, true] {
            let same_numbers = MountedAt { mount: second.mount, dev: second.dev, ..first.clone() };
            let same_name = MountedAt { mount: second.mount + 1, ..second.clone() };
            for (name, at) in [("first", &first), ("first", &same_numbers), ("second", &same_name)] {
                let error = detach_view(name, at, lazy).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            }
            assert_eq!(mounts_at(&target).len(), 1);
        }
        // One that is covered neither.
        view(scratch, "third", &Dir::open(&target).unwrap());
        let error = detach_view("second", &second, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().ends_with("the view `third` is mounted over the view `second`"), "{error}");
        detach_view("third", &place("third"), true).unwrap();
        detach_view("second", &second, false).unwrap();
        assert!(mounts_at(&target).is_empty());
    });
}

#[test]
fn what_is_no_view_stays() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "view");
        mount_tmpfs(&target);
        for lazy in [false, true] {
            let error = detach(&target, lazy).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.to_string().ends_with("expected a view, got tmpfs of \"scratch\" mounted there"), "{error}");
        }
        assert_eq!(mounts_at(&target).len(), 2);
        // A directory within a view is no mount point.
        rustix::mount::unmount(&target, rustix::mount::UnmountFlags::empty()).unwrap();
        assert_eq!(detach(&target.join("below"), false).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(mounts_at(&target).len(), 1);
    });
}

#[test]
fn no_symlink_is_followed() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "view");
        let to_view = scratch.path("to-view");
        std::os::unix::fs::symlink(&target, &to_view).unwrap();
        assert_eq!(detach(&to_view, false).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(detach(&to_view, true).unwrap_err().kind(), ErrorKind::NotFound);
        let to_parent = scratch.path("to-parent");
        std::os::unix::fs::symlink(target.parent().unwrap(), &to_parent).unwrap();
        detach(&to_parent.join("view"), true).unwrap_err();
        assert_eq!(mounts_at(&target).len(), 1);
    });
}

#[test]
fn a_view_in_use_is_told_apart_and_goes_lazily() {
    in_namespace(|scratch| {
        let target = mounted(scratch, "view");
        let open = File::open(target.join("one")).unwrap();
        let error = detach(&target, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert!(error.to_string().ends_with("the view is in use"), "{error}");
        assert_eq!(mounts_at(&target).len(), 1);
        detach(&target, true).unwrap();
        assert!(mounts_at(&target).is_empty());
        drop(open);

        // Something mounted within it keeps it, too.
        let target = mounted(scratch, "outer");
        mount_tmpfs(&target.join("below"));
        assert_eq!(detach(&target, false).unwrap_err().kind(), ErrorKind::InUse);
        detach(&target, true).unwrap();
        assert!(mounts_at(&target.join("below")).is_empty());
    });
}

#[test]
fn a_target_of_any_length_and_any_bytes() {
    in_namespace(|scratch| {
        let mut path = scratch.path("deep");
        std::fs::create_dir(&path).unwrap();
        let mut dir = Dir::open(&path).unwrap();
        for _ in 0..24 {
            let name = format!("{}\n\\ ", "d".repeat(200));
            dir = dir.create_dirs(name.as_bytes(), 0o755).unwrap();
            path.push(name);
        }
        assert!(path.as_os_str().len() > 4500);
        for lazy in [false, true] {
            let name = format!("view-{lazy}");
            // The handle must not keep the view busy.
            view(scratch, &name, &dir.try_clone().unwrap());
            assert_eq!(mounts_at(&path).len(), 1);
            detach(&path, lazy).unwrap();
            assert!(mounts_at(&path).is_empty());
        }
    });
}
