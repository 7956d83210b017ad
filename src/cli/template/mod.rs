//! The language of `--format`: Go's `text/template` with the functions that Docker adds to it.
//!
//! `gtmpl` 0.7.1, the one crate for it, falls short of what people write: it has no assignment (`=`), no `break` and
//! `continue`, no `slice`, `html` and `js`; `and` evaluates what it need not; `%q`, `1e6` and all errors read
//! differently; and a template that calls itself overflows the stack. So the pieces are here, in the order in which a
//! template passes through them: `lexer`, `parser` with `operands`, `ast`, `exec` with `eval` and the functions, and
//! the printing of values as Go's `fmt` does it. `listing` makes the lines of a listing with them.
//!
//! Known differences: Go's texts are bytes, these are Unicode, so a cut inside a character leaves that character off;
//! there are no complex numbers; nesting, steps and output have limits.

mod ast;
mod compare;
mod docker;
mod escape;
mod eval;
mod exec;
mod functions;
mod json;
mod lexer;
pub mod listing;
mod literal;
mod numbers;
mod operands;
mod parser;
mod printer;
mod printf;
mod quote;
mod tabs;
mod value;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

pub use value::{ANY, Struct, Value};

use exec::{Functions, MissingKey, Settings, State};

/// A template that can be executed: its own name is empty, as in Docker.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
    bodies: HashMap<String, Vec<ast::Node>>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, in Docker's words: `template parsing error: template: :1: unclosed action`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { text: text.to_owned(), bodies: parser::parse(text)? })
    }

    /// What the template makes of the data. A key that a map does not have is `<no value>`.
    ///
    /// # Errors
    /// What could not be evaluated: `template parsing error: template: :1:2: executing "" at <.Foo>: …`.
    pub fn execute(&self, data: &Value) -> Result<String, TemplateError> {
        let settings = Settings { missing: MissingKey::NoValue, functions: Functions::Values };
        let (out, outcome) = State::new(self, data, settings).run();
        outcome.map(|()| out)
    }

    /// As `execute`, but a key that a document does not have is an error, as `inspect` wants it. In a map of texts, such
    /// as Docker's labels, any key may be asked for.
    ///
    /// # Errors
    /// As `execute`.
    pub fn execute_strictly(&self, data: &Value) -> Result<String, TemplateError> {
        let settings = Settings { missing: MissingKey::Error, functions: Functions::Values };
        let (out, outcome) = State::new(self, data, settings).run();
        outcome.map(|()| out)
    }

    /// The head of a table: functions leave the texts alone, and an error only cuts it short.
    fn execute_for_header(&self, data: &Value) -> String {
        let settings = Settings { missing: MissingKey::NoValue, functions: Functions::Headers };
        State::new(self, data, settings).run().0
    }
}

/// Why a template cannot be read or executed, in the words of Go and Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Docker says "parsing" of both.
        write!(out, "template parsing error: {}", self.0)
    }
}

impl Error for TemplateError {}
