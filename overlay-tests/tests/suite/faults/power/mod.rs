//! Power cuts: the program works on a device that writes down what reaches it. For moments of what was written down the
//! disk is made as it may be after a cut, and is mounted in what the program takes for another boot.
//!
//! The cut is at a flush, or behind one with any part of what came after it, torn or not. Of each file system a number of
//! moments is tried, spread over all steps; `OVERLAY_TESTS_CUTS` is another number, or `all` for every flush with four
//! different rests. `OVERLAY_TESTS_SEED` chooses them.

mod bench;
mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use nix::mount::{MsFlags, mount};
use overlay_tests::block::{Cut, Device, Event, Log, Mounted, Replay, Tail, copy_sparse, make_file_system};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::random::Rng;

use super::known::Known;
use super::say;
use bench::Bench;
use script::{Stage, World, everything, pulling, stack, write_durably};

/// How many moments of each case are tried.
const CUTS: usize = 18;

pub fn cases() -> Vec<Case> {
    macro_rules! on {
        ($($name:ident = $script:ident, $file_system:literal, $options:literal);* $(;)?) => {
            vec![$(
                Case::new(module_path!(), stringify!($name), |context| {
                    cut(context, $file_system, $options, $script);
                })
                .needs(Need::Fuse)
                .needs(Need::FileSystem($file_system))
                .minutes(120)
            ),*]
        };
    }
    let mut all = on![
        power_cuts_on_ext4 = everything, "ext4", "data=ordered";
        power_cuts_on_ext4_with_data_written_back = everything, "ext4", "data=writeback";
        power_cuts_on_xfs = everything, "xfs", "";
        power_cuts_on_btrfs = everything, "btrfs", "";
    ];
    let pulls = on![
        power_cuts_while_pulling_on_ext4 = pulling, "ext4", "data=writeback";
        power_cuts_while_pulling_on_xfs = pulling, "xfs", "";
    ];
    let tools = ["docker-registry", "skopeo", "openssl"];
    all.extend(pulls.into_iter().map(|case| tools.iter().fold(case, |case, tool| case.needs(Need::Tool(tool)))));
    all
}

/// Where the program finds the ID of the boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// From now on this is another boot.
fn reboot(context: &Context) {
    let id = context.fresh("boot-id");
    let mut rng = Rng::new(id.as_os_str().len() as u64);
    let (one, two) = (rng.next_u64(), rng.next_u64());
    let text = format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}\n",
        one >> 32,
        one >> 16 & 0xffff,
        one & 0xfff,
        two >> 52,
        two & 0xffff_ffff_ffff
    );
    assert_eq!(text.len(), 37);
    fs::write(&id, text).unwrap();
    mount(Some(&id), BOOT_ID, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

/// Somebody else on the same file system, whose every write is made durable: journals are written in the middle of what
/// the program does.
fn with_a_neighbour(state: &Path, work: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let path = state.join("neighbour");
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0_u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                write_durably(&path, &number.to_le_bytes());
                thread::sleep(Duration::from_millis(6));
            }
        });
        work();
        stop.store(true, Ordering::Relaxed);
    });
}

/// Records a script on a file system and looks at moments of it.
fn cut(context: &Context, file_system: &str, options: &str, script: fn(&mut Stage<'_>)) {
    let state = context.dir().join("state");
    let image = context.fresh("disk");
    make_file_system(file_system, &image);
    let known = BTreeMap::from([
        ("a", Known::of(context, &stack(10))),
        ("b", Known::of(context, &stack(20))),
        ("c", Known::of(context, &stack(30))),
        ("d", Known::of(context, &stack(40))),
    ]);
    let mounted = Mounted::new(file_system, options, &image, &state).unwrap();
    context.rootlay(["load", "--name", "a:1", &known["a"].source]).ok();
    let first = World { images: [format!("a:1 {}", known["a"].id())].into(), ..World::default() };
    mounted.unmount();
    let before = context.fresh("before");
    copy_sparse(&image, &before);

    let device = Device::on(context, &image);
    let path = context.fresh("log");
    device.record(&path);
    let mounted = device.mount(file_system, options, &state);
    let mut stage = Stage { context, device: &device, known, worlds: vec![first], names: vec!["nothing".to_owned()] };
    with_a_neighbour(&state, || script(&mut stage));
    let Stage { known, worlds, names, .. } = stage;
    mounted.unmount();
    drop(device);
    fs::remove_file(&image).unwrap();
    let log = Log::read(&path);
    fs::remove_file(&path).unwrap();

    reboot(context);
    let bench = Bench { context, file_system, options, state, known };
    let mut replay = Replay::new(&log, &before);
    let cuts = cuts(&log);
    say(&format!(
        "{} events, {} flushes, {} MiB, {} cuts",
        log.events.len(),
        log.flushes().len(),
        log.data.len() >> 20,
        cuts.len()
    ));
    let disk = context.fresh("cut");
    let mut failures = Vec::new();
    for cut in cuts {
        replay.cut(cut, &disk);
        // What had ended when the power went counts, whatever reached the disk afterwards.
        let done = usize::try_from(log.mark_before(cut.seen).unwrap_or(0)).unwrap();
        let next = (done + 1).min(worlds.len() - 1);
        let result = bench.holds(&disk, &worlds[done..=next]);
        if let Err(why) = result {
            failures.push(format!("{cut:?}, after `{}`, during `{}`: {why}", names[done], names[next]));
        }
        if failures.len() >= 5 {
            break;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The moments that are tried, in ascending order.
fn cuts(log: &Log) -> Vec<Cut> {
    let wanted = env::var("OVERLAY_TESTS_CUTS").ok();
    let seed = env::var("OVERLAY_TESTS_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut rng = Rng::new(seed);
    // The start of the recording is no flush, but nothing came before it.
    let starts: Vec<usize> = std::iter::once(0).chain(log.flushes().into_iter().map(|flush| flush + 1)).collect();
    let mut all = Vec::new();
    for (number, &durable) in starts.iter().enumerate() {
        // What came behind the next flush may be on the disk although that flush was never answered.
        let end = starts.get(number + 1).copied().unwrap_or(log.events.len());
        all.push(Cut { durable, seen: durable, tail: Tail::None });
        for percent in [15, 50, 85, 97] {
            let seed = rng.next_u64();
            let seen = durable + 1 + rng.below((end - durable).max(1));
            all.push(Cut { durable, seen: seen.min(end), tail: Tail::Some { seed, percent } });
        }
    }
    if wanted.as_deref() == Some("all") {
        return all;
    }
    let count = wanted.map_or(CUTS, |count| count.parse().unwrap());
    // As many of each step: those with a neighbour that is busy have more flushes than others.
    let mut of_steps: BTreeMap<Option<u64>, Vec<Cut>> = BTreeMap::new();
    for cut in all {
        let has_writes = log.events[cut.durable..cut.seen].iter().any(|event| matches!(event, Event::Write(..)));
        if has_writes || cut.tail == Tail::None {
            of_steps.entry(log.mark_before(cut.durable)).or_default().push(cut);
        }
    }
    let mut chosen = Vec::new();
    while chosen.len() < count && of_steps.values().any(|cuts| !cuts.is_empty()) {
        for cuts in of_steps.values_mut().filter(|cuts| !cuts.is_empty()) {
            chosen.push(cuts.swap_remove(rng.below(cuts.len())));
        }
    }
    chosen.sort_by_key(|cut| cut.durable);
    chosen
}
