//! Progress as plain lines: one for each change of state, for logs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rootlay::progress::{Phase, Task};

use super::say;
use super::words::word;

/// Remembers what was said, so that nothing is said twice.
#[derive(Debug, Default)]
pub struct Lines {
    said: Mutex<HashMap<usize, Cow<'static, str>>>,
}

impl Lines {
    /// Prints the task's new state.
    pub fn phase(&self, task: &Task, phase: &Phase) {
        if let Some(line) = self.line(task, phase) {
            say(&line);
        }
    }

    /// Forgets the tasks: those of the next operation have the same numbers.
    pub fn finish(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Cow<'static, str>>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, task: &Task, phase: &Phase) -> Option<String> {
        let word = word(phase);
        let line = format!("{}: {word}", task.label);
        let changed = self.lock().insert(task.id, word.clone()).as_ref() != Some(&word);
        changed.then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_one_line_for_each_change_of_state() {
        let lines = Lines::default();
        let task = Task { id: 0, label: "952132ac251a".to_owned(), total: None };
        assert_eq!(lines.line(&task, &Phase::Extracting).as_deref(), Some("952132ac251a: Extracting"));
        assert_eq!(lines.line(&task, &Phase::Extracting), None);
        assert_eq!(lines.line(&task, &Phase::Complete).as_deref(), Some("952132ac251a: Complete"));
        let other = Task { id: 1, ..task.clone() };
        assert_eq!(lines.line(&other, &Phase::AlreadyExists).as_deref(), Some("952132ac251a: Already exists"));
        lines.finish();
        assert_eq!(lines.line(&task, &Phase::Complete).as_deref(), Some("952132ac251a: Complete"));
    }
}
