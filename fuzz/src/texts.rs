//! Templates and filters: what users and scripts write.

/// The program's own source: it names nothing else of it.
#[expect(dead_code, unused_imports, reason = "the program uses more of it")]
#[expect(unreachable_pub, reason = "it is a module of the program")]
#[path = "../../src/cli/template/mod.rs"]
mod templates;

use std::time::UNIX_EPOCH;

use rootlay::ops::ImageFilters;
use templates::{Template, Value};

/// No output is longer.
const MOST: usize = 64 << 20;

/// A template is refused, or executed in bounded time and space.
pub fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(template) = Template::parse(text) else { return };
    let data = data();
    for outcome in [template.execute(&data), template.execute_strictly(&data)] {
        let length = outcome.map_or_else(|error| error.to_string().len(), |out| out.len());
        assert!(length < MOST, "{length} bytes");
    }
}

fn data() -> Value {
    let json = serde_json::json!({
        "ID": "sha256:abc", "Names": ["a", "b"], "Labels": {"a": "b", "": null}, "Size": 1234, "Ratio": 1.5, "Ok": true,
        "Config": {"Env": ["A=b"], "Cmd": null, "Deep": [[[]]]}, "Empty": "", "Odd": "\u{0}\u{1b}\u{e4}\u{1f600}",
    });
    Value::from(json)
}

/// A key and a value with `=` between: a filter or not. As a pattern, `*` and `?` mean what they mean to Go's `path.Match`.
pub fn filter(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (key, value) = text.split_once('=').unwrap_or(("reference", text));
    let is_filter = ImageFilters::new(&[(key.to_owned(), value.to_owned())], UNIX_EPOCH).is_ok();
    for name in ["busybox", "docker.io/library/busybox", "a/b:1.36", ""] {
        let matches = rootlay::ops::matches_pattern(value, name);
        assert!(key != "reference" || is_filter == matches.is_some(), "{value:?}");
        if let Some(matches) = matches
            && !value.contains(['*', '?', '[', '\\'])
        {
            assert_eq!(matches, value == name, "{value:?} and {name:?}");
        }
    }
}
