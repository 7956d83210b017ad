//! Progress as bars on a terminal, one line for each layer: `953bd0123456: Extracting [==>   ] 3.2MB/10MB`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::style::TemplateError;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rootlay::progress::{Phase, Task};

use super::super::units::exact_size;
use super::words::{counts, is_last, word};

/// Work that is done sooner than this shows no bars.
const PATIENCE: Duration = Duration::from_millis(250);

/// The widest line has 60 characters without the pace, with both sizes at their longest, and 80 with it.
const MEASURED: &str = "{prefix}: {msg} [{bar:16}] {used}/{whole}{pace}";
const UNMEASURED: &str = "{prefix}: {msg} {used}{pace}";
const SETTLED: &str = "{prefix}: {msg}";
const WIDE: u16 = 80;

/// The bars of one operation after the other.
#[derive(Debug)]
pub struct Bars {
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    screen: MultiProgress,
    started: Instant,
    visible: bool,
    bars: BTreeMap<usize, ProgressBar>,
}

impl Shown {
    /// No bar yet; the clock starts.
    fn new() -> Self {
        Self {
            screen: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            started: Instant::now(),
            visible: false,
            bars: BTreeMap::new(),
        }
    }

    /// The task's bar, at its place among the others.
    fn bar(&mut self, task: &Task) -> ProgressBar {
        if !self.visible && self.started.elapsed() >= PATIENCE {
            self.visible = true;
            self.screen.set_draw_target(ProgressDrawTarget::stderr());
            // What happened until now was drawn nowhere.
            self.bars.values().for_each(ProgressBar::tick);
        }
        if let Some(bar) = self.bars.get(&task.id) {
            return bar.clone();
        }
        let bar = ProgressBar::hidden();
        if let Some(total) = task.total {
            bar.set_length(total);
        }
        dress(&bar, if task.total.is_some() { MEASURED } else { UNMEASURED });
        bar.set_prefix(task.label.clone());
        let bar = match self.bars.range(task.id..).next() {
            Some((_, next)) => self.screen.insert_before(next, bar),
            None => self.screen.add(bar),
        };
        self.bars.insert(task.id, bar.clone());
        bar
    }
}

impl Bars {
    /// No bar yet.
    pub fn new() -> Self {
        Self { shown: Mutex::new(Shown::new()) }
    }

    /// Shows the task's new state.
    pub fn phase(&self, task: &Task, phase: &Phase) {
        let bar = self.lock().bar(task);
        // A pulled layer is unpacked while it comes: what follows the last byte has nothing to count.
        let moves = counts(phase) && bar.length().is_none_or(|length| bar.position() < length);
        dress(
            &bar,
            match (moves, task.total) {
                (true, Some(_)) => MEASURED,
                (true, None) => UNMEASURED,
                (false, _) => SETTLED,
            },
        );
        if moves {
            // The time that was spent waiting says nothing about the pace.
            bar.reset_eta();
        }
        bar.set_message(word(phase));
        if is_last(phase) {
            bar.abandon();
        }
    }

    /// Moves the task's bar.
    pub fn advance(&self, task: &Task, bytes: u64) {
        self.lock().bar(task).inc(bytes);
    }

    /// Moves the task's bar without a word on its pace.
    pub fn resumed(&self, task: &Task, bytes: u64) {
        let bar = self.lock().bar(task);
        bar.inc(bytes);
        bar.reset_eta();
    }

    /// Prints text above the bars.
    pub fn above(&self, print: impl FnOnce()) {
        let screen = self.lock().screen.clone();
        screen.suspend(print);
    }

    /// Leaves the bars as they are and the cursor below them.
    pub fn finish(&self) {
        let mut shown = self.lock();
        if shown.bars.is_empty() {
            return;
        }
        for bar in shown.bars.values().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
        // The last line is filled to the edge and has no line end.
        if shown.visible {
            super::say("");
        }
        *shown = Shown::new();
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dress(bar: &ProgressBar, template: &str) {
    if let Ok(style) = style(template) {
        bar.set_style(style);
    }
}

fn style(template: &str) -> Result<ProgressStyle, TemplateError> {
    // A terminal that goes away ends the display, not the work.
    let used = |state: &ProgressState, out: &mut dyn Write| {
        let _ = out.write_str(&exact_size(state.pos()));
    };
    let whole = |state: &ProgressState, out: &mut dyn Write| {
        let _ = out.write_str(&exact_size(state.len().unwrap_or(0)));
    };
    let pace_of = |state: &ProgressState, out: &mut dyn Write| {
        if columns() >= WIDE {
            let left = state.len().map(|length| length.saturating_sub(state.pos()));
            let _ = out.write_str(&pace(state.per_sec(), left));
        }
    };
    let style = ProgressStyle::with_template(template)?.progress_chars("=> ");
    Ok(style.with_key("used", used).with_key("whole", whole).with_key("pace", pace_of))
}

/// The width of the terminal, which may change at any time; 0 where there is none.
fn columns() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col)
}

/// Bytes for each second, and the time that the bytes take which are left.
fn pace(rate: f64, left: Option<u64>) -> String {
    if !rate.is_finite() || rate < 1.0 {
        return String::new();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number for display")]
    let rate = rate as u64;
    let left = left.map(|left| format!(" {}", clock(left / rate))).unwrap_or_default();
    format!(" {}/s{left}", exact_size(rate))
}

fn clock(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours @ 0..100, minutes, _) => format!("{hours}h{minutes:02}m"),
        _ => "days".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task { id: 3, label: "952132ac251a".to_owned(), total: Some(10) }
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [MEASURED, UNMEASURED, SETTLED] {
            style(template).unwrap();
        }
    }

    #[test]
    fn quick_work_shows_no_bars() {
        let bars = Bars::new();
        bars.phase(&task(), &Phase::Extracting);
        bars.advance(&task(), 10);
        bars.phase(&task(), &Phase::Complete);
        assert!(!bars.lock().visible);
        assert!(bars.lock().bars[&3].is_finished());
    }

    #[test]
    fn a_bar_ends_with_the_last_state_and_the_next_operation_begins_anew() {
        let bars = Bars::new();
        for phase in [Phase::PullingLayer, Phase::Waiting, Phase::Downloading, Phase::Retrying(Duration::ZERO)] {
            bars.phase(&task(), &phase);
            assert!(!bars.lock().bars[&3].is_finished(), "{phase:?}");
        }
        bars.resumed(&task(), 4);
        bars.advance(&task(), 6);
        assert_eq!(bars.lock().bars[&3].position(), 10);
        bars.phase(&task(), &Phase::PullComplete);
        assert!(bars.lock().bars[&3].is_finished());
        bars.finish();
        assert!(bars.lock().bars.is_empty());
        bars.phase(&task(), &Phase::PullingLayer);
        assert_eq!(bars.lock().bars[&3].position(), 0);
    }

    #[test]
    fn the_pace_fits_into_eighty_columns() {
        assert_eq!(pace(0.0, Some(5)), "");
        assert_eq!(pace(f64::INFINITY, None), "");
        assert_eq!(pace(12_345_678.0, Some(65 * 12_345_678)), " 12.35MB/s 1m05s");
        assert_eq!(pace(1_000.0, None), " 1kB/s");
        for (seconds, expected) in [(0, "0s"), (59, "59s"), (3_599, "59m59s"), (3_660, "1h01m"), (1 << 40, "days")] {
            assert_eq!(clock(seconds), expected);
        }
        assert!(60 + pace(888.8e6, Some(3_599 * 888_800_000)).len() <= usize::from(WIDE));
    }
}
