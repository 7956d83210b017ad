//! Rows S49 to S54 and S56 to S57b: `inspect`, layers, and what a view is made of.

use std::fs;
use std::path::PathBuf;

use overlay_tests::cases;
use overlay_tests::fixture::{Compression, Image, Layer, dir, file, host_architecture, whiteout};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::tree::{names, read_tree};
use serde_json::{Value, json};

use super::{aged, archive, fails, inspected, prints, store};

pub fn cases() -> Vec<Case> {
    cases![
        s49_the_array;
        s49_missing_ones;
        s49_templates;
        s49_bad_templates;
        s50_fields;
        s50_no_configuration;
        s50_layer_directories;
        s50_directories_of_a_view;
        s51_digests_and_diff_ids;
        s52_s62_layers_are_shared;
        s53_ids;
        s54_the_state_root;
        s57_a_writable_view_keeps_the_layers
    ]
}

fn s49_the_array(context: &Context) {
    let [a, b] = ["a", "b"].map(|name| store(context, &aged(name, 60), &[&format!("{name}:1")]));
    let stdout = prints(context, "inspect a:1 b:1");
    assert!(stdout.starts_with("[\n    {\n        \"") && stdout.ends_with("\n    }\n]\n"), "{stdout}");
    let array: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&array[0]["Id"], &array[1]["Id"]), (&json!(a), &json!(b)));
    assert_eq!(prints(context, "image inspect a:1 b:1"), stdout);
    assert_eq!(prints(context, "inspect a:1 --format json").lines().count(), 1);
    let compact: Value = serde_json::from_str(&prints(context, "inspect a:1 b:1 -f json")).unwrap();
    assert_eq!(compact, array);
}

fn s49_missing_ones(context: &Context) {
    let id = store(context, &aged("a", 60), &["a:1"]);
    let output = context.rootlay(["image", "inspect", "foo", "a:1"]).exits(1).says("No such image: foo");
    let array: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((array.as_array().unwrap().len(), &array[0]["Id"]), (1, &json!(id)));
    let output = context.rootlay(["inspect", "foo"]).exits(1);
    assert_eq!(output.stdout, "[]\n");
    assert!(output.one_line().to_lowercase().contains("no such object: foo"), "{}", output.stderr);
    let output = context.rootlay(["inspect", "-f", "{{.Id}}", "foo", "a:1"]).exits(1);
    assert_eq!(output.stdout, format!("{id}\n"));
    let _ = context.rootlay(["inspect"]).exits(125);
}

