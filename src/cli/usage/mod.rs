//! What clap says about a command line, in our form: `Error: …`, the usage line, `hint: …`.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory as _, FromArgMatches as _};

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
            let mut command = named(args);
            // As `docker -D`: flags that every command has ask for nothing.
            if error.kind() == ErrorKind::MissingSubcommand && command.get_name() == "rootlay" {
                return Answer::HelpInstead(command.render_help().to_string());
            }
            Answer::Wrong(restyle(&error, command))
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
    named(args).render_usage().to_string()
}

/// The command that is named in these arguments.
fn named(args: &[OsString]) -> Command {
    let mut root = Cli::command();
    root.build();
    let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    words.fold(&root, |command, word| command.find_subcommand(word).unwrap_or(command)).clone()
}

/// Clap's message in the words of the other messages, and in one line.
fn restyle(error: &Error, mut command: Command) -> String {
    let rendered = error.render().to_string();
    let mut message = String::new();
    let mut hints = String::new();
    for line in rendered.lines() {
        if let Some(hint) = line.trim_start().strip_prefix("tip: ") {
            hints.extend(["hint: ", hint, "\n"]);
        } else if line.starts_with("Usage: ") || line.starts_with("For more information") {
            break;
        } else if let Some(text) = line.strip_prefix("error: ") {
            message.push_str(text);
        } else if !line.is_empty() {
            message.extend([" ", line.trim_start()]);
        }
    }
    let name = command.get_bin_name().unwrap_or_default();
    if let Some(rule) = wrong_count(error, &command) {
        message = format!("'{name}' {rule}");
    }
    if error.kind() == ErrorKind::MissingSubcommand {
        message = format!("'{name}' requires a command");
    }
    if matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand) && hints.is_empty() {
        hints = format!("hint: `{name} --help` lists the commands\n");
    }
    let gap = if hints.is_empty() { "" } else { "\n" };
    let message = without_optional_values(&message);
    printable::lines(&format!("Error: {message}\n\n{}\n{gap}{hints}", command.render_usage()))
}

/// Docker's words for a wrong number of arguments.
fn wrong_count(error: &Error, command: &Command) -> Option<String> {
    let places: Vec<&Arg> = command.get_positionals().collect();
    let least = match (error.kind(), error.get(ContextKind::InvalidArg)?) {
        (ErrorKind::MissingRequiredArgument, ContextValue::Strings(missing)) => {
            let is_missing = |place: &&Arg| missing.iter().any(|name| bare(name) == bare(&place.to_string()));
            places.iter().rposition(is_missing)? + 1
        }
        (ErrorKind::UnknownArgument, ContextValue::String(word)) if !word.starts_with('-') => {
            places.iter().filter(|place| place.is_required_set()).count()
        }
        _ => return None,
    };
    let many = |count| format!("{count} argument{}", if count == 1 { "" } else { "s" });
    let is_open = places.last().is_some_and(|place| matches!(place.get_action(), ArgAction::Append));
    Some(match places.len() {
        _ if is_open => format!("requires at least {}", many(least)),
        0 => "accepts no arguments".to_owned(),
        most if least == 0 => format!("requires at most {}", many(most)),
        most if least == most => format!("requires {}", many(most)),
        most => format!("requires at least {least} and at most {}", many(most)),
    })
}

/// The name of an argument without the signs that say whether it is needed.
fn bare(name: &str) -> &str {
    name.trim_matches(['<', '>', '[', ']', '.'])
}

/// Names flags as the help text does: all of them take a value too.
fn without_optional_values(message: &str) -> String {
    let mut rest = message;
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("[=<") {
        text.push_str(before);
        rest = after.split_once(">]").map_or("", |(_, after)| after);
    }
    text + rest
}

#[cfg(test)]
mod tests;
