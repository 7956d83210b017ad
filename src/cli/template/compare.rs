//! `eq`, `lt` and the others.

use std::mem::discriminant;

use super::printer;
use super::value::Value;

type Compared = Result<bool, String>;

const BAD_TYPE: &str = "invalid type for comparison";
const DIFFERENT_TYPES: &str = "incompatible types for comparison";

/// What can be compared with its like.
#[derive(Debug, PartialEq, PartialOrd)]
enum Basic<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) => Basic::Int(*value),
        Value::Byte(value) => Basic::Int(i64::from(*value)),
        Value::Float(value) => Basic::Float(*value),
        Value::Text(text) => Basic::Text(text),
        _ => return None,
    })
}

/// Whether the first one is equal to any of the others.
pub fn equal(values: &[Value]) -> Compared {
    let Some((first, others)) = values.split_first() else {
        return Ok(false);
    };
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equals(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(first: &Value, other: &Value) -> Compared {
    let absent = first.is_untyped_nil() || other.is_untyped_nil();
    match (basic(first), basic(other)) {
        (Some(a), Some(b)) if discriminant(&a) == discriminant(&b) => Ok(a == b),
        (None, None) => {
            if !absent && discriminant(first) != discriminant(other) {
                let (a, b) = (printer::plain(first), printer::plain(other));
                let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
                let (a_type, b_type) = (first.type_name(), other.type_name());
                return Err(format!("non-comparable types {a}: {a_type}, {b_type}: {b}"));
            }
            if first.is_nil() || other.is_nil() {
                return Ok(first.is_nil() == other.is_nil());
            }
            if matches!(other, Value::List(_) | Value::Map(_)) {
                let shown = printer::plain(other).unwrap_or_default();
                return Err(format!("non-comparable type {shown}: {}", other.type_name()));
            }
            Ok(first == other)
        }
        _ if absent => Ok(false),
        _ => Err(DIFFERENT_TYPES.to_owned()),
    }
}

/// Whether the first of two is less.
pub fn less(values: &[Value]) -> Compared {
    let [first, other] = values else {
        return Ok(false);
    };
    let (Some(a), Some(b)) = (basic(first), basic(other)) else {
        return Err(BAD_TYPE.to_owned());
    };
    match (&a, &b) {
        _ if discriminant(&a) != discriminant(&b) => Err(DIFFERENT_TYPES.to_owned()),
        (Basic::Bool(_), _) => Err(BAD_TYPE.to_owned()),
        _ => Ok(a < b),
    }
}

/// Whether the first of two is not more.
pub fn less_or_equal(values: &[Value]) -> Compared {
    Ok(less(values)? || equal(values)?)
}
