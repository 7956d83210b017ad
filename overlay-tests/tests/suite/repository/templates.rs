//! Row S71: `--format`, in the words of Docker's users.

use std::path::Path;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context};
use serde_json::Value;

use super::{DAY, HOUR, aged, labelled, prints, run, short, store};

pub fn cases() -> Vec<Case> {
    cases![
        s71_fields;
        s71_json;
        s71_json_of_a_dangling_image;
        s71_tables;
        s71_raw;
        s71_functions;
        s71_control;
        s71_no_rows;
        s71_errors;
        s71_created_at;
        s71_digest_column;
        s71_every_listing
    ]
}

/// Fails unless `images` prints this with this template.
#[track_caller]
fn shows(context: &Context, template: &str, expected: &str) {
    assert_eq!(context.rootlay(["images", "--format", template]).ok(), expected, "{template}");
}

fn s71_fields(context: &Context) {
    let id = store(context, &aged("four", 2 * DAY + HOUR), &["app:1"]);
    let id = short(&id);
    for (template, expected) in [
        ("{{.Repository}}:{{.Tag}}", "app:1\n".to_owned()),
        ("{{.ID}}", format!("{id}\n")),
        ("{{ .ID }}|{{.Size}}|{{.CreatedSince}}", format!("{id}|4B|2 days ago\n")),
        ("{{.Containers}} {{.SharedSize}} {{.UniqueSize}}", "N/A N/A N/A\n".to_owned()),
        ("plain", "plain\n".to_owned()),
        (r"{{.Repository}}\t{{.Tag}}", "app\t1\n".to_owned()),
    ] {
        shows(context, template, &expected);
    }
    let output = context.rootlay(["images", "--no-trunc", "--format", "{{.ID}}"]).ok();
    assert_eq!(output.trim().len(), "sha256:".len() + 64);
}

fn s71_json(context: &Context) {
    let id = store(context, &aged("x", DAY), &["app:1", "app:2"]);
    let stdout = prints(context, "images --format json");
    assert_eq!(stdout, context.rootlay(["images", "--format", "{{json .}}"]).ok());
    assert_eq!(stdout.lines().count(), 2);
    for (line, tag) in stdout.lines().zip(["1", "2"]) {
        let row: Value = serde_json::from_str(line).unwrap();
        let row = row.as_object().unwrap();
        for field in
            ["Containers", "CreatedAt", "CreatedSince", "Digest", "ID", "Repository", "SharedSize", "Size", "Tag"]
        {
            assert!(row[field].is_string(), "{field}: {line}");
        }
        assert!(row["UniqueSize"].is_string(), "{line}");
        assert_eq!((&row["ID"], &row["Tag"]), (&short(&id).into(), &tag.into()));
        let mut keys: Vec<&String> = row.keys().collect();
        keys.sort_by_key(|key| line.find(&format!("\"{key}\":")).unwrap());
        assert!(keys.is_sorted(), "{line}");
    }
    shows(context, "{{json .Tag}}", "\"1\"\n\"2\"\n");
}

