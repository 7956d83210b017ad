//! Rows S32 to S39: `--filter`.

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file, host_architecture};
use overlay_tests::harness::{Case, Context};

use super::{DAY, HOUR, aged, ago, fails, labelled, named, run, short, store};

pub fn cases() -> Vec<Case> {
    cases![
        s32_dangling;
        s33_before_s34_since;
        s33_images_without_a_date;
        s35_labels;
        s36_references;
        s37_until_id_digest_platform;
        s37_mounted;
        s38_the_common_slip;
        s39_spellings;
        s39_errors;
        several_filters
    ]
}

#[track_caller]
fn filtered(context: &Context, filters: &[&str], expected: &[&str]) {
    let arguments: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", *filter]).collect();
    assert_eq!(named(context, &arguments), expected, "{filters:?}");
}

fn s32_dangling(context: &Context) {
    store(context, &aged("old", 2 * DAY), &["a:1"]);
    store(context, &aged("new", DAY), &["a:1"]);
    for yes in ["1", "t", "T", "true", "TRUE", "True"] {
        filtered(context, &[&format!("dangling={yes}")], &["<none>:<none>"]);
    }
    for no in ["0", "f", "false"] {
        filtered(context, &[&format!("dangling={no}")], &["a:1"]);
    }
    fails(context, &["images", "-f", "dangling=x"], 1, &["invalid filter 'dangling=[x]'"]);
}

fn s33_before_s34_since(context: &Context) {
    let [_, two, _] =
        [("1", 3), ("2", 2), ("3", 1)].map(|(n, days)| store(context, &aged(n, days * DAY), &[&format!("n:{n}")]));
    store(context, &aged("four", DAY + HOUR), &["n:4"]);
    filtered(context, &["before=n:2"], &["n:1"]);
    filtered(context, &["since=n:2"], &["n:3", "n:4"]);
    filtered(context, &[&format!("before={}", short(&two))], &["n:1"]);
    filtered(context, &[&format!("since={two}")], &["n:3", "n:4"]);
    filtered(context, &["before=n:3", "before=n:2"], &["n:1"]);
    filtered(context, &["since=n:1", "since=n:4"], &["n:3"]);
    filtered(context, &["since=n:1", "before=n:3"], &["n:4", "n:2"]);
    for filter in ["before=n:9", "since=gone"] {
        let name = filter.split_once('=').unwrap().1;
        fails(context, &["images", "-f", filter], 1, &[&format!("No such image: {name}")]);
    }
}

fn s33_images_without_a_date(context: &Context) {
    store(context, &aged("1", DAY), &["n:1"]);
    store(context, &Image::of([vec![file("f", "")]]), &["none:1"]);
    filtered(context, &["before=n:1"], &[]);
    filtered(context, &["since=n:1"], &[]);
}

fn s35_labels(context: &Context) {
    store(context, &labelled(aged("1", DAY), &[("env", "prod"), ("team", "")]), &["n:1"]);
    store(context, &labelled(aged("2", 2 * DAY), &[("env", "test"), ("eq", "a=b")]), &["n:2"]);
    store(context, &aged("3", 3 * DAY), &["n:3"]);
    for (filters, expected) in [
        (&["label=env"][..], &["n:1", "n:2"][..]),
        (&["label=env=prod"], &["n:1"]),
        (&["label=env=prod", "label=team"], &["n:1"]),
        (&["label=env=prod", "label=eq"], &[]),
        (&["label=eq=a=b"], &["n:2"]),
        (&["label=en"], &[]),
        (&["label!=env"], &["n:3"]),
        (&["label!=env=prod"], &["n:2", "n:3"]),
        (&["label=env", "label!=env=prod"], &["n:2"]),
        (&["label=team="], &["n:1"]),
    ] {
        filtered(context, filters, expected);
    }
    assert!(!super::prints(context, "images").contains("prod"));
}

