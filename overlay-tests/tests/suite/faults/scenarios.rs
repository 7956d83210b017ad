//! The commands that are cut off, and what each may change.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use overlay_tests::trace::{Call, Step, Traced, trace};

use super::ground::{Ground, IMAGE, KEPT, OTHER, Saved};

/// When the same command has to succeed after it was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    Always,
    /// While the image is listed; afterwards there is nothing to do, which is said.
    WhileImage,
    /// While the saved view is there.
    WhileView,
    /// While it is mounted.
    WhileMounted(&'static str),
    /// Until it is mounted.
    UntilMounted(&'static str),
}

/// One try after the other, even after one that failed: a fault rarely comes alone.
#[derive(Debug, Default)]
pub struct Tries {
    failed: usize,
}

impl Tries {
    /// More than so many failures tell nothing new.
    const ENOUGH: usize = 10;

    /// Does it, and goes on if that fails.
    #[track_caller]
    pub fn attempt(&mut self, work: impl FnOnce()) {
        self.failed += usize::from(catch_unwind(AssertUnwindSafe(work)).is_err());
        assert!(self.failed < Self::ENOUGH, "{} tries failed", self.failed);
    }

    /// Fails if one of them failed.
    #[track_caller]
    pub fn end(self) {
        assert_eq!(self.failed, 0, "so many tries failed");
    }
}

/// A command, the state root that it finds, and what is there whatever happens to it.
pub struct Scenario<'g> {
    pub ground: &'g Ground<'g>,
    pub saved: &'g Saved,
    /// Run before: `mount` for a view to unmount.
    pub first: &'static [&'static [&'static str]],
    pub command: Command,
    /// The images that are there before and may not go.
    pub stays: Vec<String>,
    /// The images that are there in the end.
    pub ends: Vec<String>,
    /// The directories and blobs that are there in the end.
    pub items: BTreeSet<String>,
    /// Whether a command that fails changes nothing.
    pub is_whole: bool,
    /// Whether the saved view stays.
    pub keeps_view: bool,
    pub again: Again,
}

impl<'g> Scenario<'g> {
    fn new(ground: &'g Ground<'g>, saved: &'g Saved, arguments: &[&str]) -> Self {
        let both = || vec![ground.image.id.clone(), ground.other.id.clone()];
        let mut command = ground.context.command(arguments);
        command.env("ROOTLAY_THREADS", "1");
        Self {
            ground,
            saved,
            first: &[],
            command,
            stays: both(),
            ends: both(),
            items: ground.both.items.clone(),
            is_whole: false,
            keeps_view: true,
            again: Again::Always,
        }
    }

    pub fn load(ground: &'g Ground<'g>) -> Self {
        let arguments = ["load", "--name", IMAGE, &ground.image.source];
        Self { stays: vec![ground.other.id.clone()], is_whole: true, ..Self::new(ground, &ground.before, &arguments) }
    }

    /// Into a state root that does not exist yet.
    pub fn first_load(ground: &'g Ground<'g>, nothing: &'g Saved) -> Self {
        let arguments = ["load", "--name", IMAGE, &ground.image.source];
        let (ends, items) = (vec![ground.image.id.clone()], nothing.items.clone());
        Self { stays: vec![], ends, items, keeps_view: false, ..Self::new(ground, nothing, &arguments) }
    }

    pub fn pull(ground: &'g Ground<'g>, mut command: Command) -> Self {
        command.env("ROOTLAY_THREADS", "1");
        Self { stays: vec![ground.other.id.clone()], is_whole: true, command, ..Self::new(ground, &ground.before, &[]) }
    }

    pub fn mount(ground: &'g Ground<'g>) -> Self {
        Self { is_whole: true, ..Self::new(ground, &ground.both, &["mount", IMAGE]) }
    }

    pub fn mount_writable(ground: &'g Ground<'g>) -> Self {
        Self { is_whole: true, ..Self::new(ground, &ground.both, &["mount", "-w", IMAGE]) }
    }

    /// A saved writable view once more.
    pub fn remount(ground: &'g Ground<'g>) -> Self {
        Self { again: Again::UntilMounted(KEPT), ..Self::new(ground, &ground.both, &["mount", "--name", KEPT]) }
    }

    pub fn umount(ground: &'g Ground<'g>) -> Self {
        let again = Again::WhileMounted("view");
        let first: &[&[&str]] = &[&["mount", "--name", "view", IMAGE]];
        Self { first, again, ..Self::new(ground, &ground.both, &["umount", "view"]) }
    }

    pub fn umount_writable(ground: &'g Ground<'g>) -> Self {
        let again = Again::WhileMounted(KEPT);
        let first: &[&[&str]] = &[&["mount", "--name", KEPT]];
        Self { first, again, ..Self::new(ground, &ground.both, &["umount", KEPT]) }
    }

    pub fn rm(ground: &'g Ground<'g>) -> Self {
        Self { keeps_view: false, again: Again::WhileView, ..Self::new(ground, &ground.both, &["rm", KEPT]) }
    }

    pub fn rmi(ground: &'g Ground<'g>) -> Self {
        let left = vec![ground.other.id.clone()];
        Self {
            stays: left.clone(),
            ends: left,
            items: ground.before.items.clone(),
            again: Again::WhileImage,
            ..Self::new(ground, &ground.both, &["rmi", IMAGE])
        }
    }

    pub fn prune(ground: &'g Ground<'g>) -> Self {
        let left = vec![ground.other.id.clone()];
        // The saved view keeps the other image.
        Self {
            stays: left.clone(),
            ends: left,
            items: ground.before.items.clone(),
            ..Self::new(ground, &ground.both, &["image", "prune", "--all", "--force"])
        }
    }

    /// A name moves from one image to another: two records change as one.
    pub fn tag(ground: &'g Ground<'g>) -> Self {
        Self::new(ground, &ground.both, &["tag", IMAGE, OTHER])
    }

    /// Makes the state root as the command finds it.
    pub fn prepare(&self) {
        self.ground.restore(self.saved);
        for arguments in self.first {
            self.ground.context.rootlay(*arguments).ok();
        }
    }

    /// Runs the command on a state root of its own, stopped as `decide` says.
    pub fn run(&self, decide: &mut dyn FnMut(usize, &Call) -> Step) -> Traced {
        self.prepare();
        self.run_prepared(decide)
    }

    /// The same on the state root that is there.
    pub fn run_prepared(&self, decide: &mut dyn FnMut(usize, &Call) -> Step) -> Traced {
        // The state root may not exist yet.
        let root = self.ground.context.root();
        let root = root.parent().unwrap().canonicalize().unwrap().join(root.file_name().unwrap());
        trace(&self.command, &root, decide)
    }

    /// The calls of a run that nothing stops.
    pub fn calls(&self) -> Vec<Call> {
        let traced = self.run(&mut |_, _| Step::Go);
        traced.output.ok();
        traced.calls
    }

    /// What has to be true as soon as the command was cut off.
    #[track_caller]
    pub fn assert_sound(&self) {
        let ground = self.ground;
        ground.assert_whole();
        let listed = ground.listed();
        for id in &self.stays {
            assert!(listed.contains(id), "the image {id} is gone: {listed:?}");
        }
        ground.assert_images(&listed);
        if self.keeps_view || ground.has_view() {
            ground.assert_kept_view();
        }
    }

    /// The same command once more, and then everything is as if nothing had happened.
    #[track_caller]
    pub fn assert_again(&self) {
        let ground = self.ground;
        let has_to = match self.again {
            Again::Always => true,
            Again::WhileImage => ground.listed().contains(&ground.image.id),
            Again::WhileView => ground.has_view(),
            Again::WhileMounted(name) => is_mounted(name),
            Again::UntilMounted(name) => !is_mounted(name),
        };
        let output = ground.context.output(&mut self.again());
        if has_to || output.code == 0 {
            output.ok();
        } else {
            assert!(matches!(output.code, 1 | 2), "{}: {}", output.code, output.stderr);
            output.one_line();
        }
        ground.context.rootlay(["umount", "-a"]).ok();
        ground.assert_tidy();
        let listed = ground.listed();
        assert_eq!(listed, self.ends.iter().cloned().collect(), "the images in the end");
        ground.assert_whole();
        ground.assert_images(&listed);
        if self.keeps_view {
            ground.assert_kept_view();
        }
        ground.assert_no_debris(&self.items);
    }

    /// The command once more.
    pub fn again(&self) -> Command {
        let mut command = Command::new(self.command.get_program());
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

fn is_mounted(view: &str) -> bool {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&format!(" rootlay:{view} "))
}
