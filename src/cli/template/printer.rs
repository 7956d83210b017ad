//! Values as Go's `fmt` prints them.

use std::fmt::Write as _;

use super::exec::MAX_LENGTH;
use super::numbers;
use super::printf::Spec;
use super::quote;
use super::value::{ANY, Value};

/// What an action prints; `None` when it is too long.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Missing | Value::Nil => Some("<no value>".to_owned()),
        Value::Text(text) => Some(text.clone()),
        other => {
            let mut printer = Printer::new();
            printer.argument(other, 'v', &Spec::default());
            printer.finish()
        }
    }
}

/// As `fmt.Sprint`: a space between two that are no texts.
pub fn print(values: &[Value]) -> Option<String> {
    let mut printer = Printer::new();
    let mut after_text = true;
    for (index, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if index > 0 && !is_text && !after_text {
            printer.push(" ");
        }
        printer.argument(value, 'v', &Spec::default());
        after_text = is_text;
    }
    printer.finish()
}

/// As `fmt.Sprintln`: a space between any two.
pub fn println(values: &[Value]) -> Option<String> {
    let mut printer = Printer::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.push(" ");
        }
        printer.argument(value, 'v', &Spec::default());
    }
    printer.push("\n");
    printer.finish()
}

/// A text that grows up to the largest length.
pub struct Printer {
    out: String,
    full: bool,
}

impl Printer {
    pub fn new() -> Self {
        Self { out: String::new(), full: false }
    }

    pub fn finish(self) -> Option<String> {
        (!self.full).then_some(self.out)
    }

    pub fn push(&mut self, text: &str) {
        if self.full || self.out.len() + text.len() > MAX_LENGTH {
            self.full = true;
        } else {
            self.out.push_str(text);
        }
    }

    /// The text, made as wide as is asked for.
    fn pad(&mut self, text: &str, spec: &Spec) {
        let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
        let padding = if spec.zero { "0" } else { " " }.repeat(missing);
        if spec.minus {
            self.push(text);
            self.push(&padding);
        } else {
            self.push(&padding);
            self.push(text);
        }
    }

    fn pad_with_spaces(&mut self, text: &str, spec: &Spec) {
        self.pad(text, &Spec { zero: false, ..*spec });
    }

    /// One argument of `printf` and its kin.
    pub fn argument(&mut self, value: &Value, verb: char, spec: &Spec) {
        match (value, verb) {
            (Value::Missing | Value::Nil, 'v' | 'T') => self.pad("<nil>", spec),
            (Value::Missing | Value::Nil, _) => self.push(&format!("%!{verb}(<nil>)")),
            (other, 'T') => self.string(&other.type_name(), 's', spec),
            (other, _) => self.value(other, verb, spec),
        }
    }

    fn value(&mut self, value: &Value, verb: char, spec: &Spec) {
        match value {
            Value::Missing | Value::Nil if spec.go_syntax => self.push(&format!("{ANY}(nil)")),
            Value::Missing | Value::Nil => self.push("<nil>"),
            Value::NilPointer(name) => match verb {
                'v' if spec.go_syntax => self.push(&format!("({name})(nil)")),
                'v' => self.pad("<nil>", spec),
                _ => self.bad(value, verb, spec),
            },
            Value::Bool(flag) => match verb {
                't' | 'v' => self.pad(if *flag { "true" } else { "false" }, spec),
                _ => self.bad(value, verb, spec),
            },
            Value::Int(number) => self.integer(*number, value, verb, spec),
            Value::Byte(number) if verb == 'v' && spec.go_syntax => self.push(&format!("0x{number:x}")),
            Value::Byte(number) => self.integer(i64::from(*number), value, verb, spec),
            Value::Float(number) => self.float(*number, value, verb, spec),
            Value::Text(text) => match verb {
                's' | 'v' | 'q' | 'x' | 'X' => self.string(text, verb, spec),
                _ => self.bad(value, verb, spec),
            },
            Value::List(list) => {
                if spec.go_syntax && list.items.is_none() {
                    self.push(&format!("{}(nil)", value.type_name()));
                    return;
                }
                self.open(value, "[", spec);
                self.items(list.items().iter().map(|item| (None, item)), verb, spec);
                self.push(if spec.go_syntax { "}" } else { "]" });
            }
            Value::Map(map) => {
                if spec.go_syntax && map.entries.is_none() {
                    self.push(&format!("{}(nil)", value.type_name()));
                    return;
                }
                self.open(value, "map[", spec);
                let entries = map.iter().map(|(key, item)| (Some(Name::Key(key)), item));
                self.items(entries, verb, spec);
                self.push(if spec.go_syntax { "}" } else { "]" });
            }
            Value::Struct(object) => {
                self.open(value, "{", spec);
                let named = spec.go_syntax || spec.plus_v;
                let fields = object.fields().map(|(name, item)| (named.then_some(Name::Field(name)), item));
                self.items(fields, verb, spec);
                self.push("}");
            }
        }
    }

