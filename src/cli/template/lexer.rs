//! A template cut into tokens.

use super::quote;

/// A piece of a template and where it begins, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub position: usize,
    pub text: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What stands outside of actions.
    Literal,
    Open,
    Close,
    Space,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// Any other sign, a comma for example.
    Sign,
    Field,
    Variable,
    Identifier,
    Bool,
    Number,
    Complex,
    Character,
    Quoted,
    Raw,
    Dot,
    Nil,
    Keyword(Keyword),
    End,
    /// Nothing follows; the text of the token is where it happened.
    Error(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// What cannot be cut into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    UnclosedAction,
    UnclosedComment,
    CommentBeforeEnd,
    UnclosedParen,
    UnexpectedParen,
    NoDeclaration,
    Unrecognized(char),
    /// `None` is the end of the template.
    BadCharacter(Option<char>),
    UnterminatedCharacter,
    UnterminatedQuote,
    UnterminatedRaw,
    BadNumber,
}

impl Token<'_> {
    /// The message of an error.
    pub fn fault(&self) -> Option<String> {
        let Kind::Error(fault) = self.kind else {
            return None;
        };
        Some(match fault {
            Fault::UnclosedAction => "unclosed action".to_owned(),
            Fault::UnclosedComment => "unclosed comment".to_owned(),
            Fault::CommentBeforeEnd => "comment ends before closing delimiter".to_owned(),
            Fault::UnclosedParen => "unclosed left paren".to_owned(),
            Fault::UnexpectedParen => format!("unexpected right paren {}", quote::code_point(Some(')'))),
            Fault::NoDeclaration => "expected :=".to_owned(),
            Fault::Unrecognized(letter) => {
                format!("unrecognized character in action: {}", quote::code_point(Some(letter)))
            }
            Fault::BadCharacter(letter) => format!("bad character {}", quote::code_point(letter)),
            Fault::UnterminatedCharacter => "unterminated character constant".to_owned(),
            Fault::UnterminatedQuote => "unterminated quoted string".to_owned(),
            Fault::UnterminatedRaw => "unterminated raw quoted string".to_owned(),
            Fault::BadNumber => format!("bad number syntax: {}", quote::quoted(self.text)),
        })
    }

    /// How messages name it.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Keyword(_) | Kind::Dot | Kind::Nil => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                format!("{}...", quote::quoted(&self.text.chars().take(10).collect::<String>()))
            }
            _ => quote::quoted(self.text),
        }
    }
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// The tokens of a template; the last one is `End` or `Error`.
pub fn tokens(input: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { input, start: 0, at: 0, parens: 0, tokens: Vec::new() };
    let last = match lexer.run() {
        Ok(()) => Kind::End,
        Err(fault) => Kind::Error(fault),
    };
    lexer.emit(last);
    lexer.tokens
}

