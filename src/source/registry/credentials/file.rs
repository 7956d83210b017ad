//! One file of credentials: what it says, and what is written into it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value};

use super::{Credentials, keys, replace};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::MAX_DOCUMENT;
use crate::source::registry::options::{AuthFile, AuthFileKind};
use crate::source::registry::secret::Secret;

const AUTHS: &str = "auths";
const HELPERS: &str = "credHelpers";
const STORE: &str = "credsStore";

/// What an entry may have that is secret, or says whose it is.
const FIELDS: [&str; 5] = ["auth", "username", "password", "identitytoken", "registrytoken"];

/// Not everybody pads, and some editors and shells pad wrongly.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a file has. What we do not know stays as it is.
#[derive(Clone, PartialEq)]
pub(super) struct Contents {
    path: PathBuf,
    kind: AuthFileKind,
    root: Map<String, Value>,
}

/// A program that keeps credentials in place of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Helper<'c> {
    /// Its name, unchecked, without what all such programs have in front.
    pub name: &'c str,
    /// Whether it is for this registry, and not for all that have none of their own.
    pub of_this_registry: bool,
}

impl Contents {
    /// Reads a file, if it is there. One without any text has nothing.
    ///
    /// # Errors
    /// Without any of the text: it is secret.
    pub(super) fn read(file: &AuthFile) -> Result<Option<Self>> {
        let fail = |error| Error::io(format!("read {}", file.path.display()), error);
        let opened = match File::open(&file.path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            // Another user's home; credentials that are not seen are not used.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !file.named => {
                tracing::debug!(target: "rootlay::registry", "{} is passed over: {error}", file.path.display());
                return Ok(None);
            }
            opened => opened.map_err(fail)?,
        };
        let mut bytes = Vec::new();
        opened.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(fail)?;
        let mut contents = Self::empty(file);
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(contents.bad(&format!("more than {MAX_DOCUMENT} bytes")));
        }
        if !bytes.trim_ascii().is_empty() {
            // The parser's own message may quote what it met.
            contents.root = serde_json::from_slice(&bytes).map_err(|error| {
                let what = if error.is_data() { "not a JSON object" } else { "bad JSON" };
                contents.bad(&format!("{what} (line {}, column {})", error.line(), error.column()))
            })?;
        }
        Ok(Some(contents))
    }

    /// A file that has nothing yet.
    pub(super) fn empty(file: &AuthFile) -> Self {
        Self { path: file.path.clone(), kind: file.kind, root: Map::new() }
    }

    /// The credentials under a key, if it has any: beside a helper, Docker leaves empty entries.
    pub(super) fn credentials(&self, key: &str) -> Result<Option<Credentials>> {
        let entry = match self.auths()?.and_then(|auths| auths.get(key)) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(entry)) => entry,
            Some(_) => return Err(self.bad_entry(key, "not an object")),
        };
        let [auth, user, password, identity, token] = FIELDS.map(|field| match entry.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.bad_entry(key, &format!("{field} is not a string"))),
        });
        if let Some(token) = token? {
            return Ok(Some(Credentials::RegistryToken(Secret::new(token))));
        }
        if let Some(token) = identity? {
            return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = auth? {
            let (user, password) = decoded(auth)
                .ok_or_else(|| self.bad_entry(key, "auth is not the base64 form of a user, a colon and a password"))?;
            return Ok(Some(Credentials::Password { user, password }));
        }
        Ok(user?.zip(password?).map(|(user, password)| {
            let (user, password) = (user.to_owned(), Secret::new(password));
            Credentials::Password { user, password }
        }))
    }

    /// All keys that stand for a registry, however they are written, in order.
    pub(super) fn keys_of(&self, host: &str) -> Result<Vec<String>> {
        let all = self.auths()?.into_iter().flat_map(Map::keys);
        let mut keys: Vec<String> = all.filter(|key| self.is_of(key, host)).cloned().collect();
        keys.sort();
        Ok(keys)
    }

    /// The helper for a registry, if the file has one for it. The empty name stands for the file itself.
    pub(super) fn helper(&self, host: &str) -> Result<Option<Helper<'_>>> {
        if self.kind == AuthFileKind::Dockercfg {
            return Ok(None);
        }
        let named = |name, of_this_registry| Some(Helper { name, of_this_registry }).filter(|_| !name.is_empty());
        if let Some(helpers) = self.table(HELPERS)? {
            let servers = keys::servers(self.kind, host);
            let exact = servers.iter().find_map(|server| helpers.get(server));
            let found = exact.or_else(|| helpers.iter().find(|(key, _)| self.is_of(key, host)).map(|(_, name)| name));
            if let Some(name) = found {
                return Ok(named(self.text(HELPERS, name)?, true));
            }
        }
        match self.root.get(STORE) {
            None | Some(Value::Null) => Ok(None),
            Some(name) => Ok(named(self.text(STORE, name)?, false)),
        }
    }

    /// Whether anything stands here for a registry.
    pub(super) fn knows(&self, host: &str) -> Result<bool> {
        let has_helper = self.helper(host)?.is_some_and(|helper| helper.of_this_registry);
        Ok(has_helper || !self.keys_of(host)?.is_empty())
    }

    /// Enters credentials for a registry; without them an empty entry, which says that a helper has them.
    pub(super) fn enter(&mut self, host: &str, login: Option<(&str, &Secret)>) -> Result<()> {
        let key = keys::written(self.kind, host).to_owned();
        let mut entry = match self.auths()?.and_then(|auths| auths.get(&key)) {
            Some(Value::Object(entry)) => entry.clone(),
            _ => Map::new(),
        };
        for field in FIELDS {
            entry.remove(field);
        }
        if let Some((user, password)) = login {
            if user.contains(':') {
                let message = format!("{} cannot keep a user name with a colon", self.path.display());
                return Err(Error::new(ErrorKind::Usage, message));
            }
            let text = BASE64.encode(format!("{user}:{}", password.reveal()));
            entry.insert("auth".to_owned(), Value::String(text));
        }
        // Older entries under other forms of the same name would come back to life after the next logout.
        self.remove(host)?;
        if self.kind != AuthFileKind::Dockercfg && self.auths()?.is_none() {
            self.root.insert(AUTHS.to_owned(), Value::Object(Map::new()));
        }
        if let Some(auths) = self.auths_mut() {
            auths.insert(key, Value::Object(entry));
        }
        Ok(())
    }

    /// Removes all entries of a registry as a whole. `false` if there are none.
    pub(super) fn remove(&mut self, host: &str) -> Result<bool> {
        let keys = self.keys_of(host)?;
        if let Some(auths) = self.auths_mut() {
            for key in &keys {
                auths.remove(key);
            }
        }
        Ok(!keys.is_empty())
    }

    /// Writes the file. It has the old or the new content at any time.
    pub(super) fn save(&self) -> Result<()> {
        let mut text = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"\t"));
        self.root.serialize(&mut serializer).map_err(|_| self.bad("cannot be written as JSON"))?;
        text.push(b'\n');
        replace::replace(&self.path, &text)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How its keys are read.
    pub(super) fn kind(&self) -> AuthFileKind {
        self.kind
    }

    fn is_of(&self, key: &str, host: &str) -> bool {
        keys::registry_of(self.kind, key) == Some(host)
    }

    fn auths(&self) -> Result<Option<&Map<String, Value>>> {
        if self.kind == AuthFileKind::Dockercfg { Ok(Some(&self.root)) } else { self.table(AUTHS) }
    }

    fn auths_mut(&mut self) -> Option<&mut Map<String, Value>> {
        match self.kind {
            AuthFileKind::Dockercfg => Some(&mut self.root),
            _ => self.root.get_mut(AUTHS).and_then(Value::as_object_mut),
        }
    }

    fn table(&self, name: &str) -> Result<Option<&Map<String, Value>>> {
        match self.root.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(table)) => Ok(Some(table)),
            Some(_) => Err(self.bad(&format!("{name} is not an object"))),
        }
    }

    fn text<'v>(&self, field: &str, value: &'v Value) -> Result<&'v str> {
        value.as_str().ok_or_else(|| self.bad(&format!("{field}: the name of a helper is not a string")))
    }

    fn bad_entry(&self, key: &str, why: &str) -> Error {
        self.bad(&format!("entry `{}`: {why}", key.escape_debug()))
    }

    fn bad(&self, why: &str) -> Error {
        Error::new(ErrorKind::Failed, format!("{}: {why}", self.path.display()))
    }
}

/// The user and the password. Passwords may have colons; Docker once filled them up with NUL.
fn decoded(auth: &str) -> Option<(String, Secret)> {
    let text: String = auth.split_ascii_whitespace().collect();
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), Secret::new(password.trim_matches('\0'))))
}