    fn open(&mut self, value: &Value, plain: &str, spec: &Spec) {
        if spec.go_syntax {
            self.push(&format!("{}{{", value.type_name().replace('*', "&")));
        } else {
            self.push(plain);
        }
    }

    fn items<'v>(&mut self, items: impl Iterator<Item = (Option<Name<'v>>, &'v Value)>, verb: char, spec: &Spec) {
        for (index, (name, item)) in items.enumerate() {
            if index > 0 {
                self.push(if spec.go_syntax { ", " } else { " " });
            }
            match name {
                Some(Name::Key(key)) => {
                    self.value(&Value::from(key), verb, spec);
                    self.push(":");
                }
                Some(Name::Field(name)) => {
                    self.push(name);
                    self.push(":");
                }
                None => {}
            }
            self.value(item, verb, spec);
        }
    }

    /// A verb that does not fit the value: `%!d(string=hi)`.
    fn bad(&mut self, value: &Value, verb: char, spec: &Spec) {
        self.push(&format!("%!{verb}({}=", value.type_name()));
        self.value(value, 'v', spec);
        self.push(")");
    }

    fn integer(&mut self, number: i64, value: &Value, verb: char, spec: &Spec) {
        let base = match verb {
            'd' | 'v' => 10,
            'b' => 2,
            'o' | 'O' => 8,
            'x' | 'X' => 16,
            'c' => return self.pad(&letter(number).to_string(), spec),
            'q' => return self.pad(&quote::escaped(&letter(number).to_string(), '\'', spec.plus), spec),
            'U' => return self.code_point(number, spec),
            _ => return self.bad(value, verb, spec),
        };
        self.pad_with_spaces(&numbers::integer(number, base, verb, spec), spec);
    }

    fn code_point(&mut self, number: i64, spec: &Spec) {
        let digits = format!("{number:X}");
        let zeros = spec.precision.unwrap_or(0).max(4).saturating_sub(digits.len());
        let mut text = format!("U+{}{digits}", "0".repeat(zeros));
        if let Some(letter) = u32::try_from(number).ok().and_then(char::from_u32)
            && spec.sharp
            && quote::is_printable(letter)
        {
            // Writing to a String cannot fail.
            let _ = write!(text, " '{letter}'");
        }
        self.pad_with_spaces(&text, spec);
    }

    fn float(&mut self, number: f64, value: &Value, verb: char, spec: &Spec) {
        let (verb, default) = match verb {
            'v' | 'g' => ('g', None),
            'G' | 'b' | 'x' | 'X' => (verb, None),
            'e' | 'E' => (verb, Some(6)),
            'f' | 'F' => ('f', Some(6)),
            _ => return self.bad(value, verb, spec),
        };
        let (text, zeros) = numbers::float(number, verb, default, spec);
        if zeros { self.pad(&text, spec) } else { self.pad_with_spaces(&text, spec) }
    }

    fn string(&mut self, text: &str, verb: char, spec: &Spec) {
        let shortened = || text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect::<String>();
        match verb {
            'x' | 'X' => self.hexadecimal(text, verb, spec),
            'v' if spec.go_syntax => self.pad(&quote::escaped(&shortened(), '"', spec.plus), spec),
            'q' if spec.sharp && quote::fits_backquotes(&shortened()) => self.pad(&format!("`{}`", shortened()), spec),
            'q' => self.pad(&quote::escaped(&shortened(), '"', spec.plus), spec),
            _ => self.pad(&shortened(), spec),
        }
    }

    fn hexadecimal(&mut self, text: &str, verb: char, spec: &Spec) {
        let prefix = if spec.sharp { if verb == 'X' { "0X" } else { "0x" } } else { "" };
        let mut out = String::new();
        for (index, byte) in text.bytes().take(spec.precision.unwrap_or(usize::MAX)).enumerate() {
            if spec.space && index > 0 {
                out.push(' ');
            }
            if spec.space || index == 0 {
                out.push_str(prefix);
            }
            // Writing to a String cannot fail.
            let _ = if verb == 'X' { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
        }
        self.pad(&out, spec);
    }
}

/// What stands before an item.
enum Name<'a> {
    Key(&'a str),
    Field(&'a str),
}

fn letter(number: i64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}