fn s49_templates(context: &Context) {
    let image = Image::of([vec![file("f", "")], vec![file("g", "")]]).config(|config| {
        config["config"] = json!({
            "Env": ["PATH=/bin", "A=b"], "Cmd": ["sh", "-c", "x"], "Labels": {"a.b": "c", "x": "<y>"},
            "ExposedPorts": {"80/tcp": {}}, "WorkingDir": "/w",
        });
    });
    let written = context.load(&image.tag("a:1"));
    for (template, expected) in [
        ("{{.Id}}", written.image_id.clone()),
        ("{{.Os}}/{{.Architecture}}", format!("linux/{}", host_architecture())),
        ("{{json .Config.Env}}", r#"["PATH=/bin","A=b"]"#.to_owned()),
        ("{{.Config.Env}}", "[PATH=/bin A=b]".to_owned()),
        ("{{range .Config.Env}}{{println .}}{{end}}", "PATH=/bin\nA=b\n".to_owned()),
        (r#"{{index .Config.Labels "a.b"}}"#, "c".to_owned()),
        ("{{json .Config.Labels}}", r#"{"a.b":"c","x":"<y>"}"#.to_owned()),
        (r#"{{join .Config.Cmd " "}}"#, "sh -c x".to_owned()),
        ("{{len .RootFS.Layers}}", "2".to_owned()),
        ("{{index .RepoTags 0}}", "a:1".to_owned()),
        ("{{range .RootFS.Layers}}{{.}} {{end}}", format!("{} ", written.diff_ids.join(" "))),
        ("{{.Config.WorkingDir}}", "/w".to_owned()),
        ("{{range $p, $c := .Config.ExposedPorts}}{{$p}}{{end}}", "80/tcp".to_owned()),
        ("{{.RootFS.Type}}", "layers".to_owned()),
        ("{{.Size}}", "0".to_owned()),
    ] {
        assert_eq!(
            context.rootlay(["inspect", "--format", template, "a:1"]).ok(),
            format!("{expected}\n"),
            "{template}"
        );
    }
}

fn s49_bad_templates(context: &Context) {
    store(context, &aged("a", 60), &["a:1"]);
    let output = context.rootlay(["inspect", "--format", "{{", "a:1"]).exits(64);
    assert!(output.one_line().contains("unclosed action"), "{}", output.stderr);
    let output = context.rootlay(["inspect", "--format", "{{nonsense .}}", "a:1"]).exits(64);
    assert!(output.one_line().contains("nonsense"), "{}", output.stderr);
    // A field that is not there is found out when the template is run.
    assert_ne!(context.rootlay(["inspect", "--format", "{{.Foo}}", "a:1"]).code, 0);
}

fn s50_fields(context: &Context) {
    let configuration = json!({
        "User": "1000:10", "Env": ["PATH=/bin"], "Cmd": ["sh"], "Entrypoint": ["/init", "--"], "WorkingDir": "/w",
        "Labels": {"k": "v"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000}, "OnBuild": ["RUN x"], "Shell": ["/bin/sh"],
    });
    let whole = configuration.clone();
    let image = Image::of([vec![file("f", "12345")]]).config(move |config| {
        config["config"] = whole.clone();
        config["author"] = "Ann".into();
        config["created"] = "2024-09-06T12:05:36.123456789Z".into();
        config["history"] = json!([{"comment": "last", "created_by": "x"}]);
    });
    let written = context.load(&image.tag("quay.io/org/app:1"));
    prints(context, "tag quay.io/org/app:1 b:2");
    let shown = inspected(context, "b:2");
    for (field, expected) in [
        ("Id", json!(written.image_id)),
        ("Architecture", json!(host_architecture())),
        ("Os", json!("linux")),
        ("Author", json!("Ann")),
        ("Comment", json!("last")),
        ("Created", json!("2024-09-06T12:05:36.123456789Z")),
        ("Size", json!(5)),
        ("RootFS", json!({"Type": "layers", "Layers": written.diff_ids})),
    ] {
        assert_eq!(shown[field], expected, "{field}");
    }
    let mut tags: Vec<&str> = shown["RepoTags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["b:2", "quay.io/org/app:1"]);
    assert!(shown["RepoDigests"].is_array() && shown["Metadata"]["LastTagTime"].is_string(), "{shown}");
    for (field, expected) in configuration.as_object().unwrap() {
        assert_eq!(&shown["Config"][field], expected, "{field}");
    }
}

/// Every list is a list, also where the image says nothing.
fn s50_no_configuration(context: &Context) {
    let image = Image::of(Vec::<Layer>::new()).config(|config| {
        config.as_object_mut().unwrap().remove("config");
    });
    let id = context.load(&image).image_id;
    let shown = inspected(context, &id);
    for field in ["RepoTags", "RepoDigests"] {
        assert_eq!(shown[field], json!([]), "{field}");
    }
    assert_eq!((&shown["Size"], &shown["RootFS"]["Type"]), (&json!(0), &json!("layers")));
}

/// The layers among the directories of an overlay, top first. Others may stand between them.
fn directories(value: &Value) -> Vec<PathBuf> {
    let all: Vec<PathBuf> = value.as_str().unwrap().split(':').map(PathBuf::from).collect();
    assert!(all.iter().all(|dir| dir.is_dir()), "{value}");
    all.into_iter().filter(|dir| dir.components().any(|part| part.as_os_str() == "layers")).collect()
}

/// The directories are real, the top one first.
fn s50_layer_directories(context: &Context) {
    store(context, &Image::of([vec![file("base", "")], vec![file("middle", "")], vec![file("top", "")]]), &["a:1"]);
    let driver = &inspected(context, "a:1")["GraphDriver"];
    assert!(driver["Name"].as_str().unwrap().starts_with("overlay"), "{driver}");
    let dirs = directories(&driver["Data"]["LowerDir"]);
    assert_eq!(dirs.len(), 3, "{driver}");
    for (dir, name) in dirs.iter().zip(["top", "middle", "base"]) {
        assert_eq!(names(&read_tree(dir).unwrap()), [name], "{}", dir.display());
        assert!(dir.starts_with(context.root()), "{}", dir.display());
    }
    let path = context.rootlay(["inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", "a:1"]).ok();
    assert_eq!(path.trim_end(), driver["Data"]["LowerDir"].as_str().unwrap());
}

fn s50_directories_of_a_view(context: &Context) {
    store(context, &Image::of([vec![file("base", "")], vec![file("top", "")]]), &["a:1"]);
    let merged = context.mount(["-w", "--name", "box", "a:1"]);
    fs::write(merged.join("written"), "x").unwrap();
    let data = &inspected(context, "box")["GraphDriver"]["Data"];
    assert_eq!(data["MergedDir"].as_str().unwrap(), merged.to_str().unwrap());
    assert_eq!(names(&read_tree(data["UpperDir"].as_str().unwrap().as_ref()).unwrap()), ["written"]);
    assert!(PathBuf::from(data["WorkDir"].as_str().unwrap()).is_dir(), "{data}");
    assert_eq!(directories(&data["LowerDir"]).len(), 2);
}

/// Pulls name compressed blobs, `inspect` names what they unpack to; `image tree` shows both.
fn s51_digests_and_diff_ids(context: &Context) {
    let layer = |name: &str| Layer::of(&[file(name, "x".repeat(999))]).compressed(Compression::Gzip);
    let written = context.load(&Image::of([layer("a"), layer("b")]).tag("a:1"));
    assert_ne!(written.layers, written.diff_ids);
    assert_eq!(inspected(context, "a:1")["RootFS"]["Layers"], json!(written.diff_ids));
    let tree = prints(context, "image tree --no-trunc a:1");
    for digest in written.layers.iter().chain(&written.diff_ids) {
        assert!(tree.contains(digest), "{digest} is not in\n{tree}");
    }
}

fn s52_s62_layers_are_shared(context: &Context) {
    let shared = || Layer::of(&[file("shared", "")]);
    for name in ["a", "b"] {
        store(context, &Image::of([shared(), Layer::of(&[file(name, "")])]), &[&format!("{name}:1")]);
    }
    assert_eq!(super::layers_here(context), 3);
    let base = |name: &str| directories(&inspected(context, name)["GraphDriver"]["Data"]["LowerDir"]).pop();
    assert_eq!(base("a:1"), base("b:1"));
    prints(context, "rmi a:1");
    assert_eq!(super::layers_here(context), 2);
    prints(context, "rmi b:1");
    assert_eq!(super::layers_here(context), 0);
}

/// The ID is the config's digest. The manifest's digest is as good wherever an image is named.
fn s53_ids(context: &Context) {
    let written = context.load(&aged("a", 60).tag("a:1"));
    assert_eq!(inspected(context, "a:1")["Id"], json!(written.image_id));
    let digest = written.manifest["digest"].as_str().unwrap();
    assert_eq!(inspected(context, digest)["Id"], json!(written.image_id));
    let shown = context.rootlay(["images", "--digests", "--no-trunc", "--format", "{{.Digest}} {{.ID}}"]).ok();
    assert_eq!(shown, format!("{digest} {}\n", written.image_id));
}

fn s54_the_state_root(context: &Context) {
    store(context, &aged("a", 60), &["a:1"]);
    let root = context.root();
    assert!(prints(context, "info").contains(root.to_str().unwrap()));
    for line in ["info", "system info"] {
        assert_eq!(prints(context, &format!("{line} --format {{{{.Root}}}}")), format!("{}\n", root.display()));
    }
    let json: Value = serde_json::from_str(&prints(context, "info -f json")).unwrap();
    assert_eq!((&json["Root"], &json["Images"]), (&json!(root), &json!(1)));
    assert_eq!(prints(context, "info --format table"), prints(context, "info"));
    fails(context, &["info", "-f", "{{.Foo}}"], 1, &["Foo"]);
    fails(context, &["info", "-f", "{{"], 1, &["unclosed action"]);
    fails(context, &["version", "-f", "{{.Foo}}"], 1, &["Foo"]);
    let version = prints(context, "version");
    assert_eq!(prints(context, "version --format {{.Version}}"), version.strip_prefix("rootlay ").unwrap());
    for dir in ["layers", "blobs", "images"] {
        assert!(root.join(dir).is_dir(), "{dir}");
    }
}

/// The layers are as they were, whatever is done above them; what was done goes with the view.
fn s57_a_writable_view_keeps_the_layers(context: &Context) {
    let image =
        Image::of([vec![dir("d", 0o755), file("d/a", "a"), file("b", "b")], vec![whiteout("d/a"), file("c", "c")]]);
    store(context, &image, &["a:1"]);
    let layers = |context: &Context| {
        let mut paths = StoreListing::read(&context.root()).paths();
        paths = paths.lines().filter(|line| line.starts_with("/layers/")).collect::<Vec<_>>().join("\n");
        paths
    };
    let before = layers(context);
    let merged = context.mount(["-w", "--name", "box", "a:1"]);
    assert_eq!(names(&read_tree(&merged).unwrap()), ["b", "c", "d/"]);
    fs::remove_file(merged.join("b")).unwrap();
    fs::write(merged.join("c"), "changed").unwrap();
    fs::write(merged.join("d/new"), "").unwrap();
    assert_eq!(names(&read_tree(&merged).unwrap()), ["c", "d/", "d/new"]);
    context.umount(&merged);
    prints(context, "rm box");
    assert_eq!(layers(context), before);
    assert_eq!(names(&context.tree_of_loaded("a:1")), ["b", "c", "d/"]);
    let (path, _) = archive(context, &[(&image, &["a:1"])]);
    prints(context, &format!("load -i {}", path.display()));
    fails(context, &["inspect", "box"], 1, &["box"]);
}
