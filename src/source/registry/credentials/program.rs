//! Credential helpers: programs `docker-credential-NAME` that keep credentials in a keychain or get them from a cloud.
//!
//! They are told what to do (`get`, `store`, `erase`) by their one argument and everything else on standard input,
//! so that no secret is in a list of processes. Their answer, or their complaint, comes on standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Credentials;
use crate::cancel::Cancel;
use crate::source::registry::secret::Secret;
use crate::sys::errno::escape;
use crate::sys::open_files;

/// How long a helper may take: somebody may have to type a passphrase.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long its output may take to end after it has: a daemon that it left behind may hold it open for ever.
const GRACE: Duration = Duration::from_secs(1);
const MAX_OUTPUT: u64 = 1 << 20;
/// How much of a complaint is shown.
const MAX_LINE: usize = 200;
/// What all helpers say of a registry that they do not know.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user of a secret that is no password.
const TOKEN_USER: &str = "<token>";

/// The helpers of this machine, and what they have said.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// Where they are; without it, where the system looks for programs.
    dir: Option<PathBuf>,
    patience: Option<Duration>,
    /// Nobody waits for a helper once this is raised.
    pub(super) cancel: Cancel,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// By helper and server. A helper may ask a person, who should not be asked for every blob.
    answers: BTreeMap<(String, String), Result<Credentials, Failure>>,
    /// Helpers of which the user knows that they are missing.
    missing: BTreeSet<String>,
}

/// Why a helper is of no help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It has nothing for this registry.
    NoCredentials,
    /// There is no such program.
    Missing,
    /// Nobody waits for it any more.
    Interrupted,
    /// What it says of itself, or what we say of it.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials => f.write_str(NOT_FOUND),
            Self::Missing => f.write_str("not installed"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

#[derive(Serialize)]
struct Login<'l> {
    #[serde(rename = "ServerURL")]
    server: &'l str,
    #[serde(rename = "Username")]
    user: &'l str,
    #[serde(rename = "Secret")]
    secret: &'l str,
}

/// The name of a helper's program.
pub(super) fn file_name(name: &str) -> String {
    format!("docker-credential-{}", name.escape_debug())
}

/// What the user should know of a helper that a file asks for.
pub(super) fn complaint(name: &str, asked_by: &Path, why: &Failure) -> String {
    format!("credential helper {} (of {}): {why}", file_name(name), asked_by.display())
}

impl Programs {
    /// Helpers of one folder, for tests.
    #[cfg(test)]
    pub(super) fn of(dir: PathBuf, patience: Duration) -> Self {
        Self { dir: Some(dir), patience: Some(patience), ..Self::default() }
    }

