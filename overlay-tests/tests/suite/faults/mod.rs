//! Faults: whatever breaks, nothing that was there is lost, and the next command works. `docs/faults.md` has the table.

mod errors;
mod full;
mod ground;
mod kills;
mod scenarios;

use overlay_tests::harness::Case;

pub fn cases() -> Vec<Case> {
    [kills::cases(), errors::cases(), full::cases()].concat()
}
