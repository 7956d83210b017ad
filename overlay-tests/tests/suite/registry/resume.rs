//! Downloads that go on where they were.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use overlay_tests::cases;
use overlay_tests::fixture::{Image, Written};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::random::Rng;
use overlay_tests::registry::{Bed, Fault, PROXY, Proxy, noise};

use super::assert_tree;

pub fn cases() -> Vec<Case> {
    cases![
        resume_after_a_hundred_kills;
        resume_after_an_interrupt;
        resume_while_nothing_comes;
        an_interrupt_counts_while_nobody_answers;
        resume_after_a_lost_network;
        resume_with_a_corrupt_partial_file;
        resume_under_another_name;
        finished_downloads_leave_nothing
    ]
}

fn image() -> Image {
    Image::of((1..=3).map(|seed| noise(seed, 512)))
}

fn slow() -> Fault {
    Fault::Slow(8 << 10, Duration::from_millis(25))
}

/// The requests for each layer go on where its partial file ended when they were made.
#[track_caller]
fn went_on(proxy: &Proxy, written: &Written, kept: &[usize]) {
    for (layer, kept) in written.layers.iter().zip(kept) {
        let requests = proxy.blob_requests(layer);
        assert!(requests.iter().all(|request| request.offset() >= *kept), "{layer}: {kept} kept, {requests:?}");
    }
}

fn partials(bed: &Bed<'_>, written: &Written) -> Vec<usize> {
    written.layers.iter().map(|layer| bed.partial(layer)).collect()
}

fn resume_after_a_hundred_kills(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "app:1");
    let name = proxy.name("app:1");
    proxy.fault("GET /blobs/", .., slow());
    let mut rng = Rng::new(2026);
    let (mut killed, mut resumed) = (0, 0);
    for round in 0..100 {
        let kept = partials(&bed, &written);
        proxy.take_records();
        let mut child = bed.spawn(["pull", &name]);
        // On a machine that is busy nothing would come in so short a time: every second one gets as far as that.
        while round % 2 == 1 && child.try_wait().unwrap().is_none() && partials(&bed, &written) == kept {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(u64::try_from(rng.below(90)).unwrap()));
        child.kill().unwrap();
        let done = child.wait().unwrap().success();
        // It may die when the image is there and only the last line is not printed.
        if done || !bed.rootlay(["images", "-q"]).ok().is_empty() {
            assert_tree(context, &name, &image());
            bed.rootlay(["rmi", &name]).ok();
            continue;
        }
        killed += 1;
        went_on(&proxy, &written, &kept);
        resumed += usize::from(kept.iter().any(|kept| *kept > 0));
    }
    assert!(killed > 50 && resumed > 20, "{killed} kills, {resumed} of them of a pull that went on");
    let kept = partials(&bed, &written);
    proxy.heal();
    proxy.take_records();
    bed.pull(&name);
    went_on(&proxy, &written, &kept);
    assert_tree(context, &name, &image());
}

/// Ctrl-C and `kill`: the exit code, a store that works, and what came is kept.
fn resume_after_an_interrupt(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "app:1");
    let name = proxy.name("app:1");
    proxy.fault("GET /blobs/", .., slow());
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let before = partials(&bed, &written);
        let child = bed.spawn(["pull", &name]);
        wait_for(|| partials(&bed, &written).iter().zip(&before).any(|(now, before)| now > before));
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(bed.rootlay(["images", "-q"]).ok(), "");
        assert!(StoreListing::read(&bed.root()).children("staging").is_empty());
    }
    let kept = partials(&bed, &written);
    assert!(kept.iter().any(|kept| *kept > 0), "{kept:?}");
    proxy.heal();
    proxy.take_records();
    bed.pull(&name);
    went_on(&proxy, &written, &kept);
    assert_tree(context, &name, &image());
}

#[track_caller]
fn wait_for(done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "nothing happens");
        sleep(Duration::from_millis(2));
    }
}

/// An interrupt counts at once, also where a registry says nothing.
fn resume_while_nothing_comes(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "app:1");
    let name = proxy.name("app:1");
    let arrived = || partials(&bed, &written).contains(&100_000);
    let asked = || proxy.records().iter().any(|record| record.method == "GET" && record.target.contains("/manifests/"));
    let waits: [(&str, usize, &dyn Fn() -> bool); 2] =
        [("GET /blobs/sha256:", 100_000, &arrived), ("GET /manifests/", 0, &asked)];
    for (part, after, stuck) in waits {
        proxy.heal();
        proxy.take_records();
        proxy.fault(part, .., Fault::Stall(after));
        let child = bed.spawn(["pull", &name]);
        wait_for(stuck);
        sleep(Duration::from_millis(50));
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
        let start = Instant::now();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
    let kept = partials(&bed, &written);
    assert!(kept.contains(&100_000), "{kept:?}");
    proxy.heal();
    proxy.take_records();
    bed.pull(&name);
    went_on(&proxy, &written, &kept);
    assert_tree(context, &name, &image());
}

