//! What the library logs, on stderr: for developers by level, and for `--explain` as plain lines.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use super::grammar::LogLevel;
use super::printable;
use super::progress::Screen;

/// The target of what happens between this machine and registries.
const REGISTRY: &str = "rootlay::registry";

/// Begins to log.
pub fn start(level: LogLevel, explain: bool, screen: &Arc<Screen>) {
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    };
    let highest = if explain { level.max(LevelFilter::DEBUG) } else { level };
    let wanted = filter_fn(move |event| *event.level() <= level || explain && explains(event));
    let words = Words { explain, json: matches!(**screen, Screen::Json(_)), others: Format::default().without_time() };
    let screen = Arc::clone(screen);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(words)
        .with_writer(move || Above(Arc::clone(&screen)));
    tracing_subscriber::registry().with(lines).with(wanted.with_max_level_hint(highest)).init();
}

/// Whether an event answers `--explain`.
fn explains(event: &Metadata<'_>) -> bool {
    event.target() == REGISTRY && *event.level() <= Level::DEBUG
}

/// The form of an event.
struct Words {
    explain: bool,
    json: bool,
    others: Format<tracing_subscriber::fmt::format::Full, ()>,
}

impl<S, N> FormatEvent<S, N> for Words
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let prefix = match *event.metadata().level() {
            // What a person should know is told as all warnings are.
            Level::WARN if event.metadata().target() == REGISTRY => "warning",
            _ if self.explain && explains(event.metadata()) => "explain",
            _ => return self.others.format_event(context, out, event),
        };
        let mut text = Text::default();
        event.record(&mut text);
        match (prefix, self.json) {
            (prefix, true) => writeln!(out, "{}", serde_json::json!({ prefix: text.0 })),
            ("warning", false) => writeln!(out, "Warning: {}", printable::lines(&text.0)),
            (prefix, false) => writeln!(out, "{prefix}: {}", printable::word(text.0.as_bytes())),
        }
    }
}

/// The message of an event and the values that belong to it.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail. The message comes first.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Stderr above the bars. An event arrives in one piece.
struct Above(Arc<Screen>);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = Ok(bytes.len());
        self.0.above(|| written = io::stderr().write_all(bytes).map(|()| bytes.len()));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What is printed while `run` logs.
    fn printed(explain: bool, json: bool, run: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Kept(Arc<Mutex<Vec<u8>>>);
        impl Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let writer = kept.clone();
        let words = Words { explain, json, others: Format::default().without_time() };
        let lines =
            tracing_subscriber::fmt::layer().with_ansi(false).event_format(words).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), run);
        let text = kept.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn explanations_are_plain_lines() {
        let run = || {
            tracing::debug!(target: REGISTRY, retries = 2, from = "quay.io", "blob served\nby mirror 1");
            tracing::debug!("something else");
            tracing::warn!(target: REGISTRY, "no helper `docker-credential-x`");
        };
        let text = printed(true, false, run);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "explain: blob served\\nby mirror 1 retries=2 from=quay.io");
        assert!(lines[1].starts_with("DEBUG ") && lines[1].ends_with("something else"), "{text}");
        assert_eq!(lines[2], "Warning: no helper `docker-credential-x`");
        let json = printed(true, true, run);
        assert_eq!(json.lines().next().unwrap(), "{\"explain\":\"blob served\\nby mirror 1 retries=2 from=quay.io\"}");
        assert!(printed(false, false, run).starts_with("DEBUG rootlay::registry: "));
    }
}
