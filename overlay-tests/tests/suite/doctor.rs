//! `info --check`: what it says of file systems, kernels and processes that are made to lack something. What each must have
//! follows from how it was made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context, Denied, Need, Output, StoreListing};
use serde_json::Value;

pub fn cases() -> Vec<Case> {
    cases![
        on_tmpfs;
        on_ext4 => Need::FileSystem("ext4");
        on_ext4_with_small_inodes => Need::FileSystem("ext4");
        on_xfs => Need::FileSystem("xfs");
        on_xfs_of_old => Need::FileSystem("xfs");
        on_btrfs => Need::FileSystem("btrfs");
        on_an_overlay;
        on_a_file_system_without_anything;
        on_a_read_only_file_system;
        on_a_full_file_system;
        without_root => Need::Tool("setpriv");
        without_single_capabilities => Need::Tool("setpriv");
        with_few_open_files;
        with_calls_that_are_denied;
        with_shared_and_private_mounts => Need::Tool("findmnt");
        nothing_is_left_behind;
        sixty_columns_are_enough
    ]
}

/// What was said of each probe.
struct Said {
    code: i32,
    all: BTreeMap<String, Value>,
}

impl Said {
    #[track_caller]
    fn of(output: &Output) -> Self {
        assert!(matches!(output.code, 0 | 4), "{}: {} {}", output.command, output.code, output.stderr);
        let parse = |line: &str| -> (String, Value) {
            let value: Value = serde_json::from_str(line).unwrap();
            (value["Name"].as_str().unwrap().to_owned(), value)
        };
        Self { code: output.code, all: output.stdout.lines().map(parse).collect() }
    }

    #[track_caller]
    fn on(context: &Context, root: &Path) -> Self {
        Self::of(&context.output(&mut context.command_on(root, ["info", "--check", "--format", "json"])))
    }

    #[track_caller]
    fn works(&self, name: &str) -> Option<bool> {
        self.all.get(name).unwrap_or_else(|| panic!("{name} is not in {:?}", self.all.keys()))["Works"].as_bool()
    }

    /// Of all probes exactly these do not work. What depends on the machine is not asked for.
    #[track_caller]
    fn lacks(&self, names: &[&str]) {
        let of_the_machine = ["mounts show in other namespaces", "1 GiB of free space", "10000 free inodes"];
        let of_the_machine =
            [&of_the_machine[..], &["no filter of system calls", "no confining security module"]].concat();
        let lacking = self.all.values().filter(|value| value["Works"] != true);
        let mut lacking: Vec<&str> = lacking.map(|value| value["Name"].as_str().unwrap()).collect();
        lacking.retain(|name| !of_the_machine.contains(name));
        let mut names = names.to_vec();
        lacking.sort_unstable();
        names.sort_unstable();
        assert_eq!(lacking, names, "{:#?}", self.all);
        let fatal = self.all.values().any(|value| value["Works"] == false && value["Needed"] == true);
        assert_eq!(self.code, if fatal { 4 } else { 0 });
        for value in self.all.values().filter(|value| value["Works"] == false) {
            assert!(!value["Without"].as_str().unwrap().is_empty(), "{value}");
        }
    }
}

const REFLINKS: &str = "copies share blocks (reflink)";
const NANOSECONDS: &str = "times of a nanosecond";
const LATE: &str = "times after 2038";
const WHITEOUTS: &str = "views hide what layers delete";
const WRITABLE: &str = "writable views";

/// A file system made with these options, and mounted.
fn made(context: &Context, mkfs: &[&str]) -> PathBuf {
    let (image, target) = (context.fresh("image"), context.fresh_dir("made"));
    let (image, text) = (image.to_str().unwrap(), target.to_str().unwrap());
    context.run("truncate", &["-s", "400M", image]).ok();
    context.run(mkfs[0], &[&mkfs[1..], &[image]].concat()).ok();
    context.run("mount", &["-o", "loop", image, text]).ok();
    target
}

/// The release of the kernel, by `uname`.
fn kernel(context: &Context) -> (u32, u32) {
    let release = context.run("uname", &["-r"]).ok();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Features of kernels, for those that the suite runs on.
fn of_the_kernel(context: &Context) -> Vec<&'static str> {
    let kernel = kernel(context);
    let mut lacks = Vec::new();
    if kernel < (6, 13) {
        lacks.push("layers as descriptors");
    }
    if kernel < (6, 7) {
        lacks.push("one layer a call (lowerdir+)");
    }
    lacks
}

fn on_tmpfs(context: &Context) {
    let mut lacks = of_the_kernel(context);
    lacks.push(REFLINKS);
    if kernel(context) < (6, 6) {
        lacks.push("user attributes");
    }
    let target = context.fresh_dir("tmpfs");
    context.run("mount", &["-t", "tmpfs", "t", target.to_str().unwrap()]).ok();
    Said::on(context, &target.join("root")).lacks(&lacks);
}

