//! Full and failing: file systems without room, without inodes, and those that cannot be written to.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context, Need, Output, StoreListing};
use overlay_tests::trace::{Step, select};
use rustix::fs::statvfs;

use super::ground::{Ground, IMAGE, OTHER};
use super::scenarios::Scenario;

pub fn cases() -> Vec<Case> {
    let all = cases![
        full_tmpfs;
        full_ext4 => Need::FileSystem("ext4");
        full_xfs => Need::FileSystem("xfs");
        full_btrfs => Need::FileSystem("btrfs");
        no_inodes_on_tmpfs;
        no_inodes_on_ext4 => Need::FileSystem("ext4");
        read_only_in_the_middle => Need::FileSystem("ext4");
        read_only_between_commands;
        a_limit_on_the_size_of_files;
        a_limit_on_open_files
    ];
    all.into_iter().map(|case| case.minutes(10)).collect()
}

/// A file system of its own for the state root.
struct Volume<'c> {
    context: &'c Context,
    /// What to mount, and how.
    mount: Vec<String>,
}

impl<'c> Volume<'c> {
    fn tmpfs(context: &'c Context, options: &str) -> Self {
        Self::mounted(context, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    fn in_a_file(context: &'c Context, file_system: &str, arguments: &[&str], size: &str) -> Self {
        let image = context.fresh("image");
        let image = image.to_str().unwrap();
        context.run("truncate", &["-s", size, image]).ok();
        context.run(&format!("mkfs.{file_system}"), &[arguments, &["-q", image]].concat()).ok();
        Self::mounted(context, &["-o", "loop", image])
    }

    fn mounted(context: &'c Context, arguments: &[&str]) -> Self {
        let volume = Self { context, mount: arguments.iter().map(|&argument| argument.to_owned()).collect() };
        volume.mount();
        volume
    }

    fn place(&self) -> String {
        self.context.root().parent().unwrap().to_str().unwrap().to_owned()
    }

    fn mount(&self) {
        let place = self.place();
        let arguments: Vec<&str> = self.mount.iter().map(String::as_str).chain([place.as_str()]).collect();
        self.context.run("mount", &arguments).ok();
    }

    fn unmount(&self) {
        self.context.run("umount", &[&self.place()]).ok();
    }

    fn remount(&self, options: &str) -> Output {
        self.context.run("mount", &["-o", &format!("remount,{options}"), &self.place()])
    }

    /// Leaves no more than so many bytes.
    fn fill(&self, leave: u64) {
        self.empty();
        let bulk = self.free() * 7 / 8;
        self.context.run("fallocate", &["-l", &bulk.to_string(), &format!("{}/ballast-1", self.place())]).ok();
        // What is left, to the last block.
        let mut ballast = File::create_new(format!("{}/ballast-2", self.place())).unwrap();
        let mut size = 1 << 20;
        while size >= 512 {
            if ballast.write_all(&vec![0; size]).and_then(|()| ballast.sync_all()).is_err() {
                size /= 4;
            }
        }
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(leave)).unwrap();
        let _ = ballast.sync_all();
    }

    fn free(&self) -> u64 {
        statvfs(self.place()).map(|stat| stat.f_bavail * stat.f_frsize).unwrap()
    }

    /// Gives the room back.
    fn empty(&self) {
        for entry in fs::read_dir(self.place()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().unwrap().starts_with("ballast") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

/// A load that failed because there is no room: it says so, and leaves nothing; with room again it succeeds.
#[track_caller]
fn assert_full(scenario: &Scenario<'_>, output: Output, give_room: impl FnOnce()) {
    let ground = scenario.ground;
    let output = output.exits(1);
    let line = output.one_line();
    assert!(line.to_lowercase().contains("no space left"), "{line}");
    // What only reads works on a full disk, and so does the removal of what is left.
    assert_eq!(ground.listed(), scenario.stays.iter().cloned().collect());
    ground.assert_tidy();
    assert_eq!(ground.items(), ground.before.items, "the space is not given back");
    ground.assert_kept_view();
    give_room();
    scenario.assert_again();
}

/// A load with more and more room, until it succeeds.
fn ladder(volume: &Volume<'_>, ground: &Ground<'_>) {
    let scenario = Scenario::load(ground);
    let mut failed = 0;
    for step in 0..17 {
        let leave = if step == 0 { 0 } else { 2048 << step };
        scenario.prepare();
        volume.fill(leave);
        let output = ground.context.output(&mut scenario.again());
        println!("{leave} bytes: {} {}", output.code, output.stderr);
        if output.code == 0 {
            volume.empty();
            scenario.assert_sound();
            scenario.assert_again();
            break;
        }
        failed += 1;
        assert_full(&scenario, output, || volume.empty());
    }
    assert!((2..17).contains(&failed), "{failed} loads failed");
}

/// Whoever has next to no room left can remove an image: so much is needed as the file system takes for a directory.
fn remove_where_it_is_full(volume: &Volume<'_>, ground: &Ground<'_>) {
    let mut removed = false;
    for leave in [0, 64 << 10, 1 << 20] {
        volume.empty();
        ground.restore(&ground.both);
        volume.fill(leave);
        let output = ground.context.rootlay(["rmi", IMAGE]);
        println!("rmi with {leave} bytes: {} {}", output.code, output.stderr);
        if output.code == 0 {
            ground.assert_tidy();
            assert_eq!(ground.items(), ground.before.items);
            removed = true;
            break;
        }
        let output = output.exits(1);
        assert!(output.one_line().contains("no space left"), "{}", output.stderr);
        assert!(ground.listed().contains(&ground.image.id));
    }
    assert!(removed, "no image can be removed");
    volume.empty();
    Scenario::load(ground).assert_again();
}

fn full_tmpfs(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::tmpfs(context, "size=4M");
    ladder(&volume, &ground);
    remove_where_it_is_full(&volume, &ground);
}

fn full_ext4(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::in_a_file(context, "ext4", &["-m", "0"], "16M");
    ladder(&volume, &ground);
    remove_where_it_is_full(&volume, &ground);
}

fn full_xfs(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::in_a_file(context, "xfs", &[], "300M");
    ladder(&volume, &ground);
    remove_where_it_is_full(&volume, &ground);
}

fn full_btrfs(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::in_a_file(context, "btrfs", &[], "120M");
    ladder(&volume, &ground);
    remove_where_it_is_full(&volume, &ground);
}

/// A load with more and more inodes, until it succeeds.
fn ladder_of_inodes(ground: &Ground<'_>, leave: impl Fn(u64), give: impl Fn()) {
    let scenario = Scenario::load(ground);
    let mut failed = 0;
    for inodes in (0..80).step_by(4) {
        scenario.prepare();
        leave(inodes);
        let output = ground.context.output(&mut scenario.again());
        println!("{inodes} inodes: {} {}", output.code, output.stderr);
        if output.code == 0 {
            give();
            scenario.assert_sound();
            scenario.assert_again();
            break;
        }
        failed += 1;
        assert_full(&scenario, output, &give);
    }
    assert!((2..20).contains(&failed), "{failed} loads failed");
}

fn no_inodes_on_tmpfs(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::tmpfs(context, "size=64M,nr_inodes=5000");
    let leave = |inodes: u64| {
        let stat = statvfs(volume.place()).unwrap();
        let all = stat.f_files - stat.f_ffree + inodes;
        volume.remount(&format!("nr_inodes={all}")).ok();
    };
    ladder_of_inodes(&ground, leave, || {
        volume.remount("nr_inodes=5000").ok();
    });
}

fn no_inodes_on_ext4(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::in_a_file(context, "ext4", &["-N", "256"], "32M");
    let leave = |inodes: u64| {
        volume.empty();
        let free = statvfs(volume.place()).unwrap().f_ffree;
        for number in inodes..free {
            fs::write(format!("{}/ballast-{number}", volume.place()), "").unwrap();
        }
    };
    ladder_of_inodes(&ground, leave, || volume.empty());
}

/// The file system finds a fault in itself and takes no more writes, as ext4 does; after a new mount all is well.
fn read_only_in_the_middle(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::in_a_file(context, "ext4", &[], "32M");
    let scenario = Scenario::load(&ground);
    let calls = scenario.calls();
    let stops = select(&calls, 0);
    for stop in stops.into_iter().step_by(4) {
        scenario.prepare();
        context.run("sync", &[]).ok();
        let output = scenario.run_prepared(&mut |number, _| {
            if number == stop {
                // It ends with an error, since the file system is read-only from then on.
                volume.remount("abort");
            }
            Step::Go
        });
        let output = output.output;
        println!("aborted before call {stop}, {}: {} {}", calls[stop], output.code, output.stderr);
        if output.code != 0 {
            assert!(matches!(output.code, 1), "{}", output.stderr);
            output.one_line();
        }
        assert!(ground.listed().contains(&ground.other.id));
        volume.unmount();
        volume.mount();
        scenario.assert_sound();
        if output.code == 0 {
            assert!(ground.listed().contains(&ground.image.id), "a load that ended well is gone");
        }
        scenario.assert_again();
        ground.clear();
    }
}

/// Commands that only read work on a file system that is mounted read-only; the others say why they do not.
fn read_only_between_commands(context: &Context) {
    let ground = Ground::new(context);
    let volume = Volume::tmpfs(context, "size=64M");
    ground.restore(&ground.both);
    let reading: [&[&str]; 7] = [
        &["images", "-q", "--no-trunc"],
        &["images", "--format", "{{.ID}} {{.Repository}} {{.Tag}}"],
        &["inspect", IMAGE],
        &["history", "-q", "--no-trunc", IMAGE],
        &["image", "exists", IMAGE],
        &["mounts", "-q"],
        &["system", "df"],
    ];
    let outputs = || reading.map(|arguments| context.rootlay(arguments));
    let before = outputs().map(|output| (output.code, output.stdout));
    let listing = StoreListing::read(&context.root());
    volume.remount("ro").ok();
    for (output, (code, stdout)) in outputs().into_iter().zip(before) {
        assert_eq!((output.code, &output.stdout), (code, &stdout), "{}: {}", output.command, output.stderr);
    }
    let writing: [&[&str]; 7] = [
        &["load", &ground.image.source],
        &["mount", IMAGE],
        &["mount", "-w", IMAGE],
        &["rmi", IMAGE],
        &["tag", IMAGE, "example.org/new:1"],
        &["rm", super::ground::KEPT],
        &["image", "prune", "--all", "--force"],
    ];
    for arguments in writing {
        let output = context.rootlay(arguments).exits(1);
        let line = output.one_line().to_lowercase();
        println!("{line}");
        assert!(line.contains("read-only file system"), "{line}");
    }
    listing.assert_unchanged(&context.root());
    volume.remount("rw").ok();
    ground.assert_image(&ground.image);
    ground.assert_image(&ground.other);
    context.rootlay(["rmi", OTHER, "--force"]);
}

/// The command under a limit of the shell.
fn limited(scenario: &Scenario<'_>, limit: &str) -> Command {
    let plain = scenario.again();
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit {limit}; exec \"$@\""), "sh"]);
    limited.arg(plain.get_program()).args(plain.get_args()).env("ROOTLAY_THREADS", "1");
    limited
}

/// A load that failed by a limit: the store is as it was, and without the limit the load succeeds.
#[track_caller]
fn assert_limited(scenario: &Scenario<'_>, output: Output, words: &str) {
    let output = output.exits(1);
    let line = output.one_line();
    assert!(line.to_lowercase().contains(words), "{line}");
    let ground = scenario.ground;
    assert_eq!(ground.listed(), scenario.stays.iter().cloned().collect());
    ground.assert_tidy();
    assert_eq!(ground.items(), ground.before.items, "the space is not given back");
    scenario.assert_again();
}

/// `RLIMIT_FSIZE`: the kernel sends a signal, whose default is the end of the process.
fn a_limit_on_the_size_of_files(context: &Context) {
    let ground = Ground::new(context);
    let scenario = Scenario::load(&ground);
    for blocks in [0, 1, 8, 130] {
        scenario.prepare();
        let output = context.output(&mut limited(&scenario, &format!("-f {blocks}")));
        println!("{blocks} blocks: {} {}", output.code, output.stderr);
        assert_limited(&scenario, output, "file too large");
    }
}

/// `RLIMIT_NOFILE`: opening fails at every place where something is opened, for reading too.
fn a_limit_on_open_files(context: &Context) {
    let ground = Ground::new(context);
    let scenario = Scenario::load(&ground);
    let mut failed = 0;
    for files in 8..64 {
        scenario.prepare();
        let output = context.output(&mut limited(&scenario, &format!("-n {files}")));
        println!("{files} files: {} {}", output.code, output.stderr);
        if output.code == 0 {
            scenario.assert_sound();
            break;
        }
        failed += 1;
        assert_limited(&scenario, output, "too many open files");
    }
    assert!((5..56).contains(&failed), "{failed} loads failed");
}
