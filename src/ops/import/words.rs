//! Words of a Dockerfile instruction: quotes, escapes and variables, as Docker's `shell` package reads them.

use std::collections::BTreeMap;

/// Splits at blanks outside of quotes, and replaces variables outside of single quotes.
pub(super) fn split(text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let mut reader = Reader { rest: text, variables };
    let mut words = Vec::new();
    while let Some(word) = reader.word()? {
        words.push(word);
    }
    Ok(words)
}

/// The same for a value that may hold blanks: it is one word.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut reader = Reader { rest: text.trim(), variables };
    let mut out = String::new();
    while let Some(next) = reader.next() {
        reader.piece(next, &mut out)?;
    }
    Ok(out)
}

struct Reader<'a> {
    rest: &'a str,
    variables: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn word(&mut self) -> Result<Option<String>, String> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut word = String::new();
        while !self.rest.starts_with(char::is_whitespace) {
            let Some(next) = self.next() else { break };
            self.piece(next, &mut word)?;
        }
        Ok(Some(word))
    }

    /// What begins with `next`, outside of quotes.
    fn piece(&mut self, next: char, out: &mut String) -> Result<(), String> {
        match next {
            '\'' => {
                let (inside, rest) = self.rest.split_once('\'').ok_or("a quote is not closed")?;
                out.push_str(inside);
                self.rest = rest;
            }
            '"' => self.double_quoted(out)?,
            '\\' => out.extend(self.next()),
            '$' => self.variable(out)?,
            other => out.push(other),
        }
        Ok(())
    }

    fn double_quoted(&mut self, out: &mut String) -> Result<(), String> {
        loop {
            match self.next().ok_or("a quote is not closed")? {
                '"' => return Ok(()),
                '$' => self.variable(out)?,
                '\\' => match self.next().ok_or("a quote is not closed")? {
                    escaped @ ('"' | '$' | '\\') => out.push(escaped),
                    other => out.extend(['\\', other]),
                },
                other => out.push(other),
            }
        }
    }

    /// `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}`; a variable that is not set is empty.
    fn variable(&mut self, out: &mut String) -> Result<(), String> {
        let Some(rest) = self.rest.strip_prefix('{') else {
            let name = take_name(&mut self.rest);
            match self.variables.get(name) {
                Some(value) => out.push_str(value),
                None if name.is_empty() => out.push('$'),
                None => {}
            }
            return Ok(());
        };
        let (inside, after) = rest.split_once('}').ok_or("`${` is not closed")?;
        self.rest = after;
        let mut modifier = inside;
        let name = take_name(&mut modifier);
        let value = self.variables.get(name).map(String::as_str).unwrap_or_default();
        let is_set = !value.is_empty();
        match (modifier.get(..2), modifier) {
            (_, "") if !name.is_empty() => out.push_str(value),
            (Some(":-"), _) if is_set => out.push_str(value),
            (Some(":+"), _) if !is_set => {}
            (Some(":-" | ":+"), _) => out.push_str(&expand(&modifier[2..], self.variables)?),
            _ => return Err(format!("bad variable `${{{inside}}}`")),
        }
        Ok(())
    }
}

fn take_name<'a>(rest: &mut &'a str) -> &'a str {
    let digit_first = rest.starts_with(|first: char| first.is_ascii_digit());
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    // `$1x` is `$1` and `x`.
    let (name, after) = rest.split_at(if digit_first { 1 } else { end });
    *rest = after;
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<String>, String> {
        let variables = BTreeMap::from([("A".to_owned(), "a b".to_owned()), ("E".to_owned(), String::new())]);
        split(text, &variables)
    }

    #[test]
    fn quotes_escapes_and_variables() {
        for (text, expected) in [
            ("", &[][..]),
            ("a  b\tc", &["a", "b", "c"]),
            (r#"a="b c" d='e f'"#, &["a=b c", "d=e f"]),
            (r#"a=b\ c "q\"q" "x\n""#, &["a=b c", r#"q"q"#, r"x\n"]),
            (r#"'$A' "$A" \$A x$A-"#, &["$A", "a b", "$A", "xa b-"]),
            ("${A} ${E:-d} ${A:-d} ${A:+p} ${E:+p}x $UNSET.", &["a b", "d", "a b", "p", "x", "."]),
            ("$ 5$", &["$", "5$"]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for bad in ["'a", "\"a", "${A", "${}", "${A:?x}"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
