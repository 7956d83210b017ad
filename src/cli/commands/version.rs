//! `rootlay version`

use clap::Args;

use super::super::failure::Outcome;
use super::super::listing::print_object;
use super::super::output::Output;

#[derive(Debug, Args)]
pub struct VersionArgs {
    /// `table`, `json` or a Go template
    #[arg(short, long)]
    format: Option<String>,
}

pub fn run(args: &VersionArgs, out: &mut Output) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let lines = || vec![format!("rootlay {version}")];
    print_object(&serde_json::json!({ "Version": version }), args.format.as_deref(), lines, out)
}
