//! S01–S09, S17, S18, S20: which image a name means, at what the program takes for Docker Hub, and elsewhere.

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::Bed;

use super::{digest, listed, said, saying};

pub fn cases() -> Vec<Case> {
    cases![
        s01_both_spellings_and_several_names;
        s02_pull_by_tag;
        s03_no_tag_means_latest;
        s04_no_such_tag;
        s04_no_such_repository;
        s05_no_latest;
        s06_repositories_of_users;
        s07_other_registries;
        s08_spellings_of_the_hub;
        s09_pull_by_digest;
        s09_name_with_tag_and_digest;
        sources_are_names_too;
        s50_where_an_image_was_pulled_from;
        s18_a_tag_that_moved;
        s02_names_that_are_none
    ]
}

fn s01_both_spellings_and_several_names(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    registry.publish(&saying("a"), "library/a:1");
    registry.publish(&saying("b"), "library/b:1");
    assert!(bed.pull("a:1").ends_with("\ndocker.io/library/a:1\n"));
    assert!(bed.rootlay(["image", "pull", "b:1"]).ok().ends_with("\ndocker.io/library/b:1\n"));
    bed.rootlay(["rmi", "a:1", "b:1"]).ok();
    // A name that fails does not hide the others.
    let output = bed.rootlay(["pull", "-q", "a:1", "a:missing", "b:1"]).exits(12).says("missing");
    assert_eq!(output.stdout, "docker.io/library/a:1\ndocker.io/library/b:1\n");
    let _ = bed.rootlay(["pull"]).exits(125);
    // Flags may follow; what Docker had for signatures is taken, and said to do nothing.
    let output = bed.rootlay(["pull", "a:1", "--disable-content-trust", "-q"]).exits(0);
    assert_eq!(output.stdout, "docker.io/library/a:1\n");
    assert!(output.stderr.starts_with("Warning: "), "{}", output.stderr);
}

fn s02_pull_by_tag(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    let written = registry.publish(&saying("4.2.6"), "library/mongo:4.2.6");
    registry.publish(&saying("7.0.5"), "library/mongo:7.0.5");
    let expected = format!(
        "Digest: {}\nStatus: Downloaded newer image for mongo:4.2.6\ndocker.io/library/mongo:4.2.6\n",
        digest(&written)
    );
    assert_eq!(bed.pull("mongo:4.2.6"), expected);
    assert_eq!(said(context, "mongo:4.2.6"), "4.2.6");
    let expected = format!("mongo 4.2.6 {} {}", written.image_id, digest(&written));
    assert_eq!(listed(context, &["Repository", "Tag", "ID", "Digest"]), [expected]);
}

fn s03_no_tag_means_latest(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    let written = registry.publish(&saying("latest"), "library/busybox:latest");
    registry.publish(&saying("newer"), "library/busybox:zzz");
    let expected = format!(
        "Using default tag: latest\nDigest: {}\nStatus: Downloaded newer image for busybox:latest\n\
         docker.io/library/busybox:latest\n",
        digest(&written)
    );
    assert_eq!(bed.pull("busybox"), expected);
    assert_eq!(said(context, "busybox"), "latest");
}

fn s04_no_such_tag(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    for tag in ["1.35.0", "1.36.0", "1.36.1", "glibc", "latest"] {
        registry.publish(&saying("x"), &format!("busybox:{tag}"));
    }
    let output = bed.refuses(["pull", &proxy.name("busybox:1.36.2")], 12, &["busybox", "1.36.2"]);
    let rest = output.stderr.replace("1.36.2", "");
    assert!(rest.contains("1.36.1"), "the nearest tags are missing: {}", output.stderr);
}

fn s04_no_such_repository(context: &Context) {
    let (bed, _registry, proxy) = Bed::open(context);
    bed.refuses(["pull", &proxy.name("no/where:1")], 12, &["no/where"]);
    let nowhere = format!("{}@sha256:{}", proxy.name("no/where"), "0".repeat(64));
    bed.refuses(["pull", &nowhere], 12, &["no/where", "sha256:000"]);
}

fn s05_no_latest(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    let output = bed.refuses(["pull", &proxy.name("app")], 12, &["latest"]);
    assert!(output.stdout.starts_with("Using default tag: latest\n"), "{}", output.stdout);
    assert!(output.stderr.contains('1'), "{}", output.stderr);
}

fn s06_repositories_of_users(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    registry.publish(&saying("v2"), "nigelpoulton/tu-demo:v2");
    let stdout = bed.pull("nigelpoulton/tu-demo:v2");
    assert!(stdout.ends_with("for nigelpoulton/tu-demo:v2\ndocker.io/nigelpoulton/tu-demo:v2\n"), "{stdout}");
    assert_eq!(said(context, "nigelpoulton/tu-demo:v2"), "v2");
}

fn s07_other_registries(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "google-containers/git-sync:v3.1.5");
    for host in ["127.0.0.1:5000", "127.0.0.1:5001", "localhost:5001"] {
        let name = format!("{host}/google-containers/git-sync:v3.1.5");
        let stdout = bed.pull(&name);
        assert!(stdout.ends_with(&format!("image for {name}\n{name}\n")), "{stdout}");
    }
    assert!(!proxy.records().is_empty());
}

