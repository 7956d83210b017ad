//! `save`: what comes out of the store can be read by others, and is what went in.

mod archives;
mod base;
mod names;
mod places;

use std::fs;
use std::path::{Path, PathBuf};

use overlay_tests::fixture::{Image, Layer, Written, file};
use overlay_tests::harness::{Case, Context, Output};
use overlay_tests::tree::{Nlink, Tree, differences, read_tree};
use serde_json::Value;

pub fn cases() -> Vec<Case> {
    [archives::cases(), names::cases(), base::cases(), places::cases()].concat()
}

fn layer(name: &str) -> Layer {
    Layer::of(&[file(name, name)])
}

/// Loads an image under a name into a state root.
fn load_on(context: &Context, root: &Path, image: &Image, name: &str) -> Written {
    let layout = context.fresh("layout");
    let written = image.write_oci(&layout);
    let source = format!("oci:{}", layout.display());
    context.output(&mut context.command_on(root, ["load", "--name", name, &source])).ok();
    fs::remove_dir_all(layout).unwrap();
    written
}

fn load(context: &Context, image: &Image, name: &str) -> Written {
    load_on(context, &context.root(), image, name)
}

/// Saves into a new file.
fn save(context: &Context, arguments: &[&str]) -> PathBuf {
    let path = context.fresh("saved");
    let stdout = context.rootlay([&["save", "-o", path.to_str().unwrap()], arguments].concat()).ok();
    assert_eq!(stdout, "");
    path
}

/// Runs the program on another store.
fn other<'a>(context: &'a Context, root: &'a Path) -> impl Fn(&[&str]) -> Output + 'a {
    move |arguments| context.output(&mut context.command_on(root, arguments))
}

/// The members of an archive, unpacked.
fn unpacked(context: &Context, archive: &Path) -> PathBuf {
    let dir = context.fresh_dir("unpacked");
    context.run("tar", &["-xf", archive.to_str().unwrap(), "-C", dir.to_str().unwrap()]).ok();
    dir
}

/// The ID and the tree of an image that is loaded into a store of its own.
fn in_another_store(context: &Context, source: &str) -> (String, Tree) {
    let root = context.fresh("other");
    let there = other(context, &root);
    there(&["load", source]).ok();
    let id = there(&["images", "-q", "--no-trunc"]).ok();
    let tree = mounted(&there, id.trim());
    (id.trim().to_owned(), tree)
}

/// What a view of an image in that store shows.
fn mounted(there: &impl Fn(&[&str]) -> Output, image: &str) -> Tree {
    let merged = there(&["mount", image]).ok();
    let tree = read_tree(merged.trim_end().as_ref()).unwrap();
    there(&["umount", "-a"]).ok();
    tree
}

#[track_caller]
fn assert_same(one: &Tree, other: &Tree) {
    let lines = differences(one, other, Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn digest(written: &Written) -> &str {
    written.manifest["digest"].as_str().unwrap()
}

fn copy(context: &Context, from: &str) -> PathBuf {
    let dir = context.fresh("copied");
    let to = format!("oci:{}:x", dir.display());
    context.run("skopeo", &["copy", "-q", "--insecure-policy", from, &to]).ok();
    dir
}

/// The manifest of the only image of a layout.
fn manifest(layout: &Path) -> (String, Value) {
    let index = json(&layout.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let manifest = json(&layout.join("blobs").join(digest.replace(':', "/")));
    (digest, manifest)
}
