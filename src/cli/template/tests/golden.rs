//! Every line of `golden.jsonl` is a template and what Go's `text/template` 1.19 made of it: the cases were executed
//! with a small Go program, with the same data as here and with functions that do what Docker's do. In its type names
//! `main.` was replaced by `formatter.`.

use serde::Deserialize;

use super::super::{Template, Value};
use super::{document, row, untyped};

#[derive(Deserialize)]
struct Case {
    data: String,
    template: String,
    output: Option<String>,
    error: Option<String>,
}

fn untyped_document() -> Value {
    untyped(serde_json::json!({
        "Id": "sha256:abc", "Size": 1234, "Null": null, "Float": 1.5, "Big": 12_345_678.5, "Floats": [1.5, 0.1, 1e30],
        "Html": "<a>&", "Mixed": [1, "two", true, null, [1, 2], {"x": "y"}],
        "Config": {"Labels": {"a": "b", "org.x/y": "z"}, "Env": ["A=1", "B=2"]},
    }))
}

#[test]
fn templates_do_what_they_do_in_go() {
    let mut wrong = Vec::new();
    for line in include_str!("golden.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let data = match case.data.as_str() {
            "typed" => document(),
            "row" => row(),
            "nil" => Value::Nil,
            _ => untyped_document(),
        };
        let outcome = Template::parse(&case.template).and_then(|template| match case.data.as_str() {
            "any-strict" => template.execute_strictly(&data),
            _ => template.execute(&data),
        });
        let expected = match (case.output, case.error) {
            (Some(output), _) => Ok(output),
            (None, error) => Err(format!("template parsing error: {}", error.unwrap_or_default())),
        };
        let outcome = outcome.map_err(|error| error.to_string());
        if outcome != expected {
            wrong.push(format!("{} {:?}\n  is {outcome:?}\n  go {expected:?}", case.data, case.template));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
