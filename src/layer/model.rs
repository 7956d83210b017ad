//! What the image specification wants: the layers of a stack applied one after another to an empty directory
//! (image-spec, layer.md, "Applying Changesets"; layer-semantics section L).

use std::collections::{BTreeSet, HashMap};

use super::flat::{FlatTree, Kind, Node, Origin};
use super::late_links::{self, Target};
use super::paths::{PathId, PathTable};
use super::records::{Records, What};
use super::resolve::{Found, Look, Missing, Space, missing_directories, resolve};
use crate::error::{Context, Error, Result};
use crate::sys::errno::escape;

/// Symlinks of a layer can lead its marks elsewhere, and its marks can remove symlinks: how often that is followed.
const MAX_ROUNDS: usize = 8;

/// One layer on its way onto the tree.
#[derive(Debug)]
pub struct Applying<'a> {
    /// All layers of the stack so far, base first; the last one is applied.
    pub layers: &'a [&'a Records],
    /// What its paths are in the table of the stack, by their numbers in its own.
    pub known: &'a [PathId],
}

/// Where the marks of a layer lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Marks {
    hidden: BTreeSet<PathId>,
    opaque: BTreeSet<PathId>,
}

/// The tree, with lower files as places where a directory can be made.
struct EntrySpace<'a> {
    tree: &'a FlatTree,
    layers: &'a [&'a Records],
}

impl Space for EntrySpace<'_> {
    fn look(&self, path: PathId) -> Look<'_> {
        match look(self.tree, self.layers, path) {
            // A file of a layer below gives way to the directory that an entry implies (row 46).
            Look::Other if self.tree.get(path).is_some_and(|node| usize::from(node.placed) + 1 < self.layers.len()) => {
                Look::Absent
            }
            look => look,
        }
    }
}

fn look<'a>(tree: &FlatTree, layers: &[&'a Records], path: PathId) -> Look<'a> {
    match tree.get(path) {
        None => Look::Absent,
        Some(node) => match node.kind {
            Kind::Directory => Look::Directory,
            Kind::Symlink => Look::Symlink(
                layers
                    .get(usize::from(node.origin.layer))
                    .map_or(&[], |records| records.symlink_target(node.origin.record)),
            ),
            Kind::Other | Kind::Pending => Look::Other,
        },
    }
}

