//! What is mounted shows what it should, in every way to mount. Rows of section F.

use std::io::ErrorKind as IoKind;

use super::{Scratch, WAYS, in_namespace, mounts_at, names, overlay, writable};
use crate::mount::legacy::option_string;
use crate::mount::options::STATED;
use crate::mount::{Api, PlanLayer, attach, plan_layers};
use crate::sys::dir::Dir;
use crate::sys::mount::{FsContext, MountFlags, mount_by_numbers};
use crate::sys::xattr;

fn read(scratch: &Scratch, path: &str) -> String {
    std::fs::read_to_string(scratch.path(path)).unwrap()
}

#[test]
fn layers_are_base_first_and_the_process_stays_where_it_is() {
    in_namespace(|scratch| {
        let before = std::env::current_dir().unwrap();
        for (number, way) in WAYS.into_iter().enumerate() {
            let lowers = vec![
                scratch.layer("base", &["same", "base", "gone"]),
                scratch.layer("middle", &["same", "middle", "-gone"]),
                scratch.layer("top", &["same", "top"]),
            ];
            let target = scratch.target(&format!("merged{number}"));
            way.attach(&overlay(lowers), &target).unwrap();
            assert_eq!(names(&target), ["base", "middle", "same", "top"], "{way:?}");
            assert_eq!(read(scratch, &format!("merged{number}/same")), "top", "{way:?}");
            for name in ["base", "middle", "top"] {
                std::fs::remove_dir_all(scratch.path(name)).unwrap();
            }
        }
        assert_eq!(std::env::current_dir().unwrap(), before);
    });
}

#[test]
fn row_150_a_repeated_layer_is_refused_by_the_kernel_and_planned_away() {
    in_namespace(|scratch| {
        let dirs = [scratch.layer("x", &["f", "x"]), scratch.layer("a", &["f", "a"])];
        let stack = ["x", "a", "x"];
        let open = |index: usize| dirs[usize::from(stack[index] == "a")].try_clone().unwrap();
        for (number, way) in WAYS.into_iter().enumerate() {
            let target = scratch.target(&format!("merged{number}"));
            let error = way.attach(&overlay((0..3).map(open).collect()), &target).unwrap_err();
            assert!(error.to_string().contains("twice"), "{way:?}: {error}");
            assert!(mounts_at(&target).is_empty(), "{way:?}");

            let layers: Vec<_> = stack.iter().map(|id| PlanLayer { id, empty: false, opaque_root: false }).collect();
            way.attach(&overlay(plan_layers(&layers).into_iter().map(open).collect()), &target).unwrap();
            assert_eq!(names(&target), ["a", "f", "x"]);
            assert_eq!(read(scratch, &format!("merged{number}/f")), "x", "{way:?}");
        }
    });
}

#[test]
fn row_7_the_kernel_ignores_an_opaque_root() {
    in_namespace(|scratch| {
        let (low, top) = (scratch.layer("low", &["old"]), scratch.layer("top", &["new"]));
        xattr::set_fd(&top, b"trusted.overlay.opaque", b"y").unwrap();
        let target = scratch.target("merged");
        attach(&overlay(vec![low, top]), &Dir::open(&target).unwrap(), Api::Auto).unwrap();
        assert_eq!(names(&target), ["new", "old"], "if this kernel minds the mark, the plan may too");
    });
}

#[test]
fn row_152_options_end_at_4095_bytes() {
    in_namespace(|scratch| {
        scratch.layer("base", &["base"]);
        scratch.layer("top", &["top"]);
        let (top, base) = (scratch.path("top"), scratch.path("base"));
        for (length, fits) in [(4095, true), (4096, false), (4100, false)] {
            let fixed = format!("lowerdir={}:{}", top.display(), base.display()).len();
            let padding = "/".repeat(length - fixed);
            let options = format!("lowerdir={}{padding}:{}", top.display(), base.display());
            assert_eq!(options.len(), length);
            let target = scratch.target(&format!("merged{length}"));
            let dir = Dir::open(&target).unwrap();
            let result = mount_by_numbers("overlay", "rootlay:test", &dir, MountFlags::RDONLY, options.as_bytes());
            if fits {
                result.unwrap().unwrap();
                assert_eq!(names(&target), ["base", "top"]);
            } else {
                let error = result.unwrap_err();
                let expected = format!("expected at most 4095 bytes of mount options, got {length}");
                assert_eq!(error.to_string(), expected);
                assert!(mounts_at(&target).is_empty());
            }
        }
    });
}

