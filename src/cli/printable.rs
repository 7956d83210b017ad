//! Names and messages made safe for a terminal: whatever it would obey is written as an escape.

use std::fmt::Write as _;

/// Several lines of text: line ends stay.
pub fn lines(text: &str) -> String {
    escape(text, |letter| letter != '\n')
}

/// One word of a line: a name, a path. Bytes that are not text become `\xHH`.
pub fn word(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escape(chunk.valid(), |_| true));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn escape(text: &str, concerned: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_dangerous(letter) && concerned(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Whether a terminal would obey it.
pub fn is_dangerous(letter: char) -> bool {
    letter.is_control() || reorders(letter)
}

/// Marks that make a terminal show a line in another order than it is written.
fn reorders(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(lines("\u{1b}[31mx\r\u{9b}1m\nsecond"), "\\u{1b}[31mx\\r\\u{9b}1m\nsecond");
        assert_eq!(word(b"a\nb\xff\x1b"), "a\\nb\\xff\\u{1b}");
        assert_eq!(word("a\u{202e}gnp".as_bytes()), "a\\u{202e}gnp");
        assert_eq!(word("Grüße".as_bytes()), "Grüße");
    }
}
