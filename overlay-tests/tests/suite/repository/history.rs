//! Rows S55 and S57c: `history` and `image tree`.

use overlay_tests::cases;
use overlay_tests::fixture::{Compression, Image, Layer, dir, file, whiteout};
use overlay_tests::harness::{Case, Context};
use serde_json::json;

use super::{DAY, HOUR, aged, ago, fails, prints, run, short, store};

pub fn cases() -> Vec<Case> {
    cases![
        s55_the_table;
        s55_options;
        s55_without_a_history;
        s55_a_history_that_does_not_fit;
        s55_errors;
        s57c_image_tree;
        s57c_shared_layers
    ]
}

const LONG: &str = "RUN /bin/sh -c apt-get update && apt-get install -y \tcurl # buildkit";

/// Two layers and two steps without one.
fn image() -> Image {
    let [old, new] = [ago(20 * DAY), ago(3 * DAY + HOUR)];
    let layers = [Layer::of(&[file("base", "x".repeat(1500))]), Layer::of(&[file("top", "12345")])];
    Image::of(layers).config(move |config| {
        config["created"] = new.clone().into();
        config["history"] = json!([
            {"created": old, "created_by": "ADD rootfs.tar / # buildkit"},
            {"created": old, "created_by": "CMD [\"sh\"]", "empty_layer": true},
            {"created": new, "created_by": LONG, "comment": "buildkit.dockerfile.v0"},
            {"created": new, "created_by": "ENV A=b", "empty_layer": true},
        ]);
    })
}

fn s55_the_table(context: &Context) {
    let id = store(context, &image(), &["app:1"]);
    let id = short(&id);
    let expected = [
        "IMAGE          CREATED       CREATED BY                                      SIZE      COMMENT".to_owned(),
        format!("{id}   3 days ago    ENV A=b                                         0B        "),
        "<missing>      3 days ago    RUN /bin/sh -c apt-get update && apt-get ins…   5B        buildkit.dockerfile.v0"
            .to_owned(),
        "<missing>      2 weeks ago   CMD [\"sh\"]                                      0B        ".to_owned(),
        "<missing>      2 weeks ago   ADD rootfs.tar / # buildkit                     1.5kB     ".to_owned(),
    ];
    assert_eq!(prints(context, "history app:1"), expected.join("\n") + "\n");
    assert_eq!(prints(context, "image history app:1"), prints(context, "history app:1"));
}

fn s55_options(context: &Context) {
    let id = store(context, &image(), &["app:1"]);
    assert_eq!(prints(context, "history -q app:1"), format!("{}\n<missing>\n<missing>\n<missing>\n", short(&id)));
    assert!(prints(context, "history -q --no-trunc app:1").starts_with(&format!("{id}\n")));
    let whole = prints(context, "history --no-trunc app:1");
    assert!(whole.contains(&LONG.replace('\t', " ")) && whole.contains(&id), "{whole}");
    let exact = prints(context, "history -H=false app:1");
    assert!(exact.starts_with("IMAGE          CREATED AT "), "{exact}");
    let base = exact.lines().last().unwrap();
    assert!(base.contains("   1500   ") || base.contains("   1500 "), "{exact}");
    assert!(base.contains(&ago(20 * DAY)[..10]) && base.contains('T'), "{exact}");
    let sizes = context.rootlay(["history", "--format", "{{.Size}}|{{.CreatedSince}}|{{.Comment}}", "app:1"]).ok();
    assert_eq!(sizes, "0B|3 days ago|\n5B|3 days ago|buildkit.dockerfile.v0\n0B|2 weeks ago|\n1.5kB|2 weeks ago|\n");
    assert_eq!(
        context.rootlay(["history", "--format", "{{.CreatedBy}}", "--no-trunc", "app:1"]).ok().lines().next(),
        Some("ENV A=b")
    );
    for line in prints(context, "history --format json app:1").lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        for field in ["Comment", "CreatedAt", "CreatedBy", "CreatedSince", "ID", "Size"] {
            assert!(row[field].is_string(), "{field}: {line}");
        }
    }
}

