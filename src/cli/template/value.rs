//! What a template sees: Go's values, as far as Docker's data need them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of what can be anything.
pub const ANY: &str = "interface {}";

/// One value. Copies are cheap: what holds others is shared.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// What a map gives for a key that it does not have.
    Missing,
    /// A nil without a type, `null` in JSON.
    Nil,
    /// A nil pointer to a struct, with its type: `*container.Config`.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests have such data so far"))]
    NilPointer(&'static str),
    Bool(bool),
    Int(i64),
    /// One byte of a text.
    Byte(u8),
    Float(f64),
    Text(String),
    List(Arc<List>),
    Map(Arc<Map>),
    Struct(Arc<Struct>),
}

/// A slice.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// The Go type of its elements: `string`, `interface {}`.
    pub element: &'static str,
    /// `None` is the nil slice, which is empty but `null` in JSON.
    pub items: Option<Vec<Value>>,
}

/// A map from texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The Go type of its values.
    pub element: &'static str,
    /// `None` is the nil map, which is empty but `null` in JSON.
    pub entries: Option<BTreeMap<String, Value>>,
}

/// A struct, or a pointer to one: it has these fields and no others.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    type_name: &'static str,
    fields: Vec<Field>,
    /// It is the row of a listing, whose JSON Docker makes by another way.
    row: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: &'static str,
    key: &'static str,
    value: Value,
}

impl Struct {
    /// A struct without fields yet; the type is for messages: `*image.InspectResponse`.
    pub fn new(type_name: &'static str) -> Self {
        Self { type_name, fields: Vec::new(), row: false }
    }

    /// The row of a listing: as JSON its fields are sorted, and `<`, `>`, `&` escaped.
    pub fn row(type_name: &'static str) -> Self {
        Self { row: true, ..Self::new(type_name) }
    }

    /// Adds a field that JSON calls the same.
    #[must_use]
    pub fn field(self, name: &'static str, value: impl Into<Value>) -> Self {
        self.named_field(name, name, value)
    }

    /// Adds a field that JSON calls by another name; by none at all when it is left out there.
    #[must_use]
    pub fn named_field(mut self, name: &'static str, key: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push(Field { name, key, value: value.into() });
        self
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    pub fn is_row(&self) -> bool {
        self.row
    }

    /// Names and values, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.fields.iter().map(|field| (field.name, &field.value))
    }

    /// The keys and values of its JSON.
    pub fn members(&self) -> Vec<(&'static str, &Value)> {
        let shown = self.fields.iter().filter(|field| !field.key.is_empty());
        let mut members: Vec<_> = shown.map(|field| (field.key, &field.value)).collect();
        if self.row {
            members.sort_by_key(|(key, _)| *key);
        }
        members
    }
}

impl Value {
    /// A slice of values of this Go type.
    pub fn list(element: &'static str, items: impl IntoIterator<Item = Value>) -> Self {
        Self::List(Arc::new(List { element, items: Some(items.into_iter().collect()) }))
    }

    /// A slice of texts.
    pub fn texts<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::list("string", items.into_iter().map(|item| Self::Text(item.into())))
    }

    /// The nil slice of this type: `[]`, and `null` in JSON.
    pub fn nil_list(element: &'static str) -> Self {
        Self::List(Arc::new(List { element, items: None }))
    }

    /// A map to values of this Go type.
    pub fn map<K: Into<String>>(element: &'static str, entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Self::Map(Arc::new(Map { element, entries: Some(entries) }))
    }

    /// The nil map of this type: `map[]`, and `null` in JSON.
    pub fn nil_map(element: &'static str) -> Self {
        Self::Map(Arc::new(Map { element, entries: None }))
    }

    /// The value that a Go variable of this type has at first.
    pub(super) fn zero(element: &str) -> Self {
        match element {
            "string" => Self::Text(String::new()),
            "bool" => Self::Bool(false),
            "int" | "int64" => Self::Int(0),
            "float64" => Self::Float(0.0),
            _ => Self::Nil,
        }
    }

    /// What Go calls its type.
    pub(super) fn type_name(&self) -> String {
        match self {
            Self::Missing | Self::Nil => ANY.to_owned(),
            Self::NilPointer(name) => (*name).to_owned(),
            Self::Bool(_) => "bool".to_owned(),
            Self::Int(_) => "int".to_owned(),
            Self::Byte(_) => "uint8".to_owned(),
            Self::Float(_) => "float64".to_owned(),
            Self::Text(_) => "string".to_owned(),
            Self::List(list) => format!("[]{}", list.element),
            Self::Map(map) => format!("map[string]{}", map.element),
            Self::Struct(object) => object.type_name.to_owned(),
        }
    }

    /// Whether `if` takes it for true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil | Self::NilPointer(_) => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Byte(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => map.entries.as_ref().is_some_and(|entries| !entries.is_empty()),
            Self::Struct(_) => true,
        }
    }

    /// Whether there is nothing at all, not even a type.
    pub(super) fn is_untyped_nil(&self) -> bool {
        matches!(self, Self::Missing | Self::Nil)
    }

    /// Whether it is a nil of any type.
    pub(super) fn is_nil(&self) -> bool {
        match self {
            Self::Missing | Self::Nil | Self::NilPointer(_) => true,
            Self::List(list) => list.items.is_none(),
            Self::Map(map) => map.entries.is_none(),
            _ => false,
        }
    }

    /// A nil that was taken out of what held it has no type any more.
    pub(super) fn or_missing(self) -> Self {
        if self == Self::Nil { Self::Missing } else { self }
    }

    /// Whether what it holds can be anything.
    pub(super) fn holds_any(&self) -> bool {
        match self {
            Self::List(list) => list.element == ANY,
            Self::Map(map) => map.element == ANY,
            _ => false,
        }
    }

    /// The type that a message gives for a value out of a container of anything.
    pub(super) fn static_type(&self, in_any: bool) -> String {
        if in_any { ANY.to_owned() } else { self.type_name() }
    }
}

impl List {
    pub fn items(&self) -> &[Value] {
        self.items.as_deref().unwrap_or_default()
    }
}

impl Map {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.as_ref()?.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.entries.iter().flatten()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Struct> for Value {
    fn from(value: Struct) -> Self {
        Self::Struct(Arc::new(value))
    }
}

/// Documents without types of their own: what holds nothing but texts is of texts, as Docker's labels and
/// environments are, and the rest of anything.
impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        let element = |texts: bool, empty: bool| if texts && !empty { "string" } else { ANY };
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or_default()), Self::Int)
            }
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => {
                let element = element(items.iter().all(serde_json::Value::is_string), items.is_empty());
                Self::list(element, items.into_iter().map(Self::from))
            }
            serde_json::Value::Object(object) => {
                let element = element(object.values().all(serde_json::Value::is_string), object.is_empty());
                Self::map(element, object.into_iter().map(|(key, value)| (key, Self::from(value))))
            }
        }
    }
}
