//! The functions that Go gives every template. `docker.rs` has those that Docker adds.

use super::compare;
use super::docker;
use super::escape;
use super::exec::Functions;
use super::printer;
use super::printf;
use super::quote;
use super::value::Value;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    Text,
    Int,
    /// Anything; what is missing is nil.
    Any,
    /// Anything, and what is missing stays so.
    Reflected,
}

impl Param {
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "int",
            Self::Any => super::value::ANY,
            Self::Reflected => "reflect.Value",
        }
    }
}

pub type Called = Result<Value, String>;

/// A function and what it takes.
#[derive(Debug)]
pub struct Function {
    pub params: &'static [Param],
    /// What it takes any number of after these.
    pub rest: Option<Param>,
    /// Of `and` and `or`: the truth of an argument that settles it. They have no body.
    pub decisive: Option<bool>,
    pub body: fn(&[Value]) -> Called,
}

pub const fn fixed(params: &'static [Param], body: fn(&[Value]) -> Called) -> Function {
    Function { params, rest: None, decisive: None, body }
}

const fn variadic(params: &'static [Param], rest: Param, body: fn(&[Value]) -> Called) -> Function {
    Function { params, rest: Some(rest), decisive: None, body }
}

const fn logic(decisive: bool) -> Function {
    Function { decisive: Some(decisive), ..variadic(&[Param::Reflected], Param::Reflected, |_| Ok(Value::Missing)) }
}

static BUILT_IN: &[(&str, Function)] = &[
    ("and", logic(false)),
    ("or", logic(true)),
    ("not", fixed(&[Param::Reflected], |values| Ok(Value::Bool(!one(values).truth())))),
    ("len", fixed(&[Param::Reflected], length)),
    ("index", variadic(&[Param::Reflected], Param::Reflected, index)),
    ("slice", variadic(&[Param::Reflected], Param::Reflected, slice)),
    ("call", variadic(&[Param::Reflected], Param::Reflected, call)),
    ("print", variadic(&[], Param::Any, |values| limited(printer::print(values)))),
    ("println", variadic(&[], Param::Any, |values| limited(printer::println(values)))),
    ("printf", variadic(&[Param::Text], Param::Any, printf)),
    ("html", variadic(&[], Param::Any, |values| escaped(values, escape::html))),
    ("js", variadic(&[], Param::Any, |values| escaped(values, escape::js))),
    ("urlquery", variadic(&[], Param::Any, |values| escaped(values, escape::url_query))),
    ("eq", variadic(&[Param::Reflected], Param::Reflected, |values| compare::equal(values).map(Value::Bool))),
    ("ne", fixed(&[Param::Reflected; 2], |values| compare::equal(values).map(|equal| Value::Bool(!equal)))),
    ("lt", fixed(&[Param::Reflected; 2], |values| compare::less(values).map(Value::Bool))),
    ("le", fixed(&[Param::Reflected; 2], |values| compare::less_or_equal(values).map(Value::Bool))),
    ("gt", fixed(&[Param::Reflected; 2], |values| compare::less_or_equal(values).map(|less| Value::Bool(!less)))),
    ("ge", fixed(&[Param::Reflected; 2], |values| compare::less(values).map(|less| Value::Bool(!less)))),
];

/// Whether templates may name it.
pub fn exists(name: &str) -> bool {
    find(name, Functions::Values).is_some()
}

pub fn find(name: &str, functions: Functions) -> Option<&'static Function> {
    let headers: &[(&str, Function)] = if functions == Functions::Headers { docker::HEADERS } else { &[] };
    let mut all = headers.iter().chain(docker::FUNCTIONS).chain(BUILT_IN);
    all.find(|(known, _)| *known == name).map(|(_, function)| function)
}

/// The only argument of a function.
pub fn one(values: &[Value]) -> &Value {
    values.first().unwrap_or(&Value::Missing)
}

