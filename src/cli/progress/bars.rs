//! Progress as bars on a terminal, one line for each layer: `953bd0123456: Extracting [==>   ] 3.2MB/10MB`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::style::TemplateError;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rootlay::progress::{Phase, Task};

use super::super::units::human_size;
use super::word;

/// Work that is done sooner than this shows no bars.
const PATIENCE: Duration = Duration::from_millis(250);

/// The widest line has 60 characters, with both sizes at their longest.
const MEASURED: &str = "{prefix}: {msg} [{bar:16}] {used}/{whole}";
const UNMEASURED: &str = "{prefix}: {msg} {used}";
const SETTLED: &str = "{prefix}: {msg}";

/// The bars of one operation.
#[derive(Debug)]
pub struct Bars {
    screen: MultiProgress,
    started: Instant,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    visible: bool,
    bars: BTreeMap<usize, ProgressBar>,
}

impl Bars {
    /// No bar yet; the clock starts.
    pub fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Self { screen, started: Instant::now(), shown: Mutex::default() }
    }

    /// Shows the task's new state.
    pub fn phase(&self, task: &Task, phase: Phase) {
        let bar = self.bar(task);
        bar.set_message(word(&phase));
        if !matches!(phase, Phase::Extracting) {
            if let Ok(style) = style(SETTLED) {
                bar.set_style(style);
            }
            bar.abandon();
        }
    }

    /// Moves the task's bar.
    pub fn advance(&self, task: &Task, bytes: u64) {
        self.bar(task).inc(bytes);
    }

    /// Prints a warning above the bars.
    pub fn warning(&self, message: &str) {
        let warning = super::warning(message);
        self.screen.suspend(|| super::say(&warning));
    }

    /// Leaves the bars as they are and the cursor below them.
    pub fn finish(&self) {
        let mut shown = self.lock();
        for bar in shown.bars.values().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
        // The last line is filled to the edge and has no line end.
        if std::mem::take(&mut shown.visible) && !shown.bars.is_empty() {
            super::say("");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task's bar, at its place among the others.
    fn bar(&self, task: &Task) -> ProgressBar {
        let mut shown = self.lock();
        if !shown.visible && self.started.elapsed() >= PATIENCE {
            shown.visible = true;
            self.screen.set_draw_target(ProgressDrawTarget::stderr());
        }
        if let Some(bar) = shown.bars.get(&task.id) {
            return bar.clone();
        }
        let bar = ProgressBar::hidden();
        let template = match task.total {
            Some(total) => {
                bar.set_length(total);
                MEASURED
            }
            None => UNMEASURED,
        };
        if let Ok(style) = style(template) {
            bar.set_style(style);
        }
        bar.set_prefix(task.label.clone());
        let bar = match shown.bars.range(task.id..).next() {
            Some((_, next)) => self.screen.insert_before(next, bar),
            None => self.screen.add(bar),
        };
        shown.bars.insert(task.id, bar.clone());
        bar
    }
}

fn style(template: &str) -> Result<ProgressStyle, TemplateError> {
    // A terminal that goes away ends the display, not the work.
    let used = |state: &ProgressState, out: &mut dyn Write| {
        let _ = out.write_str(&human_size(state.pos()));
    };
    let whole = |state: &ProgressState, out: &mut dyn Write| {
        let _ = out.write_str(&human_size(state.len().unwrap_or(0)));
    };
    let style = ProgressStyle::with_template(template)?.progress_chars("=> ");
    Ok(style.with_key("used", used).with_key("whole", whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [MEASURED, UNMEASURED, SETTLED] {
            style(template).unwrap();
        }
    }

    #[test]
    fn quick_work_shows_no_bars() {
        let bars = Bars::new();
        let task = Task { id: 3, label: "952132ac251a".to_owned(), total: Some(10) };
        bars.phase(&task, Phase::Extracting);
        bars.advance(&task, 10);
        bars.phase(&task, Phase::Complete);
        bars.finish();
        assert!(!bars.lock().visible);
        assert!(bars.lock().bars[&3].is_finished());
    }
}
