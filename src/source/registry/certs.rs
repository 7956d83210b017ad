//! Certificates for one registry (containers-certs.d(5)): whose signature counts, and who we are.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// What a folder of certificates has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Authorities that may vouch for the registry, besides those of the system (`*.crt`).
    pub authorities: Vec<Pem>,
    /// The certificate that we show, and its private key (`X.cert` and `X.key`); of several the first by name.
    pub identity: Option<(Pem, Pem)>,
}

/// The content of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Where it is.
    pub path: PathBuf,
    /// What it has, unchecked.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Pem {
    // It may be a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads the certificates for a registry: those of `cert_dir`, which then has to exist, or else those of the
    /// first folder of `certs_d` that has one named after the registry's host (and port). One folder is read, even
    /// if it is empty.
    ///
    /// # Errors
    /// A file that cannot be read, or half a pair of certificate and key.
    pub fn find(cert_dir: Option<&Path>, certs_d: &[PathBuf], host_and_port: &str) -> Result<Self> {
        if let Some(dir) = cert_dir {
            return read(dir, entries(dir).map_err(|error| unreadable(dir, error))?);
        }
        // A host that is not one name must not lead elsewhere.
        if host_and_port.contains('/') || matches!(host_and_port, "" | "." | "..") {
            return Ok(Self::default());
        }
        for dir in certs_d.iter().map(|dir| dir.join(host_and_port)) {
            match entries(&dir) {
                Ok(names) => return read(&dir, names),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                // Another user's; nothing is trusted that should not be.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    let dir = dir.display();
                    tracing::debug!(target: "rootlay::registry", "certificates in {dir} are passed over: {error}");
                }
                Err(error) => return Err(unreadable(&dir, error)),
            }
        }
        Ok(Self::default())
    }
}

/// The names in a folder, in order. A name that is not UTF-8 has none of the endings that count.
fn entries(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn read(dir: &Path, names: Vec<String>) -> Result<Certificates> {
    let files: Vec<String> = names.into_iter().filter(|name| !dir.join(name).is_dir()).collect();
    let content = |name: &str| -> Result<Pem> {
        let path = dir.join(name);
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
        Ok(Pem { path, bytes })
    };
    let lacks = |name: &str, other: &str, hint: &str| {
        let name = dir.join(name);
        Error::new(ErrorKind::Failed, format!("{} lacks {other}{hint}", name.display()))
    };
    let mut found = Certificates::default();
    for name in &files {
        if name.strip_suffix(".crt").is_some() {
            found.authorities.push(content(name)?);
        } else if let Some(stem) = name.strip_suffix(".cert") {
            let key = format!("{stem}.key");
            if !files.contains(&key) {
                return Err(lacks(name, &key, "; the certificate of an authority ends in .crt"));
            }
            if found.identity.is_none() {
                found.identity = Some((content(name)?, content(&key)?));
            }
        } else if let Some(stem) = name.strip_suffix(".key") {
            let certificate = format!("{stem}.cert");
            if !files.contains(&certificate) {
                return Err(lacks(name, &certificate, ""));
            }
        }
    }
    Ok(found)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::io(format!("read {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[&str]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("content of {file}")).unwrap();
        }
        dir
    }

    fn names(found: &Certificates) -> Vec<String> {
        let name = |pem: &Pem| pem.path.file_name().unwrap().to_str().unwrap().to_owned();
        let identity = found.identity.iter().flat_map(|(certificate, key)| [name(certificate), name(key)]);
        found.authorities.iter().map(name).chain(identity).collect()
    }

    #[test]
    fn endings_say_what_a_file_is() {
        let dir = folder(&["ca.crt", "b.crt", "client.cert", "client.key", "README", "z.cert", "z.key", "sub.crt/x"]);
        let found = Certificates::find(Some(dir.path()), &[], "any.io").unwrap();
        assert_eq!(names(&found), ["b.crt", "ca.crt", "client.cert", "client.key"]);
        assert_eq!(found.authorities[1].bytes, b"content of ca.crt");
        assert_eq!(found.identity.as_ref().unwrap().1.bytes, b"content of client.key");
        assert!(!format!("{found:?}").contains("bytes"));
    }

    #[test]
    fn the_first_folder_named_after_the_registry_counts() {
        let user = folder(&["other.io/ca.crt", "quay.io/user.crt"]);
        let system = folder(&["quay.io/system.crt", "quay.io:5000/port.crt", "empty.io/x/y", "secret.crt"]);
        let docker = folder(&["quay.io/docker.crt", "old.io/docker.crt", "empty.io/docker.crt"]);
        let missing = user.path().join("none");
        let certs_d = [missing, user.path().into(), system.path().into(), docker.path().into()];
        for (host, expected) in [
            ("quay.io", &["user.crt"][..]),
            ("quay.io:5000", &["port.crt"]),
            ("old.io", &["docker.crt"]),
            ("empty.io", &[]),
            ("none.io", &[]),
            (".", &[]),
            ("..", &[]),
            ("", &[]),
            ("quay.io/../old.io", &[]),
        ] {
            assert_eq!(names(&Certificates::find(None, &certs_d, host).unwrap()), expected, "{host}");
        }
        // A folder that the user names is for every registry.
        let named = docker.path().join("old.io");
        assert_eq!(names(&Certificates::find(Some(&named), &certs_d, "quay.io").unwrap()), ["docker.crt"]);
    }

    #[test]
    fn half_a_pair_is_an_error() {
        for (file, message) in [
            ("client.cert", "client.cert lacks client.key; the certificate of an authority ends in .crt"),
            ("client.key", "client.key lacks client.cert"),
        ] {
            let dir = folder(&[file]);
            let error = Certificates::find(Some(dir.path()), &[], "any.io").unwrap_err();
            assert_eq!(error.to_string(), format!("{}/{message}", dir.path().display()));
        }
    }

    #[test]
    fn a_folder_that_the_user_names_has_to_exist() {
        let dir = folder(&[]);
        let none = dir.path().join("none");
        let error = Certificates::find(Some(&none), &[], "any.io").unwrap_err();
        assert_eq!(error.to_string(), format!("read {}", none.display()));
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
