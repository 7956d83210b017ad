//! What the file system of the state root can hold, and whether the kernel makes overlays of it.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::FileType;

use super::{Observation, Probe};
use crate::error::Result;
use crate::mount::{self, mountinfo};
use crate::sys::dir::Dir;
use crate::sys::errno::SysResult;
use crate::sys::file_system::{self, Kind};
use crate::sys::{copy, owner, proc, xattr};

/// 2001-09-09T01:46:40.123456789Z.
const FINE_TIME: (i64, u32) = (1_000_000_000, 123_456_789);
/// 2100-01-01T00:00:00Z, which 32 bits cannot hold.
const LATE_TIME: (i64, u32) = (4_102_444_800, 0);
const LARGE: u64 = 8 << 30;
const ENOUGH_BYTES: u64 = 1 << 30;
const ENOUGH_INODES: u64 = 10_000;
/// `security.capability`: `struct vfs_cap_data`, revision 2, with nothing in it.
const NO_CAPABILITIES: [u8; 20] = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The type of the file system of a directory, and what its mount shows to others.
pub(super) fn surroundings(place: &Path) -> (String, Observation) {
    let unknown = |why: String| Observation::unknown(Probe::SharedMounts, why);
    let Ok(dir) = Dir::open(place) else {
        return ("unknown".to_owned(), unknown("the directory cannot be opened".to_owned()));
    };
    let kind = Kind::of(&dir).map_or_else(|_| "unknown".to_owned(), Kind::name);
    let own = proc::mount_of(&dir).map_err(crate::Error::from).and_then(|id| {
        let mounts = mountinfo::of_self()?;
        Ok(mounts.into_iter().find(|mount| mount.id == id))
    });
    match own {
        Ok(Some(mount)) => {
            let observation = Observation::new(Probe::SharedMounts, mount.shared, "");
            (String::from_utf8_lossy(&mount.fs_type).into_owned(), observation)
        }
        Ok(None) => (kind, unknown("its mount is out of sight".to_owned())),
        Err(error) => (kind, unknown(error.to_string())),
    }
}

/// What can be stored.
pub(super) fn observations(dir: &Dir) -> Vec<Observation> {
    let of = |probe, tried: Result<()>| match tried {
        Ok(()) => Observation::new(probe, true, ""),
        Err(error) => Observation::new(probe, false, error.to_string()),
    };
    let file = |name: &[u8]| -> Result<File> { Ok(dir.create_file(name, 0o600)?) };
    let attribute = |name: &[u8], attribute: &[u8], value: &[u8]| -> Result<()> {
        Ok(xattr::set_fd(file(name)?, attribute, value)?)
    };
    let mut all = vec![
        of(Probe::Symlinks, sys(dir.symlink(b"target", b"symlink"))),
        of(Probe::HardLinks, file(b"one").and_then(|_| sys(dir.link(b"one", dir, b"two")))),
        of(Probe::Owners, owners(dir)),
        of(Probe::Devices, sys(dir.make_node(b"null", FileType::CharacterDevice, 0o600, rustix::fs::makedev(1, 3)))),
        of(Probe::TrustedXattrs, attribute(b"trusted", b"trusted.overlay.opaque", b"n")),
        of(Probe::UserXattrs, attribute(b"user", b"user.rootlay", b"")),
        of(Probe::FileCapabilities, attribute(b"capable", b"security.capability", &NO_CAPABILITIES)),
        of(Probe::LargeFiles, file(b"large").and_then(|large| Ok(large.set_len(LARGE)?))),
        time(dir, Probe::Nanoseconds, FINE_TIME),
        time(dir, Probe::LateTimes, LATE_TIME),
    ];
    let reflinks = file(b"from").and_then(|from| {
        std::io::Write::write_all(&mut &from, &[7; 8192])?;
        Ok(copy::shares(&from, &file(b"to")?)?)
    });
    all.push(of(Probe::Reflinks, reflinks));
    all.push(Observation::new(Probe::CaseSensitive, !(file_system::folds_case(dir) || one_name(dir)), ""));
    let types = dir.entries().map(|entries| entries.iter().all(|entry| entry.file_type != FileType::Unknown));
    all.push(Observation::new(Probe::EntryTypes, types == Ok(true), ""));
    // Large files are holes, but some file systems have none.
    let _ = dir.remove_file(b"large");
    if let Ok(room) = file_system::room(dir) {
        all.push(Observation::new(Probe::Space, room.bytes >= ENOUGH_BYTES, format!("{} MiB free", room.bytes >> 20)));
        // Some file systems make inodes as they need them, and say none.
        if room.all_inodes > 0 {
            let seen = format!("{} free", room.inodes);
            all.push(Observation::new(Probe::Inodes, room.inodes >= ENOUGH_INODES, seen));
        }
    }
    all.sort_by_key(|observation| observation.probe);
    all
}