#[test]
fn row_153_a_state_root_with_a_long_path() {
    in_namespace(|scratch| {
        let deep = format!("{}/state", ["d".repeat(200), "e".repeat(200)].join("/"));
        assert!(scratch.path(&deep).as_os_str().len() > 400);
        for (number, way) in WAYS.into_iter().enumerate() {
            let deep = format!("{deep}{number}");
            let lowers =
                vec![scratch.layer(&format!("{deep}/one"), &["one"]), scratch.layer(&format!("{deep}/two"), &["two"])];
            let upper = scratch.upper(&format!("{deep}/view"));
            let target = scratch.target(&format!("{deep}/view/merged"));
            way.attach(&writable(lowers, upper), &target).unwrap();
            std::fs::write(target.join("three"), "").unwrap();
            assert_eq!(names(&target), ["one", "three", "two"], "{way:?}");
            assert_eq!(names(&scratch.path(&format!("{deep}/view/upper"))), ["three"], "{way:?}");
        }
    });
}

#[test]
fn row_155_names_with_special_characters() {
    const SPECIAL: [&str; 10] =
        ["a:b", "a,b", "a\\b", "a\\,b", "a\\:b", "a b", "a\nb", "\"a'b", "lowerdir=a,upperdir=b:c", "\\040#\tä"];
    in_namespace(|scratch| {
        for way in WAYS {
            for name in SPECIAL {
                let here = format!("{way:?}/{name}");
                let lowers = vec![
                    scratch.layer(&format!("{here}/one {name}"), &["one"]),
                    scratch.layer(&format!("{here}/{name}"), &["two"]),
                ];
                let upper = scratch.upper(&format!("{here}/view{name}"));
                let target = scratch.target(&format!("{here}/merged{name}"));
                way.attach(&writable(lowers, upper), &target).unwrap();
                std::fs::write(target.join(name), "").unwrap();
                assert_eq!(names(&target).len(), 3, "{way:?} {name}");
                assert_eq!(names(&scratch.path(&format!("{here}/view{name}/upper"))), [name], "{way:?}");
                assert_eq!(mounts_at(&target).len(), 1, "{way:?} {name}");
                crate::mount::detach(&target, false).unwrap();
                assert!(mounts_at(&target).is_empty(), "{way:?} {name}");
            }
        }
    });
}

#[test]
fn row_156_one_layer_needs_an_empty_one_beside_it() {
    in_namespace(|scratch| {
        for (number, way) in WAYS.into_iter().enumerate() {
            let target = scratch.target(&format!("merged{number}"));
            let layer = scratch.layer(&format!("layer{number}"), &["file", "-hidden"]);
            let empty = scratch.layer(&format!("empty{number}"), &[]);
            way.attach(&overlay(vec![empty, layer]), &target).unwrap();
            // The whiteout is no entry, though nothing is below it.
            assert!(std::fs::symlink_metadata(target.join("hidden")).is_err(), "{way:?}");
            assert_eq!(read(scratch, &format!("merged{number}/file")), format!("layer{number}"));
        }
    });
}

