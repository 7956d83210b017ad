//! Registries: the rows of Docker's behaviour by number (`s02_…`), and everything that can go wrong on the way.

mod all_tags;
mod bed;
mod credentials;
mod faults;
mod forward_proxies;
mod layers;
mod mirrors;
mod names;
mod output;
mod platforms;
mod push;
mod redirects;
mod remote;
mod resume;
mod tls;
mod tokens;

use overlay_tests::fixture::{Image, Written, file};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::{Nlink, differences, read_tree};

pub fn cases() -> Vec<Case> {
    let all = [
        bed::cases(),
        names::cases(),
        output::cases(),
        all_tags::cases(),
        platforms::cases(),
        layers::cases(),
        credentials::cases(),
        tokens::cases(),
        tls::cases(),
        mirrors::cases(),
        faults::cases(),
        redirects::cases(),
        resume::cases(),
        push::cases(),
        remote::cases(),
        forward_proxies::cases(),
    ]
    .concat();
    let tools = ["docker-registry", "skopeo", "openssl"];
    all.into_iter().map(|case| tools.iter().fold(case, |case, tool| case.needs(Need::Tool(tool)))).collect()
}

/// An image whose only file says this.
fn saying(text: &str) -> Image {
    Image::of([vec![file("says", text)]])
}

/// What the image says that is mounted under this name.
#[track_caller]
fn said(context: &Context, name: &str) -> String {
    let merged = context.mount([name]);
    let text = std::fs::read_to_string(merged.join("says")).unwrap();
    context.umount(&merged);
    text
}

/// These fields of all images that are listed, a line each, in the order of the lines.
#[track_caller]
fn listed(context: &Context, fields: &[&str]) -> Vec<String> {
    let stdout = context.rootlay(["images", "--no-trunc", "--digests", "--format", "json"]).ok();
    let mut lines: Vec<String> = stdout
        .lines()
        .map(|line| {
            let image: serde_json::Value = serde_json::from_str(line).unwrap();
            fields.iter().map(|field| image[field].as_str().unwrap()).collect::<Vec<_>>().join(" ")
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn digest(written: &Written) -> &str {
    written.manifest["digest"].as_str().unwrap()
}

/// The digits of a digest that people see.
fn short(digest: &str) -> &str {
    &digest["sha256:".len()..][..12]
}

/// Fails unless the image that was pulled looks like the same image in a store into which it was loaded.
#[track_caller]
fn assert_tree(context: &Context, name: &str, image: &Image) {
    let root = context.fresh("reference");
    let layout = context.fresh("layout");
    image.write_oci(&layout);
    context.output(&mut context.command_on(&root, ["load", &format!("oci:{}", layout.display())])).ok();
    let id = context.output(&mut context.command_on(&root, ["images", "-q", "--no-trunc"])).ok();
    let expected = context.output(&mut context.command_on(&root, ["mount", id.trim()])).ok();
    let actual = context.mount([name]);
    let lines =
        differences(&read_tree(expected.trim().as_ref()).unwrap(), &read_tree(&actual).unwrap(), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    context.output(&mut context.command_on(&root, ["umount", "-a"])).ok();
    context.umount(&actual);
}
