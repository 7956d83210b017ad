//! The central property: for random stacks, the tree that the kernel shows equals the model.
//!
//! `OVERLAY_TESTS_STACKS` is the number of stacks (default 1,000), `OVERLAY_TESTS_SEED` the first seed (default 0). A failure
//! prints the seed and the smallest stack that was found to fail, in the syntax of the fixtures.

use std::env;
use std::fs;

use overlay_tests::fixture::{Entry, Image};
use overlay_tests::harness::{Case, Context};
use overlay_tests::oracle::{Stop, apply_stack};
use overlay_tests::random::{random_stack, shrink, to_source};
use overlay_tests::tree::{Nlink, differences, read_tree};

/// So many cases share the work, each in a process of its own.
const SLICES: u64 = 10;
/// A fresh state root after so many stacks: they share layers, but listings stay short.
const STACKS_IN_A_ROOT: u64 = 50;
/// Runs of the program that a failure may cost on top.
const SHRINKING: usize = 300;

pub fn cases() -> Vec<Case> {
    macro_rules! slices {
        ($($name:ident = $slice:literal),*) => {
            vec![$(Case::new(module_path!(), stringify!($name), |context| slice(context, $slice)).minutes(60)),*]
        };
    }
    slices![
        random_stacks_0 = 0,
        random_stacks_1 = 1,
        random_stacks_2 = 2,
        random_stacks_3 = 3,
        random_stacks_4 = 4,
        random_stacks_5 = 5,
        random_stacks_6 = 6,
        random_stacks_7 = 7,
        random_stacks_8 = 8,
        random_stacks_9 = 9
    ]
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}: not a number")))
}

fn slice(context: &Context, slice: u64) {
    let stacks = number("OVERLAY_TESTS_STACKS", 1000);
    let first = number("OVERLAY_TESTS_SEED", 0);
    for (done, seed) in (first..first + stacks).filter(|seed| seed % SLICES == slice).enumerate() {
        if (done as u64).is_multiple_of(STACKS_IN_A_ROOT) && context.root().exists() {
            fs::remove_dir_all(context.root()).unwrap();
        }
        let stack = random_stack(seed);
        if let Err(why) = holds(context, &stack) {
            let smallest = shrink(&stack, SHRINKING, |stack| holds(context, stack).is_err());
            let again = holds(context, &smallest).err().unwrap_or_default();
            panic!("seed {seed}: {why}\n\nsmallest: {}\n{again}", to_source(&smallest));
        }
    }
}

/// Whether the program does with a stack what the model says.
fn holds(context: &Context, stack: &[Vec<Entry>]) -> Result<(), String> {
    let expected = apply_stack(stack);
    let (written, output) = context.try_load(&Image::of(stack.iter().cloned()));
    match (&expected, output.code) {
        (Err(Stop::Refused(_) | Stop::Open(_)), 3) => return Ok(()),
        (Err(Stop::Open(_)) | Ok(_), 0) => {}
        (Ok(_), code) => return Err(format!("exit code {code}: {}", output.stderr)),
        (Err(stop), code) => {
            return Err(format!("exit code {code} instead of 3 ({stop}): {}", output.stderr));
        }
    }
    let mounted = context.rootlay(["mount", &written.image_id]);
    if mounted.code != 0 {
        return Err(format!("mount: exit code {}: {}", mounted.code, mounted.stderr));
    }
    let merged = mounted.stdout.trim_end();
    let actual = read_tree(merged.as_ref()).map_err(|error| format!("reading {merged}: {error}"));
    let umount = context.rootlay(["umount", merged]);
    if umount.code != 0 {
        return Err(format!("umount: exit code {}: {}", umount.code, umount.stderr));
    }
    let (Ok(expected), actual) = (expected, actual?) else {
        return Ok(());
    };
    let lines = differences(&expected, &actual, Nlink::Compare);
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}
