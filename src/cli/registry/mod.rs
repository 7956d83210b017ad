//! The flags of every command that talks to a registry, and what they and the environment make of it.

pub mod environment;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rootlay::ops::{RegistryOptions, Secret};

use super::duration::duration;
use super::failure::{Failure, Outcome};
use super::grammar::go_bool;
use super::host::Host;
use super::prompt;
use environment::Environment;

/// The help of `--authfile`.
pub const AUTHFILE_HELP: &str = "File with credentials [env: REGISTRY_AUTH_FILE]";

/// Flags that say who asks, and how.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Registry options")]
pub struct RegistryArgs {
    /// Credentials for the registry; asks for a password that is missing
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = creds)]
    creds: Option<Creds>,

    #[command(flatten)]
    pub connection: Connection,
}

/// Flags that say how registries are reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Registry options")]
pub struct Connection {
    #[arg(long, value_name = "FILE", help = AUTHFILE_HELP)]
    authfile: Option<PathBuf>,

    /// Folder with certificates and keys for TLS (*.crt, *.cert, *.key), instead of certs.d
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,

    /// Whether registries must show a valid certificate; `false` allows plain HTTP too
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = go_bool, hide_possible_values = true)]
    tls_verify: Option<bool>,

    /// How often a transfer is tried again that makes no progress [default: 5]
    #[arg(long, value_name = "N")]
    retry: Option<u32>,

    /// How long to wait before the first new attempt, such as 500ms or 2s [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    retry_delay: Option<Duration>,

    /// Say which servers and credentials are used, and why
    #[arg(long)]
    pub explain: bool,
}

/// A user, and perhaps a password. Never printed.
#[derive(Debug, Clone)]
struct Creds {
    user: String,
    password: Option<Secret>,
}

/// Takes any text: a message about a bad one would quote it, with the password.
#[expect(clippy::unnecessary_wraps, reason = "a value parser of clap returns a result")]
fn creds(text: &str) -> Result<Creds, String> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(Secret::new(password))),
        None => (text, None),
    };
    Ok(Creds { user: user.to_owned(), password })
}

impl RegistryArgs {
    /// What these flags and the environment say. Asks for a password if one is missing.
    pub fn options(&self, host: &Host) -> Outcome<RegistryOptions> {
        let mut options = self.connection.options();
        if let Some(Creds { user, password }) = &self.creds {
            if user.is_empty() {
                return Err(Failure::usage("`--creds` needs a user: USER[:PASSWORD]"));
            }
            let password = match password {
                Some(password) => password.clone(),
                None if io::stdin().is_terminal() => prompt::secret("Password: ", host.cancel())?,
                None => return Err(Failure::usage("`--creds` without a password needs a terminal to ask for it")),
            };
            options.credentials = Some((user.clone(), password));
        }
        Ok(options)
    }

    /// The same with servers that need not show who they are.
    pub fn insecure(&mut self) {
        self.connection.tls_verify = Some(false);
    }
}

impl Connection {
    /// The flags of a command that has only `--authfile`.
    pub fn only(authfile: Option<PathBuf>) -> Self {
        Self { authfile, ..Self::default() }
    }

    /// What these flags and the environment say.
    pub fn options(&self) -> RegistryOptions {
        environment::options(self, &Environment::of_process())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_hold_colons_and_is_never_printed() {
        let with = creds("user:pass:word").unwrap();
        assert_eq!(with.user, "user");
        assert_eq!(with.password.as_ref().map(Secret::reveal), Some("pass:word"));
        assert!(!format!("{with:?}").contains("pass:word"), "{with:?}");
        let without = creds("user").unwrap();
        assert_eq!((without.user.as_str(), without.password), ("user", None));
    }
}
