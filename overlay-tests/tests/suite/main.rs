//! The privileged suite. `OVERLAY_TESTS_REQUIRE=1` turns ignored cases into failures.
//!
//! `ROOTLAY_BIN` names the binary (default: the one of the same target directory), `OVERLAY_TESTS_FS` the file system of the
//! state root (`tmpfs`, `ext4`, `xfs`, `btrfs`, `overlay`), `OVERLAY_TESTS_IMAGES` the directory with official images
//! (default: `shared/images` beside the repository).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed case")]

mod check;
mod doctor;
mod faults;
mod hostile;
mod in_use;
mod meanwhile;
mod official;
mod older_kernels;
mod peers;
mod plans;
mod privileges;
mod property;
mod registry;
mod repository;
mod rows;
mod save;
mod store;
mod views;
mod writable;

use std::process::ExitCode;

use overlay_tests::harness::run_suite;

fn main() -> ExitCode {
    run_suite(
        [
            property::cases(),
            hostile::cases(),
            rows::cases(),
            official::cases(),
            peers::cases(),
            older_kernels::cases(),
            views::cases(),
            plans::cases(),
            privileges::cases(),
            writable::cases(),
            doctor::cases(),
            in_use::cases(),
            meanwhile::cases(),
            store::cases(),
            check::cases(),
            save::cases(),
            registry::cases(),
            faults::cases(),
            repository::cases(),
        ]
        .concat(),
    )
}