/// Somebody takes connections and says nothing: every command that asks ends at once.
fn an_interrupt_counts_while_nobody_answers(context: &Context) {
    let bed = Bed::new(context);
    let id = bed.load(&image()).image_id;
    let named = |rest: &str| format!("{PROXY}/{rest}");
    let (name, repository) = (named("app:1"), named("app"));
    for arguments in [
        &["pull", &name][..],
        &["pull", "--dry-run", &name],
        &["pull", "--check", &name],
        &["mount", &name],
        &["digest", &name],
        &["tags", &repository],
        &["search", &repository],
        &["manifest", "inspect", &name],
        &["push", &id, &name],
        &["login", "-u", "user", "-p", "password", PROXY],
    ] {
        // A new one, where no connection of the command before is left; it is open until the end: nobody hangs up.
        let silent = TcpListener::bind(PROXY).unwrap();
        let child = bed.spawn(arguments);
        let (mut connection, _) = silent.accept().unwrap();
        connection.read_exact(&mut [0; 10]).unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(StoreListing::read(&bed.root()).children("staging").is_empty());
}

fn resume_after_a_lost_network(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "app:1");
    let name = proxy.name("app:1");
    for layer in &written.layers {
        proxy.fault(&format!("GET /blobs/{layer}"), 1..=1, Fault::Cut(150_000));
        proxy.fault(&format!("GET /blobs/{layer}"), 2.., Fault::Reset);
    }
    let _ = bed.rootlay(["pull", "--retry", "1", "--retry-delay", "1ms", &name]).exits(10);
    let kept = partials(&bed, &written);
    assert!(kept.contains(&150_000), "{kept:?}");
    proxy.heal();
    proxy.take_records();
    bed.pull(&name);
    went_on(&proxy, &written, &kept);
    assert_tree(context, &name, &image());
}

/// What a power loss, or somebody, made of a partial file: wrong bytes, zeroes, too much.
fn resume_with_a_corrupt_partial_file(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "app:1");
    let name = proxy.name("app:1");
    let layer = &written.layers[0];
    let path = bed.root().join("partial").join(layer.replace(':', "/"));
    let size = usize::try_from(fs::metadata(registry.blob_path(layer)).unwrap().len()).unwrap();
    let damages: [fn(&mut Vec<u8>, usize); 4] = [
        |bytes, _| bytes[70_000] ^= 1,
        |bytes, _| bytes.fill(0),
        |bytes, size| bytes.resize(size, 7),
        |bytes, size| bytes.resize(size + 1000, 7),
    ];
    for damage in damages {
        proxy.heal();
        proxy.fault(&format!("GET /blobs/{layer}"), 1..=1, Fault::Cut(150_000));
        proxy.fault(&format!("GET /blobs/{layer}"), 2.., Fault::Reset);
        let _ = bed.rootlay(["pull", "--retry", "0", &name]).exits(10);
        proxy.heal();
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes, size);
        fs::write(&path, bytes).unwrap();
        // Told, or mended; and right in the end.
        let output = bed.rootlay(["pull", "--retry", "3", "--retry-delay", "1ms", &name]);
        if output.code != 0 {
            assert_eq!(output.code, 14, "{}", output.stderr);
            bed.pull(&name);
        }
        assert_tree(context, &name, &image());
        bed.rootlay(["rmi", &name]).ok();
    }
}

/// Partial downloads belong to digests, not to names.
fn resume_under_another_name(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "app:1");
    registry.publish(&image(), "other/name:2");
    for layer in &written.layers {
        proxy.fault(&format!("GET /v2/app/blobs/{layer}"), 1..=1, Fault::Cut(150_000));
        proxy.fault(&format!("GET /v2/app/blobs/{layer}"), 2.., Fault::Reset);
    }
    let _ = bed.rootlay(["pull", "--retry", "0", &proxy.name("app:1")]).exits(10);
    let kept = partials(&bed, &written);
    proxy.take_records();
    bed.pull(&proxy.name("other/name:2"));
    went_on(&proxy, &written, &kept);
    assert_tree(context, &proxy.name("other/name:2"), &image());
}

fn finished_downloads_leave_nothing(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let written = registry.publish(&image(), "app:1");
    bed.pull(&proxy.name("app:1"));
    assert_eq!(partials(&bed, &written), [0, 0, 0]);
    assert!(StoreListing::read(&bed.root()).children("staging").is_empty());
}
