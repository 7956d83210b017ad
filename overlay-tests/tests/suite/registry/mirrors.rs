//! `registries.conf`: other places, mirrors, and what is blocked.

use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Bed, Fault, OTHER, PROXY, Proxy, USER, basic, noise};
use serde_json::json;

use super::{digest, said, saying};

pub fn cases() -> Vec<Case> {
    cases![
        mirrors_rewritten_locations;
        mirrors_the_longest_prefix_counts;
        mirrors_in_order;
        mirrors_that_fail_are_passed_over;
        mirrors_that_fail_in_the_middle;
        mirrors_that_lie;
        mirrors_for_digests_or_tags_only;
        mirrors_of_the_hub;
        mirrors_blocked;
        mirrors_insecure;
        mirrors_of_drop_ins;
        mirrors_have_their_own_credentials;
        s17_unqualified_names_stay_the_hubs;
        mirrors_configuration_that_is_wrong
    ]
}

/// `example.com` is the registry behind the first proxy; its mirror is the second one.
fn conf(mirror_options: &str) -> String {
    format!(
        "[[registry]]\nprefix = \"example.com\"\nlocation = \"{PROXY}\"\n\
         [[registry.mirror]]\nlocation = \"{OTHER}\"\n{mirror_options}\n"
    )
}

fn mirrors_rewritten_locations(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&saying("x"), "store/team/app:1");
    bed.registries_conf(&format!("[[registry]]\nprefix = \"example.com/pub\"\nlocation = \"{PROXY}/store\"\n"));
    let expected = format!(
        "Digest: {}\nStatus: Downloaded newer image for example.com/pub/team/app:1\nexample.com/pub/team/app:1\n",
        digest(&written)
    );
    assert_eq!(bed.pull("example.com/pub/team/app:1"), expected);
    assert_eq!(said(context, "example.com/pub/team/app:1"), "x");
    assert!(proxy.records().iter().any(|record| record.target.contains("/v2/store/team/app/manifests/")));
}

fn mirrors_the_longest_prefix_counts(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    registry.publish(&saying("long"), "long/app:1");
    registry.publish(&saying("short"), "short/pub/app:1");
    registry.publish(&saying("short"), "short/pubs/app:1");
    registry.publish(&saying("wild"), "wild/app:1");
    bed.registries_conf(&format!(
        "[[registry]]\nprefix = \"example.com\"\nlocation = \"{PROXY}/short\"\n\
         [[registry]]\nprefix = \"example.com/pub\"\nlocation = \"{PROXY}/long\"\n\
         [[registry]]\nprefix = \"*.example.org\"\nlocation = \"{PROXY}/wild\"\n"
    ));
    for (name, text) in
        [("example.com/pub/app:1", "long"), ("example.com/pubs/app:1", "short"), ("some.example.org/app:1", "wild")]
    {
        bed.pull(name);
        assert_eq!(said(context, name), text, "{name}");
    }
}

fn mirrors_in_order(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let mirror = Proxy::start(OTHER, registry.address());
    registry.publish(&saying("x"), "app:1");
    bed.registries_conf(&conf(""));
    bed.pull("example.com/app:1");
    assert!(proxy.records().is_empty(), "{:?}", proxy.records());
    assert!(!mirror.blob_requests("").is_empty());
}

fn mirrors_that_fail_are_passed_over(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    bed.registries_conf(&conf(""));
    let pull = ["pull", "--retry", "1", "--retry-delay", "1ms", "example.com/app:1"];
    // Nobody is there.
    bed.rootlay(pull).ok();
    // It does not have it; it does not want us; it is ill.
    let mirror = Proxy::start(OTHER, registry.address());
    for status in [404, 401, 403, 500, 429] {
        bed.rootlay(["rmi", "example.com/app:1"]).ok();
        mirror.heal();
        mirror.fault("/v2/", .., Fault::status(status));
        proxy.take_records();
        bed.rootlay(pull).ok();
        assert!(!proxy.blob_requests("").is_empty(), "{status}");
        assert!(!mirror.take_records().is_empty(), "{status}");
    }
    // Where neither has it, the answer is that of the registry itself.
    let _ = bed.rootlay(["pull", "--retry", "0", "example.com/app:2"]).exits(12);
}

