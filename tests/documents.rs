//! What the documents claim and a machine can check: links lead to files, and a test that is named exists.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `dir` with this ending.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let mut all = files(&top().join("docs"), ".md");
    all.extend(["README.md", "CONTRIBUTING.md", "vagrant/README.md"].map(|name| top().join(name)));
    all
}

/// What stands between `open` and `close`, once for each `open`.
fn between<'a>(text: &'a str, open: &str, close: char) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(inner, _)| inner).collect()
}

#[test]
fn links_lead_to_files() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in between(&text, "](", ')').into_iter().filter(|link| !link.contains("://")) {
            let path = document.parent().unwrap().join(link.split('#').next().unwrap_or_default());
            assert!(path.exists(), "{}: {link} is not there", document.display());
        }
    }
}

/// Fails unless the tests in the last column of the tables of a document exist, and are more than `least`.
fn assert_tests_exist(document: &str, least: usize) {
    let sources = ["src", "overlay-tests", "tests"].map(|dir| files(&top().join(dir), ".rs")).concat();
    let sources: String = sources.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let text = fs::read_to_string(top().join(document)).unwrap();
    let mut named = 0;
    for row in text.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            let name = test.rsplit("::").next().unwrap();
            // A name that ends in `_` stands for all tests that begin so.
            let forms = if test.ends_with('_') {
                vec![format!("fn {name}"), format!(" {name}")]
            } else {
                vec![format!("fn {name}("), format!(" {name} = "), format!("\"{name}\"")]
            };
            assert!(forms.iter().any(|form| sources.contains(form)), "{document}: no test {test}");
            named += 1;
        }
    }
    assert!(named > least, "{document}: only {named} tests are named");
}

#[test]
fn the_tests_that_stop_attacks_exist() {
    assert_tests_exist("docs/attacks.md", 30);
}

#[test]
fn the_tests_that_hold_faults_exist() {
    assert_tests_exist("docs/faults.md", 30);
}
