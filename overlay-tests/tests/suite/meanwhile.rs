//! What others do while a command works on a view.

use nix::errno::Errno;
use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};
use overlay_tests::trace::{Step, trace};

use super::writable::{SHOWN, load, shows};

pub fn cases() -> Vec<Case> {
    cases![a_view_that_took_the_place_of_another_one_stays]
}

/// `umount` tries again where only commands of ours look at the view. Meanwhile another one may be mounted in its place, and
/// get the same numbers from the kernel.
fn a_view_that_took_the_place_of_another_one_stays(context: &Context) {
    let id = load(context);
    let target = context.fresh_dir("target");
    let place = target.to_str().unwrap();
    context.mount(["--name", "first", "--target", place, &id]);
    let mut is_replaced = false;
    let run = trace(&context.command(["umount", "first"]), &context.root(), &mut |_, call| {
        if is_replaced || call.name != "umount2" {
            return Step::Go;
        }
        context.run("umount", &[place]).ok();
        context.mount(["--name", "second", "--target", place, &id]);
        is_replaced = true;
        Step::Fail(Errno::EBUSY)
    });
    assert!(is_replaced, "{:?}", run.calls);
    let output = run.output.exits(1);
    assert!(output.one_line().contains("not mounted"), "{}", output.stderr);
    shows(&target, &SHOWN);
    context.rootlay(["umount", "second"]).ok();
}
