//! Names in an archive: cleaning, and what a name means.

use super::model::Stop;
use crate::fixture::{Entry, Kind};

/// A path below the root, as components.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Path(pub Vec<Vec<u8>>);

impl Path {
    pub fn root() -> Self {
        Self(Vec::new())
    }

    pub fn join(&self, name: &[u8]) -> Self {
        let mut path = self.clone();
        path.0.push(name.to_vec());
        path
    }

    /// This path or one below it.
    pub fn is_in(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    pub fn is_below(&self, other: &Self) -> bool {
        self != other && self.is_in(other)
    }

    /// `/a/b`
    pub fn shown(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return b"/".to_vec();
        }
        self.0.iter().flat_map(|name| [b"/", name.as_slice()].concat()).collect()
    }

    /// The parent and the last component.
    pub fn split(&self) -> Option<(Self, &[u8])> {
        let (last, parents) = self.0.split_last()?;
        Some((Self(parents.to_vec()), last))
    }
}

/// Cleans a name lexically (row 36): `.` and empty components go, `..` takes its predecessor.
pub(super) fn clean(name: &[u8]) -> Result<Path, Stop> {
    if name.is_empty() {
        return Err(Stop::Refused("an empty name".into()));
    }
    let mut path = Path::root();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                path.0.pop().ok_or_else(|| Stop::Refused("a name that escapes the root".into()))?;
            }
            name => path.0.push(name.to_vec()),
        }
    }
    Ok(path)
}

/// What an entry means, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Something to be created.
    Content(Path),
    /// The deletion of a name in this directory.
    Whiteout(Path, Vec<u8>),
    /// The deletion of all that is in this directory.
    Opaque(Path),
    /// AUFS metadata (row 14).
    Nothing,
}

pub(super) fn meaning(entry: &Entry) -> Result<Meaning, Stop> {
    let path = clean(&entry.name)?;
    let Some((parent, name)) = path.split() else {
        return match entry.kind {
            Kind::Dir => Ok(Meaning::Content(path)),
            _ => Err(Stop::Refused("a root that is not a directory (row 35)".into())),
        };
    };
    if name == b".wh..wh..opq" && !parent.0.iter().any(|part| part.starts_with(b".wh..wh.")) {
        return Ok(Meaning::Opaque(parent));
    }
    if path.0.iter().any(|part| part.starts_with(b".wh..wh.")) {
        return Ok(Meaning::Nothing);
    }
    match name.strip_prefix(b".wh.") {
        Some(b"" | b"." | b"..") => Err(Stop::Refused("a whiteout of no name (row 13)".into())),
        Some(hidden) => Ok(Meaning::Whiteout(parent, hidden.to_vec())),
        None => Ok(Meaning::Content(path)),
    }
}