fn s08_spellings_of_the_hub(context: &Context) {
    let (bed, registry, proxy) = Bed::hub(context);
    registry.publish(&saying("x"), "library/nginx:1.27-alpine");
    let names = [
        "docker.io/library/nginx:1.27-alpine",
        "index.docker.io/library/nginx:1.27-alpine",
        "library/nginx:1.27-alpine",
    ];
    for (n, name) in [&names[..], &["docker.io/nginx:1.27-alpine"]].concat().into_iter().enumerate() {
        let word = if n == 0 { "Downloaded newer image" } else { "Image is up to date" };
        let stdout = bed.pull(name);
        let expected = format!("Status: {word} for nginx:1.27-alpine\ndocker.io/library/nginx:1.27-alpine\n");
        assert!(stdout.ends_with(&expected), "{name}: {stdout}");
    }
    let hosts: Vec<_> = proxy.records().iter().map(|record| record.headers.get("Host").unwrap().to_owned()).collect();
    assert!(hosts.iter().all(|host| host == "registry-1.docker.io"), "{hosts:?}");
}

fn s09_pull_by_digest(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    let written = registry.publish(&saying("pinned"), "library/alpine:3");
    registry.publish(&saying("moved"), "library/alpine:3");
    let name = format!("alpine@{}", digest(&written));
    let output =
        bed.plain(["pull", &name]).exits(0).says(&format!("{}: Pulling from library/alpine\n", digest(&written)));
    let expected =
        format!("Digest: {}\nStatus: Downloaded newer image for {name}\ndocker.io/library/{name}\n", digest(&written));
    assert_eq!(output.stdout, expected);
    assert_eq!(said(context, &name), "pinned");
    let expected = format!("alpine <none> {}", digest(&written));
    assert_eq!(listed(context, &["Repository", "Tag", "Digest"]), [expected]);
    let stdout = bed.pull(&name);
    assert!(stdout.contains(&format!("Status: Image is up to date for {name}\n")), "{stdout}");
}

fn s09_name_with_tag_and_digest(context: &Context) {
    let (bed, registry, proxy) = Bed::hub(context);
    let written = registry.publish(&saying("pinned"), "library/alpine:3");
    registry.publish(&saying("moved"), "library/alpine:3");
    let stdout = bed.pull(&format!("alpine:3@{}", digest(&written)));
    assert!(stdout.starts_with(&format!("Digest: {}\n", digest(&written))), "{stdout}");
    assert_eq!(said(context, &format!("alpine@{}", digest(&written))), "pinned");
    let by_tag = proxy.records().into_iter().find(|record| record.target.contains("/manifests/3"));
    assert!(by_tag.is_none(), "{by_tag:?}");
    let _ = bed.rootlay(["pull", &format!("alpine:3@sha256:{}", "0".repeat(64))]).exits(12);
}

/// `docker://REF` is what other tools call it, and what `load` does.
fn sources_are_names_too(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    let written = registry.publish(&saying("x"), "library/a:1");
    assert!(bed.pull("docker://a:1").ends_with("\nStatus: Downloaded newer image for a:1\ndocker.io/library/a:1\n"));
    assert_eq!(bed.rootlay(["digest", "docker://a:1"]).ok(), format!("{}\n", digest(&written)));
    assert_eq!(bed.rootlay(["tags", "docker://a"]).ok(), "1\n");
    let _ = bed.rootlay(["pull", "docker://"]).exits(125);
    let _ = bed.rootlay(["pull", "docker://docker://a:1"]).exits(125);
}

fn s50_where_an_image_was_pulled_from(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    registry.publish(&saying("x"), "library/a:1");
    bed.pull("a:1");
    bed.rootlay(["tag", "a:1", "other.example/c:1"]).ok();
    let identity = bed.rootlay(["inspect", "-f", "{{json .Identity}}", "other.example/c:1"]).ok();
    assert_eq!(identity, "{\"Pull\":[{\"Repository\":\"docker.io/library/a\"}]}\n");
    // Of one that was loaded nothing is known.
    context.load(&saying("y").tag("d:1"));
    assert!(!bed.rootlay(["inspect", "d:1"]).ok().contains("Identity"));
}

fn s18_a_tag_that_moved(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let name = proxy.name("app:1");
    let old = registry.publish(&saying("old"), "app:1");
    bed.pull(&name);
    let new = registry.publish(&saying("new"), "app:1");
    let stdout = bed.pull(&name);
    assert!(stdout.contains(&format!("Status: Downloaded newer image for {name}\n")), "{stdout}");
    assert_eq!(said(context, &name), "new");
    let repository = proxy.name("app");
    let mut expected = [format!("{repository} 1 {}", new.image_id), format!("<none> <none> {}", old.image_id)];
    expected.sort_unstable();
    assert_eq!(listed(context, &["Repository", "Tag", "ID"]), expected);
    assert_eq!(said(context, &old.image_id), "old");
}

fn s02_names_that_are_none(context: &Context) {
    let bed = Bed::new(context);
    let long = format!("a:{}", "t".repeat(129));
    for name in ["lower/Case:1", "a//b", "a:", "a:tag with space", "-a/b", "a@sha256:12", "docker://", &long] {
        let output = bed.rootlay(["pull", "--", name]);
        assert!(output.code == 125, "{name}: {} {}", output.code, output.stderr);
        assert!(output.stderr.contains("invalid reference format: "), "{name}: {}", output.stderr);
    }
}
