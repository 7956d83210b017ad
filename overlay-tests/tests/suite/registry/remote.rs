//! S40–S47: what registries tell without a pull. Nothing here needs a state root, nor root.

use std::process::Command;

use overlay_tests::cases;
use overlay_tests::fixture::{Algorithm, Image, Layout, file, media};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::registry::http::Response;
use overlay_tests::registry::{Bed, Fault, Proxy};
use serde_json::{Value, json};

use super::{digest, saying};

pub fn cases() -> Vec<Case> {
    cases![
        tags_of_all_pages;
        tags_of_nothing;
        s47_digest_by_head;
        s47_digest_of_a_platform;
        s45_manifest_inspect;
        s45_manifest_inspect_of_a_list;
        s45_manifest_inspect_verbose;
        s46_manifest_inspect_pretty;
        s40_search_the_hub;
        s41_search_filters;
        s42_search_is_automated;
        s43_search_limits;
        s44_search_formats;
        s40_search_a_catalogue;
        remote_without_root => Need::Tool("setpriv")
    ]
}

#[track_caller]
fn nothing_was_made(bed: &Bed<'_>) {
    assert!(!bed.root().exists(), "a state root was made");
}

fn tags_of_all_pages(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let tags = ["1", "1.0", "1.0.1", "2", "edge", "latest", "stable"];
    for tag in tags {
        registry.publish(&saying("x"), &format!("team/app:{tag}"));
    }
    proxy.fault("/tags/list", .., Fault::Pages(2));
    let stdout = bed.rootlay(["tags", &proxy.name("team/app")]).ok();
    assert_eq!(stdout.lines().collect::<Vec<_>>(), tags);
    assert_eq!(proxy.records().iter().filter(|record| record.target.contains("/tags/list")).count(), 4);
    let lines = bed.rootlay(["tags", "--format", "json", &proxy.name("team/app")]).ok();
    assert_eq!(lines.lines().count(), tags.len());
    assert!(
        lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object())),
        "{lines}"
    );
    nothing_was_made(&bed);
}

fn tags_of_nothing(context: &Context) {
    let (bed, _registry, proxy) = Bed::open(context);
    let _ = bed.rootlay(["tags", &proxy.name("no/where")]).exits(12).says("no/where");
    let _ = bed.rootlay(["tags", "--retry", "0", "127.0.0.1:5999/app"]).exits(10);
    let _ = bed.rootlay(["tags"]).exits(125);
}

fn s47_digest_by_head(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&saying("x"), "app:latest");
    assert_eq!(bed.rootlay(["digest", &proxy.name("app")]).ok(), format!("{}\n", digest(&written)));
    let records = proxy.records();
    assert!(records.iter().all(|record| record.method == "HEAD" || record.target == "/v2/"), "{records:?}");
    let _ = bed.rootlay(["digest", &proxy.name("app:2")]).exits(12);
    nothing_was_made(&bed);
}

/// An index of two images; the digests of the index and of both.
fn publish_list(context: &Context, registry: &overlay_tests::registry::Registry, name: &str) -> Vec<String> {
    let mut layout = Layout::create(&context.fresh("layout"), Algorithm::Sha256);
    let manifests: Vec<Value> = ["arm64", "s390x"]
        .iter()
        .map(|architecture| {
            let own = (*architecture).to_owned();
            let image = Image::of([vec![file("says", architecture)]]);
            let written = image.config(move |config| config["architecture"] = json!(own)).write_into(&layout);
            let mut descriptor = written.manifest;
            descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
            descriptor
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests});
    let descriptor = layout.document(media::INDEX, &index);
    layout.add(descriptor.clone(), Some("latest"));
    registry.publish_layout(&layout, name);
    [&descriptor, &manifests[0], &manifests[1]].map(|one| one["digest"].as_str().unwrap().to_owned()).to_vec()
}

fn s47_digest_of_a_platform(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let digests = publish_list(context, &registry, "app:1");
    let name = proxy.name("app:1");
    assert_eq!(bed.rootlay(["digest", &name]).ok().trim(), digests[0]);
    assert_eq!(bed.rootlay(["digest", "--platform", "linux/arm64", &name]).ok().trim(), digests[1]);
    assert_eq!(bed.rootlay(["digest", "--platform", "linux/s390x", &name]).ok().trim(), digests[2]);
    assert_ne!(bed.rootlay(["digest", "--platform", "linux/386", &name]).code, 0);
}

