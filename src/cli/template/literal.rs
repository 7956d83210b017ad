//! The values of number constants.

use super::ast::Number;
use super::quote;

/// Reads a character constant.
pub fn character(source: &str) -> Result<Number, String> {
    match quote::unquote_character(source) {
        Some(value) => Ok(Number { text: source.to_owned(), integer: Some(value), float: None }),
        None if quote::unquote(source).is_some_and(|text| text.chars().count() > 1) => {
            Err(format!("malformed character constant: {source}"))
        }
        None => Err("invalid syntax".to_owned()),
    }
}

/// Reads a number.
pub fn number(source: &str) -> Result<Number, String> {
    let text = source.to_owned();
    if source.ends_with('i') && !source.starts_with("0x") {
        return Err(format!("complex constants are not supported: {}", quote::quoted(source)));
    }
    if let Some(integer) = integer(source) {
        return Ok(Number { text, integer: Some(integer), float: None });
    }
    if !source.starts_with('0') && source.parse::<u64>().is_ok() {
        return Ok(Number { text, integer: None, float: None });
    }
    let illegal = || format!("illegal number syntax: {}", quote::quoted(source));
    let value = decimal(source).ok_or_else(illegal)?;
    if !source.contains(['.', 'e', 'E']) {
        return Err(format!("integer overflow: {}", quote::quoted(source)));
    }
    let whole = value.fract() == 0.0 && value.abs() < 9.0e18;
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number that fits")]
    let integer = whole.then_some(value as i64);
    Ok(Number { text, integer, float: Some(value) })
}

fn integer(source: &str) -> Option<i64> {
    let (sign, digits) = match source.strip_prefix(['+', '-']) {
        Some(digits) => (&source[..1], digits),
        None => ("", source),
    };
    let prefix = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (radix, digits) = match prefix.as_str() {
        "0x" => (16, &digits[2..]),
        "0o" => (8, &digits[2..]),
        "0b" => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    let plain = separated(digits, radix != 10, radix)?;
    i64::from_str_radix(&format!("{sign}{plain}"), radix).ok()
}

/// Takes out underscores, which may only stand between digits.
fn separated(digits: &str, leading: bool, radix: u32) -> Option<String> {
    let mut previous = if leading { '0' } else { '_' };
    for letter in digits.chars() {
        if letter == '_' && previous == '_' || letter != '_' && !letter.is_digit(radix) {
            return None;
        }
        previous = letter;
    }
    (previous != '_').then(|| digits.replace('_', ""))
}

fn decimal(source: &str) -> Option<f64> {
    let known = |letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.' | 'e' | 'E');
    let digits = source.chars().any(|letter| letter.is_ascii_digit());
    let value: f64 = (digits && source.chars().all(known)).then(|| source.parse().ok())??;
    value.is_finite().then_some(value)
}
