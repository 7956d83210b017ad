//! `tag`, `untag`, `image exists`, and what a tag named before.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Layer, file};
use overlay_tests::harness::{Case, Context};

use super::{DAY, aged, fails, inspected, named, prints, rows, run, short, store};

pub fn cases() -> Vec<Case> {
    cases![
        tag_and_untag;
        tag_moves;
        tag_takes_any_name_of_an_image;
        tag_errors;
        untag_of_the_last_name_keeps_the_image;
        exists_is_silent;
        import_takes_a_name;
        history_of_a_tag;
        history_wherever_an_image_is_named;
        history_keeps_no_image_alive
    ]
}

/// By a flag, and where Docker takes it.
fn import_takes_a_name(context: &Context) {
    let tar = context.fresh("tar");
    fs::write(&tar, Layer::of(&[file("f", "")]).tar()).unwrap();
    let tar = tar.display();
    prints(context, &format!("import --name a:1 {tar}"));
    prints(context, &format!("import {tar} quay.io/org/b"));
    let mut names = named(context, &[]);
    names.sort_unstable();
    assert_eq!(names, ["a:1", "quay.io/org/b:latest"]);
    let _ = run(context, &format!("import {tar} b c")).exits(125);
}

fn tag_and_untag(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    for line in ["tag a:1 b", "image tag a:1 quay.io/org/app:v1", "tag a:1 docker.io/library/c:2"] {
        assert_eq!(prints(context, line), "", "{line}");
    }
    assert_eq!(named(context, &[]), ["a:1", "b:latest", "c:2", "quay.io/org/app:v1"]);
    prints(context, "untag b:latest");
    prints(context, "untag quay.io/org/app:v1");
    assert_eq!(named(context, &[]), ["a:1", "c:2"]);
    prints(context, "tag a:1 a:1");
    assert_eq!(rows(context, &["a"], "{{.ID}}"), [short(&id)]);
    fails(context, &["untag", "gone:1"], 1, &["gone:1"]);
}

/// The image that loses its last tag is dangling.
fn tag_moves(context: &Context) {
    let old = store(context, &aged("old", 2 * DAY), &["a:1"]);
    let new = store(context, &aged("new", DAY), &["b:1"]);
    prints(context, "tag b:1 a:1");
    assert_eq!(inspected(context, "a:1")["Id"], new.as_str());
    assert_eq!(rows(context, &["-f", "dangling=true"], "{{.ID}}"), [short(&old)]);
    prints(context, &format!("tag {old} a:1"));
    assert_eq!(inspected(context, "a:1")["Id"], old.as_str());
    assert_eq!(rows(context, &["-f", "dangling=true"], "{{.ID}}"), [""; 0]);
}

fn tag_takes_any_name_of_an_image(context: &Context) {
    let written = context.load(&aged("a", DAY).tag("a:1"));
    let (id, digest) = (&written.image_id, written.manifest["digest"].as_str().unwrap());
    for (n, source) in [id, &id[7..13], short(id), "docker.io/library/a:1", digest, "a:1"].iter().enumerate() {
        prints(context, &format!("tag {source} new:{n}"));
        assert_eq!(inspected(context, &format!("new:{n}"))["Id"], id.as_str(), "{source}");
    }
}

fn tag_errors(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    fails(context, &["tag", "gone", "b"], 1, &["No such image: gone"]);
    for target in ["UPPER", "a:", "a b", "-x:1", &format!("a@{id}"), "a:b:c"] {
        let output = context.rootlay(["tag", "a:1", "--", target]);
        assert!(matches!(output.code, 1 | 125), "{target}: {output:?}");
    }
    for line in ["tag", "tag a:1", "untag"] {
        let _ = run(context, line).exits(125);
    }
    assert_eq!(named(context, &[]), ["a:1"]);
}

fn untag_of_the_last_name_keeps_the_image(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    prints(context, "untag a:1");
    assert_eq!(named(context, &[]), ["<none>:<none>"]);
    assert_eq!(context.tree_of_loaded(&id).len(), 2);
}

fn exists_is_silent(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    for (name, code) in [("a:1", 0), (short(&id), 0), (&*id, 0), ("a", 1), ("gone", 1)] {
        let output = context.rootlay(["image", "exists", name]).exits(code);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{name}");
    }
}

/// Three images under one tag, one after the other.
fn three(context: &Context) -> [String; 3] {
    [3, 2, 1].map(|days| store(context, &aged(&days.to_string(), days * DAY), &["a:1"]))
}

fn history_of_a_tag(context: &Context) {
    let ids = three(context);
    let shown = prints(context, "tag --history a:1");
    let places: Vec<usize> =
        ids.iter().map(|id| shown.find(short(id)).unwrap_or_else(|| panic!("{id}: {shown}"))).collect();
    assert!(places.is_sorted_by(|a, b| a > b), "the newest is not first: {shown}");
    fails(context, &["tag", "--history", "gone:1"], 1, &["gone:1"]);
}

fn history_wherever_an_image_is_named(context: &Context) {
    let [first, second, third] = three(context);
    for (name, id) in [("a:1@{0}", &third), ("a:1@{1}", &second), ("a:1@{2}", &first)] {
        assert_eq!(inspected(context, name)["Id"], id.as_str(), "{name}");
        prints(context, &format!("history {name}"));
        prints(context, &format!("image exists {name}"));
        assert_eq!(context.tree_of_loaded(name).len(), 2);
    }
    fails(context, &["inspect", "--format", "{{.Id}}", "a:1@{3}"], 1, &["a:1@{3}"]);
    fails(context, &["inspect", "--format", "{{.Id}}", "gone@{1}"], 1, &["gone@{1}"]);
    // What was before is again.
    prints(context, "tag a:1@{1} a:1");
    assert_eq!(inspected(context, "a:1")["Id"], second.as_str());
    assert_eq!(inspected(context, "a:1@{1}")["Id"], third.as_str());
    prints(context, "tag a:1@{1} keep:1");
    assert_eq!(inspected(context, "keep:1")["Id"], third.as_str());
}

fn history_keeps_no_image_alive(context: &Context) {
    let [first, second, _] = three(context);
    prints(context, &format!("rmi {second}"));
    let output = context.rootlay(["inspect", "a:1@{1}"]).exits(1);
    assert!(output.stderr.contains("a:1@{1}"), "{}", output.stderr);
    prints(context, "image prune -f");
    fails(context, &["inspect", "-f", "{{.Id}}", &first], 1, &[&first]);
    assert_eq!(super::layers_here(context), 1);
    prints(context, "tag --history a:1");
}