/// Go's `json.MarshalIndent(…, "", "\t")` of a document.
fn indented(document: &Value) -> String {
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut bytes = Vec::new();
    serde::Serialize::serialize(document, &mut serde_json::Serializer::with_formatter(&mut bytes, formatter)).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn s45_manifest_inspect(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&saying("x"), "app:1");
    let stdout = bed.rootlay(["manifest", "inspect", &proxy.name("app:1")]).ok();
    let raw: Value = serde_json::from_slice(&registry.raw_manifest("app:1")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), raw);
    assert!(stdout.starts_with("{\n\t\"") && stdout.ends_with("\n}\n"), "{stdout}");
    let by_digest = format!("{}@{}", proxy.name("app"), digest(&written));
    assert_eq!(bed.rootlay(["manifest", "inspect", "--insecure", &by_digest]).ok(), stdout);
    let _ = bed.rootlay(["manifest", "inspect", &proxy.name("app:2")]).exits(12);
    assert!(proxy.blob_requests("").is_empty());
    nothing_was_made(&bed);
}

fn s45_manifest_inspect_of_a_list(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    publish_list(context, &registry, "app:1");
    let stdout = bed.rootlay(["manifest", "inspect", &proxy.name("app:1")]).ok();
    let raw: Value = serde_json::from_slice(&registry.raw_manifest("app:1")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), raw);
    // What people ask for with `grep 'architecture\|os'`.
    assert!(stdout.contains("\t\t\t\t\"architecture\": \"arm64\""), "{stdout}");
    assert_eq!(stdout.len(), indented(&raw).len() + 1);
}

fn s45_manifest_inspect_verbose(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&saying("x"), "app:1");
    let digests = publish_list(context, &registry, "list:1");
    let stdout = bed.rootlay(["manifest", "inspect", "-v", &proxy.name("app:1")]).ok();
    let one: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(one["Descriptor"]["digest"], digest(&written));
    assert_eq!(one["Descriptor"]["mediaType"], media::MANIFEST);
    assert_eq!(one["Descriptor"]["size"], written.manifest["size"]);
    assert_eq!(one["OCIManifest"]["config"]["digest"], written.image_id);
    assert!(one["Ref"].as_str().unwrap().starts_with(&proxy.name("app")), "{stdout}");
    let stdout = bed.rootlay(["manifest", "inspect", "--verbose", &proxy.name("list:1")]).ok();
    let all: Value = serde_json::from_str(&stdout).unwrap();
    let found: Vec<&str> =
        all.as_array().unwrap().iter().map(|one| one["Descriptor"]["digest"].as_str().unwrap()).collect();
    assert_eq!(found, digests[1..]);
    assert_eq!(all[0]["Descriptor"]["platform"]["architecture"], "arm64");
}

fn s46_manifest_inspect_pretty(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let digests = publish_list(context, &registry, "app:1");
    let stdout = bed.rootlay(["manifest", "inspect", "--format", "pretty", &proxy.name("app:1")]).ok();
    let name = proxy.name("app:1");
    let start = format!("Name:      {name}\nMediaType: {}\nDigest:    {}\n", media::INDEX, digests[0]);
    assert!(stdout.starts_with(&start), "{stdout}");
    for (digest, platform) in [(&digests[1], "linux/arm64"), (&digests[2], "linux/s390x")] {
        let entry =
            format!("  Name:      {name}@{digest}\n  MediaType: {}\n  Platform:  {platform}\n", media::MANIFEST);
        assert!(stdout.contains(&entry), "{stdout}");
    }
    assert!(stdout.contains("\nManifests:"), "{stdout}");
}

/// Docker Hub's answer to a search.
fn hub_with_hits(context: &Context) -> (Bed<'_>, overlay_tests::registry::Registry, Proxy) {
    let (bed, registry, proxy) = Bed::hub(context);
    let hit = |name: &str, description: &str, stars: u64, official: bool| {
        json!({"name": name, "description": description, "star_count": stars, "is_official": official,
               "is_automated": false, "is_trusted": false})
    };
    let long = "An in-memory database that persists on disk, and a description that goes on and on.";
    let results = [
        hit("redis", "Redis is the world’s fastest data platform\nfor caching", 13000, true),
        hit("team/redis", long, 7, false),
        hit("other/redis", "", 0, false),
    ];
    let body =
        json!({"num_results": 3, "query": "redis", "page": 1, "page_size": 25, "num_pages": 1, "results": results});
    proxy.fault("/v1/search", .., Fault::Answer(Response::json(200, &body)));
    (bed, registry, proxy)
}

