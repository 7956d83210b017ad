//! What a case works with: a scratch directory, a state root, and the program.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::deny::{self, Denied};
use super::measure;
use super::needs;
use super::rootlay::Output;
use super::row::Row;
use super::sandbox;
use super::store_listing::StoreListing;
use crate::fixture::{Entry, Image, Layer, Written, file};
use crate::tree::{Tree, read_tree};

/// The surroundings of one case.
#[derive(Debug)]
pub struct Context {
    dir: PathBuf,
    counter: Cell<u32>,
    denied: RefCell<Vec<Denied>>,
}

impl Context {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, counter: Cell::new(0), denied: RefCell::default() }
    }

    /// The scratch directory, a tmpfs of its own.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The state root; the program creates it.
    pub fn root(&self) -> PathBuf {
        self.dir.join("state/root")
    }

    /// A path in the scratch directory that nothing else uses.
    pub fn fresh(&self, stem: &str) -> PathBuf {
        self.counter.set(self.counter.get() + 1);
        self.dir.join(format!("{stem}-{}", self.counter.get()))
    }

    /// A new directory in the scratch directory.
    pub fn fresh_dir(&self, stem: &str) -> PathBuf {
        let path = self.fresh(stem);
        fs::create_dir(&path).unwrap();
        path
    }

    /// A file system of this type and size, made in a file and mounted in the scratch directory.
    pub fn mount_image(&self, file_system: &str, size: &str) -> PathBuf {
        let target = self.fresh_dir(file_system);
        sandbox::mount_image(file_system, &self.fresh("image"), &target, size);
        target
    }

    /// The same, made in an unusual way.
    pub fn mount_image_with(&self, file_system: &str, how: &[&str], size: &str) -> PathBuf {
        let target = self.fresh_dir(file_system);
        sandbox::mount_image_with(file_system, how, &self.fresh("image"), &target, size);
        target
    }

    /// An overlay whose directories lie on the tmpfs, mounted in the scratch directory.
    pub fn mount_overlay(&self) -> PathBuf {
        let target = self.fresh_dir("merged");
        sandbox::mount_overlay(&self.fresh_dir("below"), &target);
        target
    }

    /// The official images.
    pub fn images(&self) -> PathBuf {
        needs::images().canonicalize().unwrap()
    }

    /// The program itself, for unusual ways to run it.
    pub fn program(&self) -> PathBuf {
        needs::program()
    }

    /// The program on this case's state root, without progress on standard error.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.command_on(&self.root(), arguments)
    }

    /// The program on another state root.
    pub fn command_on<A: AsRef<OsStr>>(&self, root: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command_showing("none", root);
        command.args(arguments);
        command
    }

    /// The program on a state root with this kind of progress; the other arguments are to follow.
    pub fn command_showing(&self, progress: &str, root: &Path) -> Command {
        let denied = self.denied.borrow();
        let mut command = if denied.is_empty() {
            Command::new(self.program())
        } else {
            let mut command = deny::command(&denied);
            command.arg(self.program());
            command
        };
        command.env_remove("ROOTLAY_ROOT").env("NO_COLOR", "1").env("TMPDIR", &self.dir);
        command.arg("--root").arg(root).args(["--progress", progress]);
        command
    }

    /// From now on the program runs as if the kernel did not have these calls.
    pub fn deny(&self, denied: &[Denied]) {
        self.denied.replace(denied.to_vec());
    }

    /// Runs the program.
    pub fn rootlay<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        run(&mut self.command(arguments))
    }

    /// Runs any command.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        run(Command::new(program).args(arguments).env("TMPDIR", &self.dir))
    }

    /// Runs a line of shell as a user would paste it: `rootlay` is the program on this case's state root, and so is
    /// `docker`.
    pub fn shell(&self, line: &str) -> Output {
        run(&mut self.shell_command(line))
    }

    /// The same, not yet run.
    pub fn shell_command(&self, line: &str) -> Command {
        let bin = self.dir.join("bin");
        if !bin.exists() {
            fs::create_dir(&bin).unwrap();
            let (program, root) = (self.program(), self.root());
            let script = format!(
                "#!/bin/sh\nexec '{}' --root '{}' --progress none \"$@\"\n",
                program.canonicalize().unwrap().display(),
                root.display()
            );
            for name in ["rootlay", "docker"] {
                fs::write(bin.join(name), &script).unwrap();
                fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", format!("{}:{path}", bin.display())).env("TZ", "UTC");
        command.env_remove("ROOTLAY_ROOT").env("NO_COLOR", "1").env("TMPDIR", &self.dir).env("HOME", &self.dir);
        command.env_remove("DOCKER_CONFIG").current_dir(&self.dir);
        command
    }

    /// Runs a prepared command.
    pub fn output(&self, command: &mut Command) -> Output {
        run(command)
    }

    /// Runs the program, and gives the most memory that it had resident, in bytes. A watchdog ends a run that is stuck.
    pub fn measured<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> (Output, u64) {
        let report = self.fresh("measured");
        let inner = self.command(arguments);
        let mut command = measure::command(&report);
        command.arg(inner.get_program()).args(inner.get_args());
        for (key, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let output = run(&mut command);
        assert!(report.exists(), "{}", output.stderr);
        let bytes = measure::read(&report);
        fs::remove_file(report).unwrap();
        (output, bytes)
    }

    /// Runs a prepared command with the standard input that it has.
    pub fn output_with(&self, command: &mut Command) -> Output {
        run_with(command)
    }

    /// Writes an image as a layout and loads it, whatever comes of it.
    pub fn try_load(&self, image: &Image) -> (Written, Output) {
        let layout = self.fresh("layout");
        let written = image.write_oci(&layout);
        let output = self.rootlay(["load", &source("oci", &layout)]);
        fs::remove_dir_all(&layout).unwrap();
        (written, output)
    }

    /// Loads an image.
    #[track_caller]
    pub fn load(&self, image: &Image) -> Written {
        let (written, output) = self.try_load(image);
        let stdout = output.ok();
        let expected = match image.name() {
            Some(_) => "Loaded image".to_owned(),
            None => format!("Loaded image ID: {}\n", written.image_id),
        };
        assert!(stdout.starts_with(&expected), "expected {expected}, got {stdout}");
        written
    }

    /// Mounts an image (or any other arguments of `mount`) and returns the merged directory.
    #[track_caller]
    pub fn mount<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> PathBuf {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let all = std::iter::once(OsStr::new("mount")).chain(arguments.iter().map(AsRef::as_ref));
        let stdout = self.rootlay(all).ok();
        let line = stdout.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "more than one line: {stdout}");
        PathBuf::from(line)
    }

    /// Unmounts a view by its directory.
    #[track_caller]
    pub fn umount(&self, target: &Path) {
        self.rootlay([OsStr::new("umount"), target.as_os_str()]).ok();
    }

    /// Loads, mounts and reads an image, and unmounts it again.
    #[track_caller]
    pub fn tree_of(&self, image: &Image) -> Tree {
        let id = self.load(image).image_id;
        self.tree_of_loaded(&id)
    }

    /// Mounts and reads an image that is here, and unmounts it again.
    #[track_caller]
    pub fn tree_of_loaded(&self, image: &str) -> Tree {
        let merged = self.mount([image]);
        let tree = read_tree(&merged).unwrap();
        self.umount(&merged);
        tree
    }

    /// Loads an image that has to be refused: exit code 3, one line that says all of this, and the store as it was.
    #[track_caller]
    pub fn refuse(&self, image: &Image, says: &[&str]) -> Output {
        self.refuse_load(says, || self.try_load(image).1)
    }

    /// The same for any run of the program.
    #[track_caller]
    pub fn refuse_load(&self, says: &[&str], load: impl FnOnce() -> Output) -> Output {
        if !self.root().exists() {
            // Something that has to stay, and a store that is no longer new.
            self.load(&Image::of([Layer::of(&[file("keep", "keep")])]));
        }
        let before = StoreListing::read(&self.root());
        let images = self.rootlay(["images", "--format", "json"]).ok();
        let output = load().exits(3);
        let line = output.one_line();
        for text in says {
            assert!(line.contains(text), "`{text}` is not in: {line}");
        }
        before.assert_unchanged(&self.root());
        assert_eq!(images, self.rootlay(["images", "--format", "json"]).ok(), "after a refused image");
        output
    }

    /// A stack of layers as a row of the rules.
    pub fn row(&self, layers: &[Vec<Entry>]) -> Row<'_> {
        Row::new(self, layers)
    }
}

/// `oci:PATH` and the like.
fn source(kind: &str, path: &Path) -> String {
    format!("{kind}:{}", path.to_str().unwrap())
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    run_with(command.stdin(std::process::Stdio::null()))
}

#[track_caller]
fn run_with(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    Output::new(shown, &output)
}
