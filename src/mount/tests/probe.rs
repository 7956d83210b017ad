//! What the kernel and a file system are said to be able to do.

use rustix::mount::MountFlags;

use super::{in_namespace, names, overlay, writable};
use crate::mount::probe::Ability;
use crate::mount::{Api, attach, boot_id, explain};
use crate::sys::dir::Dir;

#[test]
fn file_systems_are_told_apart() {
    in_namespace(|scratch| {
        let all = Ability { entry_types: true, trusted_xattrs: true, whiteouts: true };
        let tmpfs = explain(&scratch.layer("tmpfs", &[])).unwrap().file_system;
        assert_eq!((tmpfs.fs_type.as_str(), tmpfs.ability, tmpfs.overlay), ("tmpfs", all, false));
        assert!(!tmpfs.folds_case);
        assert_eq!(names(&scratch.path("tmpfs")), Vec::<String>::new());

        let place = scratch.target("ramfs");
        rustix::mount::mount("scratch", &place, "ramfs", MountFlags::empty(), None).unwrap();
        let ramfs = explain(&Dir::open(&place).unwrap()).unwrap().file_system;
        assert_eq!(ramfs.fs_type, "ramfs");
        assert_eq!(ramfs.ability, Ability { trusted_xattrs: false, ..all });

        let place = scratch.target("overlay");
        let mount = writable(vec![scratch.layer("lower", &[])], scratch.upper("view"));
        attach(&mount, &Dir::open(&place).unwrap(), Api::Auto).unwrap();
        let overlay = explain(&Dir::open(&place).unwrap()).unwrap().file_system;
        assert!(overlay.overlay);
        assert_eq!(overlay.fs_type, "overlay");
        // Overlay lets nobody make its own marks on top of it.
        assert!(!overlay.ability.whiteouts);
    });
}

#[test]
fn a_read_only_directory_cannot_be_probed_and_says_so() {
    in_namespace(|scratch| {
        let place = scratch.target("merged");
        let mount = overlay(vec![scratch.layer("one", &[]), scratch.layer("two", &[])]);
        attach(&mount, &Dir::open(&place).unwrap(), Api::Auto).unwrap();
        explain(&Dir::open(&place).unwrap()).unwrap_err();
    });
}

/// Where the tests of all ways to mount pass, the probes must agree with them.
#[test]
fn features_of_this_kernel() {
    in_namespace(|scratch| {
        let kernel = explain(&scratch.layer("dir", &[])).unwrap().kernel;
        for name in ["overlay", "fsopen", "lowerdir+", "lowerdir+ by descriptor", "index", "redirect_dir", "xino"] {
            let feature = kernel.iter().find(|feature| feature.name == name).unwrap();
            assert_eq!(feature.available, Some(true), "{name}");
        }
        assert_eq!(boot_id().unwrap().len(), 36);
    });
}
