//! What `inspect` shows, with the types that it has in Docker: for a template an empty list is not the same as nothing.

use serde_json::{Map, Value as Json};

use super::super::super::template::{ANY, Struct, Value};

/// An object of `inspect` for templates.
pub fn of(object: Json) -> Value {
    let Json::Object(fields) = object else { return object.into() };
    let typed = fields.into_iter().map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("Config", Json::Object(config)) => self::config(config),
            ("RootFS", Json::Object(mut stack)) => Struct::new("image.RootFS")
                .field("Type", take(&mut stack, "Type"))
                .field("Layers", texts(take(&mut stack, "Layers")))
                .into(),
            ("RepoTags" | "RepoDigests", value) => texts(value),
            ("Metadata", Json::Object(fields)) => Value::map(ANY, values(fields)),
            (_, value) => value.into(),
        };
        (name, value)
    });
    Value::map(ANY, typed)
}

/// The configuration of a container; what the image does not say is there as well.
fn config(mut fields: Map<String, Json>) -> Value {
    let mut typed: Vec<(String, Value)> = Vec::new();
    for name in ["Env", "Cmd", "Entrypoint", "OnBuild", "Shell"] {
        typed.push((name.to_owned(), texts(take(&mut fields, name))));
    }
    for name in ["ExposedPorts", "Volumes"] {
        typed.push((name.to_owned(), set(take(&mut fields, name))));
    }
    let labels = match take(&mut fields, "Labels") {
        Json::Object(labels) => Value::map("string", values(labels)),
        _ => Value::nil_map("string"),
    };
    typed.push(("Labels".to_owned(), labels));
    for name in ["User", "WorkingDir", "StopSignal"] {
        let text = take(&mut fields, name);
        typed.push((name.to_owned(), text.as_str().unwrap_or_default().into()));
    }
    typed.push(("Healthcheck".to_owned(), take(&mut fields, "Healthcheck").into()));
    typed.extend(values(fields));
    Value::map(ANY, typed)
}

fn values(fields: Map<String, Json>) -> impl Iterator<Item = (String, Value)> {
    fields.into_iter().map(|(name, value)| (name, value.into()))
}

fn take(fields: &mut Map<String, Json>, name: &str) -> Json {
    fields.remove(name).unwrap_or_default()
}

fn texts(value: Json) -> Value {
    match value {
        Json::Array(items) => Value::texts(items.iter().filter_map(Json::as_str)),
        _ => Value::nil_list("string"),
    }
}

/// A set as Go has it: a map to nothing.
fn set(value: Json) -> Value {
    match value {
        Json::Object(members) => {
            let nothing = || Value::from(Struct::new("struct {}"));
            Value::map("struct {}", members.into_iter().map(|(name, _)| (name, nothing())))
        }
        _ => Value::nil_map("struct {}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::super::template::Template;
    use super::*;

    #[test]
    fn s49_a_label_may_be_missing_and_a_field_not() {
        let image = |labels| of(json!({ "Config": { "Labels": labels }, "Metadata": { "LastTagTime": "x" } }));
        let run = |template: &str, image: &Value| Template::parse(template).unwrap().execute_strictly(image);
        for labels in [json!(null), json!({}), json!({ "other": "x" })] {
            let image = image(labels);
            assert_eq!(run("{{.Config.Labels.none}}", &image).unwrap(), "<no value>");
            assert_eq!(run("{{if .Config.Labels.none}}x{{end}}", &image).unwrap(), "");
            for template in ["{{.None}}", "{{.Config.None}}", "{{.Metadata.None}}"] {
                let error = run(template, &image).unwrap_err().to_string();
                assert!(error.ends_with("map has no entry for key \"None\""), "{template}: {error}");
            }
        }
    }

    #[test]
    fn s49_what_an_image_does_not_say_is_empty() {
        let full = json!({
            "RootFS": { "Type": "layers", "Layers": ["a", "b"] },
            "Config": { "Env": ["A=1"], "ExposedPorts": { "80/tcp": {} }, "Labels": { "k": "v" }, "User": "me" },
        });
        let bare = json!({ "RootFS": { "Type": "layers", "Layers": [] }, "Config": {} });
        for (template, of_full, of_bare) in [
            ("{{json .RootFS}}", r#"{"Type":"layers","Layers":["a","b"]}"#, r#"{"Type":"layers","Layers":[]}"#),
            ("{{.Config.Env}} {{json .Config.Env}}", r#"[A=1] ["A=1"]"#, "[] null"),
            ("{{.Config.ExposedPorts}} {{json .Config.ExposedPorts}}", r#"map[80/tcp:{}] {"80/tcp":{}}"#, "map[] null"),
            ("{{.Config.Labels}} {{.Config.User}}.", "map[k:v] me.", "map[] ."),
        ] {
            let template = Template::parse(template).unwrap();
            assert_eq!(template.execute_strictly(&of(full.clone())).unwrap(), of_full);
            assert_eq!(template.execute_strictly(&of(bare.clone())).unwrap(), of_bare);
        }
    }
}
