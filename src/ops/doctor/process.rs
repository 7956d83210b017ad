//! What the process may do.

use super::{Observation, Privileges, Probe};
use crate::sys::open_files;
use crate::sys::proc;

/// Descriptors of an overlay of 500 layers, with what else is open.
const ENOUGH_FILES: u64 = 1200;

/// The first user namespace maps every user to itself (`user_namespaces(7)`).
const EVERYBODY: [&str; 3] = ["0", "0", "4294967295"];

pub(super) fn observations() -> Vec<Observation> {
    let missing = Privileges::MOUNT.missing().unwrap_or_default();
    let files = open_files::most();
    let mut all = vec![
        Observation::new(Probe::Capabilities, missing.is_empty(), list("missing ", &missing)),
        Observation::new(Probe::OpenFiles, files.is_none_or(|most| most >= ENOUGH_FILES), shown(files)),
    ];
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        all.push(Observation::new(Probe::Proc, false, "/proc/self/status cannot be read"));
        return all;
    };
    all.push(Observation::new(Probe::Proc, true, ""));
    if let Ok(map) = std::fs::read_to_string("/proc/self/uid_map") {
        let first = map.split_whitespace().eq(EVERYBODY);
        all.push(Observation::new(Probe::FirstUserNamespace, first, ""));
    }
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    if let Some(mode) = mode {
        let seen = match mode {
            "0" => "",
            "1" => "strict",
            _ => "a filter of system calls is installed",
        };
        all.push(Observation::new(Probe::Unfiltered, mode == "0", seen));
    }
    if let Some(label) = label() {
        let unconfined = ["unconfined", "kernel"].iter().any(|free| label.contains(free));
        all.push(Observation::new(Probe::Unconfined, unconfined, label));
    }
    all
}

/// What the security module calls the process.
fn label() -> Option<String> {
    let bytes = proc::read_whole("/proc/self/attr/current").ok()?;
    let text = String::from_utf8_lossy(&bytes).trim_matches(['\0', '\n', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

fn list(what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{what}{}", names.join(", ")) }
}

fn shown(most: Option<u64>) -> String {
    most.map_or_else(|| "unlimited".to_owned(), |most| most.to_string())
}
