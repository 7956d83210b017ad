//! Where a path leads inside a tree whose root is the end of the world: symlinks are followed, absolute ones from
//! the tree's root, `..` never leaves it (layer-semantics rows 11, 12, 31, 78 to 81).

use super::name::NAME_MAX;
use super::paths::{PathId, PathTable};
use crate::error::{Error, Result};

/// As many symlinks as the kernel follows in one lookup (`MAXSYMLINKS`).
const MAX_SYMLINKS: usize = 40;

/// What stands at a path of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<'a> {
    /// Nothing.
    Absent,
    /// A directory.
    Directory,
    /// A symlink with this target.
    Symlink(&'a [u8]),
    /// Anything else.
    Other,
}

/// A tree that paths can be resolved in.
pub trait Space {
    /// What stands there. The root is always a directory.
    fn look(&self, path: PathId) -> Look<'_>;
}

/// How far resolution goes when there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It ends: [`Found::Nothing`].
    Stops,
    /// It goes on as if there was a directory: the caller may create it.
    IsDirectory,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// To this path; every step of it is a directory, or missing where that was allowed.
    At(PathId),
    /// Nowhere: something on the way is missing.
    Nothing,
    /// Nowhere: this path on the way is a file of some kind.
    NotDirectory(PathId),
}

enum Step {
    Raw(PathId),
    Text(usize, usize),
}

/// Follows `raw`, all of it, the last component too.
pub fn resolve(paths: &mut PathTable, space: &impl Space, raw: PathId, missing: Missing) -> Result<Found> {
    let mut steps = Vec::new();
    let mut texts: Vec<u8> = Vec::new();
    let mut up = raw;
    while up != PathId::ROOT {
        steps.push(Step::Raw(up));
        up = paths.parent(up);
    }
    let mut here = PathId::ROOT;
    let mut symlinks = 0;
    // Only while nothing was a symlink is the raw path also the real one, and no lookup by name needed.
    let mut straight = true;
    while let Some(step) = steps.pop() {
        let next = match step {
            Step::Raw(id) if straight => Some(id),
            Step::Raw(id) => {
                let name = paths.name(id).to_vec();
                enter(paths, here, &name, missing)?
            }
            Step::Text(at, len) => match &texts[at..at + len] {
                b"" | b"." => continue,
                b".." => {
                    here = paths.parent(here);
                    continue;
                }
                name if name.len() > NAME_MAX => return Err(Error::refused("symlink target has a file name too long")),
                name => enter(paths, here, name, missing)?,
            },
        };
        let Some(next) = next else { return Ok(Found::Nothing) };
        match space.look(next) {
            Look::Absent if missing == Missing::Stops => return Ok(Found::Nothing),
            Look::Directory | Look::Absent => here = next,
            Look::Other => return Ok(Found::NotDirectory(next)),
            Look::Symlink(target) => {
                symlinks += 1;
                if symlinks > MAX_SYMLINKS {
                    return Err(Error::refused("too many levels of symbolic links"));
                }
                straight = false;
                if target.starts_with(b"/") {
                    here = PathId::ROOT;
                }
                let (base, before) = (texts.len(), steps.len());
                texts.extend_from_slice(target);
                let mut end = target.len();
                // Last component first: the steps are a stack.
                while let Some(slash) = target[..end].iter().rposition(|&byte| byte == b'/') {
                    steps.push(Step::Text(base + slash + 1, end - slash - 1));
                    end = slash;
                }
                steps.push(Step::Text(base, end));
                let pushed = steps.len() - before;
                paths.spend(pushed)?;
            }
        }
    }
    Ok(Found::At(here))
}

fn enter(paths: &mut PathTable, here: PathId, name: &[u8], missing: Missing) -> Result<Option<PathId>> {
    match missing {
        Missing::Stops => Ok(paths.find(here, name)),
        Missing::IsDirectory => paths.child(here, name).map(Some),
    }
}

/// The directories of a path that are missing, topmost first.
pub fn missing_directories(paths: &PathTable, space: &impl Space, path: PathId) -> Vec<PathId> {
    let mut chain = Vec::new();
    let mut here = path;
    while here != PathId::ROOT && space.look(here) != Look::Directory {
        chain.push(here);
        here = paths.parent(here);
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[derive(Default)]
    struct Tree(HashMap<PathId, Option<&'static str>>);

    impl Space for Tree {
        fn look(&self, path: PathId) -> Look<'_> {
            match self.0.get(&path) {
                None if path == PathId::ROOT => Look::Directory,
                None => Look::Absent,
                Some(None) => Look::Directory,
                Some(Some("")) => Look::Other,
                Some(Some(target)) => Look::Symlink(target.as_bytes()),
            }
        }
    }

    fn tree(entries: &[(&str, Option<&'static str>)]) -> (PathTable, Tree) {
        let mut paths = PathTable::new(1000);
        let mut tree = Tree::default();
        for (path, what) in entries {
            let id = paths.below(PathId::ROOT, path.split('/').map(str::as_bytes)).unwrap();
            tree.0.insert(id, *what);
        }
        (paths, tree)
    }

    fn lead(paths: &mut PathTable, tree: &Tree, raw: &str, missing: Missing) -> Result<String> {
        let raw = paths.below(PathId::ROOT, raw.split('/').map(str::as_bytes))?;
        Ok(match resolve(paths, tree, raw, missing)? {
            Found::At(id) => String::from_utf8(paths.text(id)).unwrap(),
            other => format!("{other:?}").split('(').next().unwrap().to_owned(),
        })
    }

    #[test]
    fn rows_078_to_081_symlinks_stay_inside() {
        let (mut paths, tree) = tree(&[
            ("d", None),
            ("d/e", None),
            ("ln", Some("d")),
            ("abs", Some("/d/e")),
            ("up", Some("../../../../d")),
            ("d/back", Some("../ln/e")),
            ("dangling", Some("/no/where")),
            ("f", Some("")),
            ("loop", Some("pool")),
            ("pool", Some("loop")),
            ("slash", Some("d//./e/")),
        ]);
        for (raw, stop, go) in [
            ("ln/e", "d/e", "d/e"),
            ("abs", "d/e", "d/e"),
            ("up/e", "d/e", "d/e"),
            ("d/back", "d/e", "d/e"),
            ("slash", "d/e", "d/e"),
            ("dangling/x", "Nothing", "no/where/x"),
            ("new/dir", "Nothing", "new/dir"),
            ("f/x", "NotDirectory", "NotDirectory"),
        ] {
            assert_eq!(lead(&mut paths, &tree, raw, Missing::Stops).unwrap(), stop, "{raw}");
            assert_eq!(lead(&mut paths, &tree, raw, Missing::IsDirectory).unwrap(), go, "{raw}");
        }
        assert!(lead(&mut paths, &tree, "loop/x", Missing::Stops).is_err());
    }
}
