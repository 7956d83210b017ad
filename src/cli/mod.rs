//! The command line: words, tables, progress, exit codes. It decides nothing about images; `rootlay::ops` does.

mod commands;
mod duration;
mod failure;
mod filters;
mod go_json;
mod grammar;
mod hints;
mod host;
mod lenient;
mod limits;
mod listing;
mod log;
mod output;
mod printable;
mod privileges;
mod progress;
mod prompt;
mod registry;
mod signals;
mod table;
mod template;
mod time;
mod units;
mod usage;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use rootlay::cancel::Cancel;

use failure::{Outcome, USAGE};
use grammar::{Action, Cli, Global, LogLevel};
use host::Host;
use output::Output;
use progress::{Mode, Screen};
use usage::Answer;

/// Runs the command that this process was started for.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    match usage::parse(&args) {
        Ok(cli) => run(cli, &args),
        Err(Answer::Help(text)) => {
            let mut out = Output::stdout();
            end(out.raw(text.as_bytes()).and_then(|()| out.flush()), None, &args)
        }
        Err(Answer::HelpInstead(text)) => {
            tell(&text);
            ExitCode::SUCCESS
        }
        Err(Answer::Wrong(text)) => {
            tell(&text);
            ExitCode::from(USAGE)
        }
    }
}

fn run(cli: Cli, args: &[OsString]) -> ExitCode {
    let action = Action::from(cli.command);
    let (privileges, children) = privileges::of(&action);
    if let Err(error) = privileges::drop_others(privileges, children) {
        return end(Err(error.into()), None, args);
    }
    let screen = Arc::new(Screen::new(mode(&cli.global, action.explains())));
    log::start(cli.global.log_level(), action.explains(), &screen);
    let cancel = Cancel::new();
    host::prepare_umask();
    host::prepare_open_files();
    if let Err(error) = signals::watch(&cancel) {
        return end(Err(error.into()), None, args);
    }
    let topic = hints::Topic::of(&action);
    let host = Host::new(&cli.global, privileges, Arc::clone(&screen), cancel);
    let mut out = Output::stdout();
    let outcome = commands::run(action, &host, &mut out);
    screen.finish();
    end(outcome.and_then(|()| out.flush()), topic, args)
}

/// How progress is shown. Explanations and messages for developers are read from top to bottom, and so is progress then.
fn mode(global: &Global, explain: bool) -> Mode {
    let verbose = explain || matches!(global.log_level(), LogLevel::Trace | LogLevel::Debug);
    match global.progress {
        _ if global.quiet => Mode::None,
        Mode::Auto | Mode::Tty if verbose => Mode::Plain,
        chosen => chosen,
    }
}

/// Says what went wrong and makes the exit code of it.
fn end(outcome: Outcome, topic: Option<hints::Topic>, args: &[OsString]) -> ExitCode {
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    let errors = failure.errors();
    if !errors.is_empty() {
        let mut lines = String::new();
        for told in errors {
            lines.extend(["Error: ", &failure::text(&told.error), "\n"]);
        }
        if failure.exit_code() == USAGE {
            lines.extend(["\n", &usage::line(args), "\n"]);
        }
        for hint in hints::hints(errors, topic) {
            lines.extend(["hint: ", hint, "\n"]);
        }
        tell(&lines);
    }
    ExitCode::from(failure.exit_code())
}

/// Writes to stderr. When that is closed there is nobody to tell.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
