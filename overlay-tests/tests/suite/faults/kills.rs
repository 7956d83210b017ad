//! Killed anywhere: before each system call that changes the disk, the process is gone.

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::random::Rng;
use overlay_tests::registry::Bed;
use overlay_tests::trace::{Call, Step, exhaustive, select};

use super::ground::{Ground, image};
use super::scenarios::{Scenario, Tries};

pub fn cases() -> Vec<Case> {
    let all = cases![
        killed_in_load;
        killed_in_a_load_with_threads;
        killed_in_the_first_load;
        killed_in_pull => Need::Tool("docker-registry"), Need::Tool("skopeo");
        killed_in_mount;
        killed_in_mount_of_a_writable_view;
        killed_in_mount_of_a_saved_view;
        killed_in_umount;
        killed_in_umount_of_a_writable_view;
        killed_in_rm;
        killed_in_rmi;
        killed_in_prune;
        killed_in_tag
    ];
    all.into_iter().map(|case| case.minutes(20)).collect()
}

/// Of calls of one kind so many between the first and the last.
const MORE: usize = 1;

fn kill_everywhere(scenario: &Scenario<'_>) {
    kill_except(scenario, &[]);
}

/// Leaves out what is of the same kind as these calls.
fn kill_except(scenario: &Scenario<'_>, known: &[Call]) {
    let calls = scenario.calls();
    assert!(calls.len() > 10, "{calls:?}");
    // Closing a file changes nothing.
    let is_new = |call: &Call| call.name != "close" && !known.iter().any(|known| known.kind() == call.kind());
    let chosen: Vec<usize> = select(&calls, MORE).into_iter().filter(|stop| is_new(&calls[*stop])).collect();
    println!("{} calls, {} stops", calls.len(), chosen.len());
    let mut tries = Tries::default();
    for (turn, stop) in chosen.into_iter().enumerate() {
        tries.attempt(|| {
            println!("killed before call {stop}, {}", calls[stop]);
            let killed = scenario.run(&mut |number, _| if number == stop { Step::Kill } else { Step::Go });
            if killed.hit {
                check(scenario, killed.output.code, turn);
            } else {
                // Pieces that come over a network are not the same in each run.
                assert_ne!(killed.calls.len(), calls.len(), "the run ended before");
                killed.output.ok();
            }
        });
    }
    tries.end();
}

#[track_caller]
fn check(scenario: &Scenario<'_>, code: i32, turn: usize) {
    assert_eq!(code, -9);
    // Every other time nothing looks at the store in between.
    if turn.is_multiple_of(2) {
        scenario.assert_sound();
    }
    scenario.assert_again();
}

fn killed_in_load(context: &Context) {
    kill_everywhere(&Scenario::load(&Ground::new(context)));
}

/// The calls come in another order in each run.
fn killed_in_a_load_with_threads(context: &Context) {
    let ground = Ground::new(context);
    let mut scenario = Scenario::load(&ground);
    scenario.command.env("ROOTLAY_THREADS", "4");
    let calls = scenario.calls().len();
    let mut rng = Rng::new(6);
    for turn in 0..25 {
        let stop = rng.below(calls);
        let mut last = None;
        let killed = scenario.run(&mut |number, call| {
            last = Some(call.clone());
            if number == stop { Step::Kill } else { Step::Go }
        });
        println!("killed before call {stop}, {last:?}");
        if killed.hit {
            check(&scenario, killed.output.code, turn);
        } else {
            killed.output.ok();
        }
    }
}

fn killed_in_the_first_load(context: &Context) {
    let ground = Ground::new(context);
    let nothing = ground.nothing();
    let known = if exhaustive() { vec![] } else { Scenario::load(&ground).calls() };
    kill_except(&Scenario::first_load(&ground, &nothing), &known);
}

fn killed_in_pull(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    registry.publish(&image(), "image:1");
    let ground = Ground::new(context);
    kill_everywhere(&Scenario::pull(&ground, bed.command(["pull", "--jobs", "1", &registry.name("image:1")])));
}

fn killed_in_mount(context: &Context) {
    kill_everywhere(&Scenario::mount(&Ground::new(context)));
}

fn killed_in_mount_of_a_writable_view(context: &Context) {
    kill_everywhere(&Scenario::mount_writable(&Ground::new(context)));
}

fn killed_in_mount_of_a_saved_view(context: &Context) {
    kill_everywhere(&Scenario::remount(&Ground::new(context)));
}

fn killed_in_umount(context: &Context) {
    kill_everywhere(&Scenario::umount(&Ground::new(context)));
}

fn killed_in_umount_of_a_writable_view(context: &Context) {
    kill_everywhere(&Scenario::umount_writable(&Ground::new(context)));
}

fn killed_in_rm(context: &Context) {
    kill_everywhere(&Scenario::rm(&Ground::new(context)));
}

fn killed_in_rmi(context: &Context) {
    kill_everywhere(&Scenario::rmi(&Ground::new(context)));
}

fn killed_in_prune(context: &Context) {
    kill_everywhere(&Scenario::prune(&Ground::new(context)));
}

fn killed_in_tag(context: &Context) {
    kill_everywhere(&Scenario::tag(&Ground::new(context)));
}
