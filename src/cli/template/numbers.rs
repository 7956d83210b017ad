//! Numbers as Go's `fmt` and `encoding/json` print them.

use super::printf::Spec;

/// A number to this base, with the signs and zeros that are asked for, not padded with spaces.
pub fn integer(value: i64, base: u32, verb: char, spec: &Spec) -> String {
    if spec.precision == Some(0) && value == 0 {
        return String::new();
    }
    let mut digits = digits(value.unsigned_abs(), base);
    if verb == 'X' {
        digits.make_ascii_uppercase();
    }
    let sign = sign(value < 0, spec);
    let wanted = match (spec.precision, spec.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if spec.zero => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let zeros = wanted.saturating_sub(digits.len());
    let octal = if digits.starts_with('0') || zeros > 0 { "" } else { "0" };
    let prefix = match (verb, base) {
        ('O', _) if spec.sharp => ["0o", octal].concat(),
        ('O', _) => "0o".to_owned(),
        (_, 2) if spec.sharp => "0b".to_owned(),
        (_, 8) if spec.sharp => octal.to_owned(),
        (_, 16) if spec.sharp => ["0", if verb == 'X' { "X" } else { "x" }].concat(),
        _ => String::new(),
    };
    [sign, &prefix, &"0".repeat(zeros), &digits].concat()
}

fn digits(mut value: u64, base: u32) -> String {
    let mut digits = Vec::new();
    let base_wide = u64::from(base);
    loop {
        let digit = u32::try_from(value % base_wide).unwrap_or_default();
        digits.extend(char::from_digit(digit, base));
        value /= base_wide;
        if value == 0 {
            return digits.iter().rev().collect();
        }
    }
}

fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

/// A float with one of the verbs `beEfgGxX`; the second half says whether it may be padded with zeros.
pub fn float(value: f64, verb: char, default: Option<usize>, spec: &Spec) -> (String, bool) {
    let sign = sign(value.is_sign_negative() && !value.is_nan(), spec);
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "Inf" };
        let sign = if value.is_infinite() && sign.is_empty() { "+" } else { sign };
        return (format!("{sign}{name}"), false);
    }
    let precision = spec.precision.or(default);
    let mut text = match verb {
        'f' => fixed(value.abs(), precision),
        'e' | 'E' => exponential(value.abs(), precision),
        'b' => binary(value.abs()),
        'x' | 'X' => hexadecimal(value.abs(), precision),
        _ => general(value.abs(), precision),
    };
    if spec.sharp && !matches!(verb, 'b' | 'x' | 'X') {
        text = with_point(&text, matches!(verb, 'g' | 'G').then(|| precision.unwrap_or(6)));
    }
    if verb.is_ascii_uppercase() {
        text.make_ascii_uppercase();
    }
    let zeros = spec.width.filter(|_| spec.zero).unwrap_or(0).saturating_sub(sign.len() + text.len());
    ([sign, &"0".repeat(zeros), &text].concat(), true)
}

/// No float has more digits than this; behind them are zeros.
const MAX_DIGITS: usize = 1100;

fn fixed(value: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else {
        return format!("{value}");
    };
    let text = format!("{value:.*}", precision.min(MAX_DIGITS));
    text + &"0".repeat(precision.saturating_sub(MAX_DIGITS))
}

/// With at least two digits of exponent: `1e+06`.
fn exponential(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{value:.*e}", precision.min(MAX_DIGITS)),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = split(&text);
    let zeros = "0".repeat(precision.unwrap_or(0).saturating_sub(MAX_DIGITS));
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{zeros}e{sign}{:02}", exponent.abs())
}

fn split(text: &str) -> (&str, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (mantissa, exponent.parse().unwrap_or_default())
}

/// The bits of a float: it is the first number times two to the second.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match i32::try_from(bits >> 52 & 0x7ff).unwrap_or_default() {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent - 1075),
    }
}

fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{exponent:+}")
}

fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    const DIGITS: usize = 13;
    let (mut mantissa, mut exponent) = parts(value);
    while mantissa != 0 && mantissa >> 52 == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    exponent = if mantissa == 0 { 0 } else { exponent + 52 };
    let dropped = 4 * (DIGITS - precision.unwrap_or(DIGITS).min(DIGITS));
    // Halves go to the even neighbour.
    let (unit, rest) = (1_u64 << dropped, mantissa & ((1 << dropped) - 1));
    mantissa -= rest;
    if rest * 2 > unit || rest * 2 == unit && mantissa & unit != 0 {
        mantissa += unit;
    }
    if mantissa >> 53 != 0 {
        mantissa >>= 1;
        exponent += 1;
    }
    let mut digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    match precision {
        Some(precision) if precision < DIGITS => digits.truncate(precision),
        Some(precision) => digits.push_str(&"0".repeat(precision - DIGITS)),
        None => digits.truncate(digits.trim_end_matches('0').len()),
    }
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("0x{}{point}{digits}p{sign}{:02}", mantissa >> 52, exponent.abs())
}

/// The shorter of both, without zeros at the end.
fn general(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{value:.*e}", precision.clamp(1, MAX_DIGITS) - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = split(&text);
    let significant = mantissa.replace('.', "");
    let significant = significant.trim_end_matches('0');
    // Without a precision this many digits, or as many as there are.
    let most = match precision {
        Some(precision) => precision.max(1),
        None => 6,
    };
    let count = significant.len().max(1);
    if exponent < -4 || exponent >= i32::try_from(most).unwrap_or(i32::MAX) {
        return exponential(value, Some(count - 1));
    }
    let behind = i32::try_from(count).unwrap_or_default() - 1 - exponent;
    fixed(value, Some(usize::try_from(behind).unwrap_or_default()))
}

/// With a point even if nothing stands behind it; of `%g`, with zeros up to so many digits.
fn with_point(text: &str, digits: Option<usize>) -> String {
    let (number, exponent) = match text.find('e') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let significant = number.chars().filter(char::is_ascii_digit).skip_while(|digit| *digit == '0').count();
    let significant = if number == "0" { 1 } else { significant };
    let point = if number.contains('.') { "" } else { "." };
    let zeros = digits.unwrap_or(0).saturating_sub(significant);
    [number, point, &"0".repeat(zeros), exponent].concat()
}

/// As in JSON: with an exponent only when it is very large or very small.
pub fn json(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return format!("{value:e}").replace('e', if size < 1.0 { "e" } else { "e+" });
    }
    format!("{value}")
}