struct Lexer<'a> {
    input: &'a str,
    /// Where the token begins that is being read.
    start: usize,
    at: usize,
    parens: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.input.get(self.at..).unwrap_or_default()
    }

    fn current(&self) -> &'a str {
        self.input.get(self.start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        if found {
            self.next();
        }
        found
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool + Copy) {
        while self.accept(wanted) {}
    }

    fn emit(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, position: self.start, text: self.current() });
        self.start = self.at;
    }

    fn run(&mut self) -> Result<(), Fault> {
        while let Some(distance) = self.rest().find("{{") {
            let open = self.at + distance;
            let trims = trims_left(&self.input[open + 2..]);
            let text = &self.input[self.at..open];
            self.literal(if trims { text.trim_end_matches(SPACES) } else { text });
            self.start = open;
            self.at = open + 2;
            let marker = if trims { 2 } else { 0 };
            if self.rest()[marker..].starts_with("/*") {
                self.at += marker;
                self.start = self.at;
                self.comment()?;
            } else {
                self.emit(Kind::Open);
                self.at += marker;
                self.start = self.at;
                self.parens = 0;
                self.action()?;
            }
        }
        self.literal(self.rest());
        Ok(())
    }

    fn literal(&mut self, text: &'a str) {
        self.at = self.start + text.len();
        if !text.is_empty() {
            self.emit(Kind::Literal);
        }
    }

    fn comment(&mut self) -> Result<(), Fault> {
        self.at += 2;
        let Some(length) = self.rest().find("*/") else {
            return Err(Fault::UnclosedComment);
        };
        self.at += length + 2;
        if !self.at_close() {
            return Err(Fault::CommentBeforeEnd);
        }
        self.close(false);
        Ok(())
    }

    /// Whether `}}` follows, with a trim marker or without.
    fn at_close(&self) -> bool {
        self.rest().starts_with("}}") || is_trimming_close(self.rest())
    }

    fn close(&mut self, emit: bool) {
        let trims = is_trimming_close(self.rest());
        if trims {
            self.at += 2;
            self.start = self.at;
        }
        self.at += 2;
        if emit {
            self.emit(Kind::Close);
        }
        if trims {
            self.skip(|letter| SPACES.contains(&letter));
        }
        self.start = self.at;
    }

    /// The tokens up to `}}`.
    fn action(&mut self) -> Result<(), Fault> {
        loop {
            if self.at_close() {
                if self.parens > 0 {
                    return Err(Fault::UnclosedParen);
                }
                self.close(true);
                return Ok(());
            }
            let letter = self.next().ok_or(Fault::UnclosedAction)?;
            let kind = match letter {
                ' ' | '\t' | '\r' | '\n' => self.space(),
                '=' => Kind::Assign,
                ':' if self.next() == Some('=') => Kind::Declare,
                ':' => return Err(Fault::NoDeclaration),
                '|' => Kind::Pipe,
                '"' => self.quote('"', Fault::UnterminatedQuote, Kind::Quoted)?,
                '\'' => self.quote('\'', Fault::UnterminatedCharacter, Kind::Character)?,
                '`' => {
                    let length = self.rest().find('`').ok_or(Fault::UnterminatedRaw)?;
                    self.at += length + 1;
                    Kind::Raw
                }
                '$' => self.name(Kind::Variable, Kind::Variable)?,
                '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => self.name(Kind::Dot, Kind::Field)?,
                '.' | '+' | '-' | '0'..='9' => self.number(letter)?,
                '(' => {
                    self.parens += 1;
                    Kind::LeftParen
                }
                ')' => {
                    self.emit(Kind::RightParen);
                    self.parens = self.parens.checked_sub(1).ok_or(Fault::UnexpectedParen)?;
                    continue;
                }
                _ if is_word(letter) => self.word()?,
                '!'..='~' => Kind::Sign,
                _ => return Err(Fault::Unrecognized(letter)),
            };
            self.emit(kind);
        }
    }

    fn space(&mut self) -> Kind {
        self.skip(|letter| SPACES.contains(&letter));
        // The last one belongs to ` -}}`.
        if self.at > self.start + 1 && is_trimming_close(&self.input[self.at - 1..]) {
            self.at -= 1;
        }
        Kind::Space
    }

    fn quote(&mut self, end: char, fault: Fault, kind: Kind) -> Result<Kind, Fault> {
        loop {
            match self.next() {
                Some('\\') => {
                    if self.next().is_none_or(|letter| letter == '\n') {
                        return Err(fault);
                    }
                }
                None | Some('\n') => return Err(fault),
                Some(letter) if letter == end => return Ok(kind),
                Some(_) => {}
            }
        }
    }

    /// The rest of a name after its sign; the sign may stand alone.
    fn name(&mut self, alone: Kind, named: Kind) -> Result<Kind, Fault> {
        if self.at_terminator() {
            return Ok(alone);
        }
        self.skip(is_word);
        if self.at_terminator() { Ok(named) } else { Err(Fault::BadCharacter(self.peek())) }
    }

    fn word(&mut self) -> Result<Kind, Fault> {
        self.skip(is_word);
        if !self.at_terminator() {
            return Err(Fault::BadCharacter(self.peek()));
        }
        Ok(match self.current() {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            _ => Kind::Identifier,
        })
    }

    fn at_terminator(&self) -> bool {
        let ends = |letter: char| SPACES.contains(&letter) || matches!(letter, '.' | ',' | '|' | ':' | ')' | '(');
        self.peek().is_none_or(ends) || self.rest().starts_with("}}")
    }

    fn number(&mut self, first: char) -> Result<Kind, Fault> {
        self.at -= first.len_utf8();
        self.scan_number()?;
        if !matches!(self.peek(), Some('+' | '-')) {
            return Ok(Kind::Number);
        }
        self.scan_number()?;
        if self.current().ends_with('i') { Ok(Kind::Complex) } else { Err(Fault::BadNumber) }
    }

    /// Takes what looks like a number. Whether it is one shows when its value is read.
    fn scan_number(&mut self) -> Result<(), Fault> {
        self.accept(|letter| matches!(letter, '+' | '-'));
        let mut radix = 10;
        if self.accept(|letter| letter == '0') {
            for (sign, value) in [('x', 16), ('o', 8), ('b', 2)] {
                if radix == 10 && self.accept(|letter| letter.to_ascii_lowercase() == sign) {
                    radix = value;
                }
            }
        }
        let is_digit = |letter: char| letter == '_' || letter.is_digit(radix);
        self.skip(is_digit);
        if self.accept(|letter| letter == '.') {
            self.skip(is_digit);
        }
        let exponent = match radix {
            10 => self.accept(|letter| matches!(letter, 'e' | 'E')),
            16 => self.accept(|letter| matches!(letter, 'p' | 'P')),
            _ => false,
        };
        if exponent {
            self.accept(|letter| matches!(letter, '+' | '-'));
            self.skip(|letter| letter == '_' || letter.is_ascii_digit());
        }
        self.accept(|letter| letter == 'i');
        if self.accept(is_word) { Err(Fault::BadNumber) } else { Ok(()) }
    }
}

/// Whether `- ` follows the `{{`.
fn trims_left(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next() == Some('-') && letters.next().is_some_and(|letter| SPACES.contains(&letter))
}

/// Whether ` -}}` comes next.
fn is_trimming_close(text: &str) -> bool {
    text.strip_prefix(SPACES).is_some_and(|rest| rest.starts_with("-}}"))
}
