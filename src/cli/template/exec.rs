//! A template applied to data: the actions, one after the other. `eval.rs` has the values in them.

use std::fmt::Display;

use super::ast::{Block, Call, Node, Pipe};
use super::printer;
use super::quote;
use super::value::Value;
use super::{Template, TemplateError};

/// How deep templates may call each other.
const MAX_DEPTH: usize = 50;
/// How deep actions and pipelines may stand in each other, over all the templates that called each other.
const MAX_NESTING: usize = 250;
/// How many actions and functions a template may execute.
const MAX_STEPS: usize = 1_000_000;
/// How long the output, and every text on the way to it, may become, in bytes.
pub const MAX_LENGTH: usize = 16 << 20;

/// What a map gives for a key that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingKey {
    NoValue,
    Error,
}

/// Which functions are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Functions {
    Values,
    /// Those that leave the head of a table as it is.
    Headers,
}

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub missing: MissingKey,
    pub functions: Functions,
}

/// What goes on after an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

pub(super) type Done<T> = Result<T, TemplateError>;

/// The execution of a template.
pub struct State<'a> {
    template: &'a Template,
    pub(super) settings: Settings,
    out: String,
    /// The name of the template that is being executed.
    name: &'a str,
    /// Those of this template, the innermost last.
    variables: Vec<(&'a str, Value)>,
    /// What is being evaluated, for messages.
    place: Option<(usize, &'a dyn Display)>,
    /// Dot came out of a list or map of anything, which its messages tell.
    pub(super) dot_in_any: bool,
    depth: usize,
    nesting: usize,
    steps: usize,
}

impl<'a> State<'a> {
    pub fn new(template: &'a Template, data: &Value, settings: Settings) -> Self {
        let variables = vec![("$", data.clone().or_missing())];
        Self {
            template,
            settings,
            out: String::new(),
            name: "",
            variables,
            place: None,
            dot_in_any: false,
            depth: 0,
            nesting: 0,
            steps: 0,
        }
    }

    /// What was printed, and why no more was.
    pub fn run(mut self) -> (String, Done<()>) {
        let dot = self.variable("$").unwrap_or(Value::Missing);
        let template = self.template;
        let outcome = match template.bodies.get("") {
            Some(body) => self.walk(&dot, body).map(|_| ()),
            None => Ok(()),
        };
        (self.out, outcome)
    }

    pub(super) fn error<T>(&self, message: &str) -> Done<T> {
        let Some((position, shown)) = self.place else {
            return Err(TemplateError(format!("template: {}: {message}", self.name)));
        };
        // Positions are in the text of all templates, and messages name the one that was parsed.
        let before = self.template.text.get(..position).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(position, |end| position - end - 1);
        let name = quote::quoted(self.name);
        Err(TemplateError(format!("template: :{line}:{column}: executing {name} at <{shown}>: {message}")))
    }

    pub(super) fn at(&mut self, position: usize, shown: &'a dyn Display) {
        self.place = Some((position, shown));
    }

    pub(super) fn step(&mut self) -> Done<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS { self.error(&format!("exceeded maximum steps ({MAX_STEPS})")) } else { Ok(()) }
    }

    /// Goes one level deeper.
    pub(super) fn nested<T>(&mut self, go: impl FnOnce(&mut Self) -> Done<T>) -> Done<T> {
        if self.nesting == MAX_NESTING {
            return self.error(&format!("exceeded maximum nesting ({MAX_NESTING})"));
        }
        self.nesting += 1;
        let outcome = go(self);
        self.nesting -= 1;
        outcome
    }

    pub(super) fn too_long<T>(&self) -> Done<T> {
        self.error(&format!("exceeded maximum length ({MAX_LENGTH})"))
    }

    fn print(&mut self, text: &str) -> Done<()> {
        if self.out.len() + text.len() > MAX_LENGTH {
            return self.too_long();
        }
        self.out.push_str(text);
        Ok(())
    }

    pub(super) fn variable(&self, name: &str) -> Option<Value> {
        self.variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    fn assign(&mut self, name: &str, value: Value) -> Done<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, variable)) => {
                *variable = value;
                Ok(())
            }
            None => self.error(&format!("undefined variable: {name}")),
        }
    }

    /// The variables of a pipeline get its value.
    pub(super) fn bind(&mut self, pipe: &'a Pipe, value: &Value) -> Done<()> {
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(())
    }

    /// Walks with another dot.
    fn walk_with(&mut self, dot: &Value, in_any: bool, nodes: &'a [Node]) -> Done<Flow> {
        let outer = std::mem::replace(&mut self.dot_in_any, in_any);
        let flow = self.walk(dot, nodes)?;
        self.dot_in_any = outer;
        Ok(flow)
    }

    fn walk(&mut self, dot: &Value, nodes: &'a [Node]) -> Done<Flow> {
        self.nested(|state| {
            for node in nodes {
                let flow = state.node(dot, node)?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
            Ok(Flow::On)
        })
    }

    fn node(&mut self, dot: &Value, node: &'a Node) -> Done<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => self.print(text)?,
            Node::Action(pipe) => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.at(pipe.position, pipe);
                    let Some(text) = printer::plain(&value) else {
                        return self.too_long();
                    };
                    self.print(&text)?;
                }
            }
            Node::If(block) => return self.condition(dot, block, false),
            Node::With(block) => return self.condition(dot, block, true),
            Node::Range(block) => {
                let variables = self.variables.len();
                let flow = self.range(dot, block)?;
                self.variables.truncate(variables);
                return Ok(flow);
            }
            Node::Template(call) => self.call(dot, call)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn condition(&mut self, dot: &Value, block: &'a Block, moves_dot: bool) -> Done<Flow> {
        let variables = self.variables.len();
        let value = self.pipeline(dot, &block.pipe)?;
        let flow = if value.truth() && moves_dot {
            self.walk_with(&value, false, &block.body)?
        } else if value.truth() {
            self.walk(dot, &block.body)?
        } else {
            self.walk(dot, block.otherwise.as_deref().unwrap_or_default())?
        };
        self.variables.truncate(variables);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, block: &'a Block) -> Done<Flow> {
        let value = self.pipeline(dot, &block.pipe)?;
        let mut any = false;
        match &value {
            Value::List(list) => {
                for (index, item) in (0..).zip(list.items()) {
                    any = true;
                    if self.round(block, &Value::Int(index), item, value.holds_any())? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, item) in map.iter() {
                    any = true;
                    if self.round(block, &Value::Text(key.clone()), item, value.holds_any())? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Int(_) if block.pipe.variables.len() > 1 => {
                let value = printer::plain(&value).unwrap_or_default();
                return self.error(&format!("can't use {value} to iterate over more than one variable"));
            }
            Value::Int(count) => {
                for index in 0..*count {
                    any = true;
                    if self.round(block, &Value::Int(index), &Value::Int(index), false)? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Missing | Value::Nil => {}
            other => {
                let value = printer::plain(other).unwrap_or_default();
                return self.error(&format!("range can't iterate over {value}"));
            }
        }
        if any { Ok(Flow::On) } else { self.walk(dot, block.otherwise.as_deref().unwrap_or_default()) }
    }

    /// One round of a `range`. A single variable is the item, the first of two is the index.
    fn round(&mut self, block: &'a Block, index: &Value, item: &Value, in_any: bool) -> Done<Flow> {
        self.step()?;
        let names = &block.pipe.variables;
        let values = if names.len() > 1 { [index, item] } else { [item, index] };
        for (name, value) in names.iter().zip(values) {
            self.assign(name, value.clone())?;
        }
        let variables = self.variables.len();
        let flow = self.walk_with(item, in_any, &block.body)?;
        self.variables.truncate(variables);
        Ok(flow)
    }

    fn call(&mut self, dot: &Value, call: &'a Call) -> Done<()> {
        self.at(call.position, call);
        let template = self.template;
        let Some((name, body)) = template.bodies.get_key_value(&call.name) else {
            return self.error(&format!("template {} not defined", quote::quoted(&call.name)));
        };
        if self.depth == MAX_DEPTH {
            return self.error(&format!("exceeded maximum template depth ({MAX_DEPTH})"));
        }
        let dot = match &call.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Missing,
        };
        let outer_name = std::mem::replace(&mut self.name, name);
        let outer_variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        self.depth += 1;
        self.walk_with(&dot, false, body)?;
        self.depth -= 1;
        self.variables = outer_variables;
        self.name = outer_name;
        Ok(())
    }
}
