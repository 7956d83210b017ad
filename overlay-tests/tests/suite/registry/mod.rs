//! Registries: the rows of Docker's behaviour by number (`s02_…`), and everything that can go wrong on the way.

mod bed;

use overlay_tests::harness::{Case, Need};

pub fn cases() -> Vec<Case> {
    let all = [bed::cases()].concat();
    let tools = ["docker-registry", "skopeo", "openssl"];
    all.into_iter().map(|case| tools.iter().fold(case, |case, tool| case.needs(Need::Tool(tool)))).collect()
}
