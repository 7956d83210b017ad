//! Texts as Go source, and back.

use std::fmt::Write as _;

/// Whether Go shows the character as it is.
pub fn is_printable(letter: char) -> bool {
    // Behind a letter, so that marks that change the one before them count too.
    letter == '"'
        || letter == '\''
        || letter == '\\'
        || ['a', letter].iter().collect::<String>().escape_debug().count() == 2
}

/// In double quotes, with escapes.
pub fn quoted(text: &str) -> String {
    escaped(text, '"', false)
}

/// Between these quotes, with escapes; on demand, of everything but ASCII.
pub fn escaped(text: &str, quote: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            _ if letter == quote => out.extend(['\\', letter]),
            _ if is_printable(letter) && (letter.is_ascii() || !ascii) => out.push(letter),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            _ => {
                let code = u32::from(letter);
                // Writing to a String cannot fail.
                let _ = match code {
                    ..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
                    0x20..0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
    out
}

/// A character of the template in a message: `U+0025 '%'`. None at all is Go's -1.
pub fn code_point(letter: Option<char>) -> String {
    let Some(letter) = letter else {
        return "U+FFFFFFFFFFFFFFFF".to_owned();
    };
    let code = format!("U+{:04X}", u32::from(letter));
    if is_printable(letter) { format!("{code} '{letter}'") } else { code }
}

/// The text that a quoted constant stands for; `None` when it is none.
pub fn unquote(source: &str) -> Option<String> {
    let quote = source.chars().next()?;
    let inner = source.get(1..source.len().checked_sub(1)?)?;
    if quote == '`' {
        // Go drops these from raw texts.
        return Some(inner.replace('\r', ""));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let piece = character(&mut rest, quote)?;
        piece.push_to(&mut bytes);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of a character constant.
pub fn unquote_character(source: &str) -> Option<i64> {
    let mut rest = source.strip_prefix('\'')?.strip_suffix('\'')?;
    let piece = character(&mut rest, '\'')?;
    rest.is_empty().then_some(match piece {
        Piece::Byte(byte) => i64::from(byte),
        Piece::Letter(letter) => i64::from(u32::from(letter)),
    })
}

enum Piece {
    Byte(u8),
    Letter(char),
}

impl Piece {
    fn push_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(*byte),
            Self::Letter(letter) => bytes.extend(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Takes one character or escape.
fn character(rest: &mut &str, quote: char) -> Option<Piece> {
    let mut letters = rest.chars();
    let first = letters.next()?;
    if first == quote {
        return None;
    }
    if first != '\\' {
        *rest = letters.as_str();
        return Some(Piece::Letter(first));
    }
    let kind = letters.next()?;
    *rest = letters.as_str();
    let simple = match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        '\'' | '"' if kind == quote => kind,
        'x' => return u8::try_from(digits(rest, 2, 16)?).ok().map(Piece::Byte),
        'u' => return char::from_u32(digits(rest, 4, 16)?).map(Piece::Letter),
        'U' => return char::from_u32(digits(rest, 8, 16)?).map(Piece::Letter),
        '0'..='7' => {
            let value = kind.to_digit(8)? * 64 + digits(rest, 2, 8)?;
            return u8::try_from(value).ok().map(Piece::Byte);
        }
        _ => return None,
    };
    Some(Piece::Letter(simple))
}

fn digits(rest: &mut &str, count: usize, radix: u32) -> Option<u32> {
    let text = rest.get(..count)?;
    if !text.chars().all(|letter| letter.is_digit(radix)) {
        return None;
    }
    *rest = rest.get(count..)?;
    u32::from_str_radix(text, radix).ok()
}

/// These bytes of a text, without characters that are only half in them.
pub fn cut(text: &str, from: usize, to: usize) -> &str {
    let from = (from..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    let to = (from..=to.max(from)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(from);
    text.get(from..to).unwrap_or_default()
}

/// Whether the text can stand between backquotes.
pub fn fits_backquotes(text: &str) -> bool {
    !text.contains(|letter: char| letter != '\t' && letter.is_ascii_control() || letter == '`' || letter == '\u{feff}')
}
