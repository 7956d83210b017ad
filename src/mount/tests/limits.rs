//! How many layers one mount takes. Row 154.

use super::{Scratch, Way, in_namespace, mounts_at, names, overlay, writable};
use crate::error::ErrorKind;
use crate::mount::{Api, attach};
use crate::sys::dir::Dir;

fn layers(scratch: &Scratch, prefix: &str, count: usize) -> Vec<Dir> {
    (0..count)
        .map(|number| {
            let own = format!("f{number:03}");
            scratch.layer(&format!("{prefix}/{number}"), &["same", own.as_str()])
        })
        .collect()
}

fn row_154(way: Way, counts: &'static [usize]) {
    in_namespace(move |scratch| {
        for &count in counts {
            let prefix = format!("layers{count}");
            let target = scratch.target(&format!("merged{count}"));
            way.attach(&overlay(layers(scratch, &prefix, count)), &target).unwrap();
            assert_eq!(names(&target).len(), count + 1, "{way:?}");
            let top = std::fs::read_to_string(target.join("same")).unwrap();
            assert_eq!(top, format!("{prefix}/{}", count - 1), "{way:?}");

            let target = scratch.target(&format!("writable{count}"));
            let mount =
                writable(layers(scratch, &format!("more{count}"), count), scratch.upper(&format!("view{count}")));
            way.attach(&mount, &target).unwrap();
            assert_eq!(names(&target).len(), count + 1, "{way:?}");
        }
    });
}

#[test]
fn row_154_up_to_500_by_descriptors() {
    row_154(Way::Descriptors, &[127, 200, 499, 500]);
}

#[test]
fn row_154_up_to_500_by_names() {
    row_154(Way::Names, &[127, 200, 499, 500]);
}

#[test]
fn row_154_up_to_500_by_mount_2() {
    row_154(Way::Legacy, &[127, 200, 499, 500]);
}

#[test]
fn row_154_501_are_refused_in_words() {
    in_namespace(|scratch| {
        let target = scratch.target("merged");
        let mount = overlay(layers(scratch, "layers", 501));
        for api in [Api::Auto, Api::Fsopen, Api::Legacy] {
            let error = attach(&mount, &Dir::open(&target).unwrap(), api).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let words = "rootlay:test: too many layers: expected at most 500 lower directories, got 501";
            assert_eq!(error.to_string(), words);
        }
        // The kernel's own words, had we not looked.
        let error = Way::Descriptors.attach(&mount, &target).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("too many lower directories, limit is 500"), "{cause}");
        assert!(mounts_at(&target).is_empty());
    });
}
