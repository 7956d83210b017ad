//! What the cases of faults stand on: an image that comes, one that was there before and shares a layer with it, and a
//! writable view with something in it; and what has to be true of them whenever a command was cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use overlay_tests::fixture::{
    Compression, Entry, Image, Layer, Written, char_device, dir, fifo, file, hardlink, opaque, symlink, whiteout,
};
use overlay_tests::harness::{Context, StoreListing};
use overlay_tests::oracle::apply_stack;
use overlay_tests::tree::{Nlink, NodeKind, Tree, differences, read_tree, read_tree_with};

/// Whether `rootlay system check` has to find nothing wrong either.
const SYSTEM_CHECK: bool = true;

/// The name of the image that comes.
pub const IMAGE: &str = "example.org/image:1";
/// The name of the image that was there.
pub const OTHER: &str = "example.org/other:1";
/// The saved writable view of the other image.
pub const KEPT: &str = "kept";

/// An image and what its tree has to be.
#[derive(Debug)]
pub struct Known {
    pub id: String,
    /// The layout that it comes from, as an argument.
    pub source: String,
    pub tree: Tree,
}

/// A state root as it was saved.
#[derive(Debug, Clone)]
pub struct Saved {
    dir: PathBuf,
    /// The names of the directories and blobs in it.
    pub items: BTreeSet<String>,
}

#[derive(Debug)]
pub struct Ground<'c> {
    pub context: &'c Context,
    pub image: Known,
    pub other: Known,
    /// The other image and the view.
    pub before: Saved,
    /// The image too.
    pub both: Saved,
    /// What every directory that is named by a digest has to hold.
    whole: BTreeMap<String, Tree>,
    upper: Tree,
}

fn shared() -> Vec<Entry> {
    vec![
        dir("d", 0o1777).uid(7).gid(8),
        file("d/old", "old").xattr("user.u", "1"),
        file("d/program", "#!").mode(0o4755),
        dir("e", 0o700),
        file("e/x", "x"),
        file("gone", "gone"),
        hardlink("d/again", "d/old"),
        symlink("ln", "d"),
        fifo("pipe"),
        char_device("null", 1, 3),
    ]
}

/// Whiteouts, an opaque directory, hard links, and in the end what a plain overlay of the layers gets wrong: an entry that
/// goes through a symlink of a lower layer, a hard link to a file of one, and a directory that is only implied.
pub fn stack() -> [Vec<Entry>; 3] {
    [
        shared(),
        vec![whiteout("gone"), opaque("e"), file("e/new", "new"), file("f", "one"), hardlink("g", "f")],
        vec![
            file("ln/through", "through"),
            hardlink("link", "f"),
            file("d/deep/er", "deep").mtime(1_111_111_111, 5),
            file("large", vec![b'l'; 70_000]),
        ],
    ]
}

/// The stack as an image: each layer in another form.
pub fn image() -> Image {
    let forms = [Compression::Gzip, Compression::None, Compression::Zstd];
    Image::of(stack().iter().zip(forms).map(|(entries, form)| Layer::of(entries).compressed(form)))
}

fn other_stack() -> [Vec<Entry>; 2] {
    [shared(), vec![file("other", "other"), whiteout("d/program")]]
}

fn other() -> Image {
    let forms = [Compression::Gzip, Compression::Gzip];
    Image::of(other_stack().iter().zip(forms).map(|(entries, form)| Layer::of(entries).compressed(form)))
}

fn known(context: &Context, image: &Image, layers: &[Vec<Entry>]) -> Known {
    let layout = context.fresh("layout");
    let Written { image_id, .. } = image.write_oci(&layout);
    Known { id: image_id, source: format!("oci:{}", layout.display()), tree: apply_stack(layers).unwrap() }
}

impl<'c> Ground<'c> {
    /// Makes the images and the two state roots.
    pub fn new(context: &'c Context) -> Self {
        let mut ground = Self {
            image: known(context, &image(), &stack()),
            other: known(context, &other(), &other_stack()),
            before: Saved { dir: PathBuf::new(), items: BTreeSet::new() },
            both: Saved { dir: PathBuf::new(), items: BTreeSet::new() },
            whole: BTreeMap::new(),
            upper: Tree::new(),
            context,
        };
        context.rootlay(["load", "--name", OTHER, &ground.other.source]).ok();
        let merged = context.mount(["-w", "--name", KEPT, OTHER]);
        fs::write(merged.join("written"), "by a user").unwrap();
        fs::remove_file(merged.join("d/old")).unwrap();
        context.rootlay(["umount", KEPT]).ok();
        ground.upper = ground.read_upper();
        ground.before = ground.save("before");
        ground.assert_image(&ground.other);
        context.rootlay(["load", "--name", IMAGE, &ground.image.source]).ok();
        ground.both = ground.save("both");
        ground.assert_image(&ground.image);
        ground.whole = ground.read_whole();
        assert_eq!(ground.whole.len(), 4 + 2, "the layers of both images and their corrections");
        ground
    }

    /// No state root at all; the image alone is there in the end.
    pub fn nothing(&self) -> Saved {
        self.clear();
        self.context.rootlay(["load", "--name", IMAGE, &self.image.source]).ok();
        Saved { dir: PathBuf::new(), items: self.items() }
    }

    fn save(&self, name: &str) -> Saved {
        let dir = self.context.dir().join(name);
        copy(&self.context.root(), &dir);
        Saved { dir, items: self.items() }
    }

