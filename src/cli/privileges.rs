//! What each command may do to the machine: `docs/privileges.md` has the same table, with the reasons.

use rootlay::ops::Privileges;
use rootlay::{Error, ErrorKind, Result};

use super::grammar::Action;

/// Programs that a command may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Children {
    /// None, and none may gain privileges if one is started all the same (`no_new_privs`).
    None,
    /// Credential helpers. Some switch to another user by set-user-ID programs, so they may gain privileges.
    CredentialHelpers,
}

/// What a command needs and uses, and which programs it may start.
pub fn of(action: &Action) -> (Privileges, Children) {
    use Children::CredentialHelpers;
    match action {
        Action::Version(_) | Action::Completion(_) => (Privileges::NONE, Children::None),
        Action::Search(_) | Action::Tags(_) | Action::Digest(_) | Action::ManifestInspect(_) => {
            (Privileges::ASK, CredentialHelpers)
        }
        Action::Man(_) => (Privileges::USER_FILES, Children::None),
        Action::Login(_) | Action::Logout(_) => (Privileges::USER_FILES, CredentialHelpers),
        Action::Images(_)
        | Action::Inspect(..)
        | Action::History(_)
        | Action::Tree(_)
        | Action::Exists(_)
        | Action::Mounts(_)
        | Action::Tag(_)
        | Action::Untag(_)
        | Action::Pin(_)
        | Action::Unpin(_) => (Privileges::RECORDS, Children::None),
        Action::Save(_) | Action::Push(_) => (Privileges::RECORDS, CredentialHelpers),
        Action::Pull(args) if args.only_asks() => (Privileges::RECORDS, CredentialHelpers),
        Action::Pull(_) => (Privileges::UNPACK, CredentialHelpers),
        Action::Load(_) | Action::Import(_) => (Privileges::UNPACK, Children::None),
        Action::Mount(args) if args.is_list() => (Privileges::RECORDS, Children::None),
        Action::Mount(_) => (Privileges::MOUNT, CredentialHelpers),
        Action::Umount(_) => (Privileges::UNMOUNT, Children::None),
        Action::Rm(_) | Action::Rmi(_) | Action::Prune(_) | Action::SystemPrune(_) => {
            (Privileges::REMOVE, Children::None)
        }
        Action::Check(args) if args.repairs() => (Privileges::UNPACK, CredentialHelpers),
        Action::Check(_) => (Privileges::CHECK, Children::None),
        Action::Df(_) => (Privileges::MEASURE, Children::None),
        Action::Info(args) if args.is_check() => (Privileges::EXAMINE, Children::None),
        Action::Info(_) => (Privileges::PROBE, Children::None),
    }
}

/// Drops what the command has no use for. To be called before the first thread starts and before anything is read:
/// threads begin with what the one that starts them has.
///
/// # Errors
/// A sandbox forbids it.
pub fn drop_others(privileges: Privileges, children: Children) -> Result<()> {
    if children == Children::None {
        rustix::thread::set_no_new_privs(true)
            .map_err(|errno| Error::with_source(ErrorKind::Permission, "set no_new_privs", errno))?;
    }
    privileges.drop_others().map_err(|error| error.context("drop capabilities"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use clap::{CommandFactory as _, Parser as _};

    use super::super::grammar::Cli;
    use super::*;

    /// Every command, as somebody may type it.
    const LINES: &str = "version|completion bash|man|search x|tags x|digest x|manifest inspect x|login|logout|images|\
        inspect x|history x|image tree x|image exists x|mounts|mount|tag x y|untag x|pin x|unpin x|save x|push x|\
        pull --dry-run x|pull --check x|pull x|load|import x|mount x|umount x|rm x|rmi x|image prune|system prune|\
        system df|system check|system check --repair|info|info --check";

    /// The rows of the table in the document: command, needs, uses, `no_new_privs`.
    fn documented() -> BTreeMap<String, [String; 3]> {
        let text = include_str!("../../docs/privileges.md");
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let mut found = BTreeMap::new();
        for row in rows {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [commands, needs, uses, sealed, ..] = cells[..] else { panic!("{row}") };
            for command in commands.split(", ") {
                let cells = [needs, uses, sealed].map(str::to_owned);
                assert!(found.insert(command.trim_matches('`').to_owned(), cells).is_none(), "twice: {command}");
            }
        }
        found
    }

    fn list(names: Option<&[String]>) -> String {
        match names {
            None => "everything".to_owned(),
            Some([]) => "–".to_owned(),
            Some(names) => names.iter().map(|name| name.trim_start_matches("CAP_")).collect::<Vec<_>>().join(" "),
        }
    }

    #[test]
    fn the_document_says_what_commands_do() {
        let documented = documented();
        let mut left: BTreeSet<&str> = documented.keys().map(String::as_str).collect();
        for line in LINES.split('|') {
            let words = std::iter::once("rootlay").chain(line.split_whitespace());
            let (privileges, children) = of(&Action::from(Cli::try_parse_from(words).unwrap().command));
            let row = line.strip_suffix(" x").or(line.strip_suffix(" x y")).or(line.strip_suffix(" bash"));
            let row = if line == "mount x" { "mount IMAGE" } else { row.unwrap_or(line) };
            let sealed = if children == Children::None { "yes" } else { "no" };
            let own = [list(Some(&privileges.needed())), list(privileges.used().as_deref()), sealed.to_owned()];
            assert_eq!(documented.get(row), Some(&own), "{row}");
            left.remove(row);
        }
        assert!(left.is_empty(), "no such commands: {left:?}");
    }

    #[test]
    fn no_command_is_left_out() {
        let lines: BTreeSet<&str> = LINES.split('|').flat_map(|line| [line.split(' ').next().unwrap(), line]).collect();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(lines.contains(name) || lines.iter().any(|line| line.contains(&format!(" {name} "))), "{name}");
            for inner in command.get_subcommands() {
                let group = format!("{} {}", command.get_name(), inner.get_name());
                let is_there = |line: &&str| line.starts_with(&group) || line.starts_with(inner.get_name());
                assert!(inner.get_name() == "ls" || lines.iter().any(is_there), "{group}");
            }
        }
    }
}
