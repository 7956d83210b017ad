//! Rows S21 to S31: what `images` shows.

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Layer, file};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::registry::Bed;

use super::{DAY, HOUR, MINUTE, aged, named, prints, rows, run, short, store};

pub fn cases() -> Vec<Case> {
    cases![
        s21_three_spellings;
        s21_an_empty_store;
        s21_arguments;
        s22_the_table;
        s23_a_row_for_every_tag;
        s23_the_order;
        s24_dangling;
        s24_digest_only => Need::Tool("docker-registry"), Need::Tool("skopeo");
        s25_digests;
        s26_names;
        s26_a_hint_for_subcommands;
        s27_quiet;
        s30_created;
        s30_without_a_date;
        s31_sizes;
        images_by_size_and_name;
        images_tree;
        a_broken_record_is_named;
        a_broken_layer_is_no_matter
    ]
}

const HEADER: &str = "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n";

fn s21_three_spellings(context: &Context) {
    store(context, &aged("x", DAY), &["app:1"]);
    let shown = prints(context, "images");
    assert_eq!(shown.lines().count(), 2);
    for line in ["image ls", "image list"] {
        assert_eq!(prints(context, line), shown, "{line}");
    }
    assert_eq!(prints(context, "images -a"), shown);
}

fn s21_an_empty_store(context: &Context) {
    assert_eq!(prints(context, "images"), HEADER);
    assert_eq!(prints(context, "images -q"), "");
    assert_eq!(prints(context, "images --digests"), "REPOSITORY   TAG       DIGEST    IMAGE ID   CREATED   SIZE\n");
    assert_eq!(prints(context, "images --format json"), "");
}

fn s21_arguments(context: &Context) {
    for line in ["images a b", "images --nonsense", "image ls a b", "images --digests=maybe"] {
        let output = run(context, line).exits(125);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{line}");
    }
}

/// Byte for byte: at least ten columns, three spaces between, nothing behind the last cell.
fn s22_the_table(context: &Context) {
    let content = "x".repeat(5_610_000);
    let image = Image::of([vec![file("f", content)]]);
    let created = super::ago(3 * DAY + 12 * HOUR);
    let id =
        store(context, &image.config(move |c| c["created"] = created.clone().into()), &["nigelpoulton/tu-demo:v2"]);
    let expected = format!(
        "REPOSITORY             TAG       IMAGE ID       CREATED      SIZE\n\
         nigelpoulton/tu-demo   v2        {}   3 days ago   5.61MB\n",
        short(&id)
    );
    assert_eq!(prints(context, "images"), expected);
}

fn s23_a_row_for_every_tag(context: &Context) {
    let id = store(context, &aged("x", DAY), &["demo:latest", "demo:v2"]);
    let id = short(&id);
    assert_eq!(rows(context, &[], "{{.Tag}} {{.ID}}"), [format!("latest {id}"), format!("v2 {id}")]);
}

/// Newest first, then by name, then by tag.
fn s23_the_order(context: &Context) {
    store(context, &aged("old", 9 * DAY), &["b:2", "a:9", "b:1"]);
    store(context, &aged("new", DAY), &["z:1"]);
    store(context, &aged("middle", 5 * DAY), &["quay.io/x/y:1", "m:1"]);
    assert_eq!(named(context, &[]), ["z:1", "m:1", "quay.io/x/y:1", "a:9", "b:1", "b:2"]);
}

fn s24_dangling(context: &Context) {
    let old = store(context, &aged("old", 2 * DAY), &["app:1"]);
    store(context, &aged("new", DAY), &["app:1"]);
    assert_eq!(named(context, &[]), ["app:1", "<none>:<none>"]);
    let table = prints(context, "images");
    assert!(table.lines().nth(2).unwrap().starts_with(&format!("<none>       <none>    {}", short(&old))), "{table}");
}

fn s24_digest_only(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    let written = registry.publish(&aged("x", DAY), "app:1");
    let digest = written.manifest["digest"].as_str().unwrap();
    bed.pull(&registry.name(&format!("app@{digest}")));
    let template = "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}";
    let repository = registry.name("app");
    let expected = format!("{repository} <none> {digest} {}", short(&written.image_id));
    assert_eq!(rows(context, &["--digests"], template), [expected]);
    assert_eq!(named(context, &["--filter", "dangling=true"]), [""; 0]);
    // With a tag beside it, the digest is part of the tag's row.
    bed.pull(&registry.name("app:1"));
    let expected = format!("{repository} 1 {digest} {}", short(&written.image_id));
    assert_eq!(rows(context, &["--digests"], template), [expected]);
}

