//! Rust source as words and punctuation: just enough to see which names a file uses.

/// A word, or one character of punctuation. White space, comments and the contents of literals are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The word or the character.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// Splits Rust source into tokens. A literal becomes the token `"`, a lifetime the token `'`.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let next_of = |from: usize, wanted: char| (from..chars.len()).find(|&j| at(j) == wanted).unwrap_or(chars.len());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let (start, first_line) = (i, line);
        match (at(i), at(i + 1)) {
            ('/', '/') => i = next_of(i, '\n'),
            ('/', '*') => i = end_of_block_comment(&chars, i),
            ('"', _) => i = end_of_string(&chars, i),
            ('\'', '\\') => i = next_of(i + 3, '\'') + 1,
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (c, _) if is_word(c) => {
                i = (i..chars.len()).find(|&j| !is_word(at(j))).unwrap_or(chars.len());
                let word: String = chars[start..i].iter().collect();
                let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
                let hashes = (i..chars.len()).take_while(|&j| at(j) == '#').count();
                if prefix && at(i + hashes) == '"' && (hashes == 0 || word.ends_with('r')) {
                    i = if word.ends_with('r') {
                        end_of_raw_string(&chars, i + hashes, hashes)
                    } else {
                        end_of_string(&chars, i)
                    };
                } else if !(word == "b" && at(i) == '\'') {
                    found.push(Token { text: word, line });
                }
            }
            (c, _) => {
                i += 1;
                if !c.is_whitespace() {
                    found.push(Token { text: c.to_string(), line });
                }
            }
        }
        line += chars[start..i.min(chars.len())].iter().filter(|&&c| c == '\n').count();
        if at(i.saturating_sub(1)) == '"' && i > start + 1 {
            found.push(Token { text: "\"".to_owned(), line: first_line });
        }
    }
    found
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) if depth == 1 => return i + 2,
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    i
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_string(chars: &[char], quote: usize, hashes: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len()
        && !(chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes)
    {
        i += 1;
    }
    i + 1 + hashes
}
