//! What is in each directory of a tree over a table of paths, so that emptying a directory costs what is in it and
//! not what the table knows.

// Of small numbers: a hash that is quick counts.
use hashbrown::HashMap;

use super::paths::{PathId, PathTable};

/// Paths by their directory, each at most once. One whose file is gone may still be listed.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    lists: HashMap<PathId, Vec<PathId>>,
    listed: Vec<bool>,
}

impl Contents {
    /// Lists a path in its directory.
    pub fn add(&mut self, paths: &PathTable, path: PathId) {
        if self.listed.len() <= path.index() {
            self.listed.resize(path.index() + 1, false);
        }
        if !std::mem::replace(&mut self.listed[path.index()], true) {
            self.lists.entry(paths.parent(path)).or_default().push(path);
        }
    }

    /// The paths in a directory.
    pub fn of(&self, directory: PathId) -> &[PathId] {
        self.lists.get(&directory).map_or(&[], Vec::as_slice)
    }

    /// Takes the paths of a directory out.
    pub fn take(&mut self, directory: PathId) -> Vec<PathId> {
        let paths = self.lists.remove(&directory).unwrap_or_default();
        for path in &paths {
            self.listed[path.index()] = false;
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_listed_once_until_it_is_taken() {
        let mut paths = PathTable::new(10);
        let a = paths.child(PathId::ROOT, b"a").unwrap();
        let mut contents = Contents::default();
        contents.add(&paths, a);
        contents.add(&paths, a);
        assert_eq!(contents.of(PathId::ROOT), [a]);
        assert_eq!(contents.take(PathId::ROOT), [a]);
        assert_eq!(contents.take(PathId::ROOT), []);
        contents.add(&paths, a);
        assert_eq!(contents.of(PathId::ROOT), [a]);
    }
}
