//! `rootlay digest`, as crane's.

use clap::Args;
use rootlay::oci::{Platform, Reference};

use super::super::failure::Outcome;
use super::super::grammar::{parsed, remote};
use super::super::host::Host;
use super::super::output::Output;
use super::super::registry::RegistryArgs;

#[derive(Debug, Args)]
pub struct DigestArgs {
    /// Print the digest of the manifest for this platform: `os[/arch[/variant]]`
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// The name of an image in a registry
    #[arg(value_name = "NAME[:TAG|@DIGEST]", value_parser = parsed(remote))]
    name: Reference,

    #[command(flatten)]
    pub registry: RegistryArgs,
}

pub fn run(args: DigestArgs, host: &Host, out: &mut Output) -> Outcome {
    let registries = host.registries(args.registry.options(host)?)?;
    let found = registries.digest(&args.name.with_default_tag(), args.platform.as_ref())?;
    out.line(&found.digest.to_string())
}
