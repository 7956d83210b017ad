//! `rootlay pin` and `rootlay unpin`

use clap::Args;
use rootlay::ops::Pinned;

use super::super::failure::{Failure, Outcome, Told};
use super::super::host::Host;

#[derive(Debug, Args)]
pub struct PinArgs {
    /// References, image IDs, or unambiguous prefixes of them
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

pub fn run(args: &PinArgs, pinned: Pinned, host: &Host) -> Outcome {
    let results = host.open()?.pin(&args.images, pinned)?;
    Failure::unless_empty(results.into_iter().filter_map(Result::err).map(Told::from).collect())
}
