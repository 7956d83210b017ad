//! What clap says about a command line, in our form: `Error: …`, the usage line, `hint: …`.

use std::ffi::OsString;

use clap::error::{Error, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};

use super::grammar::Cli;
use super::lenient::lenient;
use super::printable;

/// What is to be done instead of running a command.
#[derive(Debug)]
pub enum Answer {
    /// Text for stdout; the command succeeded.
    Help(String),
    /// Help that nobody asked for, for stderr; Docker counts it as success.
    HelpInstead(String),
    /// The command line is wrong; text for stderr.
    Wrong(String),
}

/// Reads the command line.
///
/// # Errors
/// An [`Answer`] where there is no command to run.
pub fn parse(args: &[OsString]) -> Result<Cli, Answer> {
    let parsed = lenient(Cli::command()).try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayVersion => Answer::Help(format!("rootlay {}\n", env!("CARGO_PKG_VERSION"))),
        ErrorKind::DisplayHelp => Answer::Help(help(args, &error)),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Answer::HelpInstead(help(args, &error)),
        _ => {
            let rendered = error.render().to_string();
            Answer::Wrong(restyle(&rendered, error.kind(), &line(args)))
        }
    })
}

/// The help text without the optional values of flags, unless one of those values stands in front of `--help`.
fn help(args: &[OsString], error: &Error) -> String {
    let plain = Cli::command().try_get_matches_from(args).err();
    let plain = plain.filter(|plain| plain.kind() == error.kind());
    plain.as_ref().unwrap_or(error).render().to_string()
}

/// The usage line of the command that is named in these arguments.
pub fn line(args: &[OsString]) -> String {
    let mut root = Cli::command();
    root.build();
    let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let named = words.fold(&root, |command, word| command.find_subcommand(word).unwrap_or(command));
    named.clone().render_usage().to_string()
}

/// Clap's message in the words of the other messages.
fn restyle(rendered: &str, kind: ErrorKind, usage: &str) -> String {
    let mut message = Vec::new();
    let mut hints = Vec::new();
    for line in rendered.lines() {
        if let Some(hint) = line.trim_start().strip_prefix("tip: ") {
            hints.push(format!("hint: {hint}"));
        } else if line.starts_with("Usage: ") || line.starts_with("For more information") {
            break;
        } else if let Some(text) = line.strip_prefix("error: ") {
            message.push(format!("Error: {text}"));
        } else if !line.is_empty() {
            message.push(line.to_owned());
        }
    }
    if kind == ErrorKind::InvalidSubcommand && hints.is_empty() {
        hints.push("hint: `rootlay --help` lists the commands".to_owned());
    }
    let mut text = message.join("\n");
    text.push_str("\n\n");
    text.push_str(usage);
    text.push('\n');
    if !hints.is_empty() {
        text.push('\n');
        text.push_str(&hints.join("\n"));
        text.push('\n');
    }
    printable::lines(&text)
}

#[cfg(test)]
mod tests;
