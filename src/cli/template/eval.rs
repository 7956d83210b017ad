//! The values of pipelines, commands and their words.

use super::ast::{Command, Number, Operand, Pipe, Term};
use super::exec::{Done, MAX_LENGTH, MissingKey, State};
use super::functions::{self, Function, Param};
use super::quote;
use super::value::{ANY, Value};

/// What a command gets besides its own words: the value of the one before it in the pipeline.
type Final = Option<Value>;

impl<'a> State<'a> {
    /// The value of a pipeline; its variables are set.
    pub(super) fn pipeline(&mut self, dot: &Value, pipe: &'a Pipe) -> Done<Value> {
        self.nested(|state| {
            state.at(pipe.position, pipe);
            let mut last = None;
            for command in &pipe.commands {
                last = Some(state.command(dot, command, last)?.or_missing());
            }
            let value = last.unwrap_or(Value::Missing);
            state.bind(pipe, &value)?;
            Ok(value)
        })
    }

    fn command(&mut self, dot: &Value, command: &'a Command, last: Final) -> Done<Value> {
        let Some((first, arguments)) = command.words.split_first() else {
            return Ok(Value::Missing);
        };
        let given = arguments.len() + usize::from(last.is_some());
        match &first.term {
            Term::Function(name) => {
                self.at(first.position, first);
                self.function(dot, name, (command.position, command), arguments, last)
            }
            Term::Field(_) | Term::Chain(..) => self.fields(dot, first, given),
            Term::Variable(_, names) if !names.is_empty() => self.fields(dot, first, given),
            _ => {
                if !matches!(first.term, Term::Pipe(_)) {
                    self.at(first.position, first);
                }
                if given > 0 {
                    return self.error(&format!("can't give argument to non-function {first}"));
                }
                match &first.term {
                    Term::Nil => self.error("nil is not a command"),
                    _ => self.value(dot, first),
                }
            }
        }
    }

