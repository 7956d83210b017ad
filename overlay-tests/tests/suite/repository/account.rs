//! `system df`: what is really on the disk, which `du` can check.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Layer, file};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::random::Rng;
use serde_json::Value;

use super::{aged, named, prints, run, store};

pub fn cases() -> Vec<Case> {
    let mut all = cases![
        df_of_an_empty_store;
        df_adds_up => Need::Tool("du");
        df_tells_what_removal_frees => Need::Tool("du");
        df_verbose;
        df_verbose_for_programs;
        listings_of_many_images
    ];
    all.push(Case::new(module_path!(), "df_adds_up_on_ext4", df_adds_up).on("ext4").needs(Need::Tool("du")));
    all
}

/// Bytes that nothing makes smaller.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    (0..bytes / 8).flat_map(|_| rng.next_u64().to_le_bytes()).collect()
}

/// Blocks of a directory in bytes.
fn du(context: &Context, path: &Path) -> f64 {
    if !path.exists() {
        return 0.0;
    }
    let stdout = context.run("du", &["-s", "-x", "--block-size=1", path.to_str().unwrap()]).ok();
    stdout.split_whitespace().next().unwrap().parse().unwrap()
}

/// `1.5MB (30%)`, or a number.
fn bytes(value: &Value) -> f64 {
    let Some(text) = value.as_str() else {
        return value.as_f64().unwrap_or_else(|| panic!("no size: {value}"));
    };
    let text = text.split(' ').next().unwrap();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "" | "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        other => panic!("unit {other} in {value}"),
    };
    number.parse::<f64>().unwrap() * unit
}

/// The rows by their types.
fn df(context: &Context) -> BTreeMap<String, Value> {
    let row = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let rows = prints(context, "system df --format json").lines().map(row).collect::<Vec<_>>();
    rows.into_iter().map(|row| (row["Type"].as_str().unwrap().to_lowercase(), row)).collect()
}

#[track_caller]
fn about(actual: f64, expected: f64, what: &str) {
    let difference = (actual - expected).abs();
    assert!(difference <= 0.01 * expected + 65_536.0, "{what}: {actual} instead of {expected}");
}

fn df_of_an_empty_store(context: &Context) {
    let rows = df(context);
    for kind in ["images", "layers", "blobs", "views"] {
        assert_eq!(rows[kind]["TotalCount"].to_string().replace('"', ""), "0", "{kind}");
        assert!(bytes(&rows[kind]["Size"]) < 65_536.0, "{kind}: {}", rows[kind]);
    }
    let table = prints(context, "system df");
    assert!(table.starts_with("TYPE ") && table.lines().next().unwrap().ends_with("RECLAIMABLE"), "{table}");
}

/// Two images that share a layer, one dangling image, a view that is mounted and one that is saved.
fn fill(context: &Context) {
    let shared = || Layer::of(&[file("shared", noise(1, 1 << 20))]);
    for (n, name) in ["a", "b"].iter().enumerate() {
        let own = Layer::of(&[file(name, noise(10 + n as u64, 600_000)), file("small", "x")]);
        store(context, &Image::of([shared(), own]), &[&format!("{name}:1")]);
    }
    let sparse = Image::of([vec![file("f", noise(20, 300_000))]]);
    store(context, &sparse, &["old:1"]);
    prints(context, "tag a:1 old:1");
    let merged = context.mount(["-w", "--name", "live", "a:1"]);
    fs::write(merged.join("written"), noise(30, 400_000)).unwrap();
    let merged = context.mount(["-w", "--name", "saved", "b:1"]);
    fs::write(merged.join("written"), noise(31, 200_000)).unwrap();
    context.umount(&merged);
}

fn df_adds_up(context: &Context) {
    fill(context);
    let rows = df(context);
    for (kind, count) in [("images", 3), ("layers", 4), ("views", 2)] {
        assert_eq!(rows[kind]["TotalCount"].to_string().replace('"', ""), count.to_string(), "{kind}: {}", rows[kind]);
    }
    let root = context.root();
    let mut sum = 0.0;
    for kind in ["layers", "blobs", "views"] {
        let size = bytes(&rows[kind]["Size"]);
        about(size, du(context, &root.join(kind)), kind);
        sum += size;
    }
    about(sum, du(context, &root), "the sum");
}

fn df_tells_what_removal_frees(context: &Context) {
    fill(context);
    let rows = df(context);
    let before = du(context, &context.root());
    let images: f64 = ["layers", "blobs"].iter().map(|kind| bytes(&rows[*kind]["Reclaimable"])).sum();
    prints(context, "image prune -a -f");
    // Both images with names are used by views, the saved one too.
    assert_eq!(named(context, &[]), ["a:1", "b:1", "old:1"].map(str::to_owned));
    about(before - du(context, &context.root()), images, "what a prune frees");
    let before = du(context, &context.root());
    let views = bytes(&df(context)["views"]["Reclaimable"]);
    prints(context, "rm saved");
    about(before - du(context, &context.root()), views, "what the saved view frees");
}

fn df_verbose(context: &Context) {
    fill(context);
    let shown = prints(context, "system df -v");
    for text in ["Images space usage:", "SHARED SIZE", "UNIQUE SIZE", "live", "saved", "<none>"] {
        assert!(shown.contains(text), "`{text}` is not in\n{shown}");
    }
    let row = shown.lines().find(|line| line.starts_with("b ")).unwrap();
    // 1 MiB is shared with the other image, 600,001 bytes are its own: as layers and as blobs, in blocks a little more.
    assert!(row.contains("2.1") && row.contains("1.2"), "{row}");
}

/// `docker system df -v` has an object with a list of each kind.
fn df_verbose_for_programs(context: &Context) {
    fill(context);
    let text = prints(context, "system df -v --format json");
    assert_eq!(text.lines().count(), 1, "{text}");
    let object: Value = serde_json::from_str(&text).unwrap();
    let shown = prints(context, "system df -v");
    for (kind, field) in [("Images", "ID"), ("Layers", "DiffID"), ("Views", "Name")] {
        let rows = object[kind].as_array().unwrap();
        assert!(
            rows.len() > 1 && rows.iter().all(|row| shown.contains(row[field].as_str().unwrap())),
            "{kind}: {text}"
        );
    }
    let names = "{{range .Views}}{{.Name}} {{end}}";
    assert_eq!(context.rootlay(["system", "df", "-v", "--format", names]).ok(), "live saved \n");
    assert_eq!(prints(context, "system df -v --format table"), shown);
}

/// A listing of a large store takes 50 ms in a release build; here only that nothing gets slow with the number of images.
fn listings_of_many_images(context: &Context) {
    let images: Vec<Image> = (0..150).map(|n| aged("same", n * 60)).collect();
    let names: Vec<String> = (0..150).map(|n| format!("many:{n}")).collect();
    let name = |n: usize| std::slice::from_ref(&names[n]).iter().map(String::as_str).collect::<Vec<_>>();
    let lists: Vec<Vec<&str>> = (0..150).map(name).collect();
    let all: Vec<(&Image, &[&str])> = images.iter().zip(lists.iter().map(Vec::as_slice)).collect();
    let (path, _) = super::archive(context, &all);
    prints(context, &format!("load -q -i {}", path.display()));
    for line in ["images", "images -q", "inspect many:7", "mounts", "images --filter reference=many:1*", "system df"] {
        let start = Instant::now();
        assert_eq!(run(context, line).code, 0, "{line}");
        let took = start.elapsed();
        assert!(took < Duration::from_millis(1500), "{line}: {took:?}");
    }
}
