//! JSON as Go's encoder prints it.

use rootlay::{Error, Result};
use serde::de::IgnoredAny;

/// A document with a line for each value, indented by tabs (`json.Indent`). Everything else stays as it came: the order
/// of the keys, the spelling of numbers. What a terminal would obey is escaped.
///
/// # Errors
/// Refused: what is no JSON.
pub fn indent(document: &[u8]) -> Result<String> {
    let bad = |error: String| Error::refused(format!("bad json: {error}"));
    serde_json::from_slice::<IgnoredAny>(document).map_err(|error| bad(error.to_string()))?;
    let text = std::str::from_utf8(document).map_err(|error| bad(error.to_string()))?;
    let mut out = String::with_capacity(document.len() * 2);
    let mut depth = 0;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => string(&mut letters, &mut out),
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    Ok(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n('\t', depth));
}

/// Copies a string, whose first quote was read.
fn string(letters: &mut impl Iterator<Item = char>, out: &mut String) {
    out.push('"');
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                out.push('\\');
                out.extend(letters.next());
            }
            _ if super::printable::is_dangerous(letter) => {
                let mut units = [0; 2];
                out.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            '"' => {
                out.push('"');
                return;
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s45_a_document_is_indented_by_tabs_and_otherwise_as_it_came() {
        let raw = "{ \"z\":1,\"a\" : [ ],\r\n\"m\":[{\"x\":\"a\\\"b{,:\"},2.50e1 ,{ }],\"o\":null}";
        let expected = "{\n\t\"z\": 1,\n\t\"a\": [],\n\t\"m\": [\n\t\t{\n\t\t\t\"x\": \"a\\\"b{,:\"\n\t\t},\n\t\t2.50e1,\n\t\t{}\n\t],\n\t\"o\": null\n}";
        assert_eq!(indent(raw.as_bytes()).unwrap(), expected);
        assert_eq!(indent(expected.as_bytes()).unwrap(), expected);
        for bad in ["", "{", "{} {}", "\"a", "{\"a\":}"] {
            assert!(indent(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(indent(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_document_does_not_command_the_terminal() {
        let text = indent("{\"a\":\"\u{9b}1m\u{202e}\u{7f}ü\"}".as_bytes()).unwrap();
        assert_eq!(text, "{\n\t\"a\": \"\\u009b1m\\u202e\\u007fü\"\n}");
    }
}