#[test]
fn row_157_read_only_is_read_only() {
    in_namespace(|scratch| {
        for (number, way) in WAYS.into_iter().enumerate() {
            let lower = |name: &str| scratch.layer(&format!("{name}{number}"), &["file"]);
            let without = overlay(vec![lower("one"), lower("two")]);
            let mut with = writable(vec![lower("three")], scratch.upper(&format!("view{number}")));
            with.read_only = true;
            for (place, mount) in [("without", without), ("with", with)] {
                let target = scratch.target(&format!("{place}{number}"));
                way.attach(&mount, &target).unwrap();
                let error = std::fs::write(target.join("file"), "new").unwrap_err();
                assert_eq!(error.kind(), IoKind::ReadOnlyFilesystem, "{way:?} {place}");
                let shown = &mounts_at(&target)[0];
                assert!(shown.options.starts_with(b"ro,"), "{way:?} {place}");
                assert!(shown.super_options.starts_with(b"ro"), "{way:?} {place}");
            }
        }
    });
}

#[test]
fn row_160_the_options_are_stated_whatever_the_defaults_are() {
    in_namespace(|scratch| {
        let mount = writable(vec![scratch.layer("layer", &[])], scratch.upper("view"));
        let options = option_string(&mount, &STATED);
        let stated = ",index=off,nfs_export=off,metacopy=off,redirect_dir=nofollow,xino=auto";
        assert!(options.ends_with(stated), "{options}");
        for (number, way) in WAYS.into_iter().enumerate() {
            // Inode numbers need care only where the layers lie on several file systems: there xino shows.
            super::mount_tmpfs(&scratch.target(&format!("other{number}")));
            let lowers = ["layer", "other"].map(|name| scratch.layer(&format!("{name}{number}"), &[])).into();
            let target = scratch.target(&format!("merged{number}"));
            way.attach(&writable(lowers, scratch.upper(&format!("view{number}"))), &target).unwrap();
            let shown = String::from_utf8(mounts_at(&target).remove(0).super_options).unwrap();
            // The kernel shows what differs from its own defaults, so `off` may be there or not.
            assert!(shown.contains("redirect_dir=nofollow"), "{way:?}: {shown}");
            assert!(shown.contains("xino=auto"), "{way:?}: {shown}");
            for wrong in ["index=on", "nfs_export=on", "metacopy=on", "redirect_dir=on", "redirect_dir=follow"] {
                assert!(!shown.contains(wrong), "{way:?}: {shown}");
            }
        }
    });
}

/// Whiteouts that are attributes, each in a directory that no lower layer has: below one that no other layer has either,
/// below one that merges, and below one that hides the layer below it.
#[test]
fn row_021_whiteouts_on_an_overlay_show_nowhere() {
    in_namespace(|scratch| {
        let place = Dir::open(&scratch.target("store")).unwrap();
        attach(&writable(vec![scratch.layer("lower", &[])], scratch.upper("view")), &place, Api::Auto).unwrap();
        for (number, way) in WAYS.into_iter().enumerate() {
            let layer = |name: &str, entries: &[&str]| scratch.layer(&format!("store/{number}/{name}"), entries);
            let mark = |layer: &Dir, path: &str, name: &[u8], value: &[u8]| {
                xattr::set_fd(layer.open_dir(path.as_bytes()).unwrap(), name, value).unwrap();
            };
            let hide = |layer: &Dir, directory: &str| {
                let whiteout = layer.create_file(format!("{directory}/gone").as_bytes(), 0).unwrap();
                xattr::set_fd(&whiteout, b"trusted.overlay.whiteout", b"").unwrap();
                mark(layer, directory, b"trusted.overlay.opaque", b"x");
                mark(layer, directory, b"trusted.overlay.origin", b"");
            };
            let base = layer("base", &["a/", "a/b/", "a/b/kept", "o/", "o/lost"]);
            hide(&base, "a/b");
            let middle = layer("middle", &["a/", "o/"]);
            mark(&middle, "o", b"trusted.overlay.opaque", b"y");
            let top = layer("top", &["o/", "o/c/", "o/c/d/", "o/c/d/kept", "p/", "p/q/", "p/q/r/", "p/q/r/kept"]);
            for directory in [".", "o/c/d", "p", "p/q", "p/q/r"] {
                hide(&top, directory);
            }
            let target = scratch.target(&format!("merged{number}"));
            way.attach(&overlay(vec![layer("empty", &[]), base, middle, top]), &target).unwrap();
            for (directory, seen) in [
                (".", &["a", "o", "p"][..]),
                ("a", &["b"]),
                ("a/b", &["kept"]),
                ("o", &["c"]),
                ("o/c/d", &["kept"]),
                ("p", &["q"]),
                ("p/q", &["r"]),
                ("p/q/r", &["kept"]),
            ] {
                assert_eq!(names(&target.join(directory)), seen, "{way:?}: {directory}");
            }
        }
    });
}

