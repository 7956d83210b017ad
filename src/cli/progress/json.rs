//! Progress as JSON lines, in the form of Docker's event stream.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rootlay::progress::{Phase, Task};
use serde_json::{Value, json};

use super::say;
use super::words::{counts, word};

/// Bytes are told this often for each task.
const INTERVAL: Duration = Duration::from_millis(100);

/// How far each task is.
#[derive(Debug, Default)]
pub struct JsonLines {
    tasks: Mutex<HashMap<usize, State>>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    current: u64,
    told: Instant,
}

impl JsonLines {
    /// Prints the task's new state.
    pub fn phase(&self, task: &Task, phase: &Phase) {
        let mut tasks = self.lock();
        let told = Instant::now();
        let state = tasks.entry(task.id).or_insert(State { phase: Phase::Waiting, current: 0, told });
        state.phase = phase.clone();
        say(&object(task, phase, state.current).to_string());
    }

    /// Prints how many bytes were used, unless it did a moment ago.
    pub fn advance(&self, task: &Task, bytes: u64) {
        let mut tasks = self.lock();
        let now = Instant::now();
        let fresh = State { phase: Phase::Extracting, current: 0, told: now };
        let state = tasks.entry(task.id).or_insert(fresh);
        state.current += bytes;
        if counts(&state.phase) && now.duration_since(state.told) >= INTERVAL {
            state.told = now;
            say(&object(task, &state.phase, state.current).to_string());
        }
    }

    /// Forgets the tasks: those of the next operation have the same numbers.
    pub fn finish(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, State>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints what the operation does.
pub fn status(message: &str) {
    say(&status_object(message).to_string());
}

/// Prints a warning.
pub fn warning(message: &str) {
    say(&json!({ "warning": message }).to_string());
}

/// `latest: Pulling from library/busybox` is about the tag `latest`.
fn status_object(message: &str) -> Value {
    match message.split_once(": ").filter(|(subject, _)| !subject.contains(' ')) {
        Some((subject, status)) => json!({ "id": subject, "status": status }),
        None => json!({ "status": message }),
    }
}

fn object(task: &Task, phase: &Phase, current: u64) -> Value {
    let mut detail = json!({});
    if counts(phase) {
        detail["current"] = current.into();
        if let Some(total) = task.total {
            detail["total"] = total.into();
        }
    }
    json!({ "id": task.label, "status": word(phase), "progressDetail": detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_bytes_are_told_in_dockers_form() {
        let task = Task { id: 0, label: "952132ac251a".to_owned(), total: Some(10) };
        assert_eq!(
            object(&task, &Phase::Downloading, 3).to_string(),
            r#"{"id":"952132ac251a","status":"Downloading","progressDetail":{"current":3,"total":10}}"#
        );
        assert_eq!(
            object(&task, &Phase::PullComplete, 10).to_string(),
            r#"{"id":"952132ac251a","status":"Pull complete","progressDetail":{}}"#
        );
        let unknown = Task { total: None, ..task };
        assert_eq!(object(&unknown, &Phase::Extracting, 3)["progressDetail"].to_string(), r#"{"current":3}"#);
    }

    #[test]
    fn a_status_names_what_it_is_about() {
        for (message, expected) in [
            ("latest: Pulling from library/busybox", r#"{"id":"latest","status":"Pulling from library/busybox"}"#),
            (
                "sha256:9a83: Pulling from library/alpine",
                r#"{"id":"sha256:9a83","status":"Pulling from library/alpine"}"#,
            ),
            (
                "The push refers to repository [localhost:5000/x]",
                r#"{"status":"The push refers to repository [localhost:5000/x]"}"#,
            ),
        ] {
            assert_eq!(status_object(message).to_string(), expected);
        }
    }
}
