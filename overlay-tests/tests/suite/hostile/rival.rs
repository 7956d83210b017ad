//! Another process of root swaps directories of the state root for symlinks that lead outside, as fast as it can, while
//! the program works in them (CVE-2018-15664, CVE-2024-23651, CVE-2024-23652, row 83). Commands may fail; nothing lands
//! outside, and nothing outside is removed.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, dir, file, hardlink, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context};
use overlay_tests::random::Rng;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, openat2, renameat_with, statat, symlinkat, unlinkat,
};

use super::{Canary, write};

pub fn cases() -> Vec<Case> {
    cases![
        rival_while_a_layer_unpacks;
        rival_while_an_image_is_removed;
        rival_while_all_is_pruned;
        rival_in_the_views;
        rival_at_a_target
    ]
}

/// Runs of the program for each seed, at most; fewer when the rival has been in time often enough.
const RUNS: usize = 12;

/// So many swaps while the program ran are enough.
const ENOUGH: usize = 300;

/// The other process, as far as the program can tell.
struct Rival {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Rival {
    /// Swaps directories below `place`, at most `depth` deep, for symlinks to `canary`.
    fn start(place: PathBuf, depth: usize, canary: PathBuf, seed: u64) -> Self {
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, count) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = thread::spawn(move || {
            let mut rng = Rng::new(seed);
            for turn in 0.. {
                if until.load(Ordering::Relaxed) {
                    break;
                }
                let found = directories(&place, depth);
                for _ in 0..8 {
                    let Some(victim) = found.get(rng.below(found.len().max(1))) else { break };
                    if swap(victim, &canary, turn, rng.below(400)) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        Self { stop, swaps, thread: Some(thread) }
    }

    fn swaps(&self) -> usize {
        self.swaps.load(Ordering::Relaxed)
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// What is there now, on the same file system; it may be gone at once.
fn directories(place: &Path, depth: usize) -> Vec<PathBuf> {
    let Ok(top) = fs::symlink_metadata(place) else { return Vec::new() };
    let mut found = Vec::new();
    let mut pending = vec![(place.to_owned(), 0)];
    while let Some((path, level)) = pending.pop() {
        let Ok(children) = fs::read_dir(&path) else { continue };
        for child in children.flatten() {
            let path = child.path();
            let is_dir = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir() && found.dev() == top.dev());
            if is_dir && found.len() < 64 {
                if level + 1 < depth {
                    pending.push((path.clone(), level + 1));
                }
                found.push(path);
            }
        }
    }
    found
}

/// Puts a symlink in the place of a directory, waits a little, and puts the directory back. The rival itself follows no
/// symlink: what it left behind may lie on its way.
fn swap(victim: &Path, canary: &Path, turn: usize, pause: usize) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = victim.parent().unwrap();
    let Ok(parent) = openat2(CWD, parent, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) else { return false };
    let (name, link) = (victim.file_name().unwrap(), format!("rival-{turn}"));
    if symlinkat(canary, &parent, link.as_str()).is_err() {
        return false;
    }
    let rename = |from: &OsStr, to: &OsStr, flags| renameat_with(&parent, from, &parent, to, flags).is_ok();
    let link = OsStr::new(&link);
    let swapped = rename(name, link, RenameFlags::EXCHANGE);
    if swapped {
        (0..pause * 20).for_each(|_| std::hint::spin_loop());
        // The program may have taken the name away meanwhile: then the directory stays under the other one.
        if !rename(name, link, RenameFlags::EXCHANGE) && !rename(link, name, RenameFlags::NOREPLACE) {
            return true;
        }
    }
    let left = statat(&parent, link, AtFlags::SYMLINK_NOFOLLOW);
    if left.is_ok_and(|left| rustix::fs::FileType::from_raw_mode(left.st_mode).is_symlink()) {
        unlinkat(&parent, link, AtFlags::empty()).ok();
    }
    swapped
}

/// Names that are outside too, in directories that are made, changed, replaced and removed again.
fn layers() -> [Vec<Entry>; 2] {
    let base = vec![dir("a/b/c", 0o755), file("a/b/c/f", "x"), dir("d/sub", 0o755), file("d/x", "x"), file("file", "")];
    let mut top = Vec::new();
    for n in 0..60 {
        top.extend([
            dir("d", 0o700).uid(9).mtime(n, 0),
            file("d/x", "new"),
            dir("d/sub", 0o711),
            file(format!("d/sub/f{n}"), "content".repeat(10)),
            file("d/sub/f", "setuid").mode(0o4755),
            dir("localetc", 0o755),
            dir("localetc/sub", 0o755),
            symlink("localetc/sub/x", "/etc/passwd"),
            file(format!("a/b/c/f{n}"), "x").xattr("user.a", "b"),
            hardlink(format!("h{n}"), "d/sub/f"),
            file("localetc", "instead"),
        ]);
    }
    top.extend([whiteout("a/b/c/f"), opaque("a/b"), whiteout("file"), dir("d", 0o1777)]);
    [base, top]
}

/// Runs something again and again under the eyes of a rival, for several seeds.
fn under_attack(place: &Path, depth: usize, canary: &Canary, mut run: impl FnMut()) {
    let mut swaps = 0;
    for seed in [1, 2, 3] {
        let rival = Rival::start(place.to_owned(), depth, canary.path().to_owned(), seed);
        for _ in 0..RUNS {
            run();
            if rival.swaps() > ENOUGH {
                break;
            }
        }
        swaps += rival.swaps();
        drop(rival);
        canary.is_untouched();
    }
    assert!(swaps > 0, "the rival was never in time");
}

/// Ends with 0, or with an error that has a code; no panic, no signal.
#[track_caller]
fn ends(context: &Context, arguments: &[&str]) -> String {
    let output = context.rootlay(arguments);
    assert!(matches!(output.code, 0..=4), "{}: {}\n{}", output.command, output.code, output.stderr);
    output.stdout
}

fn rival_while_a_layer_unpacks(context: &Context) {
    let canary = Canary::beside(context);
    let source = write(context, &Image::of(layers()));
    context.load(&Image::of([vec![file("keep", "")]]));
    under_attack(&context.root().join("staging"), 6, &canary, || {
        let id = ends(context, &["load", &source]);
        if let Some(id) = id.trim_end().rsplit(' ').next().filter(|id| !id.is_empty()) {
            ends(context, &["rmi", id]);
        }
    });
    canary.is_untouched();
}

fn rival_while_an_image_is_removed(context: &Context) {
    let canary = Canary::beside(context);
    let source = write(context, &Image::of(layers()));
    let root = context.root();
    context.load(&Image::of([vec![file("keep", "")]]));
    under_attack(&root, 8, &canary, || {
        let id = ends(context, &["load", &source]);
        if let Some(id) = id.trim_end().rsplit(' ').next().filter(|id| !id.is_empty()) {
            ends(context, &["rmi", id]);
            ends(context, &["image", "prune", "-f"]);
        }
    });
    canary.is_untouched();
}

fn rival_while_all_is_pruned(context: &Context) {
    let canary = Canary::beside(context);
    let source = write(context, &Image::of(layers()));
    let root = context.root();
    under_attack(&root, 8, &canary, || {
        ends(context, &["load", &source]);
        // A run that is killed leaves debris.
        let mut child = context.command(["load", &source]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(15));
        child.kill().unwrap();
        child.wait().unwrap();
        ends(context, &["system", "prune", "-a", "-f"]);
    });
    canary.is_untouched();
}

/// Every mount that is a view, by its target.
fn mounted_views() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let views = table.lines().filter(|line| line.contains(" - overlay rootlay:"));
    views.filter_map(|line| line.split(' ').nth(4).map(str::to_owned)).collect()
}

fn unmount_all(canary: &Canary) {
    for target in mounted_views() {
        assert!(!target.starts_with(canary.path().to_str().unwrap()), "a view lies over {target}");
        umount2(target.as_str(), MntFlags::MNT_DETACH).unwrap();
    }
}

fn rival_in_the_views(context: &Context) {
    let canary = Canary::beside(context);
    let id = context.load(&Image::of(layers())).image_id;
    let views = context.root().join("views");
    under_attack(&views, 2, &canary, || {
        ends(context, &["mount", "-w", "--name", "w", &id]);
        assert!(!mounted_views().iter().any(|target| target.starts_with(canary.path().to_str().unwrap())));
        ends(context, &["umount", "w"]);
        ends(context, &["rm", "w"]);
    });
    unmount_all(&canary);
    canary.is_untouched();
}

/// The target is a path of the user's: where it leads when it is looked up counts, and from then on nothing changes that.
fn rival_at_a_target(context: &Context) {
    let canary = Canary::beside(context);
    let id = context.load(&Image::of(layers())).image_id;
    let place = context.fresh_dir("targets");
    fs::create_dir_all(place.join("t/inner")).unwrap();
    let target = place.join("t/inner");
    let target = target.to_str().unwrap();
    under_attack(&place, 2, &canary, || {
        let shown = ends(context, &["mount", "-w", "--name", "w", "--target", target, &id]);
        ends(context, &["umount", if shown.is_empty() { target } else { shown.trim_end() }]);
        ends(context, &["umount", "w"]);
        ends(context, &["rm", "w"]);
        for target in mounted_views() {
            umount2(target.as_str(), MntFlags::MNT_DETACH).ok();
        }
    });
    canary.is_untouched();
}
