//! What this kernel's overlay and the state root's file system can do: found by trying, never by version.

use nix::errno::Errno;
use rustix::fs::FileType;

use super::mountinfo;
use super::options::STATED;
use crate::error::{Context, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::SysResult;
use crate::sys::file_system::{Kind, folds_case};
use crate::sys::mount::FsContext;
use crate::sys::{proc, xattr};

/// One feature of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as users know it.
    pub name: &'static str,
    /// Whether the kernel has it; `None` where it does not tell.
    pub available: Option<bool>,
}

/// What entries in a directory can be on its file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ability {
    /// Directory entries tell their type: overlay needs it to find whiteouts.
    pub entry_types: bool,
    /// `trusted.*` attributes can be stored: opaque directories need them.
    pub trusted_xattrs: bool,
    /// 0:0 character devices can be made: whiteouts are such.
    pub whiteouts: bool,
}

/// The file system of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its type, as in `/proc/filesystems`; by its magic number where the mount is out of sight.
    pub fs_type: String,
    /// What can be stored there.
    pub ability: Ability,
    /// Names ignore case.
    pub folds_case: bool,
    /// It is an overlay itself, which cannot hold the upper directory of another one.
    pub overlay: bool,
}

/// What [`explain`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// Features of the kernel.
    pub kernel: Vec<Feature>,
    /// The file system of the directory.
    pub file_system: FileSystem,
}

/// Finds out what the kernel offers and what the file system of `dir` can hold. A test directory is made in `dir`
/// and removed.
pub fn explain(dir: &Dir) -> Result<Support> {
    Ok(Support { kernel: features(dir), file_system: file_system(dir)? })
}

fn file_system(dir: &Dir) -> Result<FileSystem> {
    let kind = Kind::of(dir)?;
    let mount = proc::mount_of(dir)?;
    let fs_type = mountinfo::of_self()?
        .into_iter()
        .find(|candidate| candidate.id == mount)
        .map_or_else(|| kind.name(), |mount| String::from_utf8_lossy(&mount.fs_type).into_owned());
    let ability = ability(dir)?;
    Ok(FileSystem { fs_type, ability, folds_case: folds_case(dir), overlay: kind == Kind::OVERLAY })
}

/// Tries what entries in `dir` can be, in a directory of its own that is removed again.
pub(super) fn ability(dir: &Dir) -> Result<Ability> {
    let name = format!(".probe-{}", rustix::thread::gettid().as_raw_nonzero());
    let name = name.as_bytes();
    dir.remove_tree(name)?;
    let probe = || -> SysResult<Ability> {
        dir.create_dir(name, 0o700)?;
        let place = dir.open_dir(name)?;
        place.create_dir(b"entry", 0o700)?;
        let trusted_xattrs = offered(xattr::set_at(&place, b"entry", b"trusted.overlay.opaque", b"n"))?;
        let whiteouts = offered(place.make_node(b"whiteout", FileType::CharacterDevice, 0, 0))?;
        let entry_types = place.entries()?.iter().all(|entry| entry.file_type != FileType::Unknown);
        Ok(Ability { entry_types, trusted_xattrs, whiteouts })
    };
    let found = probe();
    dir.remove_tree(name)?;
    found.context(|| "probe the file system".to_owned())
}

/// Whether the file system can do what was tried. A disk that is full or failing says nothing about that.
fn offered(tried: SysResult<()>) -> SysResult<bool> {
    use Errno::{EACCES, EINVAL, ENOSYS, EOPNOTSUPP, EPERM};
    match tried {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.errno(), EACCES | EINVAL | ENOSYS | EOPNOTSUPP | EPERM) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The features that cost nothing to try: contexts that are dropped before anything is created.
pub fn features(dir: &Dir) -> Vec<Feature> {
    let context = FsContext::open("overlay");
    // Overlay reads its options as they come (6.5) if it minds an unknown one.
    let reads = context.as_ref().is_ok_and(|context| context.set_string("rootlay", b"probe").is_err());
    let try_it = |set: &dyn Fn(&FsContext) -> SysResult<()>| match FsContext::open("overlay") {
        Ok(context) if reads => Some(set(&context).is_ok()),
        Ok(_) | Err(_) => None,
    };
    let listed = proc::read_whole("/proc/filesystems")
        .ok()
        .map(|list| list.split(|&byte| byte == b'\n').any(|line| line.ends_with(b"\toverlay")));
    let mut all = vec![
        Feature { name: "overlay", available: if context.is_ok() { Some(true) } else { listed } },
        Feature { name: "fsopen", available: Some(context.is_ok()) },
        Feature { name: "lowerdir+", available: try_it(&|context| context.set_string("lowerdir+", b"/")) },
        Feature { name: "lowerdir+ by descriptor", available: try_it(&|context| context.set_fd("lowerdir+", dir)) },
        Feature {
            name: "datadir+",
            available: try_it(&|context| {
                context.set_string("lowerdir+", b"/")?;
                context.set_string("datadir+", b"/")
            }),
        },
        Feature { name: "volatile", available: try_it(&|context| context.set_flag("volatile")) },
        Feature { name: "userxattr", available: try_it(&|context| context.set_flag("userxattr")) },
    ];
    all.extend(STATED.map(|option| Feature { name: option.key, available: option.known() }));
    all
}
