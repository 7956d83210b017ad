//! What a command still has while it works: looked at when it prints its first line.

use std::process::Command;

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::registry::Bed;

use super::threads::{Thread, at_its_first_line, set, wait_for};
use super::{
    CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, MKNOD, SYS_ADMIN, SYS_PTRACE, SYS_RESOURCE, UNPACK, confined, load,
    write,
};

pub fn cases() -> Vec<Case> {
    cases![
        what_is_not_needed_is_dropped => Need::Tool("setpriv");
        asking_only_reads_files => Need::Tool("setpriv");
        mount_drops_everything_in_the_end => Need::Tool("setpriv");
        a_detached_view_is_in_use_where_processes_hide => Need::Tool("setpriv")
    ]
}

/// The program with every capability in every set that a program can be started with.
fn with_everything(context: &Context, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    let own = Thread::of(std::process::id(), std::process::id()).unwrap();
    let all: Vec<String> =
        (0..41).filter(|one| own.bounding >> one & 1 == 1).map(|one| format!("+cap_{one}")).collect();
    let all = all.join(",");
    command
        .args([format!("--inh-caps={all}"), format!("--ambient-caps={all}")])
        .arg(context.program())
        .arg("--root")
        .arg(context.root());
    command.args(["--progress", "none"]).args(arguments).env_remove("ROOTLAY_ROOT").env("TMPDIR", context.dir());
    command
}

/// The first thread has exactly these, the thread that waits for signals nothing.
#[track_caller]
fn assert_holds(threads: &[Thread], capabilities: &[u32], sealed: bool, what: &[&str]) {
    let [first, others @ ..] = threads else { panic!("{what:?}: no thread") };
    assert!(first.has(set(capabilities)), "{what:?}: {first:x?}");
    assert!(threads.iter().all(|thread| thread.no_new_privs == sealed), "{what:?}: {threads:x?}");
    for signals in others.iter().filter(|thread| thread.name == "signals") {
        assert!(signals.has(0), "{what:?}: {signals:x?}");
    }
}

fn what_is_not_needed_is_dropped(context: &Context) {
    let id = load(context);
    let source = write(context);
    let records = [DAC_OVERRIDE, FOWNER, SYS_PTRACE, SYS_RESOURCE];
    let files = [CHOWN, DAC_OVERRIDE, FOWNER, SYS_RESOURCE];
    let unpack = [&UNPACK[..], &[SYS_PTRACE, SYS_RESOURCE]].concat();
    context.mount(["--name", "v", &id]);
    context.mount(["-w", "--name", "w", &id]);
    context.rootlay(["umount", "w"]).ok();
    for (arguments, holds) in [
        (&["version"][..], &[][..]),
        (&["completion", "bash"], &[]),
        (&["man"], &files),
        (&["images"], &records),
        (&["inspect", &id], &records),
        (&["history", &id], &records),
        (&["image", "tree", &id], &records),
        (&["mounts"], &records),
        (&["mount"], &records),
        (&["system", "df"], &records),
        (&["info"], &[DAC_OVERRIDE, FOWNER, SYS_PTRACE, SYS_RESOURCE, MKNOD, SYS_ADMIN]),
        (&["load", &source], &unpack),
        (&["umount", "v"], &[SYS_ADMIN, DAC_OVERRIDE, FOWNER, SYS_PTRACE, SYS_RESOURCE]),
        (&["rm", "w"], &records),
        (&["rmi", &id], &records),
        (&["system", "prune", "-f"], &records),
    ] {
        let threads = at_its_first_line(&mut with_everything(context, arguments));
        assert_holds(&threads, holds, true, arguments);
    }
}

fn asking_only_reads_files(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&overlay_tests::fixture::Image::of(super::layers()), "app:1");
    let (name, repository, term) = (proxy.name("app:1"), proxy.name("app"), proxy.name("ap"));
    for arguments in
        [&["tags", &repository][..], &["digest", &name], &["manifest", "inspect", &name], &["search", &term]]
    {
        let mut command = with_everything(context, arguments);
        let threads = at_its_first_line(command.env("HOME", bed.home()));
        let [first, others @ ..] = &threads[..] else { panic!("{arguments:?}: no thread") };
        assert!(first.has(set(&[DAC_READ_SEARCH])), "{arguments:?}: {threads:x?}");
        assert!(others.iter().all(|thread| thread.has(0)), "{arguments:?}: {threads:x?}");
    }
    // Helpers may need to gain what their set-user-ID bits say; only capabilities are handed on to nobody.
    let threads = at_its_first_line(with_everything(context, &["pull", &name]).env("HOME", bed.home()));
    assert_holds(&threads, &[&UNPACK[..], &[SYS_PTRACE, SYS_RESOURCE]].concat(), false, &["pull"]);
    let threads = at_its_first_line(with_everything(context, &["push", &name, &name]).env("HOME", bed.home()));
    assert_holds(&threads, &[DAC_OVERRIDE, FOWNER, SYS_PTRACE, SYS_RESOURCE], false, &["push"]);
}

fn mount_drops_everything_in_the_end(context: &Context) {
    let id = load(context);
    for arguments in [&["mount", &id][..], &["mount", "-w", "--name", "w", &id]] {
        let threads = at_its_first_line(&mut with_everything(context, arguments));
        assert!(threads.iter().all(|thread| thread.has(0)), "{arguments:?}: {threads:x?}");
    }
}

/// Without `CAP_SYS_PTRACE` only processes with no more capabilities can be looked at (`ptrace(2)`): who drops some sees
/// less, and must not take a view for unused that somebody still works in.
fn a_detached_view_is_in_use_where_processes_hide(context: &Context) {
    let id = load(context);
    let view = context.mount(["--name", "v", &id]);
    let hidden = "--bounding-set=-sys_ptrace";
    let mut holder = Command::new("setpriv");
    let mut holder = holder.args([hidden, "--inh-caps=-all", "sleep", "600"]).current_dir(&view).spawn().unwrap();
    wait_for("sleep", &mut holder, |process| {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        (name == "sleep\n").then_some(())
    });
    let run = |arguments: &[&str]| context.output(&mut confined(context, "-sys_ptrace", arguments));
    let _ = run(&["umount", "v"]).exits(2).says("sleep");
    run(&["umount", "-l", "v"]).ok();
    for arguments in [&["images"][..], &["system", "prune", "-a", "-f"], &["system", "df"]] {
        run(arguments).ok();
    }
    let _ = run(&["rmi", &id]).exits(2);
    assert!(context.rootlay(["images", "-q", "--no-trunc"]).ok().contains(&id));
    holder.kill().unwrap();
    holder.wait().unwrap();
    run(&["rmi", &id]).ok();
}
