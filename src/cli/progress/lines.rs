//! Progress as plain lines: one for each change of state, for logs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rootlay::progress::{Phase, Task};

use super::{say, word};

/// Remembers what was said, so that nothing is said twice.
#[derive(Debug, Default)]
pub struct Lines {
    said: Mutex<HashMap<usize, Phase>>,
}

impl Lines {
    /// Prints the task's new state.
    pub fn phase(&self, task: &Task, phase: Phase) {
        if let Some(line) = self.line(task, phase) {
            say(&line);
        }
    }

    fn line(&self, task: &Task, phase: Phase) -> Option<String> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = said.insert(task.id, phase.clone()).as_ref() != Some(&phase);
        changed.then(|| format!("{}: {}", task.label, word(&phase)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_one_line_for_each_change_of_state() {
        let lines = Lines::default();
        let task = Task { id: 0, label: "952132ac251a".to_owned(), total: None };
        assert_eq!(lines.line(&task, Phase::Extracting).as_deref(), Some("952132ac251a: Extracting"));
        assert_eq!(lines.line(&task, Phase::Extracting), None);
        assert_eq!(lines.line(&task, Phase::Complete).as_deref(), Some("952132ac251a: Complete"));
        let other = Task { id: 1, ..task };
        assert_eq!(lines.line(&other, Phase::AlreadyExists).as_deref(), Some("952132ac251a: Already exists"));
    }
}
