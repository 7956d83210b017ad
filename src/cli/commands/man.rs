//! `rootlay man`: for packagers.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use rootlay::Error;

use super::super::failure::Outcome;
use super::super::grammar::Cli;
use super::super::output::Output;

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the page of every command into this directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub fn run(args: &ManArgs, out: &mut Output) -> Outcome {
    if let Some(directory) = &args.directory {
        let written = clap_mangen::generate_to(Cli::command(), directory);
        let what = || format!("write manual pages to {}", directory.display());
        return Ok(written.map_err(|error| Error::io(what(), error))?);
    }
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
    rendered.map_err(|error| Error::io("render the manual page", error))?;
    out.raw(&page)
}
