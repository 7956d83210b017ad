//! Eight processes at once, at random, over twenty images that share layers.
//!
//! `OVERLAY_TESTS_SECONDS` is how long (default 60), `OVERLAY_TESTS_SEED` where the numbers begin (default: the clock).
//! Each worker runs one command after the other. Some images have an owner, who alone loads and removes them and so knows at
//! any time whether they are there; with the others everybody does everything.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, PoisonError, RwLock};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use overlay_tests::fixture::{Entry, Image, Layer, Written, dir, file, hardlink, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::oracle::apply_stack;
use overlay_tests::random::Rng;
use overlay_tests::tree::{Nlink, Tree, differences, read_tree};

use super::say;

const WORKERS: usize = 8;
const IMAGES: usize = 20;
/// The first images belong to one worker each.
const OWNED: usize = WORKERS;
/// The layers that they share.
const LAYERS: usize = 7;
/// How long a command may take on a machine that does much else, before it counts as stuck.
const STUCK: Duration = Duration::from_secs(90);

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(module_path!(), "eight_processes_for_a_minute", for_a_minute).minutes(120),
        Case::new(module_path!(), "who_looks_at_a_view_does_not_hold_it", who_looks_at_a_view_does_not_hold_it),
    ]
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}: not a number")))
}

/// The layers of which all images are made; each has a file of its own name at its root.
fn layers() -> Vec<Vec<Entry>> {
    let content = |layer: usize, n: usize| vec![u8::try_from(layer * 16 + n % 16).unwrap(); 100 + n * 7];
    let many = |layer: usize, count: usize| -> Vec<Entry> {
        let file = |n: usize| file(format!("d/{}/f{n}", n % 5), content(layer, n)).uid(i128::try_from(layer).unwrap());
        std::iter::once(Entry { uid: 1, ..dir("d", 0o755) }).chain((0..count).map(file)).collect()
    };
    let marked = |layer: usize, mut entries: Vec<Entry>| {
        entries.push(file(marker(layer), format!("layer {layer}")));
        entries
    };
    let special = vec![symlink("link", "d"), whiteout("d/0/f0"), hardlink("d/1/again", "d/1/f1")];
    let through = vec![file("link/through", "a correction layer puts it there"), dir("o", 0o700), opaque("d/2")];
    vec![
        marked(0, many(0, 400)),
        marked(1, many(1, 250)),
        marked(2, special),
        marked(3, through),
        marked(4, many(4, 120)),
        marked(5, vec![whiteout("d/3"), file("d/3/new", "new")]),
        marked(6, many(6, 60)),
    ]
}

fn marker(layer: usize) -> String {
    format!("marker-{layer}")
}

/// One of the images: its own file on top of some of the layers.
struct Subject {
    name: String,
    source: String,
    written: Written,
    tree: Tree,
}

fn subjects(context: &Context) -> Vec<Subject> {
    let shared = layers();
    let stacks: [&[usize]; 5] = [&[0, 2, 3], &[0, 1], &[0, 4, 5], &[0, 2, 3, 6], &[0, 1, 5]];
    let subject = |n: usize| {
        let mut stack: Vec<Vec<Entry>> = stacks[n % stacks.len()].iter().map(|&layer| shared[layer].clone()).collect();
        stack.push(vec![file("own", format!("image {n}"))]);
        let layout = context.fresh("layout");
        let label = if n < OWNED { "owned" } else { "free" };
        let image = Image::of(stack.iter().map(|entries| Layer::of(entries)))
            .config(move |config| config["config"]["Labels"][label] = "yes".into());
        let written = image.write_oci(&layout);
        let tree = apply_stack(&stack).unwrap();
        Subject { name: format!("image{n}:1"), source: format!("oci:{}", layout.display()), written, tree }
    };
    (0..IMAGES).map(subject).collect()
}

/// Is read while a worker has files of a view open, and written while one starts a process: until that runs its program it
/// would hold them too, and the view with them.
static OPEN: RwLock<()> = RwLock::new(());

/// One process after another.
struct Worker<'c> {
    program: &'c Path,
    root: &'c Path,
    subjects: &'c [Subject],
    number: usize,
    rng: Rng,
    /// Whether its own image is there.
    loaded: bool,
    commands: u64,
    history: Vec<String>,
}

