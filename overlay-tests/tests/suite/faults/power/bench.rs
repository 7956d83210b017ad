//! A disk after a power cut, looked at in another boot.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use overlay_tests::block::Mounted;
use overlay_tests::harness::{Context, StoreListing};

use super::super::known::{Known, runs};
use super::script::World;

/// Where a disk is looked at after a cut.
pub struct Bench<'c> {
    pub context: &'c Context,
    pub file_system: &'c str,
    pub options: &'c str,
    pub state: PathBuf,
    pub known: BTreeMap<&'static str, Known>,
}

/// What is wrong, in words.
pub type Checked = Result<(), String>;

impl Bench<'_> {
    /// Mounts the disk, and looks at everything.
    pub fn holds(&self, disk: &Path, allowed: &[World]) -> Checked {
        let mounted = Mounted::new(self.file_system, self.options, disk, &self.state)
            .map_err(|error| format!("the file system does not mount: {error}"))?;
        let result = self.is_whole(allowed).and_then(|()| self.works()).and_then(|()| self.is_empty());
        if result.is_err() {
            // A view that is still mounted must not keep the file system.
            self.context.rootlay(["umount", "-a"]);
        }
        mounted.unmount();
        result
    }

    fn run(&self, line: &str) -> Result<String, String> {
        runs(self.context, line)
    }

    /// What was there before the cut is there, and is what it was.
    fn is_whole(&self, allowed: &[World]) -> Checked {
        let listed = self.run("images --no-trunc --format {{.Repository}}:{{.Tag}}_{{.ID}}")?;
        let images: BTreeSet<String> = listed.lines().map(|line| line.replace('_', " ")).collect();
        if !allowed.iter().any(|world| world.images == images) && !between(allowed, &images) {
            return Err(format!("these images are here: {images:#?}, instead of {allowed:#?}"));
        }
        let ids: BTreeSet<&str> = images.iter().filter_map(|line| line.rsplit(' ').next()).collect();
        for id in ids {
            let known = self.known.values().find(|known| known.id() == id).ok_or("who is that?")?;
            known.is_right(self.context)?;
        }
        self.views_are_right(allowed)
    }

    fn views_are_right(&self, allowed: &[World]) -> Checked {
        let listed = self.run("mounts --format {{.Name}}")?;
        let views: BTreeSet<&str> = listed.lines().collect();
        let may = |view: &str| allowed.iter().any(|world| world.views.contains_key(view));
        let must = |view: &str| allowed.iter().all(|world| world.views.contains_key(view));
        if let Some(view) = views.iter().find(|view| !may(view)) {
            return Err(format!("the view {view} is here"));
        }
        for view in allowed.iter().flat_map(|world| world.views.keys()).filter(|view| must(view)) {
            if !views.contains(view.as_str()) {
                return Err(format!("the view {view} is lost"));
            }
        }
        for view in views {
            let merged = self.run(&format!("mount --name {view}"))?;
            let found = fs::read(Path::new(merged.trim_end()).join("written")).unwrap_or_default();
            self.run(&format!("umount {view}"))?;
            let contents: Vec<&Vec<u8>> = allowed.iter().filter_map(|world| world.views.get(view)).collect();
            // A file that is written anew is empty for a moment.
            let durable = contents.iter().any(|content| **content == found);
            let moving = contents.iter().collect::<BTreeSet<_>>().len() > 1;
            if !(durable || moving && found.len() <= 6) {
                return Err(format!("the view {view} says {:?}", found.escape_ascii().to_string()));
            }
        }
        Ok(())
    }

    /// Whatever the cut left, the next commands work.
    fn works(&self) -> Checked {
        for known in self.known.values() {
            self.run(&format!("load --name new:1 {}", known.source))?;
            known.is_right(self.context)?;
        }
        self.run(&format!("rmi -f {}", self.known["b"].id())).or_else(|why| {
            // A view may use it.
            if why.contains("in use") || why.contains("used by") { Ok(String::new()) } else { Err(why) }
        })?;
        self.known["d"].is_right(self.context)
    }

    /// When everything is removed, nothing is left.
    fn is_empty(&self) -> Checked {
        for view in self.run("mounts -q")?.lines() {
            self.run(&format!("rm {view}"))?;
        }
        self.run("system prune -a -f")?;
        let listing = StoreListing::read(&self.context.root());
        let mut left: Vec<String> = Vec::new();
        for area in ["staging", "views", "images/sha256", "partial/sha256", "merged/sha256", "corrections/sha256"] {
            left.extend(listing.children(area).into_iter().map(|name| format!("{area}/{name}")));
        }
        left.extend(listing.layers().into_iter().chain(listing.blobs()));
        left.extend(self.left_in_root());
        if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left:#?}")) }
    }

    /// Names in the state root that the documents do not know.
    fn left_in_root(&self) -> Vec<String> {
        let known = [
            "version",
            "locks",
            "oci-layout",
            "index.json",
            "blobs",
            "layers",
            "corrections",
            "merged",
            "images",
            "used",
            "views",
            "partial",
            "staging",
        ];
        let entries = fs::read_dir(self.context.root()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !known.contains(&name.as_str())).collect()
    }
}

/// Whether these images are what one of several removals in one command leaves.
fn between(allowed: &[World], images: &BTreeSet<String>) -> bool {
    let (Some(first), Some(last)) = (allowed.first(), allowed.last()) else { return false };
    let (more, less) = (&first.images, &last.images);
    less.is_subset(images) && images.is_subset(more)
}
