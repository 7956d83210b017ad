//! S10, S11: `-a`.

use std::collections::BTreeMap;

use overlay_tests::cases;
use overlay_tests::fixture::Written;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::http::Request;
use overlay_tests::registry::{Bed, Fault};

use super::{digest, listed, said, saying};

pub fn cases() -> Vec<Case> {
    cases![
        s10_all_tags_take_no_tag;
        s11_a_block_for_every_tag;
        s10_all_pages;
        s10_a_broken_tag_does_not_stop_the_others;
        s10_nothing_there
    ]
}

fn s10_all_tags_take_no_tag(context: &Context) {
    let bed = Bed::new(context);
    let digest = format!("alpine@sha256:{}", "0".repeat(64));
    for name in ["alpine:3", &digest] {
        for flag in ["-a", "--all-tags"] {
            let _ = bed.rootlay(["pull", flag, name]).exits(125).says("tag can't be used with --all-tags/-a");
        }
    }
}

fn s11_a_block_for_every_tag(context: &Context) {
    let (bed, registry, _) = Bed::hub(context);
    let published: BTreeMap<String, Written> = ["latest", "v2", "v1"]
        .map(|tag| (tag.to_owned(), registry.publish(&saying(tag), &format!("nigelpoulton/tu-demo:{tag}"))))
        .into();
    let list = registry.ask(&Request::new("GET", "/v2/nigelpoulton/tu-demo/tags/list"));
    let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
    let tags: Vec<&str> = list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    let output = bed.plain(["pull", "-a", "nigelpoulton/tu-demo"]).exits(0);
    let digests: Vec<String> = tags.iter().map(|tag| format!("Digest: {}\n", digest(&published[*tag]))).collect();
    let end = "Status: Downloaded newer image for nigelpoulton/tu-demo\ndocker.io/nigelpoulton/tu-demo\n";
    assert_eq!(output.stdout, digests.concat() + end);
    let blocks: Vec<&str> = output.stderr.lines().filter(|line| line.contains(": Pulling from ")).collect();
    let expected: Vec<String> = tags.iter().map(|tag| format!("{tag}: Pulling from nigelpoulton/tu-demo")).collect();
    assert_eq!(blocks, expected);
    assert_eq!(said(context, "nigelpoulton/tu-demo:v2"), "v2");
    assert_eq!(said(context, "nigelpoulton/tu-demo"), "latest");
    let stdout = bed.rootlay(["pull", "--all-tags", "nigelpoulton/tu-demo"]).ok();
    assert!(stdout.contains("Status: Image is up to date for nigelpoulton/tu-demo\n"), "{stdout}");
    assert_eq!(bed.rootlay(["pull", "-a", "-q", "nigelpoulton/tu-demo"]).ok(), "docker.io/nigelpoulton/tu-demo\n");
}

fn s10_all_pages(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let tags: Vec<String> = (1..=7).map(|n| format!("v{n}")).collect();
    for tag in &tags {
        registry.publish(&saying("x"), &format!("app:{tag}"));
    }
    proxy.fault("/tags/list", .., Fault::Pages(3));
    bed.rootlay(["pull", "-a", &proxy.name("app")]).ok();
    assert_eq!(listed(context, &["Tag"]), tags);
    let pages = proxy.records().iter().filter(|record| record.target.contains("/tags/list")).count();
    assert_eq!(pages, 3);
}

fn s10_a_broken_tag_does_not_stop_the_others(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    for tag in ["a", "b", "c"] {
        registry.publish(&saying(tag), &format!("app:{tag}"));
    }
    proxy.fault("/manifests/b", .., Fault::status(404));
    let output = bed.rootlay(["pull", "-a", &proxy.name("app")]).says("app:b");
    assert_eq!(output.code, 12, "{}", output.stderr);
    assert_eq!(output.stdout.matches("Digest: ").count(), 2, "{}", output.stdout);
    assert_eq!(listed(context, &["Tag"]), ["a", "c"]);
}

fn s10_nothing_there(context: &Context) {
    let (bed, _registry, proxy) = Bed::open(context);
    bed.refuses(["pull", "-a", &proxy.name("no/where")], 12, &["no/where"]);
}
