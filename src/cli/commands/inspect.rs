//! `rootlay inspect`

use clap::Args;
use rootlay::Result;
use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::super::failure::{Failure, Outcome, Told};
use super::super::host::Host;
use super::super::output::Output;

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// `json` prints the array in one line
    #[arg(short, long, value_parser = form)]
    format: Option<Compact>,

    /// References, image IDs, or unambiguous prefixes of them
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// The one format besides the default.
#[derive(Debug, Clone, Copy)]
struct Compact;

fn form(text: &str) -> Result<Compact, String> {
    match text {
        "json" => Ok(Compact),
        _ => Err("expected `json`; templates are not supported".to_owned()),
    }
}

pub fn run(args: &InspectArgs, host: &Host, out: &mut Output) -> Outcome {
    let engine = host.open()?;
    let mut found = Vec::new();
    let mut errors: Vec<Told> = Vec::new();
    for image in &args.images {
        match engine.inspect(image) {
            Ok(value) => found.push(value),
            Err(error) => errors.push(error.into()),
        }
    }
    out.line(&render(&found, args.format.is_some()))?;
    Failure::unless_empty(errors)
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
    fn other_formats_are_named_as_unsupported() {
        assert!(form("json").is_ok());
        assert!(form("{{.Id}}").is_err_and(|why| why.contains("templates")));
    }
}
