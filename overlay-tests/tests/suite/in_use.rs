//! Views that are in use, lost, or left behind by a crash.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, dir, file};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::random::Rng;
use overlay_tests::tree::{names, read_tree};

pub fn cases() -> Vec<Case> {
    cases![
        row_169_busy_view_names_its_processes;
        busy_by_an_open_file;
        lazy_umount;
        row_168_image_of_a_view_is_kept;
        row_169_view_in_another_namespace => Need::Tool("unshare");
        killed_while_mounting;
        reboot_with_a_read_only_view;
        reboot_with_a_writable_view;
        crun_runs_the_shell => Need::Tool("crun"), Need::Images
    ]
}

fn load(context: &Context) -> String {
    context.load(&Image::of([vec![dir("d", 0o755), file("d/f", "x")], vec![file("g", "")]])).image_id
}

/// A process that is killed when the test is done with it.
struct Held(Child);

impl Held {
    fn shell(script: &str, dir: &Path) -> Self {
        let mut command = Command::new("sh");
        let child = command.args(["-c", &format!("{script}; echo ready; exec sleep 1000")]).current_dir(dir);
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        Self(child)
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn row_169_busy_view_names_its_processes(context: &Context) {
    let id = load(context);
    let merged = context.mount(["--name", "busy", &id]);
    let held = Held::shell(":", &merged.join("d"));
    for arguments in [vec!["umount", "busy"], vec!["umount", "-a"]] {
        let output = context.rootlay(arguments).exits(2);
        assert!(output.stderr.contains(&held.id()) && output.stderr.contains("sleep"), "{}", output.stderr);
        assert!(merged.join("g").exists());
    }
    drop(held);
    context.rootlay(["umount", "busy"]).ok();
}

fn busy_by_an_open_file(context: &Context) {
    let id = load(context);
    let merged = context.mount(["--name", "busy", &id]);
    let held = Held::shell(&format!("exec 5<{}/d/f", merged.display()), Path::new("/"));
    let output = context.rootlay(["umount", "busy"]).exits(2);
    assert!(output.stderr.contains(&held.id()), "{}", output.stderr);
    drop(held);
    context.rootlay(["umount", "busy"]).ok();
}

fn lazy_umount(context: &Context) {
    let id = load(context);
    let merged = context.mount(["--name", "busy", &id]);
    let held = Held::shell(":", &merged.join("d"));
    context.rootlay(["umount", "-l", "busy"]).ok();
    assert!(!merged.join("g").exists());
    drop(held);
    context.rootlay(["rmi", &id]).ok();
}

fn row_168_image_of_a_view_is_kept(context: &Context) {
    let id = load(context);
    let merged = context.mount([&id]);
    context.rootlay(["rmi", &id]).exits(2).one_line();
    assert_eq!(names(&read_tree(&merged).unwrap()), ["d/", "d/f", "g"]);
    context.umount(&merged);
    context.rootlay(["rmi", &id]).ok();
    let _ = context.rootlay(["mount", &id]).exits(1);
}

/// The view is gone here, but not there: its layers are in use.
fn row_169_view_in_another_namespace(context: &Context) {
    let id = load(context);
    let merged = context.mount(["--name", "v", &id]);
    let mut command = Command::new("unshare");
    let there = command.args(["-m", "sh", "-c", "echo ready; exec sleep 1000"]).stdout(Stdio::piped());
    let mut held = Held(there.spawn().unwrap());
    let mut line = [0; 6];
    std::io::Read::read_exact(held.0.stdout.as_mut().unwrap(), &mut line).unwrap();
    nix::mount::umount(&merged).unwrap();
    let _ = context.rootlay(["rmi", &id]).exits(2);
    let shown = Path::new("/proc").join(held.id()).join("root").join(merged.strip_prefix("/").unwrap());
    assert_eq!(names(&read_tree(&shown).unwrap()), ["d/", "d/f", "g"]);
    drop(held);
    context.rootlay(["umount", "-a"]).ok();
    context.rootlay(["rmi", &id]).ok();
}

/// SIGKILL at any moment leaves a view or none, and nothing that hinders the next one.
fn killed_while_mounting(context: &Context) {
    let id = load(context);
    let mut rng = Rng::new(7);
    for round in 0..40 {
        let name = format!("k{round}");
        let access: &[&str] = if round % 2 == 0 { &["-w"] } else { &[] };
        let mut command = context.command([&["mount", "--name", &name], access, &[&id]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_micros(rng.below(12_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        context.rootlay(["mounts"]).ok();
    }
    context.rootlay(["umount", "-a"]).ok();
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("rootlay:"));
    assert_eq!(names(&context.tree_of_loaded(&id)), ["d/", "d/f", "g"]);
    let saved = context.rootlay(["mounts", "--format", "json"]).ok();
    for line in saved.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = row.as_object().unwrap().iter().find(|(key, _)| key.eq_ignore_ascii_case("name")).unwrap().1;
        context.rootlay(["rm", name.as_str().unwrap()]).ok();
    }
    context.rootlay(["rmi", &id]).ok();
    assert!(fs::read_dir(context.root().join("views")).unwrap().next().is_none());
}

/// What a reboot leaves: the record, the directories, no mount, another boot ID.
fn reboot(context: &Context, name: &str, merged: &Path) {
    nix::mount::umount(merged).unwrap();
    let record = context.root().join("views").join(name).join("view.json");
    let text = fs::read_to_string(&record).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(text.contains(boot.trim()), "no boot ID in {text}");
    fs::write(&record, text.replace(boot.trim(), "00000000-0000-4000-8000-000000000000")).unwrap();
}

fn reboot_with_a_read_only_view(context: &Context) {
    let id = load(context);
    let target = context.fresh_dir("target");
    let merged = context.mount(["--name", "r", "--target", target.to_str().unwrap(), &id]);
    reboot(context, "r", &merged);
    let listed = context.rootlay(["mounts", "--format", "json"]).ok();
    assert!(!listed.contains("\"r\""), "{listed}");
    context.rootlay(["umount", "-a"]).ok();
    context.mount(["--name", "r", &id]);
    context.rootlay(["umount", "r"]).ok();
    context.rootlay(["rmi", &id]).ok();
}

fn reboot_with_a_writable_view(context: &Context) {
    let id = load(context);
    let merged = context.mount(["-w", "--name", "w", &id]);
    fs::write(merged.join("g"), "written").unwrap();
    reboot(context, "w", &merged);
    assert!(context.rootlay(["mounts"]).ok().contains('w'));
    assert_ne!(context.rootlay(["rmi", &id]).code, 0);
    context.mount(["--name", "w"]);
    assert_eq!(fs::read(merged.join("g")).unwrap(), b"written");
    context.rootlay(["umount", "-a"]).ok();
    context.rootlay(["rm", "w"]).ok();
    context.rootlay(["rmi", &id]).ok();
}

fn crun_runs_the_shell(context: &Context) {
    let source = format!("oci:{}", context.images().join("alpine").display());
    context.rootlay(["load", &source]).ok();
    let id = context.rootlay(["images", "-q", "--no-trunc"]).ok();
    let merged = context.mount(["-w", "--name", "box", id.trim()]);
    let bundle = context.fresh_dir("bundle");
    let config = serde_json::json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/sh", "-c", "cat /etc/alpine-release; ls /bin/busybox; echo written > /root/note"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
        },
        "root": {"path": merged},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
    });
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    // Machines of yesterday mount both kinds of control groups, which crun does not take.
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("none"), "/sys/fs/cgroup", Some("cgroup2"), flags, None::<&str>).unwrap();
    let state = context.fresh_dir("crun");
    let arguments =
        ["--root", state.to_str().unwrap(), "--cgroup-manager=disabled", "run", "-b", bundle.to_str().unwrap(), "box"];
    assert_eq!(context.run("crun", &arguments).ok(), "3.20.3\n/bin/busybox\n");
    context.rootlay(["umount", "box"]).ok();
    let merged = context.mount(["--name", "box"]);
    assert_eq!(fs::read(merged.join("root/note")).unwrap(), b"written\n");
    context.umount(&merged);
}
