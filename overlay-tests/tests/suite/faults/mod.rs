//! Faults: whatever breaks, nothing that was there is lost, and the next command works. `docs/faults.md` has the table.
#![expect(clippy::print_stdout, reason = "where a case was is shown only if it failed there")]

mod errors;
mod full;
mod ground;
mod io;
mod kills;
mod known;
mod power;
mod scenarios;
mod together;

use overlay_tests::harness::Case;

pub fn cases() -> Vec<Case> {
    [kills::cases(), errors::cases(), full::cases(), io::cases(), power::cases(), together::cases()].concat()
}

/// A line that is shown when the case fails.
#[expect(clippy::print_stderr, reason = "the harness collects it")]
fn say(line: &str) {
    eprintln!("{line}");
}
