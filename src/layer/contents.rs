//! What is in each directory of a tree over a table of paths, so that emptying a directory costs what is in it and
//! not what the table knows.

use super::paths::{PathId, PathTable};

/// Paths by their directory, each at most once. One whose file is gone may still be listed.
///
/// The lists are threaded through an array over the table: nothing is looked up, and nothing allocated for a directory.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    rows: Vec<Row>,
}

/// The root stands for no path: it is in no directory.
#[derive(Debug, Clone, Copy)]
struct Row {
    listed: bool,
    /// In this directory.
    latest: PathId,
    /// In the directory that this path is in, before this one.
    earlier: PathId,
}

const EMPTY: Row = Row { listed: false, latest: PathId::ROOT, earlier: PathId::ROOT };

impl Contents {
    /// Lists a path in its directory.
    pub fn add(&mut self, paths: &PathTable, path: PathId) {
        if path == PathId::ROOT {
            return;
        }
        // A parent is older than its path.
        if self.rows.len() <= path.index() {
            self.rows.resize(path.index() + 1, EMPTY);
        }
        if !std::mem::replace(&mut self.rows[path.index()].listed, true) {
            let latest = &mut self.rows[paths.parent(path).index()].latest;
            let earlier = std::mem::replace(latest, path);
            self.rows[path.index()].earlier = earlier;
        }
    }

    /// The paths in a directory, the latest first.
    pub fn of(&self, directory: PathId) -> impl Iterator<Item = PathId> + '_ {
        let mut next = self.rows.get(directory.index()).map_or(PathId::ROOT, |row| row.latest);
        std::iter::from_fn(move || {
            let here = (next != PathId::ROOT).then_some(next)?;
            next = self.rows[here.index()].earlier;
            Some(here)
        })
    }

    /// Takes the paths of a directory out, and appends them to `taken`.
    pub fn take(&mut self, directory: PathId, taken: &mut Vec<PathId>) {
        let first = taken.len();
        taken.extend(self.of(directory));
        for path in &taken[first..] {
            self.rows[path.index()].listed = false;
        }
        if let Some(row) = self.rows.get_mut(directory.index()) {
            row.latest = PathId::ROOT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(contents: &mut Contents) -> Vec<PathId> {
        let mut taken = Vec::new();
        contents.take(PathId::ROOT, &mut taken);
        taken
    }

    #[test]
    fn a_path_is_listed_once_until_it_is_taken() {
        let mut paths = PathTable::new(10);
        let [a, b] = [b"a", b"b"].map(|name| paths.child(PathId::ROOT, name).unwrap());
        let below = paths.child(a, b"c").unwrap();
        let mut contents = Contents::default();
        for path in [b, a, below, b] {
            contents.add(&paths, path);
        }
        assert!(contents.of(PathId::ROOT).eq([a, b]));
        assert_eq!(taken(&mut contents), [a, b]);
        assert_eq!(taken(&mut contents), []);
        contents.add(&paths, a);
        assert!(contents.of(PathId::ROOT).eq([a]) && contents.of(a).eq([below]) && contents.of(b).next().is_none());
    }
}