    /// The state root as it was saved; whatever is mounted in the present one goes.
    pub fn restore(&self, saved: &Saved) {
        self.clear();
        if saved.dir.exists() {
            copy(&saved.dir, &self.context.root());
        }
    }

    /// Removes the state root with all mounts.
    pub fn clear(&self) {
        let root = self.context.root();
        let root = root.to_str().unwrap();
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for target in table.lines().rev().filter_map(|line| line.split(' ').nth(4)) {
            if target.starts_with(&format!("{root}/")) {
                umount2(target, MntFlags::MNT_DETACH).unwrap();
            }
        }
        if Path::new(root).exists() {
            fs::remove_dir_all(root).unwrap();
        }
    }

    /// The names of all directories and blobs that are named by a digest.
    pub fn items(&self) -> BTreeSet<String> {
        let mut items = BTreeSet::new();
        for folder in ["layers", "corrections", "merged", "blobs"] {
            let place = format!("{folder}/sha256");
            if let Ok(entries) = fs::read_dir(self.context.root().join(&place)) {
                items.extend(entries.map(|entry| format!("{place}/{}", entry.unwrap().file_name().display())));
            }
        }
        items
    }

    fn read_whole(&self) -> BTreeMap<String, Tree> {
        let items = self.items().into_iter().filter(|item| !item.starts_with("blobs/"));
        items.map(|item| (item.clone(), self.read_item(&item))).collect()
    }

    /// All of a layer but the boot; times only in its tree.
    fn read_item(&self, item: &str) -> Tree {
        let mut tree = read_tree_with(&self.context.root().join(item), |path| path != b"/commit.json").unwrap();
        for (path, node) in &mut tree {
            // A whiteout has no time that anybody sees.
            if !path.starts_with(b"/diff/") || node.kind == NodeKind::Char(0, 0) {
                node.mtime = (0, 0);
            }
        }
        tree
    }

    fn read_upper(&self) -> Tree {
        read_tree(&self.context.root().join("views").join(KEPT).join("upper")).unwrap()
    }

    /// No half layer: what has its name is whole. No half blob either.
    #[track_caller]
    pub fn assert_whole(&self) {
        for item in self.items() {
            if let Some(hex) = item.strip_prefix("blobs/sha256/") {
                let content = fs::read(self.context.root().join(&item)).unwrap();
                assert_eq!(overlay_tests::fixture::sha256_hex(&content), hex, "a damaged blob");
                continue;
            }
            let expected = self.whole.get(&item).unwrap_or_else(|| panic!("{item} is of no image"));
            let lines = differences(expected, &self.read_item(&item), Nlink::Compare);
            assert!(lines.is_empty(), "half a layer, {item}:\n{}", lines.join("\n"));
        }
    }

    /// Whether the saved view is there.
    pub fn has_view(&self) -> bool {
        self.context.root().join("views").join(KEPT).exists()
    }

    /// What was written to the view is there and as it was.
    #[track_caller]
    pub fn assert_kept_view(&self) {
        // The kernel links its whiteouts with one in the work directory, which each mount empties.
        let lines = differences(&self.upper, &self.read_upper(), Nlink::Ignore);
        assert!(lines.is_empty(), "the writable view:\n{}", lines.join("\n"));
    }

    /// The IDs of the images that are listed.
    #[track_caller]
    pub fn listed(&self) -> BTreeSet<String> {
        let stdout = self.context.rootlay(["images", "-a", "-q", "--no-trunc"]).ok();
        stdout.lines().map(str::to_owned).collect()
    }

    /// Every image that is listed can be mounted and is right.
    #[track_caller]
    pub fn assert_images(&self, listed: &BTreeSet<String>) {
        for id in listed {
            let known = [&self.image, &self.other].into_iter().find(|known| known.id == *id);
            self.assert_image(known.unwrap_or_else(|| panic!("{id} is listed")));
        }
    }

    #[track_caller]
    pub fn assert_image(&self, known: &Known) {
        let tree = self.context.tree_of_loaded(&known.id);
        let lines = differences(&known.tree, &tree, Nlink::Compare);
        assert!(lines.is_empty(), "the image {}:\n{}", known.id, lines.join("\n"));
    }

    /// Nothing unfinished is left.
    #[track_caller]
    pub fn assert_tidy(&self) {
        let listing = StoreListing::read(&self.context.root());
        for dir in ["staging", "partial/sha256", "partial/sha512"] {
            let left = listing.children(dir);
            assert!(left.is_empty(), "left in {dir}: {left:?}");
        }
        assert!(!self.context.root().join("images/change.json").exists(), "an unfinished change");
    }

    /// Exactly these directories and blobs are here, after what nothing names was removed.
    #[track_caller]
    pub fn assert_no_debris(&self, expected: &BTreeSet<String>) {
        if SYSTEM_CHECK {
            self.context.rootlay(["system", "check", "--deep"]).ok();
        }
        self.context.rootlay(["system", "prune", "--force"]).ok();
        assert_eq!(&self.items(), expected, "what nothing names stays");
        self.assert_tidy();
        let locks = fs::read_dir(self.context.root().join("locks")).unwrap();
        let locks: Vec<_> = locks
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| !["store", "sync", "era"].iter().any(|known| name == known))
            .collect();
        assert!(locks.is_empty(), "left in locks: {locks:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success(), "cp");
}
