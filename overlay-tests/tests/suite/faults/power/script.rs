//! What the program does while everything is written down, and what has to be there after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use overlay_tests::block::Device;
use overlay_tests::fixture::{Entry, Image, Layer, dir, file, hardlink, opaque, symlink, whiteout};
use overlay_tests::harness::Context;
use overlay_tests::registry::Bed;

use super::super::known::{Known, noise};

/// What is in the store, as far as a user can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// `NAME:TAG ID` of each line of `images`.
    pub images: BTreeSet<String>,
    /// What was written to each writable view, and is durable.
    pub views: BTreeMap<String, Vec<u8>>,
}

/// A script while it is recorded.
pub struct Stage<'c> {
    pub context: &'c Context,
    pub device: &'c Device,
    pub known: BTreeMap<&'static str, Known>,
    /// The world after each step; the first is that before all of them.
    pub worlds: Vec<World>,
    pub names: Vec<String>,
}

fn base() -> Vec<Entry> {
    let mut entries = vec![dir("d", 0o1777), file("d/old", "old"), file("shared", noise(1, 40_000)), symlink("l", "d")];
    entries.extend((0..12).map(|n| file(format!("d/{n}"), noise(n, 3000)).mode(0o4750)));
    entries
}

/// Images of three layers with the same base, each with something that only a correction layer gets right.
pub fn stack(seed: u64) -> [Vec<Entry>; 3] {
    let middle =
        vec![file("large", noise(seed, 300_000)), whiteout("d/old"), file(format!("m{seed}"), "middle").uid(7)];
    let top =
        vec![file("l/below", noise(seed + 1, 5000)), hardlink("again", "large"), opaque("empty"), dir("empty", 0o700)];
    [base(), middle, top]
}

impl Stage<'_> {
    /// One step: whatever `act` does is durable when it returns, and makes the world this one.
    fn step(&mut self, name: &str, act: impl FnOnce(&Self), change: impl FnOnce(&mut World, &Self)) {
        act(self);
        let mut world = self.worlds.last().cloned().unwrap();
        change(&mut world, self);
        self.device.mark(self.worlds.len() as u64);
        self.worlds.push(world);
        self.names.push(name.to_owned());
    }

    fn run(&self, line: &str) {
        self.context.rootlay(line.split(' ')).ok();
    }

    fn line(&self, image: &str, name: &str) -> String {
        format!("{name} {}", self.known[image].id())
    }

    fn load(&mut self, image: &'static str) {
        let line = self.line(image, &format!("{image}:1"));
        let source = self.known[image].source.clone();
        self.step(
            &format!("load {image}"),
            |stage| stage.run(&format!("load --name {image}:1 {source}")),
            |world, _| {
                world.images.insert(line);
            },
        );
    }
}

/// Writes a file of a view and makes it durable, as a database does.
pub fn write_durably(path: &Path, content: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
}

/// Everything that needs no network.
pub fn everything(stage: &mut Stage<'_>) {
    let written = |stage: &Stage<'_>, text: &[u8]| {
        write_durably(&stage.context.root().join("views/w/merged/written"), text);
    };
    let says = |text: &'static [u8]| {
        move |world: &mut World, _: &Stage<'_>| {
            world.views.insert("w".to_owned(), text.to_vec());
        }
    };
    let nothing = |_: &mut World, _: &Stage<'_>| {};
    stage.load("b");
    let other = stage.line("b", "other:1");
    stage.step(
        "tag",
        |stage| stage.run("tag b:1 other:1"),
        |world, _| {
            world.images.insert(other.clone());
        },
    );
    stage.step(
        "mount",
        |stage| {
            stage.run("mount --name r a:1");
            // The journal takes up the names of the view before its record is written.
            let other = stage.context.dir().join("state/other");
            (0..3).for_each(|n| write_durably(&other, &[n]));
        },
        nothing,
    );
    stage.step("mount -w", |stage| stage.run("mount -w --name w b:1"), says(b""));
    stage.step("write", |stage| written(stage, b"first"), says(b"first"));
    stage.step("umount", |stage| stage.run("umount w r"), nothing);
    let first = stage.line("b", "b:1");
    stage.step(
        "rmi a name",
        |stage| stage.run("rmi b:1"),
        |world, _| {
            world.images.remove(&first);
        },
    );
    stage.step("mount again", |stage| stage.run("mount --name w"), nothing);
    stage.step("write again", |stage| written(stage, b"second"), says(b"second"));
    stage.step("umount again", |stage| stage.run("umount w"), nothing);
    stage.load("c");
    let moved = (stage.line("c", "other:1"), other.clone());
    let dangling = stage.line("b", "<none>:<none>");
    stage.step(
        "tag over another",
        |stage| stage.run("tag c:1 other:1"),
        |world, _| {
            world.images.insert(moved.0.clone());
            world.images.remove(&moved.1);
            world.images.insert(dangling.clone());
        },
    );
    let removed = [stage.line("c", "c:1"), moved.0.clone()];
    stage.step(
        "rmi",
        |stage| stage.run("rmi -f c:1 other:1"),
        |world, _| {
            // Two commands in one: the name first.
            world.images.retain(|line| !removed.contains(line));
        },
    );
    stage.load("d");
    stage.step("rm", |stage| stage.run("rm w"), |world, _| world.views.clear());
    stage.step(
        "image prune",
        |stage| stage.run("image prune -f"),
        |world, _| {
            world.images.remove(&dangling);
        },
    );
    stage.step("system prune", |stage| stage.run("system prune -a -f"), |world, _| world.images.clear());
}

/// What comes over a network.
pub fn pulling(stage: &mut Stage<'_>) {
    let (bed, registry, proxy) = Bed::open(stage.context);
    let pull = |stage: &mut Stage<'_>, image: &'static str, layers: &[Vec<Entry>]| {
        let written =
            registry.publish(&Image::of(layers.iter().map(|entries| Layer::of(entries))), &format!("{image}:1"));
        assert_eq!(written.image_id, stage.known[image].id());
        let name = proxy.name(&format!("{image}:1"));
        let line = stage.line(image, &name);
        stage.step(
            &format!("pull {image}"),
            |_| drop(bed.pull(&name)),
            |world, _| {
                world.images.insert(line);
            },
        );
    };
    pull(stage, "b", &stack(20));
    pull(stage, "c", &stack(30));
    let name = proxy.name("b:1");
    let gone = stage.line("b", &name);
    stage.step(
        "rmi",
        |stage| stage.run(&format!("rmi {name}")),
        |world, _| {
            world.images.remove(&gone);
        },
    );
    pull(stage, "b", &stack(20));
}
