//! `rootlay push`

use clap::Args;
use rootlay::oci::{Platform, Reference};
use rootlay::ops::{PushRequest, Pushed};

use super::super::failure::Outcome;
use super::super::grammar::{parsed, remote};
use super::super::host::Host;
use super::super::output::Output;
use super::super::registry::RegistryArgs;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay push quay.io/org/app:1\
    \n  rootlay push busybox localhost:5000/busybox")]
pub struct PushArgs {
    /// Print only the reference
    #[arg(short, long)]
    quiet: bool,

    /// Push the image for this platform: `os[/arch[/variant]]`
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// A reference, an image ID, or an unambiguous prefix of one
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The name that the image gets in the registry; without one its own
    #[arg(value_name = "NAME[:TAG]", value_parser = parsed(remote))]
    destination: Option<Reference>,

    #[command(flatten)]
    pub registry: RegistryArgs,
}

pub fn run(args: PushArgs, host: &Host, out: &mut Output) -> Outcome {
    let engine = host.open()?;
    let registries = host.registries(args.registry.options(host)?)?;
    if !args.quiet && implies_tag(&args.image, args.destination.as_ref()) {
        out.line("Using default tag: latest")?;
    }
    let destination = args.destination.map(Reference::with_default_tag);
    let pushed = engine.push(&registries, &PushRequest { image: args.image, destination, platform: args.platform });
    host.settle();
    out.line(&last_line(&pushed?, args.quiet))
}

/// Whether the image goes to the tag `latest` because no other was named.
fn implies_tag(image: &str, destination: Option<&Reference>) -> bool {
    let own = image.parse().ok().filter(|_| destination.is_none());
    let named = destination.or(own.as_ref());
    named.is_some_and(|name| name.tag().is_none() && name.digest().is_none())
}

fn last_line(pushed: &Pushed, quiet: bool) -> String {
    let Pushed { reference, digest, size } = pushed;
    if quiet {
        return reference.canonical();
    }
    let named = reference.tag().map_or_else(|| digest.to_string(), str::to_owned);
    format!("{named}: digest: {digest} size: {size}")
}

#[cfg(test)]
mod tests {
    use rootlay::oci::Digest;

    use super::*;

    #[test]
    fn the_last_line_is_dockers() {
        let digest = Digest::of(b"");
        let pushed = |name: &str| Pushed { reference: name.parse().unwrap(), digest: digest.clone(), size: 528 };
        let tagged = pushed("localhost:5000/x:v1");
        assert_eq!(last_line(&tagged, false), format!("v1: digest: {digest} size: 528"));
        assert_eq!(last_line(&tagged, true), "localhost:5000/x:v1");
        let by_digest = pushed(&format!("x@{digest}"));
        assert_eq!(last_line(&by_digest, false), format!("{digest}: digest: {digest} size: 528"));
    }

    #[test]
    fn the_default_tag_is_said_where_none_is_named() {
        let to = |name: &str| name.parse::<Reference>().ok();
        assert!(implies_tag("busybox", None));
        assert!(implies_tag("d5e1e48cf932", to("localhost:5000/x").as_ref()));
        assert!(!implies_tag("busybox:1", None));
        assert!(!implies_tag("busybox", to("localhost:5000/x:1").as_ref()));
        assert!(!implies_tag("sha256:", None));
    }
}
