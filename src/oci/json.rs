//! JSON from an image, read strictly: a size limit, no duplicate keys, nothing after the document.
//!
//! Two readers that disagree about a document may see two different images, so a document that leaves room for
//! that is refused (RFC 7493, section 2.3).

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::error::{Error, Result};

/// The largest JSON document that is read: 8 MiB.
pub const MAX_DOCUMENT: u64 = 8 << 20;

/// How much of a parser's message is shown: it may quote the document.
const MAX_MESSAGE: usize = 300;

/// Parses one document. Unknown fields are ignored, depth is limited to 128.
///
/// # Errors
/// Refused: more than [`MAX_DOCUMENT`] bytes, no JSON, a key twice in one object, a value of the wrong type.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(Error::refused(format!("json document of {} bytes, the limit is {MAX_DOCUMENT}", bytes.len())));
    }
    let bad = |error: serde_json::Error| {
        let message: String = error.to_string().chars().take(MAX_MESSAGE).collect();
        Error::refused(format!("bad json: {message}"))
    };
    serde_json::from_slice::<NoDuplicates>(bytes).map_err(bad)?;
    serde_json::from_slice(bytes).map_err(bad)
}

/// For fields that Go programs write as `null` when they are empty.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Any JSON value in which no object has one key twice.
struct NoDuplicates;

impl<'de> Deserialize<'de> for NoDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a json value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(de::Error::custom(format!("key `{}` twice in one object", key.escape_debug())));
            }
            keys.insert(key);
            fields.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn row_124_duplicate_keys_are_refused_at_any_depth() {
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":[{"c":1,"c":1}]}}"#,
            r#"[{"x":null,"y":1.5,"x":"s"}]"#,
            // The same key, once escaped.
            r#"{"a":1,"\u0061":2}"#,
        ] {
            let error = parse::<Value>(bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(error.to_string().contains("twice"), "{error}");
        }
        parse::<Value>(br#"{"a":{"a":[{"a":-1},{"a":true}]},"b":null}"#).unwrap();
    }

    #[test]
    fn row_124_size_and_depth_are_limited() {
        let large = format!("\"{}\"", "a".repeat(8 << 20));
        assert!(parse::<Value>(large.as_bytes()).unwrap_err().to_string().contains("8388608"));
        let fits = format!("\"{}\"", "a".repeat((8 << 20) - 2));
        parse::<Value>(fits.as_bytes()).unwrap();
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse::<Value>(deep.as_bytes()).unwrap_err().kind(), ErrorKind::Refused);
    }

    #[test]
    fn only_one_whole_document_is_read() {
        for bad in ["", "{} {}", "{", "\u{feff}{}", "{\"a\":1,}", "nul"] {
            assert_eq!(parse::<Value>(bad.as_bytes()).unwrap_err().kind(), ErrorKind::Refused, "{bad}");
        }
    }
}
