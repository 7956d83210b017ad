//! `rootlay rmi`

use clap::Args;
use rootlay::oci::Platform;
use rootlay::ops::{Force, RemoveRequest, Removed, Selected};
use rootlay::{Error, ErrorKind};

use super::super::failure::{Failure, Outcome, Told};
use super::super::grammar::parsed;
use super::super::host::Host;
use super::super::output::Output;
use super::super::units::exact_size;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of Docker's or podman's")]
#[command(after_help = "Examples:\
    \n  rootlay rmi busybox:1 d5e1e48cf932\
    \n  rootlay rmi --dry-run busybox")]
pub struct RmiArgs {
    /// Remove all names of an image, whatever can be overcome; an image that is not here is no failure
    #[arg(short, long)]
    force: bool,

    /// Remove all images with all their names
    #[arg(short, long, conflicts_with = "images")]
    all: bool,

    /// Say nothing of images that are not here
    #[arg(short, long)]
    ignore: bool,

    /// Remove only this platform of an image (needs --force)
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// Show what would be removed, and the bytes on the disk that this would free
    #[arg(long)]
    dry_run: bool,

    /// Accepted and without effect: an image of a registry has no parents
    #[arg(long, hide = true)]
    no_prune: bool,

    /// References, image IDs, or unambiguous prefixes of them
    #[arg(value_name = "IMAGE", required_unless_present = "all")]
    images: Vec<String>,
}

pub fn run(args: RmiArgs, host: &Host, out: &mut Output) -> Outcome {
    let RmiArgs { force, all, ignore, platform, dry_run, no_prune: _, images } = args;
    if !all && images.is_empty() {
        // `--all=false`
        return Err(Failure::usage("expected an IMAGE, or `--all`"));
    }
    let request = RemoveRequest {
        images: if all { Selected::All } else { Selected::Named(images) },
        force: if force { Force::Yes } else { Force::No },
        platform,
    };
    let engine = host.open()?;
    let (results, bytes) = if dry_run {
        let plan = engine.plan_removal(&request)?;
        (plan.results, Some(plan.bytes))
    } else {
        (engine.remove_images(request)?, None)
    };
    let mut errors: Vec<Told> = Vec::new();
    for result in results {
        match result {
            Ok(removed) => out.lines(lines(&removed, dry_run))?,
            Err(error) => errors.extend(told(error, force, ignore)),
        }
    }
    if let Some(bytes) = bytes {
        out.line(&format!("Would free: {}", exact_size(bytes)))?;
    }
    Failure::unless_empty(errors)
}

/// Scripts remove what `images -q` printed, which names an image with two tags twice.
fn told(error: Error, force: bool, ignore: bool) -> Option<Told> {
    let missing = error.kind() == ErrorKind::NotFound;
    (!(missing && ignore)).then_some(Told { error, forgiven: missing && force })
}

fn lines(removed: &Removed, dry_run: bool) -> Vec<String> {
    let (untagged, deleted) = if dry_run { ("Would untag", "Would delete") } else { ("Untagged", "Deleted") };
    let names = removed.untagged.iter().map(|name| format!("{untagged}: {name}"));
    names.chain(removed.deleted.iter().map(|id| format!("{deleted}: {id}"))).collect()
}

#[cfg(test)]
mod tests {
    use rootlay::oci::Digest;

    use super::*;

    #[test]
    fn s61_names_come_before_what_is_deleted() {
        let removed = Removed { untagged: vec!["app:latest".to_owned()], deleted: vec![Digest::of(b"x")] };
        let id = Digest::of(b"x");
        assert_eq!(lines(&removed, false), ["Untagged: app:latest".to_owned(), format!("Deleted: {id}")]);
        assert_eq!(lines(&removed, true), ["Would untag: app:latest".to_owned(), format!("Would delete: {id}")]);
    }

    #[test]
    fn s58_what_is_missing_is_forgiven_by_force_and_not_told_if_ignored() {
        let missing = || Error::new(ErrorKind::NotFound, "No such image: x:latest");
        assert!(told(missing(), false, false).is_some_and(|told| !told.forgiven));
        assert!(told(missing(), true, false).is_some_and(|told| told.forgiven));
        assert!(told(missing(), true, true).is_none());
        let conflict = Error::new(ErrorKind::Conflict, "x");
        assert!(told(conflict, true, true).is_some_and(|told| !told.forgiven));
    }
}
