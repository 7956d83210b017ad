//! Which of many stops are worth a run.

use std::collections::BTreeMap;

use super::call::Call;

/// Whether every stop is to be tried: `OVERLAY_TESTS_EVERY_STOP=1`. It takes some minutes.
pub fn exhaustive() -> bool {
    std::env::var_os("OVERLAY_TESTS_EVERY_STOP").is_some_and(|value| value == "1")
}

/// The indexes of the calls at which to stop: of each kind the first and the last, and `more` between them, evenly.
pub fn select(calls: &[Call], more: usize) -> Vec<usize> {
    if exhaustive() {
        return (0..calls.len()).collect();
    }
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, call) in calls.iter().enumerate() {
        kinds.entry(call.kind()).or_default().push(index);
    }
    let mut chosen: Vec<usize> = Vec::new();
    for all in kinds.into_values() {
        let gaps = more + 1;
        chosen.extend((0..=gaps).map(|step| all[step * (all.len() - 1) / gaps]));
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_covered_at_both_ends() {
        let call = |name: &'static str| Call { name, path: String::new() };
        let calls = [["write"; 7].as_slice(), &["fsync"], &["write"; 2]].concat();
        let calls: Vec<Call> = calls.into_iter().map(call).collect();
        assert_eq!(select(&calls, 0), [0, 7, 9]);
        assert_eq!(select(&calls, 1), [0, 4, 7, 9]);
        assert_eq!(select(&calls, 99), (0..10).collect::<Vec<_>>());
    }
}
