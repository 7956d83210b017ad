//! `html`, `js` and `urlquery`.

use std::fmt::Write as _;

use super::quote;

pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    out
}

pub fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let special = matches!(letter, '<' | '>' | '&' | '=') || letter < ' ';
        match letter {
            '\\' | '\'' | '"' => out.extend(['\\', letter]),
            _ if special || !letter.is_ascii() && !quote::is_printable(letter) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(letter));
            }
            other => out.push(other),
        }
    }
    out
}

pub fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