fn on_ext4(context: &Context) {
    let place = made(context, &["mkfs.ext4", "-q", "-I", "256"]);
    let lacks = [&of_the_kernel(context)[..], &[REFLINKS]].concat();
    Said::on(context, &place.join("root")).lacks(&lacks);
    // An existing state root says the same, also one in use.
    let root = place.join("root");
    context.output(&mut context.command_on(&root, ["images"])).ok();
    Said::on(context, &root).lacks(&lacks);
}

fn on_ext4_with_small_inodes(context: &Context) {
    let place = made(context, &["mkfs.ext4", "-q", "-I", "128"]);
    Said::on(context, &place).lacks(&[&of_the_kernel(context)[..], &[REFLINKS, NANOSECONDS, LATE]].concat());
}

fn on_xfs(context: &Context) {
    let place = made(context, &["mkfs.xfs", "-q", "-m", "reflink=1,bigtime=1", "-n", "ftype=1"]);
    Said::on(context, &place).lacks(&of_the_kernel(context));
}

/// Without types in directories, shared blocks and times after 2038; kernels may no longer take such a file system.
fn on_xfs_of_old(context: &Context) {
    let place = made(context, &["mkfs.xfs", "-q", "-m", "reflink=0,bigtime=0"]);
    Said::on(context, &place).lacks(&[&of_the_kernel(context)[..], &[REFLINKS, LATE]].concat());
    let (image, target) = (context.fresh("image"), context.fresh_dir("without-ftype"));
    let (image, text) = (image.to_str().unwrap(), target.to_str().unwrap());
    context.run("truncate", &["-s", "400M", image]).ok();
    context.run("mkfs.xfs", &["-q", "-m", "crc=0", "-n", "ftype=0", image]).ok();
    if context.run("mount", &["-o", "loop", image, text]).code == 0 {
        let said = Said::on(context, &target);
        assert_eq!((said.code, said.works("types in directories (d_type)")), (4, Some(false)));
        let change = said.all["types in directories (d_type)"]["Change"].as_str().unwrap();
        assert!(change.contains("mkfs.xfs -n ftype=1"), "{change}");
    }
}

fn on_btrfs(context: &Context) {
    let place = made(context, &["mkfs.btrfs", "-q"]);
    let said = Said::on(context, &place);
    said.lacks(&of_the_kernel(context));
    assert!(!said.all.contains_key("10000 free inodes"), "btrfs makes inodes as it needs them");
}

/// An overlay, which is the root file system of most containers.
fn overlay(context: &Context) -> PathBuf {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| context.fresh_dir(name));
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    context.run("mount", &["-t", "overlay", "o", "-o", &options, merged.to_str().unwrap()]).ok();
    merged
}

fn on_an_overlay(context: &Context) {
    let said = Said::on(context, &overlay(context).join("root"));
    let hides = kernel(context) >= (6, 8);
    assert_eq!(said.works(WHITEOUTS), Some(hides));
    assert_eq!((said.works(WRITABLE), said.works("images can be mounted")), (Some(false), Some(true)));
    assert_eq!(said.code, if hides { 0 } else { 4 });
}

/// ramfs has neither `user` nor, on some kernels, any other attributes; proc not even files. `vfat` where the kernel has it.
fn on_a_file_system_without_anything(context: &Context) {
    let said = Said::on(context, Path::new("/proc/sys/no-such-root"));
    assert_eq!((said.code, said.works("files can be made there")), (4, Some(false)));
    if Need::FileSystem("vfat").unmet().is_none() {
        let said = Said::on(context, &made(context, &["mkfs.vfat"]));
        assert_eq!(said.code, 4);
        for lacking in
            ["symbolic links", "hard links", "owners and modes", "trusted attributes", "names differ by case", WRITABLE]
        {
            assert_eq!(said.works(lacking), Some(false), "{lacking}");
        }
    }
}

fn on_a_read_only_file_system(context: &Context) {
    let target = context.fresh_dir("ro");
    context.run("mount", &["-t", "tmpfs", "-o", "ro", "t", target.to_str().unwrap()]).ok();
    let said = Said::on(context, &target.join("a/b/c"));
    assert_eq!((said.code, said.works("files can be made there")), (4, Some(false)));
    assert!(said.all["files can be made there"]["Seen"].as_str().unwrap().to_lowercase().contains("read-only"));
    assert_eq!(said.works("overlay in the kernel"), Some(true));
}

fn on_a_full_file_system(context: &Context) {
    let target = context.fresh_dir("full");
    context.run("mount", &["-t", "tmpfs", "-o", "size=1M,nr_inodes=64", "t", target.to_str().unwrap()]).ok();
    let said = Said::on(context, &target);
    assert_eq!((said.works("1 GiB of free space"), said.works("10000 free inodes")), (Some(false), Some(false)));
    assert_eq!(said.code, 0);
}

