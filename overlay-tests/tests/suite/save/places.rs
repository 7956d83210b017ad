//! Where the archive goes, and what may happen on the way.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context, Need, StoreListing};
use overlay_tests::registry::noise;

use super::{layer, load, save};

pub fn cases() -> Vec<Case> {
    cases![
        a_file_is_there_when_it_is_complete;
        to_a_pipe_and_to_devices;
        to_a_terminal => Need::Tool("script");
        to_a_full_disk;
        an_interrupt_leaves_no_file;
        removal_at_the_same_time
    ]
}

fn a_file_is_there_when_it_is_complete(context: &Context) {
    load(context, &Image::of([noise(1, 64)]), "localhost/app:1");
    let dir = context.fresh_dir("to");
    let path = dir.join("a.tar");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let run = |path: &Path| context.rootlay(["save", "localhost/app:1", "-o", path.to_str().unwrap()]);
    run(&path).ok();
    let metadata = fs::metadata(&path).unwrap();
    assert_ne!(metadata.ino(), inode);
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    let link = dir.join("link");
    std::os::unix::fs::symlink("a.tar", &link).unwrap();
    run(&link).ok();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    for (path, words) in [(dir.clone(), "is a directory"), (dir.join("no/a.tar"), "does not exist")] {
        let output = run(&path).exits(1);
        assert!(output.one_line().contains(words), "{}", output.stderr);
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
}

fn to_a_pipe_and_to_devices(context: &Context) {
    load(context, &Image::of([noise(1, 512)]), "localhost/app:1");
    let expected = fs::read(save(context, &["localhost/app:1"])).unwrap();
    let piped = context.command(["save", "localhost/app:1"]).output().unwrap();
    assert!(piped.status.success() && piped.stderr.is_empty(), "{}", String::from_utf8_lossy(&piped.stderr));
    assert!(piped.stdout == expected);
    let file = context.fresh("redirected");
    let mut command = context.command(["save", "localhost/app:1"]);
    assert!(command.stdout(fs::File::create(&file).unwrap()).status().unwrap().success());
    assert!(fs::read(&file).unwrap() == expected);
    // Into a store without a file between.
    let root = context.fresh("other");
    let mut saving = context.command(["save", "localhost/app:1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut loading = context.command_on(&root, ["load"]);
    let loaded = loading.stdin(saving.stdout.take().unwrap()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&loaded.stdout), "Loaded image: localhost/app:1\n");
    assert!(saving.wait().unwrap().success());
    // A named pipe stays one, and so does a device.
    let fifo = context.fresh("fifo");
    context.run("mkfifo", &[fifo.to_str().unwrap()]).ok();
    let mut saving = context.command(["save", "-o", fifo.to_str().unwrap(), "localhost/app:1"]).spawn().unwrap();
    assert!(fs::read(&fifo).unwrap() == expected);
    assert!(saving.wait().unwrap().success());
    context.rootlay(["save", "-o", "/dev/null", "localhost/app:1"]).ok();
    let piped = context.command(["save", "-o", "/dev/stdout", "localhost/app:1"]).output().unwrap();
    assert!(piped.stdout == expected);
    let output = context.rootlay(["save", "-o", "/dev/full", "localhost/app:1"]).exits(1);
    assert!(output.one_line().contains("no space left"), "{}", output.stderr);
    // A reader that goes away is told nothing, but has no archive either.
    let mut saving = context.command(["save", "localhost/app:1"]);
    let mut saving = saving.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    saving.stdout.take().unwrap().read_exact(&mut [0; 512]).unwrap();
    let output = saving.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b""[..]));
}

fn to_a_terminal(context: &Context) {
    load(context, &Image::of([layer("a")]), "localhost/app:1");
    let program = context.program();
    let root = context.root();
    for output in ["", "-o /dev/tty"] {
        let line = format!("{} --root {} save {output} localhost/app:1", program.display(), root.display());
        let output = context.run("script", &["-q", "-e", "-c", &line, "/dev/null"]).exits(1);
        let said = "cowardly refusing to save to a terminal. Use the -o flag or redirect";
        assert!(output.stdout.contains(said), "{}", output.stdout);
    }
}

fn to_a_full_disk(context: &Context) {
    load(context, &Image::of([noise(1, 4096)]), "localhost/app:1");
    let small = context.fresh_dir("small");
    nix::mount::mount(Some("tmpfs"), &small, Some("tmpfs"), nix::mount::MsFlags::empty(), Some("size=1m")).unwrap();
    let path = small.join("a.tar");
    fs::write(&path, "old").unwrap();
    let output = context.rootlay(["save", "-o", path.to_str().unwrap(), "localhost/app:1"]).exits(1);
    assert!(output.one_line().contains("no space left"), "{}", output.stderr);
    assert!(output.stderr.contains("a.tar"), "{}", output.stderr);
    assert_eq!((fs::read(&path).unwrap(), fs::read_dir(&small).unwrap().count()), (b"old".to_vec(), 1));
}

fn an_interrupt_leaves_no_file(context: &Context) {
    load(context, &Image::of((1..=12).map(|seed| noise(seed, 8192))), "localhost/app:1");
    let dir = context.fresh_dir("to");
    let count = || fs::read_dir(&dir).unwrap().count();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut interrupted = 0;
        for _ in 0..10 {
            let path = dir.join("a.tar");
            let mut child = context.command(["save", "-o", path.to_str().unwrap(), "localhost/app:1"]);
            let child = child.stderr(Stdio::piped()).spawn().unwrap();
            let end = Instant::now() + Duration::from_secs(20);
            while count() == 0 && Instant::now() < end {
                sleep(Duration::from_millis(1));
            }
            sleep(Duration::from_millis(5));
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                Some(0) => fs::remove_file(path).unwrap(),
                found => {
                    assert_eq!(found, Some(code), "{}", String::from_utf8_lossy(&output.stderr));
                    interrupted += 1;
                    assert_eq!(count(), 0);
                }
            }
        }
        assert!(interrupted > 0, "no save was interrupted before its end");
    }
    assert!(StoreListing::read(&context.root()).children("staging").is_empty());
}

/// What is being saved is leased: a removal takes the image away, and leaves what the archive still needs.
fn removal_at_the_same_time(context: &Context) {
    let image = || Image::of((1..=4).map(|seed| noise(seed, 2048)));
    let written = load(context, &image(), "localhost/app:1");
    let expected = fs::read(save(context, &["localhost/app:1"])).unwrap();
    // Nobody reads on, so it waits in the middle.
    let mut saving = context.command(["save", "localhost/app:1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = saving.stdout.take().unwrap();
    let mut bytes = vec![0; 4096];
    stdout.read_exact(&mut bytes).unwrap();
    context.rootlay(["rmi", &written.image_id]).ok();
    assert_eq!(context.rootlay(["images", "-q"]).ok(), "");
    stdout.read_to_end(&mut bytes).unwrap();
    assert!(saving.wait().unwrap().success());
    assert!(bytes == expected);
}