/// What a command left.
struct End {
    code: i32,
    stdout: String,
    text: String,
}

impl Worker<'_> {
    /// Runs a command that may end with one of these codes.
    fn run(&mut self, line: &str, codes: &[i32]) -> End {
        let mut command = std::process::Command::new(self.program);
        command.env_remove("ROOTLAY_ROOT").env("NO_COLOR", "1").arg("--root").arg(self.root);
        command.args(["--progress", "none"]).args(line.split(' '));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let nothing_open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
        let mut child = command.spawn().unwrap();
        drop(nothing_open);
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > STUCK {
                let proc = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
                let at = format!("{}\n{}\n{}", proc("wchan"), proc("stack"), proc("status"));
                child.kill().unwrap();
                panic!("worker {}: `{line}` does not end:\n{at}\n{}", self.number, self.history.join("\n"));
            }
            sleep(Duration::from_millis(1));
        }
        let output = child.wait_with_output().unwrap();
        let code = output.status.code().unwrap_or(-1);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        self.commands += 1;
        self.history.push(format!("{line}: {code} {}", stderr.trim_end()));
        if self.history.len() > 12 {
            self.history.remove(0);
        }
        assert!(
            codes.contains(&code),
            "worker {}: `{line}`: exit code {code}, expected one of {codes:?}: {stderr}\nbefore that:\n{}",
            self.number,
            self.history.join("\n")
        );
        End { code, stdout: String::from_utf8_lossy(&output.stdout).trim_end().to_owned(), text: stderr }
    }

    fn free(&mut self) -> usize {
        OWNED + self.rng.below(IMAGES - OWNED)
    }

    /// A mounted view shows what the model says, however often one looks.
    fn looks_right(&mut self, merged: &str, image: usize, written: Option<&str>) {
        let _open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
        let subject = &self.subjects[image];
        let mut tree = read_tree(Path::new(merged)).unwrap_or_else(|error| panic!("{merged}: {error}"));
        if let Some(text) = written {
            assert_eq!(fs::read_to_string(Path::new(merged).join("written")).unwrap(), text, "{merged}");
            tree.remove(b"/written".as_slice());
            // The directory that was written to has another time now.
            tree.get_mut(b"/".as_slice()).unwrap().mtime = subject.tree[b"/".as_slice()].mtime;
        }
        let lines = differences(&subject.tree, &tree, Nlink::Compare);
        let shown = &self.history;
        assert!(lines.is_empty(), "{merged}, {}:\n{}\n{}", subject.name, lines.join("\n"), shown.join("\n"));
    }

    /// Mounts an image under a name of its own, looks, and unmounts it.
    fn view(&mut self, image: usize, must_be_there: bool) {
        let view = format!("view-{}-{}", self.number, self.commands);
        let name = self.subjects[image].name.clone();
        let codes: &[i32] = if must_be_there { &[0] } else { &[0, 1] };
        let end = self.run(&format!("mount --pull never --name {view} {name}"), codes);
        if end.code == 0 {
            self.looks_right(&end.stdout, image, None);
            sleep(Duration::from_millis(self.rng.below(20) as u64));
            self.looks_right(&end.stdout, image, None);
            self.run(&format!("umount {view}"), &[0]);
        } else {
            assert!(end.text.contains("No such image"), "{}", end.text);
        }
    }

    /// A writable view that is unmounted and mounted again; other processes may remove the image meanwhile.
    fn writable(&mut self, image: usize) {
        let view = format!("writable-{}-{}", self.number, self.commands);
        let name = self.subjects[image].name.clone();
        let end = self.run(&format!("mount -w --pull never --name {view} {name}"), &[0, 1]);
        if end.code != 0 {
            assert!(end.text.contains("No such image"), "{}", end.text);
            return;
        }
        let open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
        fs::write(Path::new(&end.stdout).join("written"), &view).unwrap();
        drop(open);
        self.looks_right(&end.stdout, image, Some(&view));
        self.run(&format!("umount {view}"), &[0]);
        self.run(&format!("mount --name {view}"), &[0]);
        self.looks_right(&end.stdout, image, Some(&view));
        // A view that is mounted is not removed.
        self.run(&format!("rm {view}"), &[2]);
        self.run(&format!("umount {view}"), &[0]);
        self.run(&format!("rm {view}"), &[0]);
    }

    /// What only the owner does; it knows what has to come of it.
    fn own(&mut self) {
        let own = self.number;
        let Subject { name, source, written, .. } = &self.subjects[own];
        let (name, load, id) = (name.clone(), format!("load --name {name} {source}"), written.image_id.clone());
        match self.rng.below(4) {
            0 | 1 => {
                self.run(&load, &[0]);
                self.loaded = true;
            }
            // Somebody else may have it mounted just now: then it stays.
            2 => {
                let codes: &[i32] = if self.loaded { &[0, 1, 2] } else { &[1] };
                let end = self.run(&format!("rmi {name}"), codes);
                assert!(end.code == 0 || !self.loaded || end.text.contains("view"), "{}", end.text);
                self.loaded &= end.code != 0;
            }
            _ => {
                self.run(&format!("image exists {name}"), &[i32::from(!self.loaded)]);
            }
        }
        if self.loaded {
            let listed = self.run("images --no-trunc --format {{.Repository}}:{{.Tag}}={{.ID}}", &[0]).stdout;
            assert!(listed.lines().any(|line| line == format!("{name}={id}")), "{name} is lost:\n{listed}");
            self.view(own, true);
        }
    }

    fn act(&mut self) {
        let free = self.free();
        let any = self.rng.below(IMAGES);
        let Subject { name, source, .. } = &self.subjects[free];
        let (name, source) = (name.clone(), source.clone());
        match self.rng.below(16) {
            0..=3 => self.own(),
            4..=6 => drop(self.run(&format!("load --name {name} {source}"), &[0])),
            7 | 8 => self.view(any, false),
            9 => self.writable(free),
            // 1: it is not here, or a saved view uses it; 2: a view uses it.
            10 => drop(self.run(&format!("rmi {name}"), &[0, 1, 2])),
            11 => {
                let other = self.rng.below(4);
                self.run(&format!("tag {name} also{other}:1"), &[0, 1]);
            }
            12 => drop(self.run("image prune -f", &[0])),
            13 => drop(self.run("image prune -a -f --filter label=free", &[0])),
            14 => drop(self.run("system prune -f", &[0])),
            _ => {
                // One view that everybody mounts and unmounts: it may be taken, gone, or just being made.
                let line = if self.rng.percent(50) {
                    format!("mount --pull never --name everybody {name}")
                } else {
                    "umount everybody".into()
                };
                self.run(&line, &[0, 1, 2]);
            }
        }
    }
}

