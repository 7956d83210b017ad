//! What Go learned after the version that made the golden cases, what is not Go's at all, and data from JSON.

use super::super::{Struct, Template, Value};
use super::document;

fn execute(template: &str, data: &Value) -> String {
    match Template::parse(template).and_then(|template| template.execute(data)) {
        Ok(output) => output,
        Err(error) => error.to_string(),
    }
}

#[test]
fn later_versions_of_go() {
    let document = document();
    for (template, expected) in [
        // 1.22
        ("{{range 3}}{{.}} {{end}}", "0 1 2 "),
        ("{{range $i := .Count}}{{if eq $i 2}}{{break}}{{end}}{{$i}};{{end}}", "0;1;"),
        ("{{range .Zero}}x{{else}}none{{end}}", "none"),
        ("{{range -1}}x{{else}}none{{end}}", "none"),
        (
            "{{range $i, $e := 3}}x{{end}}",
            "template parsing error: template: :1:18: executing \"\" at <3>: can't use 3 to iterate over more than one \
             variable",
        ),
        ("{{$x := 0}}{{range $x = .Tags}}{{end}}{{$x}}", "c"),
        ("{{$i := 0}}{{$x := 0}}{{range $i, $x = .Tags}}{{end}}{{$i}}{{$x}}", "2c"),
        (r#"{{json "\b\f"}}"#, r#""\b\f""#),
        // 1.23
        ("{{with .Empty}}a{{else with .Name}}{{.}}{{else}}c{{end}}", "name"),
        ("{{with .Empty}}a{{else with .NilTags}}{{.}}{{else}}c{{end}}", "c"),
        ("{{with .Empty}}a{{else with $x := .Tags}}{{len $x}}{{end}}", "3"),
        ("{{if .No}}a{{else with .Name}}{{end}}", "template parsing error: template: :1: unexpected <with> in input"),
        // Assignments are shown as such.
        (
            "{{if .No}}{{$x := 1}}{{else}}{{$y := 1}}{{end}}{{$z = 1}}",
            "template parsing error: template: :1:54: executing \"\" at <1>: undefined variable: $z",
        ),
    ] {
        assert_eq!(execute(template, &document), expected, "{template}");
    }
}

#[test]
fn a_cut_leaves_no_half_characters() {
    let document = document();
    for (template, expected) in [
        (r#"{{truncate "äöü" 3}}"#, "ä"),
        (r#"{{truncate "äöü" 1}}."#, "."),
        (r#"{{slice "äöü" 1 4}}"#, "ö"),
        (r#"{{slice "äöü" 1 2}}."#, "."),
        (r#"{{slice "🦀x" 1}}"#, "x"),
        (r#"{{print "\xff"}}"#, "\u{fffd}"),
    ] {
        assert_eq!(execute(template, &document), expected, "{template}");
    }
    let error = execute("{{1i}}{{1+2i}}", &document);
    assert_eq!(error, "template parsing error: template: :1: complex constants are not supported: \"1i\"");
}

#[test]
fn documents_have_the_types_that_docker_gives_them() {
    let data = Value::from(serde_json::json!({
        "Size": 72_000_000_000_i64, "Huge": u64::MAX, "Config": {"Labels": {"a": "b"}, "Env": ["X=1"], "Cmd": null},
        "Empty": {}, "None": [],
    }));
    for (template, expected) in [
        (r#"[{{index .Config.Labels "nope"}}]"#, "[]"),
        (r#"{{index .Config.Labels "a"}} {{.Config.Labels.nope}}"#, "b <no value>"),
        (
            r#"{{printf "%T %T %T" .Config.Labels .Config.Env .Empty}}"#,
            "map[string]string []string map[string]interface {}",
        ),
        (
            "{{.Size}} {{json .Huge}} {{json .Config.Cmd}} {{.Empty}} {{.None}}",
            "72000000000 18446744073709552000 null map[] []",
        ),
        ("{{json .Config}}", r#"{"Cmd":null,"Env":["X=1"],"Labels":{"a":"b"}}"#),
        (r#"{{range .Config.Env}}{{index (split . "=") 0}}{{end}}"#, "X"),
    ] {
        assert_eq!(execute(template, &data), expected, "{template}");
    }
}

#[test]
fn structs_keep_their_order_and_rows_are_sorted_and_escaped() {
    let object = |object: Struct| {
        object.named_field("ID", "Id", "<a&b>").named_field("Secret", "", "x").field("Author", Value::nil_map("string"))
    };
    let plain = object(Struct::new("*image.InspectResponse")).into();
    assert_eq!(execute("{{json .}} {{.ID}} {{.Secret}}", &plain), r#"{"Id":"<a&b>","Author":null} <a&b> x"#);
    let refused = "template parsing error: template: :1:2: executing \"\" at <.Id>: can't evaluate field Id in type \
                   *image.InspectResponse";
    assert_eq!(execute("{{.Id}}", &plain), refused);
    let row = object(Struct::row("*formatter.imageContext")).into();
    assert_eq!(execute("{{json .}}", &row), r#"{"Author":null,"Id":"\u003ca\u0026b\u003e"}"#);
    assert_eq!(
        execute("{{printf \"%v\" .}}{{printf \"%+v\" .}}", &plain),
        "{<a&b> x map[]}{ID:<a&b> Secret:x Author:map[]}"
    );
}
