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

/// A path in the index, with as much of its hash as finds it again when the index grows.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: u32,
    hash: u32,
}

impl Known {
    /// The table takes its bits from both ends.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

/// All paths, each once.
#[derive(Debug, Clone)]
pub struct PathTable {
    rows: Vec<Row>,
    names: Vec<u8>,
    index: HashTable<Known>,
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

    /// The same table for the fold of a layer of a stack: it takes any number of paths, and follows so many components
    /// of symlink targets.
    pub fn for_fold(&self, steps: u64) -> Self {
        Self { limit: NONE as usize - 1, steps, ..self.clone() }
    }

    /// Room for so many paths.
    pub fn reserve(&mut self, paths: usize) {
        self.rows.reserve(paths);
        self.index.reserve(paths, |known| Known::spread(known.hash));
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

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is one")]
    fn hash(&self, parent: PathId, name: &[u8]) -> u32 {
        self.hasher.hash_one((parent.0, name)) as u32
    }

    fn find_hashed(&self, hash: u32, parent: PathId, name: &[u8]) -> Option<PathId> {
        let is_it = |known: &Known| {
            known.hash == hash && self.rows[known.id as usize].parent == parent.0 && self.name(PathId(known.id)) == name
        };
        self.index.find(Known::spread(hash), is_it).map(|known| PathId(known.id))
    }

    /// The path of `name` in `parent`, if the table has it.
    pub fn find(&self, parent: PathId, name: &[u8]) -> Option<PathId> {
        self.find_hashed(self.hash(parent, name), parent, name)
    }

    /// The path of `name` in `parent`. The name has at most 255 bytes.
    pub fn child(&mut self, parent: PathId, name: &[u8]) -> Result<PathId> {
        let hash = self.hash(parent, name);
        if let Some(known) = self.find_hashed(hash, parent, name) {
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
        self.index.insert_unique(Known::spread(hash), Known { id, hash }, |known| Known::spread(known.hash));
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
        self.steps = steps_left(self.steps, steps as u64)?;
        Ok(())
    }

    /// How many components of symlink targets may still be followed.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How many were, in a table that was not made [for a fold](Self::for_fold).
    pub fn steps_taken(&self) -> u64 {
        MAX_STEPS - self.steps
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

/// What is left after so many steps.
pub fn steps_left(steps: u64, taken: u64) -> Result<u64> {
    steps.checked_sub(taken).ok_or_else(|| Error::refused("paths lead through too many symlinks"))
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
