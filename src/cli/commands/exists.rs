//! `rootlay image exists`: the exit code is the answer, as podman's.

use clap::Args;
use rootlay::ErrorKind;

use super::super::failure::{Failure, Outcome};
use super::super::host::Host;

#[derive(Debug, Args)]
pub struct ExistsArgs {
    /// A reference, an image ID, or an unambiguous prefix of one
    image: String,
}

pub fn run(args: &ExistsArgs, host: &Host) -> Outcome {
    match host.open()?.inspect(&args.image, None) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::Silent(1)),
        Err(error) => Err(error.into()),
    }
}
