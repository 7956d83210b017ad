//! `rootlay completion`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::super::failure::Outcome;
use super::super::grammar::Cli;
use super::super::output::Output;

#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell that will read the script
    shell: Shell,
}

pub fn run(args: &CompletionArgs, out: &mut Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rootlay", &mut script);
    out.raw(&script)
}
