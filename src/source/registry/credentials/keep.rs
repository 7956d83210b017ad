//! Credentials that are kept for later, and those that are forgotten.

use super::file::Contents;
use super::{Kept, Keyring, keys, program};
use crate::error::{Error, ErrorKind, Result};
use crate::source::registry::options::{AuthFile, AuthFileKind};
use crate::source::registry::secret::Secret;
use program::Failure;

impl Keyring {
    /// Keeps credentials for a registry: in the file that the user named, else in the first one that has something
    /// for this registry, else in Docker's. If that file has a helper for it, then there, and only there.
    ///
    /// # Errors
    /// The helper failed or is not installed, the file makes no sense or cannot be written.
    pub fn keep(&self, host: &str, user: &str, password: &Secret) -> Result<Kept> {
        let host = keys::canonical(host);
        let mut contents = self.file_for(host)?;
        let before = contents.clone();
        let helper = contents.helper(host)?.map(|helper| helper.name.to_owned());
        let kept = if let Some(name) = helper {
            let server = keys::written(contents.kind(), host);
            self.programs.store(&name, server, user, password).map_err(|why| of_file(&contents, &name, &why))?;
            contents.enter(host, None)?;
            Kept::Helper(program::file_name(&name))
        } else {
            contents.enter(host, Some((user, password)))?;
            Kept::File(contents.path().to_owned())
        };
        if contents != before {
            contents.save()?;
        }
        self.programs.forget_answers();
        Ok(kept)
    }

    /// Forgets the credentials for a registry as a whole, in all files and their helpers; those for single
    /// repositories stay. `false` if there were none.
    ///
    /// # Errors
    /// The first one, after all places have been tried.
    pub fn forget(&self, host: &str) -> Result<bool> {
        let host = keys::canonical(host);
        let mut any = false;
        let mut first_error = None;
        for file in &self.files {
            match self.forget_in(file, host) {
                Ok(found) => any |= found,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        self.programs.forget_answers();
        first_error.map_or(Ok(any), Err)
    }

    fn forget_in(&self, file: &AuthFile, host: &str) -> Result<bool> {
        let Some(mut contents) = Contents::read(file)? else {
            return Ok(false);
        };
        let helper = contents.helper(host)?.map(|helper| (helper.name.to_owned(), helper.of_this_registry));
        let mut found = contents.remove(host)?;
        if found {
            contents.save()?;
        }
        let Some((name, of_this_registry)) = helper else {
            return Ok(found);
        };
        for server in keys::servers(file.kind, host) {
            let erased = self.programs.get(&name, &server).and_then(|_| self.programs.erase(&name, &server));
            match erased {
                Ok(()) => found = true,
                Err(Failure::NoCredentials) => {}
                // Without a trace of this registry there is nothing to forget in it.
                Err(Failure::Missing) if !found && !of_this_registry => break,
                Err(why) => return Err(of_file(&contents, &name, &why)),
            }
        }
        Ok(found)
    }

    /// The file that new credentials for a registry belong in.
    fn file_for(&self, host: &str) -> Result<Contents> {
        let read = |file: &AuthFile| Ok(Contents::read(file)?.unwrap_or_else(|| Contents::empty(file)));
        if let Some(named) = self.files.iter().find(|file| file.required) {
            return read(named);
        }
        for file in &self.files {
            let contents: Contents = read(file)?;
            if contents.knows(host)? {
                return Ok(contents);
            }
        }
        let docker = self.files.iter().find(|file| file.kind == AuthFileKind::Docker);
        docker
            .or_else(|| self.files.first())
            .map_or_else(|| Err(Error::new(ErrorKind::Usage, "there is no file to keep credentials in")), read)
    }
}

fn of_file(contents: &Contents, name: &str, why: &Failure) -> Error {
    Error::new(ErrorKind::Failed, program::complaint(name, contents.path(), why))
}
