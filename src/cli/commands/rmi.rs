//! `rootlay rmi`

use clap::Args;
use rootlay::ErrorKind;
use rootlay::ops::{Force, RemoveRequest, Removed};

use super::super::failure::{Failure, Outcome, Told};
use super::super::host::Host;
use super::super::output::Output;

#[derive(Debug, Args)]
pub struct RmiArgs {
    /// Remove all names of an image; an image that is not here is no failure
    #[arg(short, long)]
    force: bool,

    /// References, image IDs, or unambiguous prefixes of them
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

pub fn run(args: RmiArgs, host: &Host, out: &mut Output) -> Outcome {
    let force = if args.force { Force::Yes } else { Force::No };
    let results = host.open()?.remove_images(RemoveRequest { images: args.images, force })?;
    let mut errors: Vec<Told> = Vec::new();
    for result in results {
        match result {
            Ok(removed) => out.lines(lines(&removed))?,
            Err(error) => {
                // Scripts remove what `images -q` printed, which names an image with two tags twice.
                let forgiven = args.force && error.kind() == ErrorKind::NotFound;
                errors.push(Told { error, forgiven });
            }
        }
    }
    Failure::unless_empty(errors)
}

fn lines(removed: &Removed) -> Vec<String> {
    let untagged = removed.untagged.iter().map(|name| format!("Untagged: {name}"));
    untagged.chain(removed.deleted.iter().map(|id| format!("Deleted: {id}"))).collect()
}
