//! `rootlay inspect`

mod typed;

use clap::{Args, ValueEnum};
use rootlay::oci::Platform;
use rootlay::ops::Rootlay;
use rootlay::{Error, ErrorKind, Result};
use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::super::failure::{Failure, Outcome, Told};
use super::super::grammar::parsed;
use super::super::host::Host;
use super::super::output::Output;
use super::super::printable;
use super::super::template::{Template, TemplateError};

/// The exit code for a template that is wrong, or does not fit.
const BAD_TEMPLATE: u8 = 64;

/// `GraphDriver.Data` of an image has the directories that a mount of it consists of, top first, as `LowerDir`; that of
/// a view has `UpperDir`, `WorkDir` and `MergedDir` as well. A name that both have is the image's.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay inspect busybox\
    \n  rootlay inspect --format '{{.GraphDriver.Data.LowerDir}}' busybox")]
pub struct InspectArgs {
    /// `json` prints the array in one line, a Go template a line for each name
    #[arg(short, long)]
    format: Option<String>,

    /// Look only for an image, or only for a view
    #[arg(long = "type", value_name = "TYPE")]
    only: Option<Scope>,

    /// Of the platforms of an image, show this one
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// References, image IDs, unambiguous prefixes of them, or names of views
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    // Images, then views.
    #[value(skip)]
    Everything,
    #[value(name = "image")]
    Images,
    #[value(name = "view")]
    Views,
}

pub fn run(args: &InspectArgs, scope: Scope, host: &Host, out: &mut Output) -> Outcome {
    let form = Form::parse(args.format.as_deref().unwrap_or_default())?;
    let engine = host.open()?;
    let mut found = Vec::new();
    let mut errors: Vec<Told> = Vec::new();
    for name in &args.names {
        match find(&engine, name, args.only.unwrap_or(scope), args.platform.as_ref()) {
            Ok(value) => found.push(value),
            Err(error) => errors.push(error.into()),
        }
    }
    let template = match form {
        Form::Array { compact } => {
            out.line(&render(&found, compact))?;
            return Failure::unless_empty(errors);
        }
        Form::Template(template) => template,
    };
    if found.is_empty() {
        out.line("")?;
    }
    let mut is_wrong = false;
    for value in found {
        match template.execute_strictly(&typed::of(value)) {
            Ok(text) => out.line(&printable::lines(&text))?,
            Err(error) => {
                is_wrong = true;
                errors.push(wrong(&error).into());
            }
        }
    }
    if is_wrong { Err(Failure::Template(errors, BAD_TEMPLATE)) } else { Failure::unless_empty(errors) }
}

/// What is printed of each object.
#[derive(Debug)]
enum Form {
    Array { compact: bool },
    Template(Template),
}

impl Form {
    fn parse(text: &str) -> Outcome<Self> {
        match text {
            "" => Ok(Self::Array { compact: false }),
            "json" => Ok(Self::Array { compact: true }),
            text => Template::parse(text)
                .map(Self::Template)
                .map_err(|error| Failure::Template(vec![wrong(&error).into()], BAD_TEMPLATE)),
        }
    }
}

fn wrong(error: &TemplateError) -> Error {
    Error::new(ErrorKind::Failed, error.to_string())
}

fn find(engine: &Rootlay, name: &str, scope: Scope, platform: Option<&Platform>) -> Result<Value> {
    let absent = |error: &Error| error.kind() == ErrorKind::NotFound;
    match scope {
        Scope::Images => engine.inspect(name, platform),
        Scope::Views => engine.inspect_view(name),
        Scope::Everything => match engine.inspect(name, platform) {
            Err(error) if absent(&error) && platform.is_none() => match engine.inspect_view(name) {
                Err(error) if absent(&error) => {
                    let message = format!("no such object: {}", name.escape_debug());
                    Err(Error::new(ErrorKind::NotFound, message))
                }
                result => result,
            },
            result => result,
        },
    }
}

/// The array as Docker indents it.
fn render(found: &[Value], compact: bool) -> String {
    if compact || found.is_empty() {
        return Value::from(found.to_vec()).to_string();
    }
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    // Writing a tree of strings and numbers into memory cannot fail.
    let _ = found.serialize(&mut Serializer::with_formatter(&mut text, formatter));
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn s49_one_array_indented_by_four() {
        assert_eq!(render(&[], false), "[]");
        assert_eq!(render(&[json!({"Id": "x"})], false), "[\n    {\n        \"Id\": \"x\"\n    }\n]");
        assert_eq!(render(&[json!({"Id": "x"}), json!(1)], true), "[{\"Id\":\"x\"},1]");
    }

    #[test]
    fn s49_a_bad_template_has_an_exit_code_of_its_own() {
        assert_eq!(Form::parse("{{").unwrap_err().exit_code(), 64);
        assert!(matches!(Form::parse("json"), Ok(Form::Array { compact: true })));
        assert!(matches!(Form::parse("{{.Id}}"), Ok(Form::Template(_))));
    }
}
