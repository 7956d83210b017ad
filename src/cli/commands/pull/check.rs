//! `pull --check`: whether the registry has something newer.

use rootlay::ops::Freshness;

/// Whether a pull would bring something.
pub fn is_newer(found: &Freshness) -> bool {
    found.newer || found.local.is_none()
}

/// The answer for one name.
pub fn line(found: &Freshness) -> String {
    let Freshness { reference, local, remote, newer } = found;
    let name = reference.familiar();
    match local {
        None => format!("{name}: not here (registry {remote})"),
        Some(local) if *newer => format!("{name}: newer image available (local {local}, registry {remote})"),
        Some(_) => format!("{name}: up to date ({remote})"),
    }
}

#[cfg(test)]
mod tests {
    use rootlay::oci::Digest;

    use super::*;

    #[test]
    fn the_answer_names_both_digests() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let found = |local: Option<&Digest>, newer| Freshness {
            reference: "busybox:latest".parse().unwrap(),
            local: local.cloned(),
            remote: new.clone(),
            newer,
        };
        for (found, is, words) in [
            (found(Some(&new), false), false, format!("busybox:latest: up to date ({new})")),
            // Another platform of the tag changed.
            (found(Some(&old), false), false, format!("busybox:latest: up to date ({new})")),
            (
                found(Some(&old), true),
                true,
                format!("busybox:latest: newer image available (local {old}, registry {new})"),
            ),
            (found(None, true), true, format!("busybox:latest: not here (registry {new})")),
            (found(None, false), true, format!("busybox:latest: not here (registry {new})")),
        ] {
            assert_eq!(is_newer(&found), is);
            assert_eq!(line(&found), words);
        }
    }
}