    /// The value of a word that stands alone.
    fn value(&mut self, dot: &Value, word: &'a Operand) -> Done<Value> {
        match &word.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Value::Nil),
            Term::Bool(value) => Ok(Value::Bool(*value)),
            Term::Number(number) => {
                self.at(word.position, word);
                self.constant(number)
            }
            Term::Text { text, .. } => Ok(Value::Text(text.clone())),
            Term::Pipe(pipe) => self.pipeline(dot, pipe),
            Term::Function(name) => {
                self.at(word.position, word);
                self.function(dot, name, (word.position, word), &[], None)
            }
            Term::Variable(name, names) if names.is_empty() => {
                self.at(word.position, word);
                match self.variable(name) {
                    Some(value) => Ok(value),
                    None => self.error(&format!("undefined variable: {name}")),
                }
            }
            Term::Variable(..) | Term::Field(_) | Term::Chain(..) => self.fields(dot, word, 0),
        }
    }

    /// A value and fields of it; none takes arguments, however many are given to the last one.
    fn fields(&mut self, dot: &Value, word: &'a Operand, given: usize) -> Done<Value> {
        self.at(word.position, word);
        let (mut value, names) = match &word.term {
            Term::Field(names) => (dot.clone(), names),
            Term::Variable(name, names) => match self.variable(name) {
                Some(value) => (value, names),
                None => return self.error(&format!("undefined variable: {name}")),
            },
            Term::Chain(operand, names) => (self.value(dot, operand)?.or_missing(), names),
            _ => return Ok(Value::Missing),
        };
        let mut in_any = self.dot_in_any && matches!(word.term, Term::Field(_));
        for (index, name) in names.iter().enumerate() {
            let given = if index + 1 == names.len() { given } else { 0 };
            let holds_any = value.holds_any();
            value = self.field(&value, name, given, in_any)?;
            in_any = holds_any;
        }
        Ok(value)
    }

    fn field(&mut self, receiver: &Value, name: &str, given: usize, in_any: bool) -> Done<Value> {
        match receiver {
            Value::Missing if self.settings.missing == MissingKey::Error => {
                self.error(&format!("nil data; no entry for key {}", quote::quoted(name)))
            }
            Value::Missing => Ok(Value::Missing),
            Value::Nil => self.error(&format!("nil pointer evaluating {ANY}.{name}")),
            Value::NilPointer(type_name) => self.error(&format!("nil pointer evaluating {type_name}.{name}")),
            Value::Map(map) => {
                if given > 0 {
                    return self.error(&format!("{name} is not a method but has arguments"));
                }
                match map.get(name) {
                    Some(value) => Ok(value.clone()),
                    None if self.settings.missing == MissingKey::Error && receiver.holds_any() => {
                        self.error(&format!("map has no entry for key {}", quote::quoted(name)))
                    }
                    None => Ok(Value::Missing),
                }
            }
            Value::Struct(object) if object.get(name).is_some() => {
                if given > 0 && object.is_row() {
                    return self.error(&format!("wrong number of args for {name}: want 0 got {given}"));
                }
                if given > 0 {
                    return self.error(&format!("{name} has arguments but cannot be invoked as function"));
                }
                Ok(object.get(name).cloned().unwrap_or(Value::Missing))
            }
            other => self.error(&format!("can't evaluate field {name} in type {}", other.static_type(in_any))),
        }
    }

    /// Calls a function; `place` is for errors of the function itself.
    fn function(
        &mut self,
        dot: &Value,
        name: &str,
        place: (usize, &'a dyn std::fmt::Display),
        arguments: &'a [Operand],
        last: Final,
    ) -> Done<Value> {
        self.step()?;
        let Some(function) = functions::find(name, self.settings.functions) else {
            return self.error(&format!("{} is not a defined function", quote::quoted(name)));
        };
        let given = arguments.len() + usize::from(last.is_some());
        let wanted = function.params.len();
        if function.rest.is_some() && given < wanted {
            let given = arguments.len();
            return self.error(&format!("wrong number of args for {name}: want at least {wanted} got {given}"));
        }
        if function.rest.is_none() && given != wanted {
            return self.error(&format!("wrong number of args for {name}: want {wanted} got {given}"));
        }
        if let Some(decisive) = function.decisive {
            return self.logic(dot, decisive, arguments, last);
        }
        let mut values = Vec::with_capacity(given);
        for (index, argument) in arguments.iter().enumerate() {
            values.push(self.argument(dot, param(function, index), argument)?);
        }
        if let Some(value) = last {
            values.push(self.validate(value, param(function, arguments.len()))?);
        }
        match (function.body)(&values) {
            Ok(Value::Text(text)) if text.len() > MAX_LENGTH => self.too_long(),
            Ok(value) => Ok(value),
            Err(message) => {
                self.at(place.0, place.1);
                self.error(&format!("error calling {name}: {message}"))
            }
        }
    }

    /// `and` and `or` look at no more arguments than they need: the first that is `decisive`, else the last.
    fn logic(&mut self, dot: &Value, decisive: bool, arguments: &'a [Operand], last: Final) -> Done<Value> {
        let mut value = Value::Missing;
        for argument in arguments {
            value = self.argument(dot, Param::Reflected, argument)?;
            if value.truth() == decisive {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn argument(&mut self, dot: &Value, param: Param, word: &'a Operand) -> Done<Value> {
        self.at(word.position, word);
        match (&word.term, param) {
            (Term::Nil, Param::Any) => Ok(Value::Nil),
            (Term::Nil, Param::Reflected) => Ok(Value::Missing),
            (Term::Nil, _) => self.error(&format!("cannot assign nil to {}", param.type_name())),
            (Term::Text { text, .. }, Param::Text) => Ok(Value::Text(text.clone())),
            (Term::Bool(_) | Term::Number(_), Param::Text) => self.error(&format!("expected string; found {word}")),
            (Term::Number(Number { integer: Some(value), .. }), Param::Int) => Ok(Value::Int(*value)),
            (Term::Bool(_) | Term::Number(_) | Term::Text { .. }, Param::Int) => {
                self.error(&format!("expected integer; found {word}"))
            }
            _ => {
                let value = self.value(dot, word)?;
                self.validate(value, param)
            }
        }
    }

    /// A number where no type is asked for.
    fn constant(&self, number: &Number) -> Done<Value> {
        match (number.float, number.integer) {
            (Some(value), _) => Ok(Value::Float(value)),
            (None, Some(value)) => Ok(Value::Int(value)),
            (None, None) => self.error(&format!("{} overflows int", number.text)),
        }
    }

    /// Whether a parameter takes the value.
    fn validate(&mut self, value: Value, param: Param) -> Done<Value> {
        match (&value, param) {
            (Value::Missing, Param::Any) => Ok(Value::Nil),
            (_, Param::Any | Param::Reflected) | (Value::Text(_), Param::Text) | (Value::Int(_), Param::Int) => {
                Ok(value)
            }
            (Value::Missing, _) => self.error(&format!("invalid value; expected {}", param.type_name())),
            (other, _) => {
                let (wanted, got) = (param.type_name(), other.type_name());
                self.error(&format!("wrong type for value; expected {wanted}; got {got}"))
            }
        }
    }
}

fn param(function: &Function, index: usize) -> Param {
    function.params.get(index).copied().or(function.rest).unwrap_or(Param::Any)
}