fn sys<T>(result: SysResult<T>) -> Result<()> {
    result.map(drop).map_err(Into::into)
}

/// Whether a name in other letters is the same file (file systems that ignore case say so in no flag).
fn one_name(dir: &Dir) -> bool {
    dir.create_file(b"case", 0o600).is_ok() && dir.exists(b"CASE").unwrap_or(false)
}

fn owners(dir: &Dir) -> Result<()> {
    let file = dir.create_file(b"owned", 0o600)?;
    owner::set_owner(file.as_fd(), 1000, 1001)?;
    owner::set_mode(file.as_fd(), 0o4751)?;
    let found = dir.stat(b"owned")?;
    if (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1000, 1001, 0o4751) {
        return Ok(());
    }
    Err(crate::Error::new(crate::ErrorKind::Unsupported, "owner and mode are not what they were set to"))
}

/// A time that comes back as it was set.
fn time(dir: &Dir, probe: Probe, time: (i64, u32)) -> Observation {
    let name = format!("{probe:?}");
    let found = || -> Result<(i64, Option<u32>)> {
        let file = dir.create_file(name.as_bytes(), 0o600)?;
        let _ = owner::set_times(file.as_fd(), time, time)?;
        // What is only in memory may still be right.
        rustix::fs::fsync(&file).map_err(std::io::Error::from)?;
        let stat = dir.stat(name.as_bytes())?;
        Ok((stat.st_mtime, u32::try_from(stat.st_mtime_nsec).ok()))
    };
    match found() {
        Ok(found) => Observation::new(probe, found == (time.0, Some(time.1)), ""),
        Err(error) => Observation::new(probe, false, error.to_string()),
    }
}

/// Whether views work here.
pub(super) fn views(dir: &Dir) -> Vec<Observation> {
    let trial = sys_dir(dir).and_then(|place| mount::try_out(&place));
    let trial = match trial {
        Ok(trial) => trial,
        Err(error) => {
            let all = [Probe::ReadOnlyViews, Probe::Whiteouts, Probe::WritableViews];
            return all.map(|probe| Observation::unknown(probe, text(&error))).to_vec();
        }
    };
    let of = |probe, result: &Result<()>| match result {
        Ok(()) => Observation::new(probe, true, ""),
        Err(error) => Observation::new(probe, false, text(error)),
    };
    vec![
        of(Probe::ReadOnlyViews, &trial.read_only),
        match trial.hides {
            Some(hides) => Observation::new(Probe::Whiteouts, hides, ""),
            None => Observation::unknown(Probe::Whiteouts, ""),
        },
        of(Probe::WritableViews, &trial.writable),
    ]
}

fn sys_dir(dir: &Dir) -> Result<Dir> {
    dir.create_dir(b"trial", 0o700)?;
    Ok(dir.open_dir(b"trial")?)
}

/// Without the name of the view, which is none of the user's.
fn text(error: &crate::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("rootlay-probe: ").map_or(text.clone(), str::to_owned)
}