/// Every command looks where the views are mounted; another one that unmounts one of them does not fail for that.
fn who_looks_at_a_view_does_not_hold_it(context: &Context) {
    let id = context.load(&Image::of([vec![file("f", "")]])).image_id;
    let merged = context.mount(["--name", "v", &id]);
    // The name of a command of ours, and its directory is the view for longer than any of ours looks.
    let looker = context.fresh_dir("bin").join(context.program().file_name().unwrap());
    fs::copy("/bin/sleep", &looker).unwrap();
    let mut looker = std::process::Command::new(looker).arg("1000").current_dir(&merged).spawn().unwrap();
    let umount = context.command(["umount", "v"]).stderr(Stdio::piped()).spawn().unwrap();
    sleep(Duration::from_millis(200));
    looker.kill().unwrap();
    looker.wait().unwrap();
    let output = umount.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!merged.join("f").exists());
}

/// Where a layer is being unpacked: its marker in a staging directory, with the inode that tells it from a later one.
fn unpacking(root: &Path) -> BTreeMap<String, BTreeSet<(PathBuf, u64)>> {
    let mut found: BTreeMap<String, BTreeSet<(PathBuf, u64)>> = BTreeMap::new();
    let list = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
    };
    for owner in list(&root.join("staging")) {
        let drafts = list(&owner);
        // What was taken away waits there too, under another name.
        for draft in drafts.iter().filter(|path| path.file_name().unwrap().as_bytes().starts_with(b"layer-")) {
            for layer in 0..LAYERS {
                let place = draft.join("diff").join(marker(layer));
                if let Ok(metadata) = fs::symlink_metadata(&place) {
                    found.entry(marker(layer)).or_default().insert((place, metadata.ino()));
                }
            }
        }
    }
    found
}

