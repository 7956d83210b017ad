//! What a mount goes by: the plan beside the correction layer, or the layers themselves.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, chain_id, dir, file, opaque, whiteout};
use overlay_tests::harness::{Case, Context};
use overlay_tests::oracle::apply_stack;
use overlay_tests::tree::{Nlink, differences, names};

pub fn cases() -> Vec<Case> {
    cases![
        damaged_plans_are_not_believed;
        plans_of_other_stacks_are_not_believed;
        long_stacks_without_a_plan;
        what_an_earlier_boot_made
    ]
}

/// An opaque root, empty layers and a repeated one: each would show something else if the plan were wrong.
fn demanding() -> Vec<Vec<Entry>> {
    let repeated = || vec![dir("d", 0o711), file("d/x", "x"), whiteout("below")];
    vec![
        vec![file("hidden", ""), dir("d", 0o700), file("d/hidden", "")],
        vec![],
        vec![opaque(""), file("below", "b"), dir("d", 0o755)],
        repeated(),
        vec![file("f", "f"), whiteout("d/x")],
        vec![],
        repeated(),
    ]
}

fn correction(context: &Context, diff_ids: &[String]) -> PathBuf {
    context.root().join("corrections").join(chain_id(diff_ids).replace(':', "/"))
}

#[track_caller]
fn is_as_the_model_says(context: &Context, id: &str, stack: &[Vec<Entry>], what: &str) {
    let lines = differences(&apply_stack(stack).unwrap(), &context.tree_of_loaded(id), Nlink::Compare);
    assert!(lines.is_empty(), "{what}: {}", lines.join("\n"));
}

fn damaged_plans_are_not_believed(context: &Context) {
    let written = context.load(&Image::of(demanding()));
    let plan = correction(context, &written.diff_ids).join("plan.json");
    let whole = fs::read(&plan).unwrap();
    is_as_the_model_says(context, &written.image_id, &demanding(), "whole");
    let text = String::from_utf8(whole.clone()).unwrap();
    assert!(text.contains(r#""empty":[1,5],"opaque_roots":[2]"#), "{text}");
    let damaged = [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("zeros", vec![0; whole.len()]),
        ("other layers", text.replace("[1,5]", "[3,4]").into_bytes()),
        ("no opaque root", text.replace("[2]", "[]").into_bytes()),
        ("no sum", text.lines().next().unwrap().as_bytes().to_vec()),
    ];
    for (what, content) in damaged {
        fs::write(&plan, content).unwrap();
        is_as_the_model_says(context, &written.image_id, &demanding(), what);
        assert_eq!(fs::read(&plan).unwrap(), whole, "{what}");
    }
    // As an older version left it.
    fs::remove_file(&plan).unwrap();
    is_as_the_model_says(context, &written.image_id, &demanding(), "missing");
    assert_eq!(fs::read(&plan).unwrap(), whole);
    // What cannot be replaced is asked each time.
    fs::remove_file(&plan).unwrap();
    fs::create_dir(&plan).unwrap();
    is_as_the_model_says(context, &written.image_id, &demanding(), "a directory");
}

fn plans_of_other_stacks_are_not_believed(context: &Context) {
    let others = [demanding()[..6].to_vec(), [demanding(), vec![vec![]]].concat(), {
        let mut other = demanding();
        other.swap(1, 2);
        other
    }];
    let written = context.load(&Image::of(demanding()));
    let plan = correction(context, &written.diff_ids).join("plan.json");
    for (number, other) in others.into_iter().enumerate() {
        let other = context.load(&Image::of(other));
        fs::copy(correction(context, &other.diff_ids).join("plan.json"), &plan).unwrap();
        is_as_the_model_says(context, &written.image_id, &demanding(), &number.to_string());
    }
}

fn long_stacks_without_a_plan(context: &Context) {
    let layer = |n: usize| match n % 50 {
        7 => vec![],
        _ => vec![file(format!("f{n}"), n.to_string()), file("last", n.to_string())],
    };
    let stack: Vec<Vec<Entry>> = (0..560).map(layer).collect();
    let written = context.load(&Image::of(stack.clone()));
    is_as_the_model_says(context, &written.image_id, &stack, "with a plan");
    fs::remove_file(correction(context, &written.diff_ids).join("plan.json")).unwrap();
    is_as_the_model_says(context, &written.image_id, &stack, "without a plan, merged before");
    fs::remove_dir_all(context.root().join("merged/sha256")).unwrap();
    is_as_the_model_says(context, &written.image_id, &stack, "with a plan, merged anew");
}

/// What an earlier boot made counts if any record names it, and only then.
fn what_an_earlier_boot_made(context: &Context) {
    let layers = [vec![file("a", "")], vec![file("b", "")], vec![file("c", "")]];
    let short = context.load(&Image::of(layers[..2].to_vec()));
    let long = context.load(&Image::of(layers.to_vec()));
    let part = correction(context, &short.diff_ids);
    let inode = || fs::metadata(part.join("diff")).unwrap().ino();
    let mount = || {
        fs::write(part.join("commit.json"), r#"{"boot":"00000000-0000-4000-8000-000000000000"}"#).unwrap();
        let merged = context.mount(["--upto", "2", &long.image_id]);
        let shown = names(&overlay_tests::tree::read_tree(&merged).unwrap());
        context.umount(&merged);
        assert_eq!(shown, ["a", "b"]);
    };
    let before = inode();
    mount();
    assert_eq!(inode(), before, "the record of the other image names it");
    context.rootlay(["rmi", &short.image_id]).ok();
    assert_eq!(inode(), before, "it belongs to a part of the image that is left");
    mount();
    assert_ne!(inode(), before, "no record names it");
}