fn s40_search_the_hub(context: &Context) {
    let (bed, _registry, proxy) = hub_with_hits(context);
    let stdout = bed.rootlay(["search", "redis"]).ok();
    let lines: Vec<&str> = stdout.lines().collect();
    let header: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(header, ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]);
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with("redis ") && lines[1].trim_end().ends_with("[OK]"), "{stdout}");
    // One line, cut to 45 characters.
    assert!(lines[2].contains("An in-memory database that persists on disk,…"), "{stdout}");
    let record = &proxy.records()[0];
    assert!(record.target.contains("q=redis") && record.target.contains("n=25"), "{record:?}");
    assert_eq!(record.headers.get("Host"), Some("index.docker.io"));
    let whole = bed.rootlay(["search", "--no-trunc", "redis"]).ok();
    assert!(whole.contains("that goes on and on."), "{whole}");
    assert_ne!(bed.rootlay(["search", "https://redis"]).code, 0);
    let _ = bed.rootlay(["search", "one", "two"]).exits(125);
    nothing_was_made(&bed);
}

fn names(stdout: &str) -> Vec<&str> {
    stdout.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect()
}

fn s41_search_filters(context: &Context) {
    let (bed, _registry, _proxy) = hub_with_hits(context);
    let with = |filters: &[&str]| bed.rootlay([&["search"], filters, &["redis"]].concat()).ok();
    assert_eq!(names(&with(&["--filter", "is-official=true"])), ["redis"]);
    assert_eq!(names(&with(&["-f", "is-official=false"])), ["team/redis", "other/redis"]);
    assert_eq!(names(&with(&["--filter", "stars=7"])), ["redis", "team/redis"]);
    assert_eq!(names(&with(&["--filter", "stars=7", "--filter", "stars=8"])), ["redis"]);
    let _ = bed.rootlay(["search", "--filter", "colour=red", "redis"]).says("colour");
}

fn s42_search_is_automated(context: &Context) {
    let (bed, _registry, _proxy) = hub_with_hits(context);
    let warning = "WARNING: the \"is-automated\" filter is deprecated, and searching for \"is-automated=true\" will not \
                   yield any results in future.";
    let output = bed.rootlay(["search", "--filter", "is-automated=true", "redis"]).exits(0).says(warning);
    assert!(names(&output.stdout).is_empty(), "{}", output.stdout);
}

fn s43_search_limits(context: &Context) {
    let (bed, _registry, proxy) = hub_with_hits(context);
    for (limit, asked) in [("1", "n=1"), ("100", "n=100"), ("0", "n=25")] {
        proxy.take_records();
        bed.rootlay(["search", "--limit", limit, "redis"]).ok();
        let target = &proxy.records()[0].target;
        assert!(target.split(['?', '&']).any(|part| part == asked), "{target}");
    }
    for limit in ["101", "-1"] {
        let output = bed.rootlay(["search", &format!("--limit={limit}"), "redis"]);
        assert_ne!(output.code, 0);
        assert!(output.stderr.contains("is outside the range of [1, 100]"), "{}", output.stderr);
    }
}

fn s44_search_formats(context: &Context) {
    let (bed, _registry, _proxy) = hub_with_hits(context);
    let lines = bed.rootlay(["search", "--format", "json", "redis"]).ok();
    let hits: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&hits[0]["Name"], &hits[0]["IsOfficial"], &hits[0]["StarCount"]),
        (&json!("redis"), &json!("true"), &json!("13000"))
    );
    assert_eq!(hits[1]["IsOfficial"], "false");
}

/// A registry that is named in front is asked for its catalogue, all pages of it.
fn s40_search_a_catalogue(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    for name in ["apps/redis", "apps/busybox", "my-redis-fork"] {
        registry.publish(&saying("x"), &format!("{name}:1"));
    }
    let stdout = bed.rootlay(["search", &proxy.name("redis")]).ok();
    assert_eq!(names(&stdout), [proxy.name("apps/redis"), proxy.name("my-redis-fork")]);
    assert!(proxy.records().iter().any(|record| record.target.starts_with("/v2/_catalog")));
    proxy.fault("/v2/_catalog", .., Fault::status(404));
    assert_ne!(bed.rootlay(["search", &proxy.name("redis")]).code, 0);
}

/// As the user `nobody`, who may not even look at the state root.
fn remote_without_root(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    let program = context.dir().join("rootlay");
    std::fs::copy(context.program(), &program).unwrap();
    let name = proxy.name("app:1");
    let (repository, term) = (proxy.name("app"), proxy.name("ap"));
    let runs = [&["tags", &repository][..], &["digest", &name], &["manifest", "inspect", &name], &["search", &term]];
    for arguments in runs {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["--root", "/no/such/root"]).args(arguments).env("HOME", bed.home());
        bed.output(&mut command).ok();
    }
}