fn s71_json_of_a_dangling_image(context: &Context) {
    store(context, &aged("old", 2 * DAY), &["a:1"]);
    store(context, &aged("new", DAY), &["a:1"]);
    let shown = prints(context, "images -f dangling=true --format json");
    assert!(shown.contains(r#""Repository":"\u003cnone\u003e""#), "{shown}");
    assert!(shown.contains(r#""Tag":"\u003cnone\u003e""#), "{shown}");
}

fn s71_tables(context: &Context) {
    let id = store(context, &aged("four", 2 * DAY + HOUR), &["app:1"]);
    let id = short(&id);
    for template in
        [r"table {{.ID}}\t{{.Repository}}", "table {{.ID}}\t{{.Repository}}", r"table  {{.ID}}\t{{.Repository}} "]
    {
        shows(context, template, &format!("IMAGE ID       REPOSITORY\n{id}   app\n"));
    }
    shows(context, "table", &prints(context, "images"));
    shows(
        context,
        r"table {{.Tag}}\t{{.CreatedSince}}\t{{.Size}}",
        "TAG       CREATED      SIZE\n1         2 days ago   4B\n",
    );
    shows(context, "table {{.Repository}}:{{.Tag}}", "REPOSITORY:TAG\napp:1\n");
    shows(
        context,
        "table {{.Containers}} {{.SharedSize}} {{.UniqueSize}}",
        "CONTAINERS SHARED SIZE UNIQUE SIZE\nN/A N/A N/A\n",
    );
    let header = context.rootlay(["images", "--format", "table {{.CreatedAt}}"]).ok();
    assert!(header.starts_with("CREATED AT\n"), "{header}");
    shows(context, "table {{upper .Repository}}", "REPOSITORY\nAPP\n");
}

fn s71_raw(context: &Context) {
    let id = store(context, &aged("four", 2 * DAY), &["app:1"]);
    let shown = context.rootlay(["images", "--format", "raw"]).ok();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..3], ["repository: app", "tag: 1", &format!("image_id: {}", short(&id))]);
    assert!(lines[3].starts_with("created_at: ") && lines[4] == "virtual_size: 4B" && lines[5].is_empty(), "{shown}");
}

fn s71_functions(context: &Context) {
    store(context, &aged("four", 2 * DAY), &["quay.io/org/app:v1.2"]);
    for (template, expected) in [
        (r#"{{printf "%s|%-6s|%5s|%q" .Repository .Tag .Size .Tag}}"#, "quay.io/org/app|v1.2  |   4B|\"v1.2\""),
        (r#"{{printf "%d %05d %x %v %t %%" 7 42 255 "x" true}}"#, "7 00042 ff x true %"),
        ("{{len .Tag}}", "4"),
        (r#"{{index (split .Repository "/") 2}}"#, "app"),
        (r#"{{join (split .Tag ".") "-"}}"#, "v1-2"),
        ("{{upper .Tag}} {{lower \"ABC\"}} {{title .Tag}}", "V1.2 abc V1.2"),
        (r#"{{truncate .Repository 4}}|{{truncate "abc" 9}}"#, "quay|abc"),
        ("{{pad .Tag 2 3}}|", "  v1.2   |"),
        ("{{.Tag | upper | printf \"%s!\"}}", "V1.2!"),
        (
            r#"{{eq .Tag "v1.2"}} {{ne .Tag "x"}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}}"#,
            "true true true true false false",
        ),
        (r#"{{eq .Tag "a" "v1.2"}}"#, "true"),
        (r#"{{and .Tag "x"}} {{or "" .Tag}} {{not .Tag}}"#, "x v1.2 false"),
        ("{{slice .Tag 1 4}}", "1.2"),
        (r#"{{html "<a&b>"}} {{urlquery "a b&c"}} {{js "it's"}}"#, "&lt;a&amp;b&gt; a+b%26c it\\'s"),
        (r#"{{print .Tag 1 2 "x"}}"#, "v1.21 2x"),
        (r#"{{json (split "a,b" ",")}}"#, r#"["a","b"]"#),
        ("{{/* nothing */}}x", "x"),
        ("a {{- \" b \" -}} c", "a b c"),
        ("{{`raw \"x\"`}}", "raw \"x\""),
        ("{{'a'}} {{1.5}} {{true}}", "97 1.5 true"),
    ] {
        shows(context, template, &format!("{expected}\n"));
    }
    shows(context, r#"{{println .Tag "x"}}"#, "v1.2 x\n\n");
}

fn s71_control(context: &Context) {
    store(context, &aged("1", DAY), &["a:1"]);
    store(context, &aged("2", 2 * DAY), &["b:2"]);
    for (template, expected) in [
        (r#"{{if eq .Tag "1"}}one{{else}}other{{end}}"#, "one\nother\n"),
        (r#"{{if eq .Tag "1"}}one{{else if eq .Tag "2"}}two{{end}}"#, "one\ntwo\n"),
        (r#"{{range split "x,y" ","}}<{{.}}>{{end}}"#, "<x><y>\n<x><y>\n"),
        (r#"{{range $i, $e := split "x,y" ","}}{{$i}}{{$e}}{{end}}{{.Tag}}"#, "0x1y1\n0x1y2\n"),
        (r#"{{range split "" ","}}{{if .}}some{{else}}none{{end}}{{end}}"#, "none\nnone\n"),
        (r#"{{with .Tag}}[{{.}}]{{end}}{{with ""}}x{{else}}-{{end}}"#, "[1]-\n[2]-\n"),
        ("{{$t := .Tag}}{{$t}}{{$.Repository}}", "1a\n2b\n"),
        (r#"{{define "x"}}<{{.Tag}}>{{end}}{{template "x" .}}"#, "<1>\n<2>\n"),
    ] {
        shows(context, template, expected);
    }
}

fn s71_no_rows(context: &Context) {
    shows(context, "{{.Tag}}", "");
    shows(context, "json", "");
    shows(context, r"table {{.Tag}}\t{{.ID}}", "TAG       IMAGE ID\n");
}

/// Docker says where; so does this. The exit code is 1, and nothing else is printed.
fn s71_errors(context: &Context) {
    store(context, &aged("1", DAY), &["a:1"]);
    for (template, says) in [
        ("{{.Foo}}", "can't evaluate field Foo"),
        ("{{", "unclosed action"),
        ("{{if}}", "missing value for if"),
        ("{{nonsense .Tag}}", "function \"nonsense\" not defined"),
        ("{{if .Tag}}", "unexpected EOF"),
        ("{{index .Tag 99}}", "99"),
    ] {
        let output = context.rootlay(["images", "--format", template]).exits(1);
        assert!(output.stdout.is_empty(), "{template}: {}", output.stdout);
        let line = output.one_line();
        assert!(line.contains("template") && line.contains(says), "{template}: {line}");
    }
}

/// Go's `Time.String` in the zone of the caller.
fn s71_created_at(context: &Context) {
    let image = Image::of([vec![file("f", "")]]).config(|config| config["created"] = "2021-03-04T02:24:42.5Z".into());
    store(context, &image, &["a:1"]);
    let at = |zone: &str| {
        let mut command = context.command(["images", "--format", "{{.CreatedAt}}"]);
        context.output(command.env("TZ", zone)).ok()
    };
    assert_eq!(at("UTC"), "2021-03-04 02:24:42 +0000 UTC\n");
    if Path::new("/usr/share/zoneinfo/Europe/Berlin").exists() {
        assert_eq!(at("Europe/Berlin"), "2021-03-04 03:24:42 +0100 CET\n");
    }
}

fn s71_digest_column(context: &Context) {
    let written = context.load(&aged("1", DAY).tag("a:1"));
    let shown = context.rootlay(["images", "--digests", "--format", "table {{.Tag}}"]).ok();
    let digest = written.manifest["digest"].as_str().unwrap();
    let mut lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["TAG", "DIGEST"]);
    assert_eq!(lines.next().unwrap(), ["1", digest]);
}

/// A template works wherever there is a table, and so does `json`.
fn s71_every_listing(context: &Context) {
    let id = store(context, &labelled(aged("1", DAY), &[("k", "v")]), &["a:1"]);
    context.mount(["--name", "one", "a:1"]);
    assert_eq!(context.rootlay(["mounts", "--format", "{{.Name}} {{.Image}}"]).ok().split(' ').next(), Some("one"));
    assert!(context.rootlay(["mounts", "--format", r"table {{.Name}}\t{{.Mode}}"]).ok().starts_with("NAME"));
    assert_eq!(context.rootlay(["history", "--format", "{{.ID}} {{.Size}}", &id]).code, 0);
    assert!(context.rootlay(["system", "df", "--format", "{{.Type}} {{.TotalCount}}"]).ok().contains("Images 1\n"));
    for line in ["mounts --format json", "history --format json a:1", "system df --format json", "images --format json"]
    {
        for row in prints(context, line).lines() {
            assert!(serde_json::from_str::<Value>(row).unwrap().is_object(), "{line}: {row}");
        }
    }
    for line in ["mounts --format {{.Foo}}", "system df --format {{.Foo}}"] {
        let _ = run(context, line).exits(1);
    }
    prints(context, "umount one");
}
