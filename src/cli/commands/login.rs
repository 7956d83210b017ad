//! `rootlay login`

use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use clap::Args;
use rootlay::ops::{Kept, Secret};
use rootlay::{Error, ErrorKind, Result};

use super::super::failure::{Failure, Outcome};
use super::super::host::Host;
use super::super::output::Output;
use super::super::printable;
use super::super::prompt;
use super::super::registry::Connection;

/// The registry that is meant where none is named.
const DEFAULT: &str = "docker.io";
/// Much longer than any password or token.
const MAX_PASSWORD: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay login quay.io\
    \n  rootlay login -u me --password-stdin quay.io < token")]
pub struct LoginArgs {
    /// Username
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,

    /// Password or access token
    #[arg(short, long, value_parser = secret)]
    password: Option<Secret>,

    /// Take the password or access token from stdin
    #[arg(long)]
    password_stdin: bool,

    /// The registry [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,

    #[command(flatten)]
    pub connection: Connection,
}

#[expect(clippy::unnecessary_wraps, reason = "a value parser of clap returns a result")]
fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

pub fn run(args: &LoginArgs, host: &Host, out: &mut Output) -> Outcome {
    if args.password.is_some() {
        super::super::tell("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    }
    check(args)?;
    let registries = host.registries(args.connection.options())?;
    let (user, password) = credentials(args, host)?;
    let kept = registries.login(&name(args.registry.as_deref()), &user, &password)?;
    if let Kept::File(path) = &kept {
        super::super::tell(&unencrypted(path));
    }
    out.line("Login Succeeded")
}

/// The host of a registry, however it was written: Docker's keys have a scheme and a path.
pub fn name(given: Option<&str>) -> String {
    let given = given.unwrap_or(DEFAULT);
    let bare = given.strip_prefix("https://").or_else(|| given.strip_prefix("http://")).unwrap_or(given);
    match bare.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => DEFAULT.to_owned(),
        host => host.to_owned(),
    }
}

/// Contradictions, in Docker's words.
fn check(args: &LoginArgs) -> Outcome {
    if args.password_stdin && args.password.is_some() {
        return Err(Failure::usage("--password and --password-stdin are mutually exclusive"));
    }
    if args.password_stdin && args.username.as_deref().is_none_or(str::is_empty) {
        return Err(Failure::usage("Must provide --username with --password-stdin"));
    }
    Ok(())
}

fn credentials(args: &LoginArgs, host: &Host) -> Result<(String, Secret)> {
    let user = args.username.as_deref().map(str::trim).filter(|user| !user.is_empty());
    let given = match &args.password {
        Some(password) => Some(password.clone()),
        None if args.password_stdin => Some(read(io::stdin())?),
        None => None,
    };
    let given = given.filter(|password| !password.reveal().is_empty());
    if (user.is_none() || given.is_none()) && (args.password_stdin || !io::stdin().is_terminal()) {
        return Err(Error::new(ErrorKind::Failed, "Cannot perform an interactive login from a non TTY device"));
    }
    let user = match user {
        Some(user) => user.to_owned(),
        None => prompt::line("Username: ", host.cancel())?,
    };
    if user.is_empty() {
        return Err(Error::new(ErrorKind::Failed, "username is required"));
    }
    let password = match given {
        Some(password) => password,
        None => prompt::secret("Password: ", host.cancel())?,
    };
    if password.reveal().is_empty() {
        return Err(Error::new(ErrorKind::Failed, "password is required"));
    }
    Ok((user, password))
}

/// A password from a pipe, without the line end that `echo` adds.
fn read(from: impl Read) -> Result<Secret> {
    let mut text = String::new();
    let read = from.take(MAX_PASSWORD).read_to_string(&mut text);
    read.map_err(|error| Error::io("read the password from stdin", error))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}

fn unencrypted(path: &Path) -> String {
    let path = printable::word(path.as_os_str().as_encoded_bytes());
    format!(
        "\nWARNING! Your credentials are stored unencrypted in '{path}'.\n\
         Configure a credential helper to remove this warning.\n\n"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LoginArgs,
    }

    fn args(line: &str) -> LoginArgs {
        Line::try_parse_from(std::iter::once("login").chain(line.split_whitespace())).unwrap().args
    }

    #[test]
    fn a_password_from_stdin_needs_a_user_and_no_other_password() {
        for (line, words) in [
            ("--password-stdin", "Must provide --username with --password-stdin"),
            ("-u x -p y --password-stdin", "--password and --password-stdin are mutually exclusive"),
        ] {
            let Err(Failure::Errors(errors)) = check(&args(line)) else { panic!("{line}") };
            assert_eq!(errors[0].error.to_string(), words);
        }
        assert!(check(&args("-u x --password-stdin quay.io")).is_ok());
        assert!(check(&args("-u x -p y")).is_ok());
    }

    #[test]
    fn only_the_line_end_is_taken_off() {
        for (text, password) in [("a\n", "a"), ("a\r\n", "a"), (" a \n\n", " a \n"), ("a", "a"), ("", "")] {
            assert_eq!(read(text.as_bytes()).unwrap().reveal(), password, "{text:?}");
        }
        assert!(read(&b"\xff"[..]).is_err());
    }

    #[test]
    fn a_registry_is_its_host() {
        for (given, host) in [
            (None, "docker.io"),
            (Some("docker.io"), "docker.io"),
            (Some("https://index.docker.io/v1/"), "docker.io"),
            (Some("localhost:5000"), "localhost:5000"),
            (Some("http://quay.io/v2/"), "quay.io"),
        ] {
            assert_eq!(name(given), host, "{given:?}");
        }
    }

    #[test]
    fn the_password_is_not_in_the_arguments_that_may_be_printed() {
        assert!(!format!("{:?}", args("-u x -p swordfish")).contains("swordfish"));
    }

    #[test]
    fn the_file_with_the_credentials_is_named() {
        let text = unencrypted(Path::new("/root/.docker/config.json"));
        let line = "WARNING! Your credentials are stored unencrypted in '/root/.docker/config.json'.";
        assert!(text.lines().any(|own| own == line), "{text}");
    }
}
