//! How flags are read: with a value too, as Docker's.

use clap::{Arg, ArgAction};

use super::grammar::go_bool;

/// The command line that reads arguments: flags take a value too, as Docker's do (`--quiet=false`). In a help text
/// that would only be noise.
pub fn lenient(command: clap::Command) -> clap::Command {
    command.mut_args(with_optional_value).mut_subcommands(lenient)
}

fn with_optional_value(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .value_parser(go_bool)
}
