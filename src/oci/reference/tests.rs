//! Tests of the grammar.

use proptest::prelude::*;

use super::*;

fn parts(text: &str) -> (String, String, Option<String>) {
    let reference: Reference = text.parse().unwrap();
    (reference.registry().to_owned(), reference.repository().to_owned(), reference.tag().map(str::to_owned))
}

#[test]
fn s06_s07_s08_registry_and_repository() {
    for (text, registry, repository, tag) in [
        ("busybox", "docker.io", "library/busybox", None),
        ("busybox:1.36", "docker.io", "library/busybox", Some("1.36")),
        ("nigelpoulton/tu-demo:v2", "docker.io", "nigelpoulton/tu-demo", Some("v2")),
        ("gcr.io/google-containers/git-sync:v3.1.5", "gcr.io", "google-containers/git-sync", Some("v3.1.5")),
        ("docker.io/library/nginx:1.27-alpine", "docker.io", "library/nginx", Some("1.27-alpine")),
        ("docker.io/nginx", "docker.io", "library/nginx", None),
        ("index.docker.io/nginx", "docker.io", "library/nginx", None),
        ("localhost/x:1", "localhost", "x", Some("1")),
        ("localhost:5000/x", "localhost:5000", "x", None),
        ("test:5000/repo:tag", "test:5000", "repo", Some("tag")),
        ("test.com:5000", "docker.io", "library/test.com", Some("5000")),
        ("MyHost/x", "MyHost", "x", None),
        ("[::1]:5000/a/b:c", "[::1]:5000", "a/b", Some("c")),
        ("lowercase:Uppercase", "docker.io", "library/lowercase", Some("Uppercase")),
        ("a__b/c---d/e.f_g", "docker.io", "a__b/c---d/e.f_g", None),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", Some("xn--n3h.com")),
    ] {
        assert_eq!(parts(text), (registry.into(), repository.into(), tag.map(Into::into)), "{text}");
    }
}

#[test]
fn s03_the_default_tag_is_latest_and_only_a_default() {
    let tagged = |text: &str| text.parse::<Reference>().unwrap().with_default_tag().canonical();
    assert_eq!(tagged("busybox"), "docker.io/library/busybox:latest");
    assert_eq!(tagged("busybox:glibc"), "docker.io/library/busybox:glibc");
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(tagged(&format!("busybox@{digest}")), format!("docker.io/library/busybox@{digest}"));
}

#[test]
fn s09_a_digest_pins_with_or_without_a_tag() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let reference: Reference = format!("alpine:3@{digest}").parse().unwrap();
    assert_eq!((reference.tag(), reference.digest().unwrap().to_string()), (Some("3"), digest.clone()));
    assert_eq!(reference.familiar(), format!("alpine:3@{digest}"));
    assert_eq!(reference.familiar_name(), "alpine");
}

#[test]
fn s02_everything_else_is_a_usage_error() {
    let (long_tag, long_name) = (format!("a:{}", "t".repeat(129)), "a".repeat(256));
    let sha = "a".repeat(64);
    let (short, unknown) = (format!("a@sha256:{}", &sha[..63]), format!("a@md5:{sha}"));
    for bad in [
        "",
        ":",
        "@",
        "/",
        "a:",
        "a@",
        "a/",
        "/a",
        "a//b",
        "A",
        "a/B",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a._b",
        ".a",
        "a b",
        "a:-t",
        "a:.t",
        "a:t/b",
        "a:t:u",
        "é",
        "a:é",
        "a\n",
        "-x.com/a",
        "x-.com/a",
        "a.b:/c",
        "a.b:x/c",
        "x..y/c",
        "[::1/a.b",
        "[zz]:1/a",
        "https://a.b/c",
        "a.b/",
        "a.b:1/:t",
        &long_tag,
        &long_name,
        &sha,
        &short,
        &unknown,
    ] {
        assert_eq!(bad.parse::<Reference>().map_err(|error| error.kind()), Err(ErrorKind::Usage), "{bad:?}");
    }
    assert!(format!("a:{}", "t".repeat(128)).parse::<Reference>().is_ok());
    assert!(format!("x.y/{}", "a".repeat(255)).parse::<Reference>().is_ok());
}

#[test]
fn familiar_names_read_back_even_where_they_cannot_be_short() {
    for (text, familiar) in [
        ("docker.io/library/busybox", "busybox"),
        ("docker.io/library/a/b", "library/a/b"),
        ("docker.io/localhost/x", "docker.io/localhost/x"),
        ("docker.io/a.b/x", "docker.io/a.b/x"),
        ("quay.io/a/b", "quay.io/a/b"),
    ] {
        assert_eq!(text.parse::<Reference>().unwrap().familiar_name(), familiar);
    }
    let id = "a".repeat(64);
    assert_eq!(format!("library/{id}").parse::<Reference>().unwrap().familiar_name(), format!("library/{id}"));
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(
        domain in "(([a-zA-Z0-9]{1,3}\\.){0,2}[a-z]{1,9}(:[0-9]{1,4})?/)?",
        name in "[a-z0-9]{1,3}([_-][a-z0-9]{1,2}){0,2}(/[a-z]{1,3}([.]|__)[0-9]){0,2}",
        tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,4})?",
    ) {
        let reference: Reference = format!("{domain}{name}{tag}").parse().unwrap();
        prop_assert_eq!(&reference.canonical().parse::<Reference>().unwrap(), &reference);
        prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Reference>();
    }
}
