//! What a person or a program sees while work goes on. Everything here goes to stderr; results go to stdout.

mod bars;
mod json;
mod lines;
mod words;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use rootlay::progress::{Phase, Progress, Task};

use super::printable;
use bars::Bars;
use json::JsonLines;
use lines::Lines;

/// The values of `--progress`: bars on a terminal and lines elsewhere, bars, one line of text or of JSON for each change
/// of state, nothing. (A comment on a value would become part of the help text and double its length.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    #[default]
    Auto,
    Tty,
    Plain,
    Json,
    None,
}

/// The chosen way of showing progress.
#[derive(Debug)]
pub enum Screen {
    /// Bars on a terminal.
    Bars(Bars),
    /// Lines of text.
    Lines(Lines),
    /// Lines of JSON.
    Json(JsonLines),
    /// Warnings only.
    Warnings,
}

impl Screen {
    /// The screen for `--progress` and this process's stderr.
    pub fn new(mode: Mode) -> Self {
        let variable = std::env::var_os;
        let terminal = io::stderr().is_terminal() && can_draw(variable("TERM"), variable("NO_COLOR"));
        match effective(mode, terminal) {
            Mode::Tty => Self::Bars(Bars::new()),
            Mode::Json => Self::Json(JsonLines::default()),
            Mode::None => Self::Warnings,
            Mode::Plain | Mode::Auto => Self::Lines(Lines::default()),
        }
    }

    /// Ends the display of one operation, so that other text may follow, or another operation.
    pub fn finish(&self) {
        match self {
            Self::Bars(bars) => bars.finish(),
            Self::Lines(lines) => lines.finish(),
            Self::Json(lines) => lines.finish(),
            Self::Warnings => {}
        }
    }

    /// Prints to stderr without a mess of bars.
    pub fn above(&self, print: impl FnOnce()) {
        match self {
            Self::Bars(bars) => bars.above(print),
            _ => print(),
        }
    }
}

impl Progress for Screen {
    fn phase(&self, task: &Task, phase: Phase) {
        match self {
            Self::Bars(bars) => bars.phase(task, &phase),
            Self::Lines(lines) => lines.phase(task, &phase),
            Self::Json(lines) => lines.phase(task, &phase),
            Self::Warnings => {}
        }
    }

    fn advance(&self, task: &Task, bytes: u64) {
        match self {
            Self::Bars(bars) => bars.advance(task, bytes),
            Self::Json(lines) => lines.advance(task, bytes),
            Self::Lines(_) | Self::Warnings => {}
        }
    }

    fn resumed(&self, task: &Task, bytes: u64) {
        match self {
            Self::Bars(bars) => bars.resumed(task, bytes),
            Self::Json(lines) => lines.advance(task, bytes),
            Self::Lines(_) | Self::Warnings => {}
        }
    }

    fn status(&self, message: &str) {
        match self {
            Self::Json(_) => json::status(message),
            Self::Warnings => {}
            Self::Bars(_) | Self::Lines(_) => self.above(|| say(&printable::lines(message))),
        }
    }

    fn warning(&self, message: &str) {
        match self {
            Self::Json(_) => json::warning(message),
            _ => self.above(|| say(&warning(message))),
        }
    }
}

/// The line for a warning.
fn warning(message: &str) -> String {
    format!("Warning: {}", printable::lines(message))
}

/// One line on stderr. When stderr is closed there is nobody to tell.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Escape sequences would litter a file, and a terminal that does not know them.
fn effective(mode: Mode, terminal: bool) -> Mode {
    match mode {
        Mode::Auto | Mode::Tty if terminal => Mode::Tty,
        Mode::Auto | Mode::Tty => Mode::Plain,
        other => other,
    }
}

/// Whether this is a terminal that can draw, and whose user wants that.
fn can_draw(term: Option<OsString>, no_color: Option<OsString>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb") && no_color.is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_need_a_terminal_that_can_draw() {
        assert_eq!(effective(Mode::Auto, true), Mode::Tty);
        assert_eq!(effective(Mode::Auto, false), Mode::Plain);
        assert_eq!(effective(Mode::Tty, false), Mode::Plain);
        assert_eq!(effective(Mode::Json, true), Mode::Json);
        assert_eq!(effective(Mode::None, true), Mode::None);
        let set = |value: &str| Some(OsString::from(value));
        assert!(can_draw(set("xterm"), None));
        assert!(can_draw(set("xterm"), set("")));
        assert!(!can_draw(set("xterm"), set("1")));
        assert!(!can_draw(set("dumb"), None));
        assert!(!can_draw(None, None));
    }
}