fn without_root(context: &Context) {
    let program = context.dir().join("rootlay");
    fs::copy(context.program(), &program).unwrap();
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
    let root = context.root();
    let line = [program.to_str().unwrap(), "--root", root.to_str().unwrap(), "info", "--check"];
    let output = context.run("setpriv", &[&user[..], &line].concat()).exits(4);
    assert!(output.stdout.contains("Needed, and missing: capabilities of root"), "{}", output.stdout);
    assert_eq!(output.stderr, "");
    let said = Said::of(&context.run("setpriv", &[&user[..], &line, &["--format", "json"]].concat()));
    assert_eq!(said.works("capabilities of root"), Some(false));
    assert!(!root.exists());
}

fn without_single_capabilities(context: &Context) {
    for name in ["dac_override", "dac_read_search", "chown", "fowner", "fsetid", "setfcap", "mknod", "sys_admin"] {
        let (program, root) = (context.program(), context.root());
        let drop = format!("--bounding-set=-{name}");
        let line = [drop.as_str(), program.to_str().unwrap(), "--root", root.to_str().unwrap()];
        let said = Said::of(&context.run("setpriv", &[&line[..], &["info", "--check", "--format", "json"]].concat()));
        assert_eq!(said.code, 4);
        assert_eq!(said.all["capabilities of root"]["Seen"], format!("missing CAP_{}", name.to_uppercase()));
    }
}

fn with_few_open_files(context: &Context) {
    let said = |limit: u32| {
        let line = format!("ulimit -Sn {limit}; ulimit -Hn {limit}; rootlay info --check --format json");
        Said::of(&context.shell(&line))
    };
    assert_eq!(said(500).works("1200 open files"), Some(false));
    assert_eq!(said(1300).works("1200 open files"), Some(true));
}

fn with_calls_that_are_denied(context: &Context) {
    let kernel = of_the_kernel(context);
    let root = context.root();
    for (denied, lacks) in [
        (
            Denied::MOUNT_API,
            &["fsopen, fsconfig, fsmount", "one layer a call (lowerdir+)", "layers as descriptors"][..],
        ),
        (Denied::LAYERS_BY_DESCRIPTOR, &["layers as descriptors"]),
        (Denied::OPENAT2, &["openat2"]),
        (
            Denied { call: libc::SYS_mount_setattr, second: None, errno: libc::ENOSYS },
            &["mount_setattr (idmapped mounts)"],
        ),
    ] {
        context.deny(&[denied]);
        let said = Said::on(context, &root);
        for name in lacks {
            assert_ne!(said.works(name), Some(true), "{name}");
        }
        for name in ["one layer a call (lowerdir+)", "layers as descriptors", "openat2", "fsopen, fsconfig, fsmount"] {
            if !lacks.contains(&name) && !kernel.contains(&name) {
                assert_eq!(said.works(name), Some(true), "{name} with {lacks:?}");
            }
        }
        // Each has something that does its work.
        assert_eq!((said.code, said.works("images can be mounted"), said.works(WRITABLE)), (0, Some(true), Some(true)));
        assert_eq!(said.works("no filter of system calls"), Some(false));
    }
    // A sandbox that denies mounts.
    let all = [libc::SYS_fsopen, libc::SYS_mount];
    context.deny(&all.map(|call| Denied { call, second: None, errno: libc::EPERM }));
    assert_ne!(Said::on(context, &root).works("images can be mounted"), Some(true));
}

fn with_shared_and_private_mounts(context: &Context) {
    let target = context.fresh_dir("mount");
    let target = target.to_str().unwrap();
    context.run("mount", &["-t", "tmpfs", "t", target]).ok();
    for how in ["--make-shared", "--make-private", "--make-slave"] {
        context.run("mount", &[how, target]).ok();
        let shared = context.run("findmnt", &["-n", "-o", "PROPAGATION", target]).ok().contains("shared");
        let said = Said::on(context, Path::new(target));
        assert_eq!(said.works("mounts show in other namespaces"), Some(shared), "{how}");
        // What was tried shows nowhere.
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("rootlay-probe"));
    }
}

fn nothing_is_left_behind(context: &Context) {
    let parent = context.fresh_dir("parent");
    Said::on(context, &parent.join("no/such/root"));
    assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
    context.load(&Image::of([vec![file("f", "")]]));
    let before = StoreListing::read(&context.root());
    Said::on(context, &context.root());
    before.assert_unchanged(&context.root());
}

fn sixty_columns_are_enough(context: &Context) {
    for (root, code) in [(context.root(), 0), (PathBuf::from("/proc/sys"), 4)] {
        let output = context.output(&mut context.command_on(&root, ["info", "--check"])).exits(code);
        for line in output.stdout.lines().filter(|line| !line.starts_with("Tried in: ")) {
            assert!(line.chars().count() <= 60, "{line}");
        }
        let last = output.stdout.lines().last().unwrap();
        assert!(last.ends_with('.'), "{last}");
        assert!(output.stdout.is_ascii() && !output.stdout.contains('\u{1b}'));
    }
    let mut grouped = Command::new(context.program());
    grouped.args(["--root", context.root().to_str().unwrap(), "system", "info", "--check"]);
    context.output(&mut grouped).ok();
}
