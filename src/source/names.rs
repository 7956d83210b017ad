//! The names that a layout gives to its images (image-spec, annotations.md; containerd; Docker 25 and later).

use crate::oci::{Descriptor, Reference};

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The text of the annotation that image-spec defines for `index.json`.
pub(super) fn ref_name(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations.get(REF_NAME).map(String::as_str).filter(|text| !text.is_empty())
}

/// The full names of an entry of `index.json`, and its bare tag.
pub(super) fn of(descriptor: &Descriptor) -> (Vec<Reference>, Option<String>) {
    let mut names = Vec::new();
    let texts = [CONTAINERD_NAME, REF_NAME].map(|key| descriptor.annotations.get(key));
    for name in texts.into_iter().flatten().filter_map(|text| full(text)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let tag = ref_name(descriptor).filter(|text| full(text).is_none());
    (names, tag.map(str::to_owned))
}

/// A name that says more than a tag: only text with `/` or `:` does.
pub(super) fn full(text: &str) -> Option<Reference> {
    let name = text.contains(['/', ':']).then(|| text.parse::<Reference>().ok()).flatten()?;
    name.digest().is_none().then(|| name.with_default_tag())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn names(annotations: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let mut descriptor = Descriptor::new("", Digest::of(b""), 0);
        descriptor.annotations = annotations.iter().map(|&(key, text)| (key.into(), text.into())).collect();
        let (names, tag) = of(&descriptor);
        (names.iter().map(Reference::canonical).collect(), tag)
    }

    #[test]
    fn row_126_only_a_full_name_is_a_reference() {
        let busybox = || vec!["docker.io/library/busybox:1.36".to_owned()];
        assert_eq!(names(&[]), (vec![], None));
        assert_eq!(names(&[(REF_NAME, "latest")]), (vec![], Some("latest".into())));
        assert_eq!(names(&[(REF_NAME, "busybox:1.36")]), (busybox(), None));
        assert_eq!(names(&[(REF_NAME, "localhost/x")]), (vec!["localhost/x:latest".into()], None));
        assert_eq!(
            names(&[(REF_NAME, "1.36"), (CONTAINERD_NAME, "docker.io/library/busybox:1.36")]),
            (busybox(), Some("1.36".into()))
        );
        assert_eq!(names(&[(REF_NAME, "busybox:1.36"), (CONTAINERD_NAME, "busybox:1.36")]), (busybox(), None));
        assert_eq!(names(&[(REF_NAME, "a b/c")]), (vec![], Some("a b/c".into())));
        assert_eq!(names(&[(CONTAINERD_NAME, "latest")]), (vec![], None));
    }
}
