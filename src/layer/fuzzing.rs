//! What fuzzing compares with the disk: the diff directory as the layer's index has it.

use std::collections::{BTreeMap, BTreeSet};

use super::index::LayerIndex;
use super::name::{CleanPath, Meaning, meaning};
use super::tar;
use super::unpack::kept_name;
use super::verify::expected::{self, ExpectedLayer};
use crate::error::Result;

/// What one path of a diff directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file of this size.
    File(u64),
    /// A symlink.
    Symlink,
    /// A device of this kind and number.
    Device {
        /// A block device, else a character device.
        block: bool,
        /// Major and minor.
        number: (u32, u32),
    },
    /// A named pipe.
    Fifo,
    /// A whiteout.
    Whiteout,
}

/// One path of a diff directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The record of its content: paths with one record are one inode. Directories and whiteouts have none.
    pub record: Option<u32>,
}

/// What the index of a layer says of its directories.
#[derive(Debug, Default)]
pub struct Shape {
    /// Everything in the diff directory, by its path without a leading slash.
    pub diff: BTreeMap<Vec<u8>, Node>,
    /// Names beside it.
    pub kept: BTreeSet<String>,
}

/// Folds the index, as `system check` does.
pub fn shape(mut index: LayerIndex) -> Result<Shape> {
    let LayerIndex { paths, records, .. } = &mut index;
    let ExpectedLayer { diff, kept, .. } = ExpectedLayer::of(paths, records)?;
    let node = |node: &expected::Node<'_>| Node {
        kind: match node.shape {
            expected::Shape::Directory { .. } => Kind::Directory,
            expected::Shape::File { size, .. } => Kind::File(size),
            expected::Shape::Symlink(_) => Kind::Symlink,
            expected::Shape::Device { block, number } => Kind::Device { block, number },
            expected::Shape::Fifo => Kind::Fifo,
            expected::Shape::Whiteout => Kind::Whiteout,
        },
        record: node.origin.map(|origin| origin.record),
    };
    let nodes = paths.all().filter_map(|path| Some((paths.text(path), node(diff.get(path)?))));
    Ok(Shape { diff: nodes.collect(), kept: kept.into_iter().map(kept_name).collect() })
}

/// What the name of an entry came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameMeans {
    /// The components of the cleaned path.
    pub components: Vec<Vec<u8>>,
    /// For a whiteout the name that is gone.
    pub whiteout: Option<Vec<u8>>,
    /// It is the opaque mark.
    pub opaque: bool,
}

/// Cleans a name and tells what it means.
pub fn name_means(raw: &[u8], max_depth: usize) -> Result<NameMeans> {
    let mut path = CleanPath::default();
    path.set(raw, max_depth)?;
    let meaning = meaning(&path)?;
    let whiteout = if let Meaning::Whiteout(name) = meaning { Some(name.to_vec()) } else { None };
    let components = path.components().map(<[u8]>::to_vec).collect();
    Ok(NameMeans { components, whiteout, opaque: meaning == Meaning::Opaque })
}

/// Reads a tar and skips all data; gives how many entries there are.
pub fn count_entries(archive: &[u8], max_header: u64) -> Result<u64> {
    let mut reader = tar::Reader::new(archive, max_header);
    let mut entry = tar::Entry::default();
    let mut count = 0;
    while reader.next(&mut entry)? {
        count += 1;
    }
    Ok(count)
}
