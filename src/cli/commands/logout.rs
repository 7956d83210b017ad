//! `rootlay logout`

use std::path::PathBuf;

use clap::Args;

use super::super::failure::Outcome;
use super::super::host::Host;
use super::super::output::Output;
use super::super::printable;
use super::super::registry::{AUTHFILE_HELP, Connection};
use super::login;

#[derive(Debug, Args)]
pub struct LogoutArgs {
    #[arg(long, value_name = "FILE", help = AUTHFILE_HELP)]
    authfile: Option<PathBuf>,

    /// The registry [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

pub fn run(args: LogoutArgs, host: &Host, out: &mut Output) -> Outcome {
    let registry = login::name(args.registry.as_deref());
    let options = Connection::only(args.authfile).options_to_change();
    let removed = host.registries(options)?.logout(&registry)?;
    let registry = printable::word(registry.as_bytes());
    let answer = if removed { "Removing login credentials for" } else { "Not logged in to" };
    out.line(&format!("{answer} {registry}"))
}