    /// Asks a helper for a registry, by each of its names; every question is asked once. A helper that is of no help
    /// leads to a warning: what is public can be had without it.
    pub(super) fn ask(
        &self,
        name: &str,
        servers: &[String],
        asked_by: &Path,
        warn: &mut dyn FnMut(String),
    ) -> Option<Credentials> {
        // Held while the helper works: nobody types two passphrases at once.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        for server in servers {
            let question = (name.to_owned(), server.clone());
            let known = memory.answers.get(&question).cloned();
            let answer = known.unwrap_or_else(|| {
                let answer = self.get(name, server);
                let wants_words = match &answer {
                    Ok(_) | Err(Failure::NoCredentials | Failure::Interrupted) => false,
                    Err(Failure::Missing) => memory.missing.insert(name.to_owned()),
                    Err(Failure::Other(_)) => true,
                };
                if let Err(why) = &answer
                    && wants_words
                {
                    warn(complaint(name, asked_by, why) + "; going on without it");
                }
                memory.answers.insert(question, answer.clone());
                answer
            });
            match answer {
                Ok(credentials) => return Some(credentials),
                Err(Failure::NoCredentials) => {}
                // It would fail for the registry's other names as well.
                Err(_) => return None,
            }
        }
        None
    }

    /// Forgets what helpers have said.
    pub(super) fn forget_answers(&self) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).answers.clear();
    }

    /// What a helper has for a server.
    pub(super) fn get(&self, name: &str, server: &str) -> Result<Credentials, Failure> {
        let output = self.run(name, "get", server.as_bytes().to_vec())?;
        let not_understood = |_| Failure::Other("its answer is not what such helpers say".to_owned());
        let Answer { username, secret } = serde_json::from_slice(&output).map_err(not_understood)?;
        match (username.as_str(), secret.as_str()) {
            (_, "") => Err(Failure::NoCredentials),
            (TOKEN_USER, _) => Ok(Credentials::IdentityToken(Secret::new(secret))),
            _ => Ok(Credentials::Password { user: username, password: Secret::new(secret) }),
        }
    }

    /// Has a helper keep credentials.
    pub(super) fn store(&self, name: &str, server: &str, user: &str, password: &Secret) -> Result<(), Failure> {
        let login = Login { server, user, secret: password.reveal() };
        let input = serde_json::to_vec(&login).map_err(|_| Failure::Other("cannot be told".to_owned()))?;
        self.run(name, "store", input).map(drop)
    }

    /// Has a helper forget credentials.
    pub(super) fn erase(&self, name: &str, server: &str) -> Result<(), Failure> {
        self.run(name, "erase", server.as_bytes().to_vec()).map(drop)
    }

    /// Runs a helper and returns what it prints.
    fn run(&self, name: &str, verb: &str, input: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(Failure::Other("not the name of a helper".to_owned()));
        }
        let program = PathBuf::from(file_name(name));
        let program = self.dir.as_ref().map_or(program.clone(), |dir| dir.join(program));
        let mut command = Command::new(program);
        command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        open_files::restore_in(&mut command);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::Missing,
            _ => other(&error),
        })?;
        let stdin = child.stdin.take();
        // A helper may end without reading its input, and may write before it reads.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
        let (stdout, stderr) = (collected(child.stdout.take()), collected(child.stderr.take()));
        let status = ended(&mut child, self.patience.unwrap_or(PATIENCE), &self.cancel)?;
        let stdout = stdout.recv_timeout(GRACE).map_err(|_| Failure::Other("its output does not end".to_owned()))?;
        if status.success() {
            return Ok(stdout);
        }
        Err(failure(&stdout, &stderr.recv_timeout(GRACE).unwrap_or_default(), status))
    }
}

/// Reads a pipe to its end, beside everything else.
fn collected(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What came before an error is as much as there is.
            let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes);
        }
        // Nobody waits any more for one that took too long.
        let _ = sender.send(bytes);
    });
    receiver
}

/// Waits for the end of a helper, which comes from us if it takes too long.
fn ended(child: &mut Child, patience: Duration, cancel: &Cancel) -> Result<ExitStatus, Failure> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(|error| other(&error))? {
            return Ok(status);
        }
        let interrupted = cancel.check().is_err();
        if interrupted || start.elapsed() >= patience {
            // It may have ended in between; both calls are for that case as well.
            let _ = child.kill();
            let _ = child.wait();
            if interrupted {
                return Err(Failure::Interrupted);
            }
            return Err(Failure::Other(format!("no answer within {} seconds", patience.as_secs_f32())));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// What a helper's complaint means.
fn failure(stdout: &[u8], stderr: &[u8], status: ExitStatus) -> Failure {
    // What looks like an answer has a secret in it.
    let stdout = if stdout.trim_ascii_start().starts_with(b"{") { &[] } else { stdout };
    let lines = [stdout, stderr].into_iter().flat_map(|text| text.split(|&byte| byte == b'\n'));
    let lines: Vec<&[u8]> = lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    if lines.contains(&NOT_FOUND.as_bytes()) {
        return Failure::NoCredentials;
    }
    match lines.first() {
        Some(line) => Failure::Other(escape(line).chars().take(MAX_LINE).collect()),
        None => Failure::Other(status.to_string()),
    }
}

fn other(error: &io::Error) -> Failure {
    Failure::Other(error.to_string().to_lowercase())
}
