//! A tree outside that nobody may touch. It lies over `/etc`, in the mount namespace of the case: what gets out of a layer
//! by an absolute path or by enough `..` finds it there, and the machine is safe from what the tests do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use overlay_tests::harness::Context;
use overlay_tests::tree::{Nlink, Tree, differences, read_tree};

/// Where it lies.
pub const PLACE: &str = "/etc";

/// What a path is besides what [`Tree`] says: `(inode, mtime, ctime)`, the times with nanoseconds. The last one changes
/// with whatever is done to a file, and nobody can set it back.
type Stamp = (u64, (i64, i64), (i64, i64));

#[derive(Debug)]
pub struct Canary {
    place: PathBuf,
    tree: Tree,
    stamps: BTreeMap<Vec<u8>, Stamp>,
}

impl Canary {
    /// Makes the tree in the scratch directory and binds it over `/etc`.
    pub fn over_etc(context: &Context) -> Self {
        let tree = context.fresh_dir("canary");
        build(&tree);
        mount(Some(&tree), PLACE, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Self::of(Path::new(PLACE))
    }

    /// Makes the tree at a new path of the scratch directory.
    pub fn beside(context: &Context) -> Self {
        let tree = context.fresh_dir("canary");
        build(&tree);
        Self::of(&tree)
    }

    fn of(place: &Path) -> Self {
        let tree = read_tree(place).unwrap();
        let stamps = stamps(place, &tree);
        Self { place: place.to_owned(), tree, stamps }
    }

    pub fn path(&self) -> &Path {
        &self.place
    }

    /// Fails unless every path is as it was: content, mode, owner, times, xattrs, links, inode.
    #[track_caller]
    pub fn is_untouched(&self) {
        let now = read_tree(&self.place).unwrap();
        let lines = differences(&self.tree, &now, Nlink::Compare);
        assert!(lines.is_empty(), "outside of the layer:\n{}", lines.join("\n"));
        assert_eq!(self.stamps, stamps(&self.place, &now), "outside of the layer");
    }
}

fn stamps(place: &Path, tree: &Tree) -> BTreeMap<Vec<u8>, Stamp> {
    let stamp = |path: &Vec<u8>| {
        let shown = String::from_utf8(path.clone()).unwrap();
        let found = fs::symlink_metadata(place.join(shown.trim_start_matches('/'))).unwrap();
        (found.ino(), (found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()))
    };
    tree.keys().map(|path| (path.clone(), stamp(path))).collect()
}

/// The names are those that the attacks use.
fn build(place: &Path) {
    let file = |name: &str, content: &str, mode: u32| {
        let path = place.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    file("passwd", "root:x:0:0::/root:/bin/sh\n", 0o644);
    file("shadow", "root:!::0:::::\n", 0o600);
    file("emptied", "not empty", 0o644);
    file("whitedout", "still here", 0o644);
    file("file", "of the host", 0o644);
    file("perm400", "...", 0o400);
    file("also-exists-outside-root", "...", 0o640);
    file("setuid", "program", 0o4755);
    for name in ["a/b/c/f", "d/x", "d/sub/f", "localetc/sub/x", "diff/f", "merged/f", "upper/f"] {
        file(name, name, 0o644);
    }
    chown(place.join("setuid"), Some(7), Some(8)).unwrap();
    fs::hard_link(place.join("passwd"), place.join("passwd-")).unwrap();
    fs::set_permissions(place.join("d"), fs::Permissions::from_mode(0o1777)).unwrap();
    symlink("passwd", place.join("link")).unwrap();
    symlink("d/sub", place.join("dirlink")).unwrap();
    nix::unistd::mkfifo(&place.join("pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    for (path, name) in [("passwd", "user.canary"), ("d", "trusted.canary")] {
        let path = place.join(path);
        rustix::fs::lsetxattr(&path, name, b"alive", rustix::fs::XattrFlags::empty()).unwrap();
    }
}
