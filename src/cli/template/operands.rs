//! What stands inside of an action: pipelines, commands and their words.

use super::ast::{Command, Operand, Pipe, Term};
use super::functions;
use super::lexer::{Kind, Token};
use super::literal;
use super::parser::{Parsed, Parser};
use super::quote;

impl Parser<'_> {
    /// A pipeline up to the token that ends it.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let position = self.peek_word().position;
        let mut pipe = Pipe { position, variables: Vec::new(), assigns: false, commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.peek_word();
            if token.kind == end {
                self.advance();
                self.check(&pipe, context)?;
                return Ok(pipe);
            }
            if !begins_operand(token.kind) {
                self.advance();
                return self.unexpected(&token, context);
            }
            let command = self.command()?;
            pipe.commands.push(command);
        }
    }

    /// `$a :=`, `$a, $b :=` (of a range only), or the same with `=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        while self.peek_word().kind == Kind::Variable {
            let start = self.next;
            let variable = self.advance();
            let next = self.peek_word();
            let comma = next.kind == Kind::Sign && next.text == ",";
            if !comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.next = start;
                return Ok(());
            }
            self.advance();
            pipe.variables.push(variable.text.to_owned());
            self.scope.variables.push(variable.text.to_owned());
            if !comma {
                pipe.assigns = next.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.variables.len() > 1 {
                return self.error(&format!("too many declarations in {context}"));
            }
            if !matches!(self.peek_word().kind, Kind::Variable | Kind::Close | Kind::RightParen) {
                return self.error("range can only initialize variables");
            }
        }
        Ok(())
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.error(&format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            let first = command.words.first().map(|word| &word.term);
            if matches!(first, Some(Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text { .. })) {
                return self.error(&format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let position = self.peek_word().position;
        let mut words = Vec::new();
        loop {
            self.peek_word();
            words.extend(self.operand()?);
            let token = self.peek();
            match token.kind {
                Kind::Space => {
                    self.advance();
                    continue;
                }
                Kind::Close | Kind::RightParen => {}
                Kind::Pipe => {
                    self.advance();
                }
                _ => return self.unexpected(&token, "operand"),
            }
            if words.is_empty() {
                return self.error("empty command");
            }
            return Ok(Command { position, words });
        }
    }

    /// A term with the fields behind it; `None` when something else follows.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        let position = self.peek().position;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.extend(self.advance().text.strip_prefix('.').map(str::to_owned));
        }
        let term = match term.term {
            Term::Field(mut first) => {
                first.append(&mut names);
                Term::Field(first)
            }
            Term::Variable(variable, _) => Term::Variable(variable, names),
            Term::Bool(_) | Term::Text { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                return self.error(&format!("unexpected . after term {}", quote::quoted(&term.to_string())));
            }
            Term::Function(_) | Term::Pipe(_) | Term::Chain(..) => Term::Chain(Box::new(term), names),
        };
        Ok(Some(Operand { position, term }))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.peek_word();
        if !begins_operand(token.kind) {
            return Ok(None);
        }
        self.advance();
        let term = self.term_of(&token)?;
        let position = match &term {
            Term::Pipe(pipe) => pipe.position,
            _ => token.position,
        };
        Ok(Some(Operand { position, term }))
    }

    fn term_of(&mut self, token: &Token<'_>) -> Parsed<Term> {
        let text = token.text.to_owned();
        Ok(match token.kind {
            Kind::Identifier if !functions::exists(&text) => {
                return self.error(&format!("function {} not defined", quote::quoted(&text)));
            }
            Kind::Identifier => Term::Function(text),
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Bool => Term::Bool(text == "true"),
            Kind::Variable if !self.scope.variables.contains(&text) => {
                return self.error(&format!("undefined variable {}", quote::quoted(&text)));
            }
            Kind::Variable => Term::Variable(text, Vec::new()),
            Kind::Field => Term::Field(text.strip_prefix('.').map(str::to_owned).into_iter().collect()),
            Kind::Character => self.number(literal::character(&text))?,
            Kind::Number | Kind::Complex => self.number(literal::number(&text))?,
            Kind::LeftParen => {
                let pipe = self.nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                Term::Pipe(Box::new(pipe))
            }
            _ => match quote::unquote(&text) {
                Some(value) => Term::Text { source: text, text: value },
                None => return self.error("invalid syntax"),
            },
        })
    }

    fn number(&self, read: Result<super::ast::Number, String>) -> Parsed<Term> {
        match read {
            Ok(number) => Ok(Term::Number(number)),
            Err(message) => self.error(&message),
        }
    }
}

fn begins_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::Character
            | Kind::Complex
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Nil
            | Kind::Raw
            | Kind::Quoted
            | Kind::Variable
            | Kind::LeftParen
    )
}