fn mirrors_that_fail_in_the_middle(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let mirror = Proxy::start(OTHER, registry.address());
    let image = Image::of([noise(1, 64), noise(2, 64), noise(3, 64)]);
    let written = registry.publish(&image, "app:1");
    bed.registries_conf(&conf(""));
    mirror.fault(&format!("GET /blobs/{}", written.layers[1]), .., Fault::status(404));
    mirror.fault(&format!("GET /blobs/{}", written.layers[2]), 1..=1, Fault::Cut(1000));
    mirror.fault(&format!("GET /blobs/{}", written.layers[2]), 2.., Fault::status(503));
    bed.rootlay(["pull", "--retry", "1", "--retry-delay", "1ms", "example.com/app:1"]).ok();
    super::assert_tree(context, "example.com/app:1", &image);
    assert!(proxy.blob_requests(&written.layers[0]).is_empty());
    assert_eq!(proxy.blob_requests(&written.layers[1]).len(), 1);
    // What the mirror sent is not fetched again.
    assert!(proxy.blob_requests(&written.layers[2])[0].offset() >= 1000);
}

/// A mirror that sends something else under a digest.
fn mirrors_that_lie(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    let mirror = Proxy::start(OTHER, registry.address());
    let image = Image::of([noise(1, 64)]);
    let written = registry.publish(&image, "app:1");
    bed.registries_conf(&conf(""));
    mirror.fault(&format!("GET /blobs/{}", written.layers[0]), .., Fault::Flip(5000));
    let output = bed.rootlay(["pull", "--retry", "1", "--retry-delay", "1ms", "example.com/app:1"]);
    // Passed over, or told; never believed.
    match output.code {
        0 => super::assert_tree(context, "example.com/app:1", &image),
        code => assert_eq!(code, 14, "{}", output.stderr),
    }
}

fn mirrors_for_digests_or_tags_only(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let mirror = Proxy::start(OTHER, registry.address());
    let written = registry.publish(&saying("x"), "app:1");
    let by_digest = format!("example.com/app@{}", digest(&written));
    let whole = |option: &str| conf("").replace("[[registry.mirror]]", &format!("{option}\n[[registry.mirror]]"));
    for (conf, tags, digests) in [
        (conf("pull-from-mirror = \"digest-only\""), false, true),
        (conf("pull-from-mirror = \"tag-only\""), true, false),
        (conf("pull-from-mirror = \"all\""), true, true),
        (whole("mirror-by-digest-only = true"), false, true),
    ] {
        bed.registries_conf(&conf);
        for (name, mirrored) in [("example.com/app:1", tags), (&by_digest, digests)] {
            mirror.take_records();
            proxy.take_records();
            bed.pull(name);
            let manifests = |proxy: &Proxy| proxy.records().iter().any(|record| record.target.contains("/manifests/"));
            assert_eq!((manifests(&mirror), manifests(&proxy)), (mirrored, !mirrored), "{name}\n{conf}");
            bed.rootlay(["rmi", name]).ok();
        }
    }
}

fn mirrors_of_the_hub(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "library/busybox:latest");
    bed.registries_conf(&format!(
        "[[registry]]\nprefix = \"docker.io\"\n[[registry.mirror]]\nlocation = \"{PROXY}\"\n"
    ));
    let stdout = bed.pull("busybox");
    assert!(stdout.ends_with("docker.io/library/busybox:latest\n"), "{stdout}");
    assert!(!proxy.blob_requests("").is_empty());
}

