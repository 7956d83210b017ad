//! `OverlayFS` does every access to the layers with what its mounter had: a view works for everybody, long after the
//! program has ended.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;

use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context, Need, Output};
use rustix::fs::{FileType, Mode, XattrFlags};

use super::{layers, load};

pub fn cases() -> Vec<Case> {
    cases![
        a_view_is_read_by_root_and_by_owners => Need::Tool("setpriv");
        a_writable_view_takes_what_root_does => Need::Tool("setpriv");
        a_pulled_view_has_what_a_mounted_one_has => Need::Tool("setpriv")
    ]
}

/// Runs something in a view as this user, who has no capability. What is above the view need not let the user pass.
#[track_caller]
fn run_as(context: &Context, user: u32, view: &Path, line: &str) -> Output {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={user}")]);
    context.output(command.args(["--clear-groups", "sh", "-c", line]).current_dir(view))
}

/// On a directory of its own: the state root is for root alone.
fn mount_for_all(context: &Context, arguments: &[&str]) -> std::path::PathBuf {
    let target = context.fresh_dir("view");
    let target_text = target.to_str().unwrap();
    context.mount([&["--target", target_text][..], arguments].concat())
}

fn assert_readable(context: &Context, view: &Path) {
    assert_eq!(fs::read(view.join("user/secret")).unwrap(), b"of another");
    assert_eq!(fs::read(view.join("shut/deep/f")).unwrap(), b"f");
    assert_eq!(run_as(context, 1000, view, "cat user/secret").ok(), "of another");
    assert_ne!(run_as(context, 1002, view, "cat user/secret").code, 0);
}

fn a_view_is_read_by_root_and_by_owners(context: &Context) {
    let id = load(context);
    assert_readable(context, &mount_for_all(context, &[&id]));
}

fn a_writable_view_takes_what_root_does(context: &Context) {
    let id = load(context);
    let view = mount_for_all(context, &["-w", "--name", "w", &id]);
    assert_readable(context, &view);
    change(&view);
    // Also as somebody who owns a file of a lower layer.
    run_as(context, 1000, &view, "echo more >> user/secret").ok();
    assert_eq!(fs::read(view.join("user/secret")).unwrap(), b"of anothermore\n");
    context.umount(&view);
    let view = context.mount(["--name", "w"]);
    assert_eq!(fs::metadata(view.join("user/secret")).unwrap().uid(), 1000);
    assert!(!view.join("shut/deep/f").exists() && view.join("made").exists());
}

fn change(view: &Path) {
    let secret = view.join("user/secret");
    chown(&secret, Some(1234), Some(1235)).unwrap();
    let found = fs::metadata(&secret).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (1234, 1235, 0o600));
    chown(&secret, Some(1000), Some(1000)).unwrap();
    fs::remove_file(view.join("shut/deep/f")).unwrap();
    fs::remove_file(view.join("sticky/b")).unwrap();
    let made = view.join("made");
    let device = rustix::fs::makedev(1, 5);
    rustix::fs::mknodat(rustix::fs::CWD, &made, FileType::CharacterDevice, Mode::RUSR, device).unwrap();
    assert_eq!(fs::metadata(&made).unwrap().rdev(), device);
    for (file, attribute) in [("trusted", "trusted.more"), ("capable", "security.more"), ("attributes", "user.more")] {
        rustix::fs::setxattr(view.join(file), attribute, b"w", XattrFlags::CREATE).unwrap();
        let mut value = [0; 8];
        assert_eq!(rustix::fs::getxattr(view.join(file), attribute, &mut value), Ok(1));
    }
    rustix::fs::setxattr(view.join("setuid"), "security.capability", &super::FILE_CAPABILITY, XattrFlags::empty())
        .unwrap();
    fs::set_permissions(view.join("setgid/f"), std::os::unix::fs::PermissionsExt::from_mode(0o2700)).unwrap();
    assert_eq!(fs::metadata(view.join("setgid/f")).unwrap().mode() & 0o7777, 0o2700);
}

/// Where the image comes over the network first, what the network threads drop is not missing in the view.
fn a_pulled_view_has_what_a_mounted_one_has(context: &Context) {
    let (bed, registry, proxy) = overlay_tests::registry::Bed::open(context);
    registry.publish(&Image::of(layers()), "app:1");
    let target = context.fresh_dir("view");
    bed.rootlay(["mount", "-w", "--target", target.to_str().unwrap(), &proxy.name("app:1")]).ok();
    assert_readable(context, &target);
    change(&target);
}
