//! Writing a computed layer: the correction of a stack, or its lowest layers merged into one.
//!
//! Content is copied from the diff directories of the stack (shared extents where the file system can), never hard
//! linked: `st_nlink` would show it.

use std::collections::HashMap;
use std::collections::HashSet;

use rustix::fs::FileType;

use super::correction::StackLayer;
use super::difference::{Change, Changes};
use super::dir_cache::DirCache;
use super::flat::{FlatTree, Node, Origin};
use super::paths::PathId;
use super::records::What;
use super::stack::Stack;
use super::unpack::kept_name;
use super::writer::{DirectoryMarks, Writer};
use crate::cancel::Cancel;
use crate::error::{Context, Error, Result};
use crate::sys::copy;
use crate::sys::dir::Dir;
use crate::sys::errno::escape;

/// Writes `changes` into the empty directory `out`, whose root gets the metadata of `tree`'s.
pub fn materialize(
    stack: &Stack<'_>,
    sources: &[StackLayer<'_>],
    tree: &FlatTree,
    changes: &Changes,
    out: &Dir,
    cancel: &Cancel,
) -> Result<()> {
    let warn = |_: &str| {};
    let mut work = Work {
        stack,
        sources,
        diffs: sources.iter().map(|source| DirCache::new(source.diff)).collect::<Result<_>>()?,
        writer: Writer::new(out, &warn)?,
        written: HashMap::new(),
    };
    let mut whiteout_parents = HashSet::new();
    let mut directories = vec![(PathId::ROOT, tree.root)];
    let mut todo = vec![PathId::ROOT];
    while let Some(directory) = todo.pop() {
        cancel.check()?;
        for path in stack.paths.children(directory) {
            let Some(change) = changes.get(&path) else { continue };
            work.one(path, change).context(|| format!("`{}`", escape(&stack.paths.text(path))))?;
            match change {
                Change::Directory(node) => {
                    directories.push((path, node.origin));
                    todo.push(path);
                }
                Change::Whiteout => {
                    whiteout_parents.insert(directory);
                }
                Change::Content(_) => {}
            }
        }
    }
    // Deepest last in this list: a parent comes before its children, and is finished after them.
    for (path, origin) in directories.into_iter().rev() {
        let marks = DirectoryMarks { opaque: false, has_whiteouts: whiteout_parents.contains(&path) };
        let (metadata, xattrs) = (origin.metadata(&stack.layers), origin.xattrs(&stack.layers));
        work.writer.finish_directory(&stack.paths, path, &metadata, xattrs, marks)?;
    }
    Ok(())
}

struct Work<'a, 'w> {
    stack: &'a Stack<'a>,
    sources: &'a [StackLayer<'a>],
    diffs: Vec<DirCache>,
    writer: Writer<'w>,
    /// The first name of each content that was written.
    written: HashMap<Origin, PathId>,
}

impl Work<'_, '_> {
    fn one(&mut self, path: PathId, change: &Change) -> Result<()> {
        match change {
            Change::Directory(_) => self.writer.directory(&self.stack.paths, path),
            Change::Whiteout => self.writer.whiteout(&self.stack.paths, path),
            Change::Content(node) => {
                if let Some(&first) = self.written.get(&node.origin) {
                    return self.writer.link(&self.stack.paths, first, path);
                }
                self.written.insert(node.origin, path);
                self.content(path, *node)
            }
        }
    }

    fn content(&mut self, path: PathId, node: Node) -> Result<()> {
        let Stack { paths, layers, .. } = self.stack;
        let origin = node.origin;
        let Some(record) = origin.record(layers) else {
            return Err(Error::refused("content without an entry"));
        };
        let xattrs = origin.xattrs(layers);
        let metadata = record.metadata;
        match record.what {
            What::Symlink(text) => {
                let target = layers[usize::from(origin.layer)].text(text);
                self.writer.symlink(paths, path, target, &metadata, xattrs)
            }
            What::Device { block, major, minor } => {
                let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
                let device = rustix::fs::makedev(major, minor);
                self.writer.node(paths, path, (kind, device), &metadata, xattrs)
            }
            What::Fifo => self.writer.node(paths, path, (FileType::Fifo, 0), &metadata, xattrs),
            What::File { .. } | What::Plink { .. } => {
                let layer = usize::from(origin.layer);
                let source = match self.stack.place(origin) {
                    Some(place) => self.diffs[layer].get(paths, paths.parent(place))?.open_file(paths.name(place))?,
                    None => self.sources[layer].aside.open_file(kept_name(origin.record).as_bytes())?,
                };
                let file = self.writer.file(paths, path, &metadata)?;
                copy::copy(&source, &file).context(|| "copy".to_owned())?;
                self.writer.finish_file(&file, &metadata, xattrs, None)
            }
            What::Directory | What::Link(_) | What::Whiteout | What::Opaque | What::NullDevice => {
                Err(Error::refused("entry without content"))
            }
        }
    }
}
