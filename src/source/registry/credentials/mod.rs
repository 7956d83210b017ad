//! Credentials for registries: which ones count, and where new ones are kept.
//!
//! Several programs share these files, so they are read as each of them does: `auth.json` of Podman and its kin
//! (containers-auth.json(5)), `config.json` of Docker, and the `.dockercfg` that came before. A file may name
//! programs that keep the credentials in its place.

mod file;
mod keep;
mod keys;
mod program;
mod replace;

use std::path::PathBuf;

use super::options::{AuthFile, AuthFileKind};
use super::secret::Secret;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use file::Contents;
use program::Programs;

/// Who we are to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody.
    Anonymous,
    /// A user with a password, or with what is as good as one.
    Password {
        /// The name of the user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// What a token server takes for a password (an OAuth 2 refresh token).
    IdentityToken(Secret),
    /// What the registry itself takes.
    RegistryToken(Secret),
}

/// Credentials, and where they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The credentials.
    pub credentials: Credentials,
    /// The flag, file or helper that had them; `none` if nothing had.
    pub source: String,
}

/// Where credentials were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In a file that everybody can read who can read the user's files.
    File(PathBuf),
    /// In a credential helper: the name of its program.
    Helper(String),
}

/// All places that may have credentials.
#[derive(Debug)]
pub struct Keyring {
    explicit: Option<(String, Secret)>,
    files: Vec<AuthFile>,
    programs: Programs,
}

impl Keyring {
    /// With the credentials that the user gave for this command, and the files, the one that is asked first in front.
    pub fn new(explicit: Option<(String, Secret)>, files: Vec<AuthFile>) -> Self {
        Self { explicit, files, programs: Programs::default() }
    }

    /// The same, but waiting for no helper once `cancel` is raised.
    pub fn cancelled_by(mut self, cancel: Cancel) -> Self {
        self.programs.cancel = cancel;
        self
    }

    /// The credentials for a repository of a registry (`docker.io` is Docker Hub). Only what is kept for this very
    /// registry counts. `warn` gets what the user should know of a helper that is of no help; a helper is asked once.
    ///
    /// # Errors
    /// A file that the user named is missing, a file cannot be read or makes no sense. No message has anything of a
    /// file's content but its keys.
    pub fn find(&self, host: &str, repository: &str, warn: &mut dyn FnMut(String)) -> Result<Found> {
        if let Some((user, password)) = &self.explicit {
            let credentials = Credentials::Password { user: user.clone(), password: password.clone() };
            return Ok(Found { credentials, source: "--creds".to_owned() });
        }
        self.kept(host, repository, warn)
    }

    /// The same without those that were given for this command: they are for the registry of the image's name, not for
    /// another one that the configuration sends us to.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn kept(&self, host: &str, repository: &str, warn: &mut dyn FnMut(String)) -> Result<Found> {
        let host = keys::canonical(host);
        for file in &self.files {
            let contents = match Contents::read(file)? {
                Some(contents) => contents,
                None if file.named => {
                    let message = format!("the file of credentials {} does not exist", file.path.display());
                    return Err(Error::new(ErrorKind::NotFound, message));
                }
                None => continue,
            };
            if let Some(helper) = contents.helper(host)? {
                let servers = keys::servers(file.kind, host);
                if let Some(credentials) = self.programs.ask(helper.name, &servers, &file.path, warn) {
                    let source = format!("{} (of {})", program::file_name(helper.name), file.path.display());
                    return Ok(Found { credentials, source });
                }
            }
            for key in keys::lookup(file.kind, host, repository).into_iter().chain(contents.keys_of(host)?) {
                if let Some(credentials) = contents.credentials(&key)? {
                    return Ok(Found { credentials, source: file.path.display().to_string() });
                }
            }
        }
        Ok(Found { credentials: Credentials::Anonymous, source: "none".to_owned() })
    }
}

/// The registry that somebody means who says `https://quay.io/v1/` as well as `quay.io`.
pub fn registry_named(text: &str) -> &str {
    keys::registry_of(AuthFileKind::Dockercfg, text).unwrap_or(text)
}

#[cfg(test)]
mod tests;