fn s55_without_a_history(context: &Context) {
    store(context, &Image::of([vec![file("f", "")], vec![file("g", "")]]), &["app:1"]);
    let shown = prints(context, "history app:1");
    assert!(shown.starts_with("IMAGE "), "{shown}");
}

/// More steps with layers than layers, and fewer: no reason to fail.
fn s55_a_history_that_does_not_fit(context: &Context) {
    for steps in [1, 5] {
        let history: Vec<_> = (0..steps).map(|n| json!({"created_by": format!("step {n}")})).collect();
        let image = Image::of([vec![file("f", "")], vec![file("g", "")]]);
        store(
            context,
            &image.config(move |config| config["history"] = history.clone().into()),
            &[&format!("app:{steps}")],
        );
        for command in ["history", "image tree"] {
            let output = run(context, &format!("{command} app:{steps}"));
            assert_eq!(output.code, 0, "{}", output.stderr);
        }
    }
}

fn s55_errors(context: &Context) {
    fails(context, &["history", "gone"], 1, &["No such image: gone"]);
    let _ = run(context, "history").exits(125);
    let _ = run(context, "history a b").exits(125);
}

/// Per layer: its step, compressed and unpacked size, and what it changes.
fn s57c_image_tree(context: &Context) {
    let base = [dir("d", 0o755), file("d/a", "x".repeat(3000)), file("b", "b"), file("c", "c")];
    let top = [whiteout("d/a"), file("b", "changed"), file("e", ""), file("f", "")];
    let layers = [&base[..], &top].map(|entries| Layer::of(entries).compressed(Compression::Gzip));
    let image = Image::of(layers).config(|config| {
        config["history"] = json!([{"created_by": "ADD rootfs"}, {"created_by": "ENV x", "empty_layer": true}, {"created_by": "RUN things"}]);
    });
    let written = context.load(&image.tag("app:1"));
    let tree = prints(context, "image tree app:1");
    for digest in written.layers.iter().chain(&written.diff_ids) {
        assert!(tree.contains(short(digest)), "{digest} is not in\n{tree}");
    }
    for text in ["ADD rootfs", "RUN things", "app:1", "3kB"] {
        assert!(tree.contains(text), "`{text}` is not in\n{tree}");
    }
    let rows: Vec<serde_json::Value> = prints(context, "image tree --format json app:1")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2, "one object a layer");
    let top = rows.iter().find(|row| row.to_string().contains(short(&written.diff_ids[1]))).unwrap();
    let number = |row: &serde_json::Value, name: &str| {
        let (_, value) = row.as_object().unwrap().iter().find(|(key, _)| key.to_lowercase().contains(name)).unwrap();
        value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok())
    };
    assert_eq!(
        [number(top, "added"), number(top, "changed"), number(top, "deleted")],
        [Some(2), Some(1), Some(1)],
        "{top}"
    );
}

fn s57c_shared_layers(context: &Context) {
    let shared = || Layer::of(&[file("shared", "")]);
    for name in ["a", "b", "c"] {
        store(context, &Image::of([shared(), Layer::of(&[file(name, "")])]), &[&format!("{name}:1")]);
    }
    let rows: Vec<String> = prints(context, "image tree --format json a:1").lines().map(str::to_owned).collect();
    let shared: Vec<Option<u64>> = rows
        .iter()
        .map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let (_, value) =
                row.as_object().unwrap().iter().find(|(key, _)| ["Images", "Shared"].contains(&key.as_str())).unwrap();
            value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok())
        })
        .collect();
    let mut sorted = shared.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [Some(1), Some(3)], "{rows:?}");
    store(context, &aged("x", DAY), &["alone:1"]);
    prints(context, "image tree alone:1");
}
