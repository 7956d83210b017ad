//! Lookup, helpers and login on files in a temporary directory.

mod helpers_of_files;
mod keeping;
mod lookup;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// A home directory with files of credentials, and a folder of helpers.
struct Home {
    dir: TempDir,
    files: Vec<AuthFile>,
    explicit: Option<(String, Secret)>,
}

impl Home {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        Self { dir, files: Vec::new(), explicit: None }
    }

    /// With one more file, which is asked last. Its kind follows from its name.
    fn with(mut self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).unwrap();
        self.name(name, false);
        self
    }

    /// With one more file that is not there.
    fn without(mut self, name: &str) -> Self {
        self.name(name, false);
        self
    }

    /// With one more file that the user named.
    fn required(mut self, name: &str) -> Self {
        self.name(name, true);
        self
    }

    fn name(&mut self, name: &str, required: bool) {
        let kind = match name {
            "config.json" => AuthFileKind::Docker,
            ".dockercfg" => AuthFileKind::Dockercfg,
            _ => AuthFileKind::Containers,
        };
        self.files.push(AuthFile { path: self.path(name), kind, required });
    }

    /// With a helper: a shell script that finds the server, or the login to keep, in `$input`.
    fn helper(self, name: &str, script: &str) -> Self {
        let bin = self.path("bin");
        let (draft, program) = (bin.join("draft"), bin.join(format!("docker-credential-{name}")));
        let log = self.path("asked");
        let script = format!("#!/bin/sh\ninput=$(cat)\necho \"$* $input\" >> {}\n{script}\n", log.display());
        fs::write(&draft, script).unwrap();
        // Installed by another process: a program that a thread of ours has open for writing cannot be run (ETXTBSY).
        assert!(Command::new("install").args(["-m", "755"]).args([draft, program]).status().unwrap().success());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// What helpers were asked.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn keyring(&self) -> Keyring {
        let programs = Programs::of(self.path("bin"), Duration::from_secs(20));
        Keyring { explicit: self.explicit.clone(), files: self.files.clone(), programs }
    }

    /// Credentials as text, and the name of the file or whatever else they are from.
    fn find(&self, host: &str, repository: &str) -> (String, String) {
        let mut warnings = Vec::new();
        let found = self.keyring().find(host, repository, &mut |warning| warnings.push(warning)).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        self.shown(&found)
    }

    fn shown(&self, found: &Found) -> (String, String) {
        let credentials = match &found.credentials {
            Credentials::Anonymous => "nobody".to_owned(),
            Credentials::Password { user, password } => format!("{user}:{}", password.reveal()),
            Credentials::IdentityToken(token) => format!("identity {}", token.reveal()),
            Credentials::RegistryToken(token) => format!("registry {}", token.reveal()),
        };
        (credentials, self.short(&found.source))
    }

    /// Without the path of the home.
    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }

    fn error(&self, host: &str) -> String {
        let error = self.keyring().find(host, "a/b", &mut |_| ()).unwrap_err();
        self.short(&error.to_string())
    }
}

fn pair(credentials: &str, source: &str) -> (String, String) {
    (credentials.to_owned(), source.to_owned())
}

/// The JSON of an entry.
fn auth(login: &str) -> String {
    use base64::Engine;
    format!(r#"{{"auth":"{}"}}"#, base64::prelude::BASE64_STANDARD.encode(login))
}

/// The JSON of a file with entries alone.
fn auths(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(key, login)| format!(r#""{key}":{}"#, auth(login))).collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