#[test]
fn row_170_set_user_id_and_devices_are_switched_off_unless_asked() {
    in_namespace(|scratch| {
        for (number, way) in WAYS.into_iter().enumerate() {
            for nosuid in [false, true] {
                for nodev in [false, true] {
                    let name = format!("{number}{nosuid}{nodev}");
                    let mut mount = overlay(vec![
                        scratch.layer(&format!("one{name}"), &[]),
                        scratch.layer(&format!("two{name}"), &[]),
                    ]);
                    (mount.nosuid, mount.nodev) = (nosuid, nodev);
                    let target = scratch.target(&format!("merged{name}"));
                    way.attach(&mount, &target).unwrap();
                    let options = String::from_utf8(mounts_at(&target).remove(0).options).unwrap();
                    assert_eq!(options.contains("nosuid"), nosuid, "{way:?} {options}");
                    assert_eq!(options.contains("nodev"), nodev, "{way:?} {options}");
                }
            }
        }
    });
}

#[test]
fn an_option_that_the_kernel_does_not_know_is_left_out_and_a_bad_value_is_not() {
    in_namespace(|scratch| {
        let context = FsContext::open("overlay").unwrap();
        crate::mount::fsopen::state(&context, "an_option_of_tomorrow", "off").unwrap();
        let error = crate::mount::fsopen::state(&context, "index", "banana").unwrap_err();
        assert!(error.to_string().contains("index"), "{error}");

        let parameters = scratch.path("parameters");
        assert_eq!(STATED[0].known_in(&parameters), None);
        scratch.layer("parameters", &["index", "redirect_dir"]);
        let known: Vec<_> = STATED.iter().map(|option| option.known_in(&parameters)).collect();
        assert_eq!(known, [Some(true), Some(false), Some(false), Some(false), Some(false)]);
    });
}

#[test]
fn mounting_over_a_full_directory_hides_it_and_over_a_view_hides_that() {
    in_namespace(|scratch| {
        scratch.layer("target", &["mine"]);
        for (number, way) in WAYS.into_iter().enumerate() {
            let one = scratch.layer(&format!("one{number}"), &[]);
            let file = format!("file{number}");
            let two = scratch.layer(&format!("two{number}"), &[file.as_str()]);
            way.attach(&overlay(vec![one, two]), &scratch.path("target")).unwrap();
            assert_eq!(names(&scratch.path("target")), [file], "{way:?}");
        }
        for _ in WAYS {
            crate::mount::detach(&scratch.path("target"), false).unwrap();
        }
        assert_eq!(names(&scratch.path("target")), ["mine"]);
    });
}

#[test]
fn the_device_is_told_where_the_calls_know_it() {
    in_namespace(|scratch| {
        let lowers = || vec![scratch.layer("base", &["f"]), scratch.layer("top", &["g"])];
        let target = scratch.target("merged");
        let told = attach(&overlay(lowers()), &Dir::open(&target).unwrap(), Api::Fsopen).unwrap();
        assert_eq!(told, Some(mounts_at(&target)[0].dev));
        let target = scratch.target("legacy");
        assert_eq!(attach(&overlay(lowers()), &Dir::open(&target).unwrap(), Api::Legacy).unwrap(), None);
    });
}
