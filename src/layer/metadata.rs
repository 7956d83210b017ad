//! What a file is beside its content: mode, owner, times, extended attributes (layer-semantics rows 47 to 62).

use super::tar;
use crate::error::{Error, Result};
use crate::sys::errno::escape;

/// Mode, owner, group and modification time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits, `07777` at most.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: tar::Time,
}

impl Metadata {
    /// What a directory has that no layer describes (row 30): 0755, root, the epoch.
    pub const IMPLIED: Self = Self { mode: 0o755, uid: 0, gid: 0, mtime: tar::Time { seconds: 0, nanos: 0 } };

    /// Takes it from a tar entry. Owners that Linux cannot store are refused (row 60).
    pub fn of(entry: &tar::Entry) -> Result<Self> {
        let id = |what: &str, id: i64| {
            u32::try_from(id)
                .ok()
                .filter(|&id| id != u32::MAX)
                .ok_or_else(|| Error::refused(format!("{what} {id} is out of range")))
        };
        Ok(Self {
            mode: u16::try_from(entry.mode & 0o7777).unwrap_or(0),
            uid: id("uid", entry.uid)?,
            gid: id("gid", entry.gid)?,
            mtime: entry.mtime,
        })
    }
}

/// A device number that Linux can store (row 62): 12 bits of major, 20 bits of minor.
pub fn device((major, minor): (i64, i64)) -> Result<(u32, u32)> {
    let part = |what: &str, value: i64, bits: u32| {
        u32::try_from(value)
            .ok()
            .filter(|&value| value < 1 << bits)
            .ok_or_else(|| Error::refused(format!("device {what} {value} is out of range")))
    };
    Ok((part("major", major, 12)?, part("minor", minor, 20)?))
}

/// The namespace of overlayfs in a mount by root.
const OVERLAY: &[u8] = b"trusted.overlay.";

/// The namespaces of Linux (xattr(7)). Attributes of other systems, such as `com.apple.provenance`, cannot be
/// stored on any file system of Linux.
const NAMESPACES: [&[u8]; 4] = [b"user.", b"trusted.", b"security.", b"system."];

/// Whether Linux knows attributes of this kind.
pub fn is_storable(name: &[u8]) -> bool {
    NAMESPACES.iter().any(|namespace| name.starts_with(namespace))
}

/// The attributes as they are stored, sorted by name. Those outside the namespaces of Linux are left out.
///
/// `security.selinux` is dropped (row 50) unless `keep_selinux`. A name in overlayfs's own namespace is escaped, so
/// that it is content and never a command (row 52; kernel `Documentation/filesystems/overlayfs.rst`, "Nesting
/// overlayfs mounts": `trusted.overlay.overlay.X` shows as `trusted.overlay.X`).
pub fn stored_xattrs(entry: &mut tar::Entry, keep_selinux: bool) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = std::mem::take(&mut entry.xattrs);
    if all.is_empty() {
        return Ok(all);
    }
    all.retain(|(name, _)| is_storable(name) && (keep_selinux || name != b"security.selinux"));
    for (name, value) in &mut all {
        if let Some(rest) = name.strip_prefix(OVERLAY) {
            *name = [OVERLAY, b"overlay.", rest].concat();
        }
        if name.len() > 255 {
            return Err(Error::refused(format!("extended attribute name of {} bytes", name.len())));
        }
        if value.len() > 65536 {
            return Err(Error::refused(format!(
                "extended attribute `{}` of {} bytes, expected at most 65536",
                escape(name),
                value.len()
            )));
        }
    }
    all.sort_unstable();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_060_owners_out_of_range_are_refused() {
        for (uid, fits) in [
            (0, true),
            (3_000_000_000, true),
            (4_294_967_294, true),
            (4_294_967_295, false),
            (-1, false),
            (1 << 33, false),
        ] {
            let entry = tar::Entry { uid, ..tar::Entry::default() };
            assert_eq!(Metadata::of(&entry).is_ok(), fits, "{uid}");
            let entry = tar::Entry { gid: uid, ..tar::Entry::default() };
            assert_eq!(Metadata::of(&entry).is_ok(), fits, "{uid}");
        }
    }

    #[test]
    fn row_062_device_numbers_out_of_range_are_refused() {
        assert_eq!(device((4095, 1_048_575)).unwrap(), (4095, 1_048_575));
        for bad in [(4096, 0), (0, 1_048_576), (-1, 0), (0, -1), (1 << 33, 0)] {
            assert!(device(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn row_052_overlay_attributes_are_escaped_and_row_050_selinux_is_dropped() {
        let mut entry = tar::Entry {
            xattrs: vec![
                (b"user.a".to_vec(), b"1".to_vec()),
                (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
                (b"security.selinux".to_vec(), b"x".to_vec()),
                (b"user.overlay.opaque".to_vec(), b"y".to_vec()),
            ],
            ..tar::Entry::default()
        };
        let names: Vec<_> = stored_xattrs(&mut entry, false).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"trusted.overlay.overlay.opaque"[..], b"user.a", b"user.overlay.opaque"]);
    }
}
