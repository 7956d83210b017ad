//! What a state root holds, for "the store is as it was".

use std::fmt::Write as _;
use std::path::Path;

use crate::tree::{Node, NodeKind, Tree, read_tree_with};

/// Every path of a state root except locks and times of use, with kind, mode, owner, content and xattrs. Times and link counts are left out:
/// staging touches directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreListing(Tree);

impl StoreListing {
    /// Reads a state root; mounted views are left out.
    pub fn read(root: &Path) -> Self {
        let tree = if root.exists() {
            read_tree_with(root, |path| path != b"/locks" && path != b"/used" && !path.ends_with(b"/merged")).unwrap()
        } else {
            Tree::new()
        };
        let timeless = |node: Node| Node { mtime: (0, 0), nlink: None, ..node };
        Self(tree.into_iter().map(|(path, node)| (path, timeless(node))).collect())
    }

    /// Fails with a list of differences unless the state root is now as it was.
    #[track_caller]
    pub fn assert_unchanged(&self, root: &Path) {
        let lines = crate::tree::differences(&self.0, &Self::read(root).0, crate::tree::Nlink::Ignore);
        assert!(lines.is_empty(), "the store is not as it was:\n{}", lines.join("\n"));
    }

    /// Fails unless everything that was here is here and as it was, and what is new are unfinished downloads and verified
    /// content that a next attempt can use.
    #[track_caller]
    pub fn assert_kept(&self, root: &Path) {
        let useful =
            |path: &[u8]| [&b"/partial/"[..], b"/layers/", b"/blobs/"].iter().any(|area| path.starts_with(area));
        let mut now = Self::read(root).0;
        now.retain(|path, _| self.0.contains_key(path) || !useful(path));
        let lines = crate::tree::differences(&self.0, &now, crate::tree::Nlink::Ignore);
        assert!(lines.is_empty(), "the store is not as it was:\n{}", lines.join("\n"));
    }

    /// The directories of unpacked layers, as `ALGORITHM/HEX`.
    pub fn layers(&self) -> Vec<String> {
        self.named("layers")
    }

    /// The blobs, as `ALGORITHM/HEX`.
    pub fn blobs(&self) -> Vec<String> {
        self.named("blobs")
    }

    fn named(&self, area: &str) -> Vec<String> {
        let paths = self.0.keys().map(|path| String::from_utf8_lossy(path));
        let tail = |path: &str| Some(path.strip_prefix(&format!("/{area}/"))?.to_owned());
        paths.filter_map(|path| tail(&path)).filter(|path| path.matches('/').count() == 1).collect()
    }

    /// What lies directly in a directory of the state root.
    pub fn children(&self, dir: &str) -> Vec<String> {
        let paths = self.0.keys().map(|path| String::from_utf8_lossy(path).into_owned());
        let tail = |path: String| Some(path.strip_prefix(&format!("/{dir}/"))?.to_owned());
        paths.filter_map(tail).filter(|path| !path.contains('/')).collect()
    }

    /// All paths with kind and mode, a line each.
    pub fn modes(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (path, node)| {
            writeln!(text, "{} {:?} {:o}", path.escape_ascii(), std::mem::discriminant(&node.kind), node.mode).unwrap();
            text
        })
    }

    /// All paths, a line each, for messages.
    pub fn paths(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (path, node)| {
            let slash = if node.kind == NodeKind::Dir { "/" } else { "" };
            writeln!(text, "{}{slash}", path.escape_ascii()).unwrap();
            text
        })
    }
}