/// A text that is not there has become too long.
pub fn limited(text: Option<String>) -> Called {
    text.map(Value::Text).ok_or_else(|| format!("exceeded maximum length ({})", super::exec::MAX_LENGTH))
}

fn printf(values: &[Value]) -> Called {
    match values.split_first() {
        Some((Value::Text(format), arguments)) => limited(printf::format(format, arguments)),
        _ => Ok(Value::Text(String::new())),
    }
}

/// The arguments as `print` prints them, escaped.
fn escaped(values: &[Value], escape: fn(&str) -> String) -> Called {
    let shown = |value: &Value| if value.is_untyped_nil() { Value::from("<no value>") } else { value.clone() };
    let values: Vec<Value> = values.iter().map(shown).collect();
    limited(printer::print(&values).map(|text| escape(&text)))
}

#[expect(clippy::cast_possible_wrap, reason = "lengths are below the largest isize")]
fn length(values: &[Value]) -> Called {
    let length = match one(values) {
        Value::Text(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.iter().count(),
        Value::Missing => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        Value::Nil | Value::NilPointer(_) => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", pointed_to(other))),
    };
    Ok(Value::Int(length as i64))
}

/// The type of a value, or of what it points to.
fn pointed_to(value: &Value) -> String {
    let name = value.type_name();
    name.strip_prefix('*').map(str::to_owned).unwrap_or(name)
}

/// `index x 1 "a"` is `x[1]["a"]`.
fn index(values: &[Value]) -> Called {
    let Some((item, indexes)) = values.split_first() else {
        return Ok(Value::Missing);
    };
    if item.is_untyped_nil() {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::Text(text) => {
                let at = position(index, text.len())?;
                let byte = text.as_bytes().get(at).copied().map(Value::Byte);
                byte.ok_or("reflect: string index out of range")?
            }
            Value::List(list) => {
                let at = position(index, list.items().len())?;
                list.items().get(at).cloned().ok_or("reflect: slice index out of range")?
            }
            Value::Map(map) => match index {
                Value::Text(key) => map.get(key).cloned().unwrap_or_else(|| Value::zero(map.element)),
                nil if nil.is_untyped_nil() => return Err("value is nil; should be of type string".to_owned()),
                other => return Err(format!("value has type {}; should be string", other.type_name())),
            },
            Value::Missing | Value::Nil | Value::NilPointer(_) => return Err("index of nil pointer".to_owned()),
            other => return Err(format!("can't index item of type {}", pointed_to(other))),
        };
    }
    Ok(item)
}

/// An index up to the length, that one included.
fn position(index: &Value, length: usize) -> Result<usize, String> {
    let at = match index {
        Value::Int(at) => *at,
        Value::Byte(at) => i64::from(*at),
        nil if nil.is_untyped_nil() => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    usize::try_from(at).ok().filter(|at| *at <= length).ok_or_else(|| format!("index out of range: {at}"))
}

/// `slice x 1 2` is `x[1:2]`.
fn slice(values: &[Value]) -> Called {
    let Some((item, indexes)) = values.split_first() else {
        return Ok(Value::Missing);
    };
    let length = match item {
        nil if nil.is_untyped_nil() => return Err("slice of untyped nil".to_owned()),
        _ if indexes.len() > 3 => return Err(format!("too many slice indexes: {}", indexes.len())),
        Value::Text(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::Text(text) => text.len(),
        Value::List(list) => list.items().len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [from, to, capacity] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > capacity {
        return Err(format!("invalid slice index: {to} > {capacity}"));
    }
    Ok(match item {
        Value::Text(text) => Value::Text(quote::cut(text, from, to).to_owned()),
        Value::List(list) => {
            let items = list.items().get(from..to).unwrap_or_default().to_vec();
            Value::list(list.element, items)
        }
        _ => Value::Missing,
    })
}

/// No value is a function.
fn call(values: &[Value]) -> Called {
    match one(values) {
        nil if nil.is_untyped_nil() => Err("call of nil".to_owned()),
        other => Err(format!("non-function of type {}", other.type_name())),
    }
}
