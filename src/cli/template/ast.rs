//! The parts of a template, and how messages quote them.

use std::fmt::{self, Display, Formatter};

use super::quote;

/// What stands in the body of a template.
#[derive(Debug, Clone)]
pub enum Node {
    Text(String),
    Action(Pipe),
    If(Block),
    With(Block),
    Range(Block),
    Template(Call),
    Break,
    Continue,
}

/// An action with a body, up to its `{{end}}`.
#[derive(Debug, Clone)]
pub struct Block {
    pub pipe: Pipe,
    pub body: Vec<Node>,
    pub otherwise: Option<Vec<Node>>,
}

/// `{{template "name" pipeline}}`.
#[derive(Debug, Clone)]
pub struct Call {
    /// Where the name stands, in bytes.
    pub position: usize,
    pub name: String,
    pub pipe: Option<Pipe>,
}

/// `$a, $b := command | command`.
#[derive(Debug, Clone)]
pub struct Pipe {
    pub position: usize,
    /// The variables, with their `$`.
    pub variables: Vec<String>,
    /// They exist already.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// A function or value, and arguments.
#[derive(Debug, Clone)]
pub struct Command {
    pub position: usize,
    /// At least one.
    pub words: Vec<Operand>,
}

/// One word of a command.
#[derive(Debug, Clone)]
pub struct Operand {
    pub position: usize,
    pub term: Term,
}

#[derive(Debug, Clone)]
pub enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Text {
        /// As it was written.
        source: String,
        text: String,
    },
    /// `.a.b`.
    Field(Vec<String>),
    /// `$a`, then fields.
    Variable(String, Vec<String>),
    Function(String),
    Pipe(Box<Pipe>),
    /// Fields of what a function or a pipeline gives.
    Chain(Box<Operand>, Vec<String>),
}

/// A constant, with all types that can hold it; none can if it is too large.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    pub text: String,
    pub integer: Option<i64>,
    /// Set when it is a float where nothing else is asked for.
    pub float: Option<f64>,
}

fn fields(names: &[String], out: &mut Formatter<'_>) -> fmt::Result {
    names.iter().try_for_each(|name| write!(out, ".{name}"))
}

impl Display for Operand {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Dot => out.write_str("."),
            Term::Nil => out.write_str("nil"),
            Term::Bool(value) => write!(out, "{value}"),
            Term::Number(number) => out.write_str(&number.text),
            Term::Text { source, .. } => out.write_str(source),
            Term::Field(names) => fields(names, out),
            Term::Variable(variable, names) => {
                out.write_str(variable)?;
                fields(names, out)
            }
            Term::Function(name) => out.write_str(name),
            Term::Pipe(pipe) => write!(out, "{pipe}"),
            Term::Chain(operand, names) => {
                operand.in_parentheses(out)?;
                fields(names, out)
            }
        }
    }
}

impl Operand {
    fn in_parentheses(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Pipe(pipe) => write!(out, "({pipe})"),
            _ => write!(out, "{self}"),
        }
    }
}

impl Display for Command {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                out.write_str(" ")?;
            }
            word.in_parentheses(out)?;
        }
        Ok(())
    }
}

impl Display for Pipe {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(out, "{} {} ", self.variables.join(", "), if self.assigns { "=" } else { ":=" })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                out.write_str(" | ")?;
            }
            write!(out, "{command}")?;
        }
        Ok(())
    }
}

impl Display for Call {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{{{{template {}", quote::quoted(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(out, " {pipe}")?;
        }
        out.write_str("}}")
    }
}
