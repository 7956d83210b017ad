//! Every dependency has a licence that `deny.toml` allows, those of the fuzz targets too. `cargo deny` says the same where
//! it is installed.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

/// What `deny.toml` says about licences.
#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

/// Licences that one crate may have besides.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

impl Licences {
    fn of(&self, name: &str) -> Vec<String> {
        let exceptions = self.exceptions.iter().filter(|exception| exception.name == name);
        self.allow.iter().chain(exceptions.flat_map(|exception| &exception.allow)).cloned().collect()
    }
}

/// Whether an SPDX expression can be met with the allowed licences. Parentheses, `OR` below `AND` below `WITH`;
/// an old-style slash means `OR`.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&words, &mut at, allowed);
    met && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at, allowed);
    }
    met
}

fn both(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(&word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if word == "(" {
        let met = either(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    let mut licence = word.to_owned();
    if let (Some(&"WITH"), Some(exception)) = (words.get(*at), words.get(*at + 1)) {
        *at += 2;
        licence = format!("{word} WITH {exception}");
    }
    allowed.contains(&licence)
}

/// All packages that a lock file names and this platform needs, with those of every feature.
fn packages(manifest: &str) -> Vec<Value> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", &target])
        .args(["--manifest-path", manifest])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let deny = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap();
    let Rules { licenses } = toml::from_str(&deny).unwrap();
    for (manifest, one_of_them) in [("Cargo.toml", "flate2"), ("fuzz/Cargo.toml", "libfuzzer-sys")] {
        let packages = packages(manifest);
        assert!(packages.iter().any(|package| package["name"] == one_of_them), "{manifest}: no {one_of_them}");
        let bad: Vec<String> = packages
            .iter()
            .filter(|package| {
                let allowed = licenses.of(package["name"].as_str().unwrap());
                !package["license"].as_str().is_some_and(|licence| is_met(licence, &allowed))
            })
            .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
            .collect();
        assert!(bad.is_empty(), "{manifest}: licences that deny.toml does not allow:\n{}", bad.join("\n"));
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT".to_owned(), "Zlib".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
    for met in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "MIT AND Zlib",
        "(GPL-3.0 OR MIT) AND Zlib",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND GPL-3.0", "Apache-2.0", "(MIT", "MIT Zlib"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}
