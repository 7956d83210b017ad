//! Templates against what Go makes of them.

mod golden;
mod limits;
mod listing;
mod newer;

use super::{ANY, Struct, Value};

/// A list of anything, and maps of anything.
pub(super) fn untyped(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Array(items) => Value::list(ANY, items.into_iter().map(untyped)),
        serde_json::Value::Object(object) => {
            Value::map(ANY, object.into_iter().map(|(key, value)| (key, untyped(value))))
        }
        other => Value::from(other),
    }
}

/// The struct that the golden cases have as data.
pub(super) fn document() -> Value {
    let pair = |number: i64, text: &str| Value::from(Struct::new("formatter.pair").field("X", number).field("Y", text));
    let inner = Struct::new("*formatter.inner")
        .field("A", "inner")
        .field("B", Value::list(ANY, [Value::Int(1), Value::from("x"), Value::Nil]));
    let any_map = serde_json::json!({"n": 1, "nil": null, "s": "text", "m": {"k": "v"}});
    let any_list = [Value::Int(1), "two".into(), 3.5.into(), Value::Nil, true.into(), Value::texts(["x"])];
    let labels = [("b", Value::from("2")), ("a", Value::from("1"))];
    Struct::new("*formatter.document")
        .field("Name", "name")
        .field("Empty", "")
        .field("Count", 12)
        .field("Zero", 0)
        .field("Pi", 3.25)
        .field("Yes", true)
        .field("No", false)
        .field("Tags", Value::texts(["a", "b", "c"]))
        .field("NilTags", Value::nil_list("string"))
        .field("Sizes", Value::list("int", [1, 2, 3].map(Value::Int)))
        .field("Labels", Value::map("string", labels))
        .field("NilLabels", Value::nil_map("string"))
        .field("Inner", inner)
        .field("Ptr", Value::NilPointer("*formatter.inner"))
        .field("Any", Value::Nil)
        .field("AnyMap", untyped(any_map))
        .field("AnyList", Value::list(ANY, any_list))
        .field("Structs", Value::list("formatter.pair", [pair(1, "one"), pair(2, "two")]))
        .into()
}

/// The row that the golden cases have as data.
pub(super) fn row() -> Value {
    Struct::row("*formatter.imageContext")
        .field("ID", "0123456789ab")
        .field("Repository", "busybox")
        .field("Tag", "latest")
        .field("Digest", "<none>")
        .field("Size", "1.22MB")
        .into()
}
