//! Shell patterns as Go's `path.Match` reads them: `*` and `?` stop at a slash, `[a-z]` and `[^a-z]`, `\` escapes.
//! Beyond that, `**` goes on behind slashes.

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

impl Pattern {
    /// Reads a pattern; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        parse(text).map(Self)
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // `reached[n]`: the tokens so far match the first n characters. No backtracking, whatever the pattern.
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for token in &self.0 {
            let mut next = vec![false; text.len() + 1];
            if let Token::Star { stops } = token {
                let mut open = false;
                for (place, seen) in reached.iter().enumerate() {
                    open |= *seen;
                    next[place] = open;
                    open &= !stops || text.get(place) != Some(&'/');
                }
            } else {
                for (place, letter) in text.iter().enumerate() {
                    next[place + 1] = reached[place] && token.accepts(*letter);
                }
            }
            reached = next;
        }
        reached.last() == Some(&true)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Any text; with `stops` only up to a slash.
    Star {
        stops: bool,
    },
    Any,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn accepts(&self, letter: char) -> bool {
        match self {
            Self::Star { .. } => false,
            Self::Any => letter != '/',
            Self::Literal(own) => *own == letter,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *negated
            }
        }
    }
}

fn parse(pattern: &str) -> Option<Vec<Token>> {
    let mut letters = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(letter) = letters.next() {
        tokens.push(match letter {
            '*' => {
                let mut stars = 1;
                while letters.next_if_eq(&'*').is_some() {
                    stars += 1;
                }
                Token::Star { stops: stars == 1 }
            }
            '?' => Token::Any,
            '\\' => Token::Literal(letters.next()?),
            '[' => {
                let negated = letters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || letters.peek() != Some(&']') {
                    let low = class_letter(&mut letters)?;
                    let high = match letters.next_if_eq(&'-') {
                        Some(_) => class_letter(&mut letters)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                letters.next();
                Token::Class { negated, ranges }
            }
            letter => Token::Literal(letter),
        });
    }
    Some(tokens)
}

/// One end of a range; `]` and `-` must be escaped.
fn class_letter(letters: &mut impl Iterator<Item = char>) -> Option<char> {
    match letters.next()? {
        '\\' => letters.next(),
        ']' | '-' => None,
        letter => Some(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s36_patterns_are_gos() {
        for (pattern, text, expected) in [
            ("*:latest", "alpine:latest", Some(true)),
            ("*:latest", "nigelpoulton/tu-demo:latest", Some(false)),
            ("*/*:latest", "nigelpoulton/tu-demo:latest", Some(true)),
            ("alp?ne", "alpine", Some(true)),
            ("a?b", "a/b", Some(false)),
            ("[a-c]x", "bx", Some(true)),
            ("[^a-c]x", "bx", Some(false)),
            ("[\\]]", "]", Some(true)),
            ("a*b*c", "axxbyyc", Some(true)),
            ("**:latest", "nigelpoulton/tu-demo:latest", Some(true)),
            ("quay.io/**/app", "quay.io/a/b/app", Some(true)),
            ("quay.io/*/app", "quay.io/a/b/app", Some(false)),
            ("*", "", Some(true)),
            ("", "a", Some(false)),
            ("\\*", "*", Some(true)),
            ("[", "a", None),
            ("[]a]", "]", None),
            ("[-]", "-", None),
            ("[x-]", "x", None),
            ("[a", "a", None),
            ("a\\", "a", None),
        ] {
            assert_eq!(Pattern::parse(pattern).map(|pattern| pattern.matches(text)), expected, "{pattern} {text}");
        }
    }
}