fn mirrors_blocked(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "bad/app:1");
    registry.publish(&saying("x"), "good/app:1");
    bed.registries_conf(&format!(
        "[[registry]]\nprefix = \"{PROXY}/bad\"\nlocation = \"{PROXY}/bad\"\nblocked = true\n"
    ));
    let output = bed.rootlay(["pull", &proxy.name("bad/app:1")]);
    assert_ne!(output.code, 0);
    assert!(output.one_line().contains("blocked"), "{}", output.stderr);
    assert!(proxy.records().is_empty(), "{:?}", proxy.records());
    bed.pull(&proxy.name("good/app:1"));
}

fn mirrors_insecure(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    let conf = "[[registry]]\nprefix = \"example.com\"\nlocation = \"registry.example:5999\"\n\
                [[registry.mirror]]\nlocation = \"mirror.example:5001\"\n";
    let pull = ["pull", "--retry", "0", "example.com/app:1"];
    bed.registries_conf(conf);
    let _ = bed.rootlay(pull).exits(10);
    bed.registries_conf(&format!("{conf}insecure = true\n"));
    bed.rootlay(pull).ok();
}

fn mirrors_of_drop_ins(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    registry.publish(&saying("main"), "main/app:1");
    registry.publish(&saying("drop"), "drop/app:1");
    let to =
        |prefix: &str, folder: &str| format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{PROXY}/{folder}\"\n");
    let conf = to("example.com", "main") + &to("example.org", "nowhere");
    bed.write_home(".config/containers/registries.conf", conf);
    bed.write_home(".config/containers/registries.conf.d/10-early.conf", to("example.org", "nowhere"));
    bed.write_home(".config/containers/registries.conf.d/20-late.conf", to("example.org", "drop"));
    bed.write_home(".config/containers/registries.conf.d/30-not-read", to("example.org", "nowhere"));
    for (name, text) in [("example.com/app:1", "main"), ("example.org/app:1", "drop")] {
        bed.pull(name);
        assert_eq!(said(context, name), text);
    }
}

fn mirrors_have_their_own_credentials(context: &Context) {
    let (bed, registry, proxy) = Bed::htpasswd(context);
    let mirror = Proxy::start(OTHER, registry.address());
    registry.publish(&saying("x"), "app:1");
    bed.registries_conf(&conf(""));
    let auth = &basic(USER.0, USER.1)["Basic ".len()..];
    bed.write_home("run/containers/auth.json", json!({"auths": {PROXY: {"auth": auth}}}).to_string());
    bed.pull("example.com/app:1");
    let seen: Vec<_> =
        mirror.records().iter().filter_map(|record| record.headers.get("Authorization").map(str::to_owned)).collect();
    assert!(seen.is_empty(), "{seen:?}");
    bed.rootlay(["rmi", "example.com/app:1"]).ok();
    bed.write_home("run/containers/auth.json", json!({"auths": {OTHER: {"auth": auth}}}).to_string());
    proxy.take_records();
    bed.pull("example.com/app:1");
    assert!(proxy.records().is_empty(), "{:?}", proxy.records());
}

fn s17_unqualified_names_stay_the_hubs(context: &Context) {
    let (bed, registry, _proxy) = Bed::hub(context);
    let elsewhere = Proxy::start(PROXY, registry.address());
    registry.publish(&saying("x"), "library/busybox:latest");
    bed.registries_conf(&format!("unqualified-search-registries = [\"{PROXY}\"]\nshort-name-mode = \"enforcing\"\n"));
    assert!(bed.pull("busybox").ends_with("docker.io/library/busybox:latest\n"));
    assert!(elsewhere.records().is_empty());
}

fn mirrors_configuration_that_is_wrong(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    bed.registries_conf("[[registry]\nthis is no TOML");
    let output = bed.rootlay(["pull", &proxy.name("app:1")]);
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("registries.conf"), "{}", output.stderr);
    // Keys that nobody knows are none of our business.
    bed.registries_conf("something-new = true\n[[registry]]\nlocation = \"example.com\"\nalso-new = 1\n");
    bed.pull(&proxy.name("app:1"));
}