fn s36_references(context: &Context) {
    store(context, &aged("1", DAY), &["alpine:latest", "alpine:3.20"]);
    store(context, &aged("2", 2 * DAY), &["nigelpoulton/tu-demo:latest"]);
    store(context, &aged("3", 3 * DAY), &["quay.io/org/sub/app:1"]);
    store(context, &aged("old", 5 * DAY), &["x:1"]);
    store(context, &aged("new", 4 * DAY), &["x:1"]);
    for (filters, expected) in [
        (&["reference=*:latest"][..], &["alpine:latest"][..]),
        (&["reference=alpine"], &["alpine:3.20", "alpine:latest"]),
        (&["reference=alpine:*"], &["alpine:3.20", "alpine:latest"]),
        (&["reference=al?ine:[23].20"], &["alpine:3.20"]),
        (&["reference=*/*:latest"], &["nigelpoulton/tu-demo:latest"]),
        (&["reference=docker.io/library/alpine:latest"], &["alpine:latest"]),
        (&["reference=docker.io/*/tu-demo"], &["nigelpoulton/tu-demo:latest"]),
        (&["reference=alpine:latest", "reference=x"], &["alpine:latest", "x:1"]),
        (&["reference=quay.io/*/app"], &[]),
        (&["reference=quay.io/**"], &["quay.io/org/sub/app:1"]),
        (&["reference=nothing"], &[]),
    ] {
        filtered(context, filters, expected);
    }
    fails(context, &["images", "-f", "reference=["], 1, &["syntax error in pattern"]);
}

fn s37_until_id_digest_platform(context: &Context) {
    let written = context.load(&aged("1", DAY).tag("n:1"));
    let arm = aged("2", 3 * DAY).config(|config| config["architecture"] = "s390x".into());
    store(context, &arm, &["n:2"]);
    let date = &ago(2 * DAY)[..10];
    for until in ["48h", &ago(2 * DAY), date] {
        filtered(context, &[&format!("until={until}")], &["n:2"]);
    }
    fails(context, &["images", "-f", "until=nonsense"], 1, &["nonsense"]);
    filtered(context, &[&format!("id={}", &short(&written.image_id)[..6])], &["n:1"]);
    filtered(context, &[&format!("id={}", written.image_id)], &["n:1"]);
    filtered(context, &[&format!("digest={}", written.manifest["digest"].as_str().unwrap())], &["n:1"]);
    filtered(context, &["platform=linux/s390x"], &["n:2"]);
    filtered(context, &[&format!("platform=linux/{}", host_architecture())], &["n:1"]);
}

fn s37_mounted(context: &Context) {
    store(context, &aged("1", DAY), &["n:1"]);
    store(context, &aged("2", 2 * DAY), &["n:2"]);
    let merged = context.mount(["n:2"]);
    filtered(context, &["mounted=true"], &["n:2"]);
    filtered(context, &["mounted=false"], &["n:1"]);
    context.umount(&merged);
    filtered(context, &["mounted=true"], &[]);
}

fn s38_the_common_slip(context: &Context) {
    let output = run(context, "image --filter dangling=true").exits(125);
    assert!(output.stderr.contains("image"), "{}", output.stderr);
}

fn s39_spellings(context: &Context) {
    store(context, &aged("1", DAY), &["n:1"]);
    let shown = run(context, "images --filter dangling=false").ok();
    assert_eq!(shown.lines().count(), 2);
    for line in [
        "images --filter=dangling=false",
        "images -f dangling=false",
        "images -fdangling=false",
        "images -f DANGLING=false",
    ] {
        assert_eq!(run(context, line).ok(), shown, "{line}");
    }
    assert_eq!(context.rootlay(["images", "-f", " Dangling = false "]).ok(), shown);
    assert_eq!(context.rootlay(["images", "n", "-f", "dangling=false"]).ok(), shown);
}

fn s39_errors(context: &Context) {
    let output = run(context, "images -f x").exits(125);
    let text = r#"invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)"#;
    assert!(output.stderr.contains(text), "{}", output.stderr);
    fails(context, &["images", "-f", "nonsense=1"], 1, &["invalid filter 'nonsense'"]);
}

fn several_filters(context: &Context) {
    store(context, &labelled(aged("1", DAY), &[("a", "1")]), &["n:1"]);
    store(context, &labelled(aged("2", 2 * DAY), &[("a", "1")]), &["n:2", "m:2"]);
    filtered(context, &["label=a", "reference=n"], &["n:1", "n:2"]);
    filtered(context, &["label=a", "before=n:1", "reference=m"], &["m:2"]);
    assert_eq!(named(context, &["n:2", "-f", "label=a"]), ["n:2"]);
}
