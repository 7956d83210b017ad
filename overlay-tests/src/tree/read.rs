//! Reading a tree from a file system.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr, major, minor};
use sha2::{Digest as _, Sha256};

use super::{Node, NodeKind, Tree};
use crate::fixture::hex;

/// Reads a tree exactly.
pub fn read_tree(root: &Path) -> io::Result<Tree> {
    read_tree_with(root, |_| true)
}

/// Reads a tree except the paths that are not wanted, and what is below them.
pub fn read_tree_with(root: &Path, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Tree> {
    let mut tree = Tree::new();
    let mut inodes: HashMap<(u64, u64), Vec<Vec<u8>>> = HashMap::new();
    let mut pending = vec![(root.to_owned(), Vec::new())];
    while let Some((real, shown)) = pending.pop() {
        let metadata = fs::symlink_metadata(&real).map_err(|error| at(&real, &error))?;
        let node = read_node(&real, &metadata).map_err(|error| at(&real, &error))?;
        let path = if shown.is_empty() { b"/".to_vec() } else { shown.clone() };
        if matches!(node.kind, NodeKind::Dir) {
            for child in fs::read_dir(&real).map_err(|error| at(&real, &error))? {
                let name = child?.file_name();
                let shown = [&shown, b"/".as_slice(), name.as_bytes()].concat();
                if wanted(&shown) {
                    pending.push((real.join(&name), shown));
                }
            }
        } else {
            inodes.entry((metadata.dev(), metadata.ino())).or_default().push(path.clone());
        }
        tree.insert(path, node);
    }
    for mut paths in inodes.into_values().filter(|paths| paths.len() > 1) {
        paths.sort();
        for path in &paths {
            tree.get_mut(path).unwrap().group = Some(paths[0].clone());
        }
    }
    Ok(tree)
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn read_node(path: &Path, metadata: &fs::Metadata) -> io::Result<Node> {
    let file_type = metadata.file_type();
    let device = (major(metadata.rdev()), minor(metadata.rdev()));
    let kind = if file_type.is_dir() {
        NodeKind::Dir
    } else if file_type.is_file() {
        NodeKind::File(metadata.len(), hash(path)?)
    } else if file_type.is_symlink() {
        NodeKind::Symlink(fs::read_link(path)?.into_os_string().into_vec())
    } else if file_type.is_char_device() {
        NodeKind::Char(device.0, device.1)
    } else if file_type.is_block_device() {
        NodeKind::Block(device.0, device.1)
    } else if file_type.is_fifo() {
        NodeKind::Fifo
    } else {
        NodeKind::Socket
    };
    Ok(Node {
        nlink: (kind != NodeKind::Dir).then_some(metadata.nlink()),
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap()),
        xattrs: xattrs(path)?,
        group: None,
    })
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; 1 << 16];
    let length = match llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = BTreeMap::new();
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
        let mut value = vec![0; 1 << 16];
        let length = lgetxattr(path, name, &mut value[..])?;
        value.truncate(length);
        found.insert(name.to_bytes().to_vec(), value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_name_the_first_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/x"), "abc").unwrap();
        fs::hard_link(dir.path().join("d/x"), dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("s")).unwrap();
        let tree = read_tree(dir.path()).unwrap();
        assert_eq!(super::super::names(&tree), ["a", "d/", "d/x", "s -> nowhere"]);
        let node = &tree[b"/d/x".as_slice()];
        assert_eq!((node.group.as_deref(), node.nlink), (Some(b"/a".as_slice()), Some(2)));
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(node.kind, NodeKind::File(3, hash.to_owned()));
    }
}