fn s25_digests(context: &Context) {
    let written = context.load(&Image::of([vec![file("f", "")]]).tag("app:1"));
    let digest = written.manifest["digest"].as_str().unwrap();
    for name in [&[][..], &["app"]] {
        let table = context.rootlay([&["images", "--digests"], name].concat()).ok();
        let mut lines = table.lines();
        let header: Vec<&str> = lines.next().unwrap().split("   ").map(str::trim).filter(|s| !s.is_empty()).collect();
        assert_eq!(header, ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"]);
        let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(row[..4], ["app", "1", digest, short(&written.image_id)]);
    }
}

fn s26_names(context: &Context) {
    store(context, &aged("1", DAY), &["alpine:3.20", "alpine:latest", "alp:1"]);
    store(context, &aged("2", 2 * DAY), &["nigelpoulton/tu-demo:latest", "quay.io/org/app:1"]);
    for (argument, expected) in [
        ("alpine", &["alpine:3.20", "alpine:latest"][..]),
        ("alpine:latest", &["alpine:latest"]),
        ("docker.io/library/alpine:latest", &["alpine:latest"]),
        ("alp*", &["alp:1", "alpine:3.20", "alpine:latest"]),
        ("*:latest", &["alpine:latest"]),
        ("nigelpoulton/*", &["nigelpoulton/tu-demo:latest"]),
        ("quay.io/*/app", &["quay.io/org/app:1"]),
        ("quay.io/*", &[]),
        ("nothing", &[]),
        ("alpine:9", &[]),
    ] {
        assert_eq!(named(context, &[argument]), expected, "{argument}");
    }
    assert_eq!(prints(context, "images nothing"), HEADER);
}

fn s26_a_hint_for_subcommands(context: &Context) {
    let output = run(context, "images ls").exits(0);
    assert_eq!(output.stdout, HEADER);
    let hint = output.stderr.to_lowercase().replace('`', "\"");
    let expected = r#"no images found matching "ls": did you mean "rootlay image ls"?"#;
    assert!(hint.contains(expected), "{}", output.stderr);
    assert_eq!(run(context, "images nothing").exits(0).stderr, "");
}

fn s27_quiet(context: &Context) {
    let id = store(context, &aged("1", DAY), &["a:1", "b:1"]);
    assert_eq!(prints(context, "images -q"), format!("{0}\n{0}\n", short(&id)));
    assert_eq!(prints(context, "images -aq"), format!("{0}\n{0}\n", short(&id)));
    assert_eq!(prints(context, "images --no-trunc --quiet"), format!("{id}\n{id}\n"));
    assert_eq!(prints(context, "images -q a"), format!("{}\n", short(&id)));
    assert_eq!(prints(context, "images -q --format table"), prints(context, "images -q"));
    assert_eq!(prints(context, "images -q --format {{.Repository}}"), "a\nb\n");
}

/// Docker's thresholds, seen from a moment in their middle.
fn s30_created(context: &Context) {
    let expected = [
        (30, "30 seconds ago"),
        (90, "About a minute ago"),
        (10 * MINUTE + 20, "10 minutes ago"),
        (HOUR + 10 * MINUTE, "About an hour ago"),
        (HOUR + 40 * MINUTE, "2 hours ago"),
        (47 * HOUR, "47 hours ago"),
        (2 * DAY + 12 * HOUR, "2 days ago"),
        (13 * DAY + HOUR, "13 days ago"),
        (15 * DAY, "2 weeks ago"),
        (59 * DAY, "8 weeks ago"),
        (61 * DAY, "2 months ago"),
        (700 * DAY, "23 months ago"),
        (800 * DAY, "2 years ago"),
    ];
    for (seconds, text) in expected {
        store(context, &aged(text, seconds), &[&format!("age:{seconds}")]);
    }
    let shown = rows(context, &[], "{{.CreatedSince}}");
    // Half a minute does not stand still.
    let texts: Vec<&str> = expected.iter().skip(1).map(|(_, text)| *text).collect();
    assert_eq!(shown[1..], texts);
    assert!(shown[0].starts_with('3') && shown[0].ends_with(" seconds ago"), "{}", shown[0]);
}

fn s30_without_a_date(context: &Context) {
    let image = || Image::of([vec![file("f", "")]]);
    store(context, &image(), &["app:1"]);
    for (name, created) in [("app:2", "1970-01-01T00:00:00Z"), ("app:3", "0001-01-01T00:00:00Z")] {
        store(context, &image().config(move |config| config["created"] = created.into()), &[name]);
    }
    assert_eq!(rows(context, &[], "{{.CreatedSince}}"), ["N/A", "N/A", "N/A"]);
}

/// The sum of what the layers' files hold, in decimal units, three digits.
fn s31_sizes(context: &Context) {
    let with = |bytes: &[usize]| {
        Image::of(bytes.iter().enumerate().map(|(n, bytes)| Layer::of(&[file(format!("f{n}"), vec![b'x'; *bytes])])))
    };
    for (bytes, text) in [
        (&[0][..], "0B"),
        (&[999], "999B"),
        (&[1000], "1kB"),
        (&[1220, 0], "1.22kB"),
        (&[98_349], "98.3kB"),
        (&[100_000, 17_000], "117kB"),
        (&[999_499], "999kB"),
        (&[1_000_000, 90_000], "1.09MB"),
    ] {
        let id = store(context, &with(bytes), &["size:1"]);
        assert_eq!(rows(context, &["size"], "{{.Size}}"), [text], "{bytes:?}");
        context.rootlay(["rmi", &id]).ok();
    }
    // A file that an upper layer replaces is there twice.
    store(context, &Image::of([vec![file("f", "1234")], vec![file("f", "12")]]), &["size:1"]);
    assert_eq!(rows(context, &[], "{{.Size}}"), ["6B"]);
}

fn images_by_size_and_name(context: &Context) {
    store(context, &aged("1", DAY), &["b:1"]);
    store(context, &aged(&"x".repeat(5000), 2 * DAY), &["c:1"]);
    store(context, &aged(&"x".repeat(500), 3 * DAY), &["a:1"]);
    assert_eq!(named(context, &["--sort", "size"]), ["b:1", "a:1", "c:1"]);
    assert_eq!(named(context, &["--sort", "created"]), ["b:1", "c:1", "a:1"]);
    assert_eq!(named(context, &["--sort", "repository"]), ["a:1", "b:1", "c:1"]);
    let _ = run(context, "images --sort nonsense").exits(125);
}

fn images_tree(context: &Context) {
    let id = store(context, &aged("1", DAY), &["a:1"]);
    let shown = prints(context, "images --tree");
    assert!(shown.contains("a:1") && shown.contains(short(&id)), "{shown}");
}

/// Damage of one image is no reason to show none.
fn a_broken_record_is_named(context: &Context) {
    let good = store(context, &aged("good", DAY), &["good:1"]);
    for (name, damage) in [("empty", &b""[..]), ("garbage", b"{\"a\":"), ("short", b"{}")] {
        let bad = store(context, &aged(name, 2 * DAY), &["bad:1"]);
        let hex = &bad["sha256:".len()..];
        let records = find(context, hex);
        assert!(!records.is_empty(), "no file is named after the image");
        for record in &records {
            std::fs::write(record, damage).unwrap();
        }
        let output = run(context, "images").exits(0);
        assert!(output.stdout.contains(short(&good)), "{name}: {}", output.stdout);
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains(short(&bad)) && all.contains("broken"), "{name}: {all}");
        for line in ["images -q", "images --format json", "system df", "mounts", "images --digests --no-trunc"] {
            assert_eq!(run(context, line).code, 0, "{name}: {line}");
        }
        assert_eq!(named(context, &["good"]), ["good:1"]);
        prints(context, "inspect good:1");
        let output = context.rootlay(["inspect", &bad]);
        assert_ne!(output.code, 0, "{name}");
        // It can be removed, and everything is well again.
        context.rootlay(["rmi", "-f", &bad]).ok();
        let output = run(context, "images").exits(0);
        assert!(!output.stdout.contains("bad") && output.stderr.is_empty(), "{name}: {output:?}");
    }
}

/// The files below the store's records that are named after an image.
fn find(context: &Context, hex: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![context.root()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_dir() && name != "layers" {
                pending.push(entry.path());
            } else if name.starts_with(hex) && entry.file_type().unwrap().is_file() {
                found.push(entry.path());
            }
        }
    }
    found
}

fn a_broken_layer_is_no_matter(context: &Context) {
    store(context, &aged("good", DAY), &["good:1"]);
    let layers = |context: &Context| overlay_tests::harness::StoreListing::read(&context.root()).layers();
    let before = layers(context);
    store(context, &aged("bad", DAY), &["bad:1"]);
    let bad = layers(context).into_iter().find(|layer| !before.contains(layer)).unwrap();
    std::fs::remove_dir_all(context.root().join("layers").join(bad)).unwrap();
    for line in ["images", "images -q", "images --format json", "inspect bad:1", "history bad:1", "system df", "mounts"]
    {
        let output = run(context, line);
        assert_eq!(output.code, 0, "{line}: {}", output.stderr);
    }
    assert_eq!(named(context, &[]).len(), 2);
    let _ = run(context, "mount bad:1").exits(1);
    prints(context, "rmi bad:1");
    assert_eq!(named(context, &[]), ["good:1"]);
}
