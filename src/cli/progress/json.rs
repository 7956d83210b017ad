//! Progress as JSON lines, in the form of Docker's event stream.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rootlay::progress::{Phase, Task};
use serde_json::json;

use super::{say, word};

/// Bytes are told this often for each task.
const INTERVAL: Duration = Duration::from_millis(100);

/// How far each task is.
#[derive(Debug, Default)]
pub struct JsonLines {
    tasks: Mutex<HashMap<usize, Amount>>,
}

#[derive(Debug)]
struct Amount {
    current: u64,
    told: Instant,
}

impl JsonLines {
    /// Prints how many bytes were used, unless it did a moment ago.
    pub fn advance(&self, task: &Task, bytes: u64) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let amount = tasks.entry(task.id).or_insert(Amount { current: 0, told: now });
        amount.current += bytes;
        if now.duration_since(amount.told) >= INTERVAL {
            amount.told = now;
            say(&detail(task, amount.current).to_string());
        }
    }
}

/// Prints the task's new state.
pub fn phase(task: &Task, phase: Phase) {
    say(&json!({ "id": task.label, "status": word(&phase) }).to_string());
}

/// Prints a warning.
pub fn warning(message: &str) {
    say(&json!({ "warning": message }).to_string());
}

fn detail(task: &Task, current: u64) -> serde_json::Value {
    let mut detail = json!({ "current": current });
    if let Some(total) = task.total {
        detail["total"] = total.into();
    }
    json!({ "id": task.label, "status": word(&Phase::Extracting), "progressDetail": detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_dockers_form() {
        let task = Task { id: 0, label: "952132ac251a".to_owned(), total: Some(10) };
        assert_eq!(
            detail(&task, 3).to_string(),
            r#"{"id":"952132ac251a","progressDetail":{"current":3,"total":10},"status":"Extracting"}"#
        );
        let unknown = Task { total: None, ..task };
        assert_eq!(detail(&unknown, 3)["progressDetail"].to_string(), r#"{"current":3}"#);
    }
}
