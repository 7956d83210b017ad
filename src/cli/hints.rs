//! What to do next, said after an error. Made of the command and the kind of error; never of the library's words.

use rootlay::ErrorKind;

use super::failure::Told;
use super::grammar::Action;

/// What a command works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// An image comes from a registry.
    Pulling,
    /// An image goes to a registry.
    Pushing,
    /// An image goes into an archive.
    Saving,
    /// A registry is asked something about a name.
    Asking,
    /// Credentials are checked or forgotten.
    Credentials,
    /// An image is read into the store.
    Loading,
    /// An image becomes a view in its own directory.
    Mounting,
    /// An image becomes a view on a directory that was named: that may be what was not found.
    MountingOn,
    /// A saved view is mounted again.
    Remounting,
    /// Views are unmounted.
    Unmounting,
    /// Views are removed.
    RemovingViews,
    /// Images are removed.
    RemovingImages,
    /// Images are looked at.
    Images,
}

impl Topic {
    /// The topic of a command, if there are hints for it.
    pub fn of(action: &Action) -> Option<Self> {
        Some(match action {
            Action::Pull(_) => Self::Pulling,
            Action::Push(_) => Self::Pushing,
            Action::Save(_) => Self::Saving,
            Action::Digest(_) | Action::ManifestInspect(_) | Action::Tags(_) | Action::Search(_) => Self::Asking,
            Action::Login(_) | Action::Logout(_) => Self::Credentials,
            Action::Load(_) | Action::Import(_) => Self::Loading,
            Action::Mount(args) if args.is_again() => Self::Remounting,
            Action::Mount(args) if args.names_target() => Self::MountingOn,
            Action::Mount(_) => Self::Mounting,
            Action::Umount(_) => Self::Unmounting,
            Action::Rm(_) => Self::RemovingViews,
            Action::Rmi(_) => Self::RemovingImages,
            Action::Inspect(..)
            | Action::Images(_)
            | Action::History(_)
            | Action::Tree(_)
            | Action::Tag(_)
            | Action::Untag(_)
            | Action::Pin(_)
            | Action::Unpin(_) => Self::Images,
            _ => return None,
        })
    }
}

/// The hints for these errors, each once.
pub fn hints(errors: &[Told], topic: Option<Topic>) -> Vec<&'static str> {
    let mut hints = Vec::new();
    for told in errors.iter().filter(|told| !told.forgiven) {
        if let Some(hint) = topic.and_then(|topic| hint(topic, told.error.kind()))
            && !hints.contains(&hint)
        {
            hints.push(hint);
        }
    }
    hints
}

fn hint(topic: Topic, kind: ErrorKind) -> Option<&'static str> {
    use Topic::{
        Asking, Credentials, Images, Loading, Mounting, MountingOn, Pulling, Pushing, Remounting, RemovingImages,
        RemovingViews, Saving, Unmounting,
    };
    match (topic, kind) {
        (Pulling | Pushing | Saving | Asking, ErrorKind::Unreachable | ErrorKind::DigestMismatch) => {
            Some("`--explain` shows which servers were tried, and what they said")
        }
        (_, ErrorKind::Unreachable | ErrorKind::DigestMismatch) => {
            Some("`--log-level debug` shows which servers were tried, and what they said")
        }
        (Pulling, ErrorKind::Interrupted(_)) => Some("the same command goes on with what has come so far"),
        (Credentials, ErrorKind::Authentication) => None,
        (_, ErrorKind::Authentication) => Some("`rootlay login REGISTRY` stores credentials for a registry"),
        (_, ErrorKind::RateLimited) => Some("registries allow more to users who are known: see `rootlay login`"),
        (Pushing | Saving | Mounting | Images | RemovingImages, ErrorKind::NotFound) => {
            Some("`rootlay images` lists the images that are here")
        }
        (Loading, ErrorKind::NotFound) => Some("`rootlay pull` takes images from registries"),
        (Remounting | Unmounting | RemovingViews, ErrorKind::NotFound) => Some("`rootlay mounts` lists the views"),
        (Unmounting, ErrorKind::InUse) => Some("`rootlay umount --lazy` detaches a view that is in use"),
        (RemovingImages, ErrorKind::InUse) => Some("`rootlay mounts` lists the views that use images"),
        (Pulling | Loading | Mounting | MountingOn | Remounting, ErrorKind::Unsupported) => {
            Some("`rootlay info --check` says what works here, and what to change")
        }
        (Pulling | Loading | Mounting | MountingOn | Remounting, ErrorKind::NoSpace) => {
            Some("`rootlay rmi` removes images that are not needed")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rootlay::Error;

    use super::*;

    #[test]
    fn a_hint_is_given_once_and_not_for_what_was_forgiven() {
        let missing = |forgiven| Told { error: Error::new(ErrorKind::NotFound, "x"), forgiven };
        let found = hints(&[missing(false), missing(false)], Some(Topic::Unmounting));
        assert_eq!(found, ["`rootlay mounts` lists the views"]);
        assert!(hints(&[missing(true)], Some(Topic::RemovingImages)).is_empty());
        assert!(hints(&[missing(false)], None).is_empty());
    }

    #[test]
    fn who_loads_what_is_not_here_is_told_of_registries() {
        let missing = [Told::from(Error::new(ErrorKind::NotFound, "x"))];
        assert_eq!(hints(&missing, Some(Topic::Loading)), ["`rootlay pull` takes images from registries"]);
    }

    #[test]
    fn who_is_refused_is_told_of_login_unless_that_was_it() {
        let refused = [Told::from(Error::new(ErrorKind::Authentication, "x"))];
        let hint = "`rootlay login REGISTRY` stores credentials for a registry";
        assert_eq!(hints(&refused, Some(Topic::Mounting)), [hint]);
        assert_eq!(hints(&refused, Some(Topic::Asking)), [hint]);
        assert!(hints(&refused, Some(Topic::Credentials)).is_empty());
    }
}
