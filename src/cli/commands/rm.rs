//! `rootlay rm`

use clap::Args;

use super::super::failure::Outcome;
use super::super::host::Host;
use super::super::output::Output;

#[derive(Debug, Args)]
pub struct RmArgs {
    /// Names of views
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

pub fn run(args: &RmArgs, host: &Host, out: &mut Output) -> Outcome {
    let results = host.open()?.remove_views(&args.names)?;
    out.names(results)
}
