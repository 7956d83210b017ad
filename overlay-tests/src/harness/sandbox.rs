//! The inner processes: namespaces, mounts, and the case itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::case::Case;
use super::context::Context;
use super::process::{SCRATCH, STAGE};

/// What a child does: `enter` makes the namespaces, `run` is the first process in them.
pub(super) fn child(stage: &str, case: &Case) -> ExitCode {
    set_pdeathsig(Signal::SIGKILL).unwrap();
    if stage == "enter" {
        // In a chroot this process's own path is only right as long as it is in the namespace that it was started in.
        let own = env::current_exe().unwrap();
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).unwrap();
        let status = Command::new(own).env(STAGE, "run").status().unwrap();
        return if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let scratch = PathBuf::from(env::var_os(SCRATCH).unwrap());
    prepare(&scratch, case);
    (case.function)(&Context::new(scratch));
    ExitCode::SUCCESS
}

fn prepare(scratch: &Path, case: &Case) {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).unwrap();
    mount(Some("tmpfs"), scratch, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
    // Views of the machine itself are none of ours, and cases ask for all that there are.
    for line in fs::read_to_string("/proc/self/mountinfo").unwrap().lines() {
        if let Some(target) = line.split(' ').nth(4).filter(|_| line.contains(" - overlay rootlay:")) {
            let _ = umount2(target, MntFlags::MNT_DETACH);
        }
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let state = scratch.join("state");
    fs::create_dir(&state).unwrap();
    let chosen = env::var("OVERLAY_TESTS_FS").ok();
    match case.file_system.or(chosen.as_deref()).unwrap_or("tmpfs") {
        "tmpfs" => {}
        "overlay" => mount_overlay(scratch, &state),
        file_system => mount_image(file_system, &scratch.join("state.img"), &state, "1G"),
    }
}

/// As in a container: what is below lies on the tmpfs.
pub(super) fn mount_overlay(scratch: &Path, target: &Path) {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| scratch.join(format!("overlay/{name}")));
    for dir in [&lower, &upper, &work] {
        fs::create_dir_all(dir).unwrap();
    }
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(options.as_str())).unwrap();
}

/// Makes a file system in a file and mounts it; the loop device goes with the mount.
pub(super) fn mount_image(file_system: &str, image: &Path, target: &Path, size: &str) {
    mount_image_with(file_system, &[], image, target, size);
}

/// The same with more arguments for `mkfs`.
pub(super) fn mount_image_with(file_system: &str, how: &[&str], image: &Path, target: &Path, size: &str) {
    run("truncate", &[OsStr::new("-s"), OsStr::new(size), image.as_os_str()]);
    let how = how.iter().map(OsStr::new);
    let arguments: Vec<&OsStr> = [OsStr::new("-q")].into_iter().chain(how).chain([image.as_os_str()]).collect();
    run(&format!("mkfs.{file_system}"), &arguments);
    let arguments = [OsStr::new("-o"), OsStr::new("loop"), image.as_os_str(), target.as_os_str()];
    run("mount", &arguments);
}

fn run(program: &str, arguments: &[&OsStr]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