impl Applying<'_> {
    fn records(&self) -> &Records {
        self.layers[self.layers.len() - 1]
    }

    /// The path of a record as written.
    fn raw(&self, number: u32) -> PathId {
        self.known[self.records().get(number).path.index()]
    }

    /// The path of a hard link's target as written.
    fn target(&self, number: u32) -> Option<PathId> {
        match self.records().get(number).what {
            What::Link(target) => Some(self.known[target.index()]),
            _ => None,
        }
    }

    fn number(&self) -> u16 {
        u16::try_from(self.layers.len() - 1).unwrap_or(u16::MAX)
    }

    /// Applies the layer: first its marks, which only touch what is below, then its entries in order.
    ///
    /// The way of a mark may go through symlinks of the layer itself (row 11), whatever their order: its place is
    /// looked up in the tree as the layer leaves it. Where that is another place than before, the layer is applied
    /// again. Marks that never come to rest, because they remove their own way, mean what they mean in the tree below.
    pub fn apply(&self, tree: &mut FlatTree, paths: &mut PathTable) -> Result<()> {
        if self.marks(paths).is_empty() {
            return self.apply_entries(tree, paths);
        }
        let first = self.find_marks(tree, paths)?;
        let below = tree.clone();
        let mut marks = first.clone();
        for round in 0..=MAX_ROUNDS {
            let outcome = self.apply_with(&marks, tree, paths);
            let again = self.find_marks(tree, paths)?;
            if again == marks || round == MAX_ROUNDS {
                outcome?;
                break;
            }
            marks = if round + 1 == MAX_ROUNDS { first.clone() } else { again };
            tree.clone_from(&below);
        }
        self.refuse_marks_below_files(tree, paths)?;
        // An opaque mark makes its directory, as an entry would (row 25).
        for path in marks.opaque {
            self.imply(tree, paths, path);
        }
        Ok(())
    }

    fn apply_with(&self, marks: &Marks, tree: &mut FlatTree, paths: &mut PathTable) -> Result<()> {
        for &path in &marks.hidden {
            tree.remove(path);
        }
        for &path in &marks.opaque {
            if tree.get(path).is_some_and(Node::is_directory) {
                tree.clear(path);
            }
        }
        self.apply_entries(tree, paths)
    }

    /// The name of an entry as the archive has it, for messages.
    fn written(&self, paths: &PathTable, number: u32) -> String {
        let raw = self.raw(number);
        let (directory, name) = match self.records().get(number).what {
            What::Opaque => (raw, b".wh..wh..opq".to_vec()),
            What::Whiteout => (paths.parent(raw), [b".wh.", paths.name(raw)].concat()),
            _ => return escape(&paths.text(raw)),
        };
        let mut text = paths.text(directory);
        if !text.is_empty() {
            text.push(b'/');
        }
        text.extend(name);
        escape(&text)
    }

    fn apply_entries(&self, tree: &mut FlatTree, paths: &mut PathTable) -> Result<()> {
        let mut plinks = HashMap::new();
        let mut pending = Vec::new();
        for (number, _) in self.records().iter() {
            self.apply_entry(tree, paths, number, &mut plinks, &mut pending)
                .context(|| format!("entry `{}`", self.written(paths, number)))?;
        }
        self.finish_links(tree, paths, &plinks, &pending)
    }

    /// The marks with their records and the directories that they are in, as written.
    fn marks(&self, paths: &PathTable) -> Vec<(u32, What, PathId)> {
        let marks = self.records().iter().filter_map(|(number, record)| match record.what {
            What::Whiteout => Some((number, record.what, paths.parent(self.raw(number)))),
            What::Opaque => Some((number, record.what, self.raw(number))),
            _ => None,
        });
        marks.collect()
    }

    fn find_marks(&self, tree: &FlatTree, paths: &mut PathTable) -> Result<Marks> {
        let mut found = Marks::default();
        for (number, what, directory) in self.marks(paths) {
            // What is missing may be made by the layer; that must not count as another place.
            let Found::At(directory) = self.resolve(tree, paths, directory, Missing::IsDirectory)? else { continue };
            if what == What::Opaque {
                found.opaque.insert(directory);
            } else {
                found.hidden.insert(paths.same_name_in(directory, self.raw(number))?);
            }
        }
        Ok(found)
    }

    /// A mark below a file that the layer put there before it is refused (rows 24, 46); a file that came later took
    /// the place of the directory, marks and all (row 41).
    fn refuse_marks_below_files(&self, tree: &FlatTree, paths: &mut PathTable) -> Result<()> {
        for (number, _, directory) in self.marks(paths) {
            let found = self.resolve(tree, paths, directory, Missing::IsDirectory)?;
            let Found::NotDirectory(file) = found else { continue };
            let before = Origin { layer: self.number(), record: 0 }..Origin { layer: self.number(), record: number };
            if tree.get(file).is_some_and(|node| before.contains(&node.origin)) {
                return Err(below_file(paths, file).context(format!("entry `{}`", self.written(paths, number))));
            }
        }
        Ok(())
    }

    fn resolve(&self, tree: &FlatTree, paths: &mut PathTable, raw: PathId, missing: Missing) -> Result<Found> {
        resolve(paths, &EntrySpace { tree, layers: self.layers }, raw, missing)
    }

    fn imply(&self, tree: &mut FlatTree, paths: &PathTable, directory: PathId) {
        if tree.get(directory).is_some_and(Node::is_directory) {
            return;
        }
        for path in missing_directories(paths, &EntrySpace { tree, layers: self.layers }, directory) {
            tree.remove(path);
            tree.set(paths, path, Node::implied(self.number()));
        }
    }

    fn apply_entry(
        &self,
        tree: &mut FlatTree,
        paths: &mut PathTable,
        number: u32,
        plinks: &mut HashMap<PathId, u32>,
        pending: &mut Vec<(u32, PathId)>,
    ) -> Result<()> {
        let what = self.records().get(number).what;
        let raw = self.raw(number);
        match what {
            What::Whiteout | What::Opaque => return Ok(()),
            What::Plink { .. } => {
                plinks.insert(raw, number);
                return Ok(());
            }
            What::Directory if raw == PathId::ROOT => {
                tree.root = Origin { layer: self.number(), record: number };
                return Ok(());
            }
            _ => {}
        }
        let source = match what {
            What::Link(_) => self.find_target(tree, paths, number, plinks)?,
            _ => None,
        };
        let above = paths.parent(raw);
        let parent = match self.resolve(tree, paths, above, Missing::IsDirectory)? {
            Found::At(parent) => parent,
            Found::NotDirectory(file) => return Err(below_file(paths, file)),
            Found::Nothing => return Err(Error::refused("path cannot be resolved")),
        };
        self.imply(tree, paths, parent);
        let path = paths.same_name_in(parent, raw)?;
        if source.is_some_and(|(node, target)| target == Some(path) && node.kind != Kind::Pending) {
            return Ok(());
        }
        let merges = what == What::Directory && tree.get(path).is_some_and(Node::is_directory);
        if !merges {
            tree.remove(path);
        }
        // What the link replaced may have held its target.
        let source = source.filter(|(node, target)| {
            node.kind != Kind::Pending && target.is_none_or(|target| tree.get(target).is_some())
        });
        let layer = self.number();
        match (what, source) {
            (What::NullDevice, _) => {}
            (What::Link(_), Some((node, _))) => tree.set(paths, path, Node { placed: layer, ..node }),
            (What::Link(_), None) => {
                pending.push((number, path));
                let origin = Origin { layer, record: number };
                tree.set(paths, path, Node { kind: Kind::Pending, placed: layer, origin });
            }
            _ => tree.set(paths, path, Node::of(layer, number, what)),
        }
        Ok(())
    }

    /// What a hard link leads to, with its path unless it is an AUFS source.
    fn find_target(
        &self,
        tree: &FlatTree,
        paths: &mut PathTable,
        number: u32,
        plinks: &HashMap<PathId, u32>,
    ) -> Result<Option<(Node, Option<PathId>)>> {
        let Some(target) = self.target(number) else { return Ok(None) };
        if let Some(&plink) = plinks.get(&target) {
            return Ok(Some((Node::of(self.number(), plink, self.records().get(plink).what), None)));
        }
        let above = paths.parent(target);
        let Found::At(parent) = self.resolve(tree, paths, above, Missing::Stops)? else { return Ok(None) };
        let path = if target == PathId::ROOT { Some(target) } else { paths.find(parent, paths.name(target)) };
        let found = path.and_then(|path| tree.get(path).map(|node| (node, Some(path))));
        match found {
            Some((node, _)) if node.is_directory() => Err(Error::refused("hard link to a directory")),
            found => Ok(found),
        }
    }

    /// Hard links to later entries (row 71). One whose target is nowhere refuses the image.
    fn finish_links(
        &self,
        tree: &mut FlatTree,
        paths: &mut PathTable,
        plinks: &HashMap<PathId, u32>,
        pending: &[(u32, PathId)],
    ) -> Result<()> {
        let waiting: Vec<PathId> = pending.iter().map(|&(_, path)| path).collect();
        let (made, left) = late_links::order(&waiting, |link| {
            let number = pending[link].0;
            let target = self.find_target(tree, paths, number, plinks);
            Ok(match target.context(|| format!("entry `{}`", self.written(paths, number)))? {
                Some((Node { kind: Kind::Pending, .. }, Some(path))) => Target::Waits(path),
                Some(_) => Target::Ready,
                None => Target::Nowhere,
            })
        })?;
        if let Some(&link) = left.first() {
            let number = pending[link].0;
            return Err(Error::refused(format!(
                "entry `{}`: hard link target `{}` is nowhere",
                self.written(paths, number),
                self.target(number).map_or_else(String::new, |target| escape(&paths.text(target))),
            )));
        }
        for link in made {
            let (number, path) = pending[link];
            // A later entry may have taken the link's place.
            if self.is_pending(tree, path, number)
                && let Some((node, _)) = self.find_target(tree, paths, number, plinks)?
            {
                tree.set(paths, path, Node { placed: self.number(), ..node });
            }
        }
        Ok(())
    }

    fn is_pending(&self, tree: &FlatTree, path: PathId, number: u32) -> bool {
        tree.get(path).is_some_and(|node| {
            node.kind == Kind::Pending && node.origin == Origin { layer: self.number(), record: number }
        })
    }
}

fn below_file(paths: &PathTable, file: PathId) -> Error {
    Error::refused(format!("entry below `{}`, which is not a directory", escape(&paths.text(file))))
}
