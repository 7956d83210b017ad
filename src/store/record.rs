//! Small JSON files that appear, and change, by one rename.

use nix::errno::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::layout::FILE_LIMIT;
use super::staging::Staging;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::escape;

/// Whether a record has to survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk before the call returns.
    Synced,
    /// Good for this boot only.
    ThisBoot,
}

/// Writes `record` as `name` in `dir`; an older one is replaced at once.
pub fn write(
    staging: &Staging<'_>,
    dir: &Dir,
    name: &str,
    record: &impl Serialize,
    durability: Durability,
) -> Result<()> {
    let tried = || format!("write the record {name}");
    let draft = draft(staging, record, durability).context(tried)?;
    place(staging, &draft, dir, name.as_bytes()).context(tried)?;
    if durability == Durability::Synced {
        dir.sync().context(tried)?;
    }
    Ok(())
}

/// Gives a draft its name. A directory that has it instead of a file goes.
pub fn place(staging: &Staging<'_>, draft: &str, dir: &Dir, name: &[u8]) -> Result<()> {
    match staging.dir().rename(draft.as_bytes(), dir, name) {
        Err(error) if error.errno() == Errno::EISDIR => {
            dir.remove_tree(name)?;
            Ok(staging.dir().rename(draft.as_bytes(), dir, name)?)
        }
        result => Ok(result?),
    }
}

/// Writes a record that has no place yet, and gives its name in the staging directory.
pub fn draft(staging: &Staging<'_>, record: &impl Serialize, durability: Durability) -> Result<String> {
    let mut content = serde_json::to_vec_pretty(record)
        .map_err(|error| Error::with_source(ErrorKind::Failed, "write a record", error))?;
    content.push(b'\n');
    if content.len() as u64 > FILE_LIMIT {
        // Nobody could read it.
        let message = format!("a record of {} bytes, at most {FILE_LIMIT} are allowed", content.len());
        return Err(Error::new(ErrorKind::Refused, message));
    }
    let draft = staging.fresh_name("record");
    let file = staging.dir().write_new(draft.as_bytes(), 0o600, &content)?;
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    Ok(draft)
}

/// Reads a record; `None` if there is no such file.
pub fn read<T: DeserializeOwned>(dir: &Dir, name: &[u8]) -> Result<Option<T>> {
    let tried = || format!("read the record {}", escape(name));
    let content = match dir.read(name, FILE_LIMIT) {
        // A view goes together with its directory.
        Err(error) if matches!(error.errno(), Errno::ENOENT | Errno::ESTALE) => return Ok(None),
        result => result.context(tried)?,
    };
    serde_json::from_slice(&content).map(Some).map_err(|error| Error::with_source(ErrorKind::Failed, tried(), error))
}
