//! `rootlay version`

use clap::Args;

use super::super::failure::Outcome;
use super::super::grammar::{Format, format};
use super::super::output::Output;

#[derive(Debug, Args)]
pub struct VersionArgs {
    /// `table` or `json`
    #[arg(short, long, value_parser = format, default_value = "table")]
    format: Format,
}

pub fn run(args: &VersionArgs, out: &mut Output) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    match args.format {
        Format::Table => out.line(&format!("rootlay {version}")),
        Format::Json => out.line(&serde_json::json!({ "Version": version }).to_string()),
    }
}
