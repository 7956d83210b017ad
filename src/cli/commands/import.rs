//! `rootlay import`

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use rootlay::oci::{Platform, Reference};
use rootlay::ops::{ImportRequest, Input};
use rootlay::{Error, ErrorKind, Result};

use super::super::failure::Outcome;
use super::super::grammar::parsed;
use super::super::host::Host;
use super::super::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay import --name mine:1 rootfs.tar\
    \n  rootlay import --change 'CMD [\"/bin/sh\"]' - < rootfs.tar.gz")]
pub struct ImportArgs {
    /// Give the image this name
    #[arg(long, value_name = "REF", value_parser = parsed(str::parse::<Reference>))]
    name: Option<Reference>,

    /// Apply a Dockerfile instruction to the image's configuration (may be repeated)
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,

    /// Record this message in the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// The platform that the image is for: `os[/arch[/variant]]`
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// A tar, compressed or not; `-` reads stdin
    file: PathBuf,

    /// The name of the image, where Docker has it
    #[arg(value_name = "REF", conflicts_with = "name", value_parser = parsed(str::parse::<Reference>))]
    reference: Option<Reference>,
}

pub fn run(args: ImportArgs, host: &Host, out: &mut Output) -> Outcome {
    let engine = host.open()?;
    let request = ImportRequest {
        input: input(args.file, io::stdin().is_terminal())?,
        name: args.name.or(args.reference),
        changes: args.changes,
        message: args.message,
        platform: args.platform,
    };
    let id = engine.import(request)?;
    host.settle();
    out.line(&id.to_string())
}

fn input(file: PathBuf, terminal: bool) -> Result<Input> {
    if file.as_os_str() != "-" {
        return Ok(Input::File(file));
    }
    if terminal {
        return Err(Error::new(ErrorKind::Failed, "requested import from stdin, but stdin is empty"));
    }
    Ok(Input::Stdin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_stdin_unless_that_is_a_terminal() {
        assert!(matches!(input("-".into(), false), Ok(Input::Stdin)));
        assert!(input("-".into(), true).is_err());
        assert!(matches!(input("./-".into(), true), Ok(Input::File(_))));
    }
}
