//! Values as Docker's `json` function prints them.

use std::fmt::Write as _;

use super::numbers;
use super::value::{Struct, Value};

/// One line of JSON. The row of a listing has `<`, `>` and `&` escaped; anything else has not.
pub fn encode(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Missing | Value::Nil | Value::NilPointer(_) => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Byte(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&numbers::json(*value)),
        Value::Text(text) => string(text, out),
        Value::List(list) if list.items.is_none() => out.push_str("null"),
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Map(map) if map.entries.is_none() => out.push_str("null"),
        Value::Map(map) => members(map.iter().map(|(key, value)| (key.as_str(), value)), out),
        Value::Struct(object) if object.is_row() => row(object, out),
        Value::Struct(object) => members(object.members().into_iter(), out),
    }
}

fn members<'a>(members: impl Iterator<Item = (&'a str, &'a Value)>, out: &mut String) {
    out.push('{');
    for (index, (key, value)) in members.enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(key, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

fn row(object: &Struct, out: &mut String) {
    let start = out.len();
    members(object.members().into_iter(), out);
    // These can stand nowhere but in texts.
    let escaped = out.split_off(start).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    out.push_str(&escaped);
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
