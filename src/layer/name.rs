//! Entry names: what a path in a tar means (image-spec, layer.md, "Whiteouts"; layer-semantics rows 13 to 17, 34, 36).

use crate::error::{Error, Result};
use crate::sys::errno::escape;

/// Longest name of one file on Linux.
pub const NAME_MAX: usize = 255;

/// The prefix of a whiteout.
const WHITEOUT: &[u8] = b".wh.";
/// The prefix of AUFS's own files, which only the opaque mark made it out of.
const RESERVED: &[u8] = b".wh..wh.";
/// The opaque mark.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The directory of AUFS that holds the sources of hard links.
const PLINKS: &[u8] = b".wh..wh.plnk";

/// A path below the root of the layer: components without `.`, `..` or `/`. No component is the root itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanPath {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl CleanPath {
    /// Cleans a path lexically and keeps the buffers. A `..` that leaves the root is refused (row 36), as are a
    /// component that no file can have and more than `max_depth` components.
    pub fn set(&mut self, raw: &[u8], max_depth: usize) -> Result<()> {
        self.text.clear();
        self.ends.clear();
        for component in raw.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    if self.ends.pop().is_none() {
                        return Err(Error::refused("path escapes the root with `..`"));
                    }
                    self.text.truncate(self.ends.last().copied().unwrap_or(0));
                }
                _ => {
                    if component.contains(&0) {
                        return Err(Error::refused("path contains a NUL"));
                    }
                    if self.ends.len() >= max_depth {
                        return Err(Error::refused(format!("path has more than {max_depth} components")));
                    }
                    self.text.extend_from_slice(component);
                    self.ends.push(self.text.len());
                }
            }
        }
        Ok(())
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.ends.is_empty()
    }

    /// The components in order.
    pub fn components(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        (0..self.ends.len()).map(|at| self.component(at))
    }

    fn component(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    /// The last component; empty for the root.
    pub fn base(&self) -> &[u8] {
        if self.is_root() { &[] } else { self.component(self.ends.len() - 1) }
    }

    /// How many components.
    pub fn depth(&self) -> usize {
        self.ends.len()
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// A file, directory or link of the layer.
    Entry,
    /// `.wh.NAME`: NAME of the layers below is gone.
    Whiteout(&'a [u8]),
    /// `.wh..wh..opq`: everything of the layers below that is in the directory is gone.
    Opaque,
    /// AUFS metadata; it is skipped (row 14).
    Aufs {
        /// It is a hard-link source.
        plink: bool,
    },
}

/// Tells what a cleaned path means.
pub fn meaning(path: &CleanPath) -> Result<Meaning<'_>> {
    let last = path.depth().saturating_sub(1);
    for (at, component) in path.components().enumerate() {
        if component.starts_with(RESERVED) {
            return Ok(if at == last && component == OPAQUE {
                Meaning::Opaque
            } else {
                Meaning::Aufs { plink: component == PLINKS }
            });
        }
    }
    match path.base().strip_prefix(WHITEOUT) {
        None => Ok(Meaning::Entry),
        Some(b"" | b"." | b"..") => Err(Error::refused(format!("bad whiteout name `{}`", escape(path.base())))),
        Some(name) => Ok(Meaning::Whiteout(name)),
    }
}

/// Whether an inner component looks like a whiteout, which it is not (row 15).
pub fn has_literal_prefix(path: &CleanPath) -> bool {
    path.components().take(path.depth().saturating_sub(1)).any(|component| component.starts_with(WHITEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(raw: &str) -> Result<String> {
        let mut path = CleanPath::default();
        path.set(raw.as_bytes(), 4096)?;
        let parts: Vec<_> = path.components().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        Ok(parts.join("/"))
    }

    #[test]
    fn row_034_and_036_paths_are_cleaned_or_refused() {
        for (raw, expected) in [
            (".", ""),
            ("./", ""),
            ("/", ""),
            ("//", ""),
            ("./.", ""),
            ("a/..", ""),
            ("a/../b", "b"),
            ("/a//b/./c/", "a/b/c"),
            ("a/b/../../c", "c"),
        ] {
            assert_eq!(clean(raw).unwrap(), expected, "{raw}");
        }
        for raw in ["../x", "/../x", "a/../../x", "..", "a/../.."] {
            assert!(clean(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn rows_013_to_015_names_with_the_prefix() {
        let of = |raw: &str| {
            let mut path = CleanPath::default();
            path.set(raw.as_bytes(), 4096).unwrap();
            meaning(&path).map(|meaning| format!("{meaning:?}"))
        };
        for bad in [".wh.", ".wh..", ".wh...", "d/.wh...", "d/.wh."] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!(of("d/.wh.x").unwrap(), format!("{:?}", Meaning::Whiteout(b"x")));
        assert_eq!(of(".wh..wh..opq").unwrap(), "Opaque");
        assert_eq!(of(".wh.etc/file").unwrap(), "Entry");
        assert_eq!(of(".wh..wh.plnk/1.2").unwrap(), "Aufs { plink: true }");
        assert_eq!(of(".wh..wh.aufs").unwrap(), "Aufs { plink: false }");
        assert_eq!(of(".wh..wh..opq/x").unwrap(), "Aufs { plink: false }");
    }
}
