//! `rootlay untag`, as podman's but for a name alone: that one goes.

use clap::Args;
use rootlay::oci::Reference;

use super::super::failure::Outcome;
use super::super::grammar::parsed;
use super::super::host::Host;

#[derive(Debug, Args)]
pub struct UntagArgs {
    /// A reference, an image ID, or an unambiguous prefix of one
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The names that it loses; without any, all that it has
    #[arg(value_name = "NAME", value_parser = parsed(str::parse::<Reference>))]
    names: Vec<Reference>,
}

pub fn run(args: &UntagArgs, host: &Host) -> Outcome {
    Ok(host.open()?.untag(&args.image, &args.names)?)
}
