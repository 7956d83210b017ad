//! Open directories of a tree that is being written, so that no path is walked from the top.

use std::collections::VecDeque;
use std::sync::Arc;

use nix::errno::Errno;

use super::paths::{PathId, PathTable};
use crate::error::Result;
use crate::sys::dir::Dir;
use crate::sys::errno::SysResult;

/// How many directories stay open.
const CAPACITY: usize = 16;

/// Paths longer than this are opened in steps; the kernel takes 4,095 bytes in one call.
const LONGEST: usize = 3000;

/// The directories that were used last, below one root.
#[derive(Debug)]
pub struct DirCache {
    root: Arc<Dir>,
    open: VecDeque<(PathId, Arc<Dir>)>,
}

impl DirCache {
    /// A cache over a tree with this root.
    pub fn new(root: &Dir) -> Result<Self> {
        Ok(Self { root: Arc::new(root.try_clone()?), open: VecDeque::new() })
    }

    /// The directory at a path. No step of the way may be a symlink on disk: the path is a real one.
    pub fn get(&mut self, paths: &PathTable, path: PathId) -> SysResult<&Arc<Dir>> {
        if path == PathId::ROOT {
            return Ok(&self.root);
        }
        if let Some(at) = self.open.iter().position(|(known, _)| *known == path) {
            if at > 0
                && let Some(found) = self.open.remove(at)
            {
                self.open.push_front(found);
            }
        } else {
            let dir = match self.open(paths, path) {
                // Many layers are unpacked at once, and each has such a cache.
                Err(error) if error.errno() == Errno::EMFILE && !self.open.is_empty() => {
                    self.open.clear();
                    self.open(paths, path)?
                }
                result => result?,
            };
            self.open.truncate(CAPACITY - 1);
            self.open.push_front((path, Arc::new(dir)));
        }
        Ok(self.open.front().map_or(&self.root, |(_, dir)| dir))
    }

    /// Opens from the nearest directory that is open.
    fn open(&self, paths: &PathTable, path: PathId) -> SysResult<Dir> {
        let mut names = Vec::new();
        let mut here = path;
        let start = loop {
            if here == PathId::ROOT {
                break &*self.root;
            }
            if let Some((_, dir)) = self.open.iter().find(|(known, _)| *known == here) {
                break &**dir;
            }
            names.push(paths.name(here));
            here = paths.parent(here);
        };
        let mut dir: Option<Dir> = None;
        let mut relative: Vec<u8> = Vec::new();
        for (left, name) in names.iter().enumerate().rev() {
            if !relative.is_empty() {
                relative.push(b'/');
            }
            relative.extend_from_slice(name);
            if relative.len() > LONGEST || left == 0 {
                dir = Some(dir.as_ref().unwrap_or(start).open_dir(&relative)?);
                relative.clear();
            }
        }
        match dir {
            Some(dir) => Ok(dir),
            None => start.try_clone(),
        }
    }

    /// Forgets every open directory: one of them may have been removed.
    pub fn clear(&mut self) {
        self.open.clear();
    }
}
