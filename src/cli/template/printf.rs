//! `printf`: the format.

use super::printer::Printer;
use super::value::Value;

/// The largest width and precision.
const MAX_NUMBER: usize = 1_000_000;

/// How a value is to be printed.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the format")]
pub struct Spec {
    pub width: Option<usize>,
    pub precision: Option<usize>,
    pub minus: bool,
    pub plus: bool,
    pub sharp: bool,
    pub space: bool,
    pub zero: bool,
    /// `%#v`.
    pub go_syntax: bool,
    /// `%+v`.
    pub plus_v: bool,
}

/// The text that the format makes of the values; `None` when it is too long.
pub fn format(format: &str, values: &[Value]) -> Option<String> {
    let mut formatter = Formatter { rest: format, values, next: 0, reordered: false, good: true, out: Printer::new() };
    while let Some((text, rest)) = formatter.rest.split_once('%') {
        formatter.out.push(text);
        formatter.rest = rest;
        formatter.directive();
    }
    let rest = formatter.rest;
    formatter.out.push(rest);
    formatter.extra();
    formatter.out.finish()
}

struct Formatter<'a> {
    rest: &'a str,
    values: &'a [Value],
    /// The value that comes next.
    next: usize,
    /// An index was used, so the rest is not counted.
    reordered: bool,
    /// The indexes of this directive are right.
    good: bool,
    out: Printer,
}

impl Formatter<'_> {
    fn accept(&mut self, sign: char) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// What follows a percent sign.
    fn directive(&mut self) {
        let mut spec = self.flags();
        self.good = true;
        let mut indexed = self.index();
        if self.accept('*') {
            let width = self.star();
            if width.is_none() {
                self.out.push("%!(BADWIDTH)");
            }
            if width.is_some_and(|width| width < 0) {
                spec.minus = true;
                spec.zero = false;
            }
            spec.width = width.map(|width| usize::try_from(width.unsigned_abs()).unwrap_or_default());
            indexed = false;
        } else {
            spec.width = self.number();
            self.good &= !(indexed && spec.width.is_some());
        }
        if self.rest.len() > 1 && self.accept('.') {
            self.good &= !indexed;
            indexed = self.index();
            if self.accept('*') {
                spec.precision = self.star().and_then(|precision| usize::try_from(precision).ok());
                if spec.precision.is_none() {
                    self.out.push("%!(BADPREC)");
                }
                indexed = false;
            } else {
                spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !indexed {
            self.index();
        }
        self.verb(spec);
    }

    fn verb(&mut self, mut spec: Spec) {
        let Some(verb) = self.rest.chars().next() else {
            self.out.push("%!(NOVERB)");
            return;
        };
        self.rest = &self.rest[verb.len_utf8()..];
        let value = self.values.get(self.next);
        match value {
            _ if verb == '%' => self.out.push("%"),
            _ if !self.good => self.out.push(&format!("%!{verb}(BADINDEX)")),
            None => self.out.push(&format!("%!{verb}(MISSING)")),
            Some(value) => {
                if verb == 'v' {
                    spec.go_syntax = std::mem::take(&mut spec.sharp);
                    spec.plus_v = std::mem::take(&mut spec.plus);
                }
                self.out.argument(value, verb, &spec);
                self.next += 1;
            }
        }
    }

    fn flags(&mut self) -> Spec {
        let mut spec = Spec::default();
        loop {
            match self.rest.as_bytes().first() {
                Some(b'#') => spec.sharp = true,
                Some(b'+') => spec.plus = true,
                Some(b' ') => spec.space = true,
                Some(b'0') => spec.zero = !spec.minus,
                Some(b'-') => {
                    spec.minus = true;
                    spec.zero = false;
                }
                _ => return spec,
            }
            self.rest = &self.rest[1..];
        }
    }

    /// A number, if there is one; what is too large is none, and takes the rest of the format with it.
    fn number(&mut self) -> Option<usize> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(length);
        let mut number = None;
        for digit in digits.bytes() {
            let so_far = number.unwrap_or(0);
            if so_far > MAX_NUMBER {
                self.rest = "";
                return None;
            }
            number = Some(so_far * 10 + usize::from(digit - b'0'));
        }
        self.rest = rest;
        number
    }

    /// `[2]`: which value comes next. Whether it was there and could be read.
    fn index(&mut self) -> bool {
        let Some(inner) = self.rest.strip_prefix('[') else {
            return false;
        };
        self.reordered = true;
        let Some((digits, rest)) = inner.split_once(']') else {
            self.good = false;
            self.rest = inner;
            return false;
        };
        self.rest = rest;
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number = digits.parse::<usize>().ok().filter(|number| is_number && *number <= MAX_NUMBER * 10);
        match number {
            Some(number) if (1..=self.values.len()).contains(&number) => self.next = number - 1,
            _ => self.good = false,
        }
        number.is_some()
    }

    /// A width or precision out of the values.
    fn star(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        let number = match value {
            Value::Int(number) => *number,
            Value::Byte(number) => i64::from(*number),
            _ => return None,
        };
        Some(number).filter(|number| number.unsigned_abs() <= MAX_NUMBER as u64)
    }

    /// Values that nobody asked for.
    fn extra(&mut self) {
        let Some(extra) = self.values.get(self.next..).filter(|extra| !self.reordered && !extra.is_empty()) else {
            return;
        };
        self.out.push("%!(EXTRA ");
        for (index, value) in extra.iter().enumerate() {
            if index > 0 {
                self.out.push(", ");
            }
            if !value.is_untyped_nil() {
                self.out.push(&format!("{}=", value.type_name()));
            }
            self.out.argument(value, 'v', &Spec::default());
        }
        self.out.push(")");
    }
}