/// Watches the staging directories until the end. One layer is unpacked twice at the same time if it is found in two
/// places, of which the first is still there when the second was found.
fn watch(root: &Path, stop: &AtomicBool, seen: &AtomicU64) -> Vec<String> {
    let mut twice = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let found = unpacking(root);
        seen.fetch_add(u64::from(!found.is_empty()), Ordering::Relaxed);
        for (layer, places) in found.iter().filter(|(_, places)| places.len() > 1) {
            let still =
                |(place, inode): &&(PathBuf, u64)| fs::symlink_metadata(place).is_ok_and(|now| now.ino() == *inode);
            let both: Vec<_> = places.iter().filter(still).collect();
            if both.len() > 1 {
                twice.push(format!("{layer} is unpacked in {both:?}"));
            }
        }
        sleep(Duration::from_millis(1));
    }
    twice
}

fn for_a_minute(context: &Context) {
    let seconds = number("OVERLAY_TESTS_SECONDS").unwrap_or(60);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = number("OVERLAY_TESTS_SEED").unwrap_or_else(clock);
    // Shown when the case fails.
    say(&format!("OVERLAY_TESTS_SEED={seed}"));
    let subjects = subjects(context);
    let (program, root) = (context.program(), context.root());
    let (stop, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    let barrier = Barrier::new(WORKERS);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (counts, twice) = scope(|scope| {
        let watcher = scope.spawn(|| watch(&root, &stop, &seen));
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| {
                let mut worker = Worker {
                    program: &program,
                    root: &root,
                    subjects: &subjects,
                    number,
                    rng: Rng::new(seed.wrapping_mul(31).wrapping_add(number as u64)),
                    loaded: false,
                    commands: 0,
                    history: Vec::new(),
                };
                let (barrier, stop) = (&barrier, &stop);
                scope.spawn(move || {
                    // All begin with the same layers on an empty state root.
                    barrier.wait();
                    let first =
                        format!("load --name {} {}", worker.subjects[number].name, worker.subjects[number].source);
                    worker.run(&first, &[0]);
                    worker.loaded = true;
                    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
                        worker.act();
                    }
                    (worker.commands, worker.loaded)
                })
            })
            .collect();
        // One that fails stops the others.
        while workers.iter().any(|worker| !worker.is_finished()) {
            sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        let results: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let twice = watcher.join().unwrap();
        (results.into_iter().map(|result| result.expect("a worker failed")).collect::<Vec<_>>(), twice)
    });
    say(&format!("commands: {counts:?}, unpacking seen {} times", seen.load(Ordering::Relaxed)));
    assert!(twice.is_empty(), "{}", twice.join("\n"));
    assert!(seen.load(Ordering::Relaxed) > 0, "nothing was seen while it was unpacked");
    for (number, (_, loaded)) in counts.iter().enumerate() {
        let code = context.rootlay(["image", "exists", &subjects[number].name]).code;
        assert_eq!(code, i32::from(!loaded), "{}", subjects[number].name);
        if *loaded {
            let lines =
                differences(&subjects[number].tree, &context.tree_of_loaded(&subjects[number].name), Nlink::Compare);
            assert!(lines.is_empty(), "{}", lines.join("\n"));
        }
    }
    let _ = context.rootlay(["umount", "everybody"]);
    for view in context.rootlay(["mounts", "-q"]).ok().lines() {
        context.rootlay(["umount", view]);
        context.rootlay(["rm", view]);
    }
    context.rootlay(["image", "prune", "-a", "-f"]).ok();
    context.rootlay(["system", "prune", "-f"]).ok();
    let left = StoreListing::read(&root);
    assert!(left.layers().is_empty() && left.blobs().is_empty(), "{}", left.paths());
    for area in ["staging", "views", "merged/sha256", "corrections/sha256", "partial/sha256", "images/sha256"] {
        assert!(left.children(area).is_empty(), "{area}: {:?}", left.children(area));
    }
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("rootlay:"), "a view is still mounted");
}
