//! Paths as numbers: a table of all paths that a layer or a stack of layers speaks of.
//!
//! A path is its parent and a name. 100,000 paths cost a few megabytes, and every tree of this module (what a layer
//! holds, what the specification wants, what the kernel shows) is an array over such numbers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::{Error, Result};

/// A path in a [`PathTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(u32);

impl PathId {
    /// The root directory.
    pub const ROOT: Self = Self(0);

    /// The number, for arrays over paths.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

const NONE: u32 = u32::MAX;

/// Most bytes of all names together.
const MAX_NAMES: usize = 1 << 30;

/// Most components of symlink targets that are followed: seconds of work, and far more than any real layer has.
const MAX_STEPS: u64 = 1 << 27;

#[derive(Debug, Clone, Copy)]
struct Row {
    parent: u32,
    name_at: u32,
    first_child: u32,
    next_sibling: u32,
    name_len: u8,
}

/// All paths, each once.
#[derive(Debug)]
pub struct PathTable {
    rows: Vec<Row>,
    names: Vec<u8>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    limit: usize,
    steps: u64,
}

impl PathTable {
    /// A table that knows the root and takes at most `limit` paths.
    pub fn new(limit: u64) -> Self {
        let root = Row { parent: 0, name_at: 0, first_child: NONE, next_sibling: NONE, name_len: 0 };
        Self {
            rows: vec![root],
            names: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            limit: usize::try_from(limit).unwrap_or(usize::MAX).min(NONE as usize - 1),
            steps: MAX_STEPS,
        }
    }

    /// How many paths there are; every [`PathId::index`] is below.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The paths below the root, each after its parent.
    pub fn all(&self) -> impl Iterator<Item = PathId> + use<> {
        (1..u32::try_from(self.rows.len()).unwrap_or(NONE)).map(PathId)
    }

    /// The directory that the path is in; the root's is the root.
    pub fn parent(&self, path: PathId) -> PathId {
        PathId(self.rows[path.index()].parent)
    }

    /// The last component; empty for the root.
    pub fn name(&self, path: PathId) -> &[u8] {
        let row = &self.rows[path.index()];
        &self.names[row.name_at as usize..][..usize::from(row.name_len)]
    }

    fn hash(&self, parent: PathId, name: &[u8]) -> u64 {
        self.hasher.hash_one((parent.0, name))
    }

    /// The path of `name` in `parent`, if the table has it.
    pub fn find(&self, parent: PathId, name: &[u8]) -> Option<PathId> {
        let hash = self.hash(parent, name);
        self.index
            .find(hash, |&id| self.rows[id as usize].parent == parent.0 && self.name(PathId(id)) == name)
            .map(|&id| PathId(id))
    }

    /// The path of `name` in `parent`. The name has at most 255 bytes.
    pub fn child(&mut self, parent: PathId, name: &[u8]) -> Result<PathId> {
        if let Some(known) = self.find(parent, name) {
            return Ok(known);
        }
        if self.rows.len() >= self.limit {
            return Err(Error::refused(format!("more than {} paths", self.limit)));
        }
        let too_many = || Error::refused(format!("file names of more than {MAX_NAMES} bytes"));
        if self.names.len() > MAX_NAMES {
            return Err(too_many());
        }
        let name_len = u8::try_from(name.len()).map_err(|_| Error::refused("file name of more than 255 bytes"))?;
        let id = u32::try_from(self.rows.len()).map_err(|_| too_many())?;
        let name_at = u32::try_from(self.names.len()).map_err(|_| too_many())?;
        self.names.extend_from_slice(name);
        let next_sibling = std::mem::replace(&mut self.rows[parent.index()].first_child, id);
        self.rows.push(Row { parent: parent.0, name_at, first_child: NONE, next_sibling, name_len });
        let hash = self.hash(parent, name);
        let Self { rows, names, index, hasher, .. } = self;
        index.insert_unique(hash, id, |&id| {
            let row = &rows[id as usize];
            hasher.hash_one((row.parent, &names[row.name_at as usize..][..usize::from(row.name_len)]))
        });
        Ok(PathId(id))
    }

    /// The path in `parent` with the name that `path` has in its own directory.
    pub fn same_name_in(&mut self, parent: PathId, path: PathId) -> Result<PathId> {
        if self.parent(path) == parent {
            return Ok(path);
        }
        let name = self.name(path).to_vec();
        self.child(parent, &name)
    }

    /// The path of these components below `parent`.
    pub fn below<'n>(&mut self, parent: PathId, names: impl IntoIterator<Item = &'n [u8]>) -> Result<PathId> {
        let mut here = parent;
        for name in names {
            here = self.child(here, name)?;
        }
        Ok(here)
    }

    /// The paths directly below one, the latest first.
    pub fn children(&self, path: PathId) -> impl Iterator<Item = PathId> + '_ {
        let mut next = self.rows[path.index()].first_child;
        std::iter::from_fn(move || {
            let here = (next != NONE).then_some(PathId(next))?;
            next = self.rows[here.index()].next_sibling;
            Some(here)
        })
    }

    /// Counts the components of a symlink target that is followed, and refuses when all together are too many.
    pub fn spend(&mut self, steps: usize) -> Result<()> {
        self.steps = (self.steps.checked_sub(steps as u64))
            .ok_or_else(|| Error::refused("paths lead through too many symlinks"))?;
        Ok(())
    }

    /// How many components the path has.
    pub fn depth(&self, path: PathId) -> usize {
        let mut depth = 0;
        let mut here = path;
        while here != PathId::ROOT {
            here = self.parent(here);
            depth += 1;
        }
        depth
    }

    /// The path from the root, `a/b/c`; empty for the root itself.
    pub fn text(&self, path: PathId) -> Vec<u8> {
        let mut len = 0;
        let mut here = path;
        while here != PathId::ROOT {
            len += self.name(here).len() + 1;
            here = self.parent(here);
        }
        let mut text = vec![b'/'; len.saturating_sub(1)];
        let mut end = text.len();
        here = path;
        while here != PathId::ROOT {
            let name = self.name(here);
            text[end - name.len()..end].copy_from_slice(name);
            end = (end - name.len()).saturating_sub(1);
            here = self.parent(here);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_number() {
        let mut table = PathTable::new(10);
        let usr = table.child(PathId::ROOT, b"usr").unwrap();
        let lib = table.child(usr, b"lib").unwrap();
        assert_eq!(table.child(usr, b"lib").unwrap(), lib);
        assert_ne!(table.child(PathId::ROOT, b"lib").unwrap(), lib);
        assert_eq!(table.text(lib), b"usr/lib");
        assert_eq!((table.depth(lib), table.parent(lib), table.name(lib)), (2, usr, &b"lib"[..]));
        assert_eq!(table.children(PathId::ROOT).count(), 2);
    }

    #[test]
    fn row_136_the_number_of_paths_is_bounded() {
        let mut table = PathTable::new(3);
        table.child(PathId::ROOT, b"a").unwrap();
        table.child(PathId::ROOT, b"b").unwrap();
        assert!(table.child(PathId::ROOT, b"c").is_err());
        assert!(table.child(PathId::ROOT, b"a").is_ok());
    }
}
