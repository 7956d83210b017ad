//! The rules of `docs/architecture.md` that a machine can check: ranks of modules, file length, the fence round
//! `unsafe` and `libc`, names that say nothing, work left open. The checker has tests of its own.

use std::path::{Path, PathBuf};

#[path = "architecture/checker.rs"]
mod checker;
#[path = "architecture/tokens.rs"]
mod tokens;

use tokens::{Token, tokens};

/// A module names only modules of lower ranks. `error` may be named by all; the modules of the binary are one unit.
const RANKS: &[(&str, u8)] = &[
    ("error", 0),
    ("cancel", 0),
    ("progress", 0),
    ("chunks", 0),
    ("sys", 0),
    ("compression", 1),
    ("oci", 1),
    ("hashing", 2),
    ("content", 3),
    ("layer", 3),
    ("mount", 3),
    ("source", 3),
    ("store", 4),
    ("ops", 5),
    ("fuzzing", 5),
    ("cli", 6),
    ("main", 6),
];

/// The rank of the binary.
const BINARY: u8 = 6;

/// What the binary may use of the library.
const PUBLIC: &[&str] = &["cancel", "error", "oci", "ops", "progress"];

const MAX_LINES: usize = 400;
const NAMES_THAT_SAY_NOTHING: &[&str] = &["common", "core", "helper", "helpers", "misc", "util", "utils"];

/// The modules that a file's path stands for: `layer/tar/mod.rs` is `[layer, tar]`, `error.rs` is `[error]`.
fn module_path(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// The first names of a path or `use` tree that begins at `at`: `a::b` has one, `{a::b, c}` two.
fn heads(tokens: &[Token], at: usize) -> Vec<&Token> {
    let Some(first) = tokens.get(at) else {
        return Vec::new();
    };
    if first.text != "{" {
        return vec![first];
    }
    let mut depth = 0;
    let mut found = Vec::new();
    for (offset, token) in tokens[at..].iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(token.text.as_str(), "{" | ",") {
            found.extend(tokens.get(at + offset + 1).filter(|next| next.text != "}"));
        }
    }
    found
}

/// Every name that a file takes from the top of its crate or of the library, with its line.
fn names_from_the_top(path: &[String], tokens: &[Token]) -> Vec<(String, usize)> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let is_path = |index: usize| text(index + 1) == ":" && text(index + 2) == ":";
    let follows_path = |index: usize| index >= 2 && text(index - 1) == ":" && text(index - 2) == ":";
    let mut found = Vec::new();
    let mut braces: Vec<bool> = Vec::new();
    for index in 0..tokens.len() {
        let start = match text(index) {
            "{" => {
                braces.push(index >= 2 && text(index - 2) == "mod");
                continue;
            }
            "}" => {
                braces.pop();
                continue;
            }
            "crate" | "rootlay" if is_path(index) && !follows_path(index) => index + 3,
            "super" if is_path(index) && !follows_path(index) => {
                let mut depth = path.len() + braces.iter().filter(|&&is_module| is_module).count();
                let mut next = index;
                while text(next) == "super" && is_path(next) {
                    depth = depth.saturating_sub(1);
                    next += 3;
                }
                if depth > 0 {
                    continue;
                }
                next
            }
            _ => continue,
        };
        found.extend(heads(tokens, start).iter().map(|token| (token.text.clone(), token.line)));
    }
    found
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// What is wrong with one file, given by its path below `src`.
fn check(file: &str, source: &str) -> Vec<String> {
    let path = module_path(Path::new(file));
    let own = path[0].as_str();
    let tokens = tokens(source);
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut wrong = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        wrong.push(format!("{file}: {lines} lines, at most {MAX_LINES}"));
    }
    for name in path.iter().filter(|name| NAMES_THAT_SAY_NOTHING.contains(&name.as_str())) {
        wrong.push(format!("{file}: a module named {name}"));
    }
    if own == "lib" {
        return wrong;
    }
    let Some(own_rank) = rank(own) else {
        wrong.push(format!("{file}: module {own} has no rank"));
        return wrong;
    };
    for (name, line) in names_from_the_top(&path, &tokens) {
        if name == "*" {
            wrong.push(format!("{file}:{line}: a glob over the top of the crate hides what is named"));
        }
        let Some(other) = rank(&name) else { continue };
        let of_the_binary = own_rank == BINARY && (other == BINARY || PUBLIC.contains(&name.as_str()));
        let lower = own_rank < BINARY && (other < own_rank || name == "error");
        if name != own && !of_the_binary && !lower {
            wrong.push(format!("{file}:{line}: {own} (rank {own_rank}) names {name} (rank {other})"));
        }
    }
    for (index, token) in tokens.iter().enumerate() {
        let line = token.line;
        match token.text.as_str() {
            "unsafe" if own != "sys" => {
                wrong.push(format!("{file}:{line}: unsafe outside src/sys"));
            }
            "libc" if own != "sys" => {
                let named = text(index + 3);
                // An errno constant needs no fence: it is a number that std::io::Error hands out too.
                let errno =
                    named.starts_with('E') && named.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
                if !(file == "error.rs" && errno) {
                    wrong.push(format!("{file}:{line}: libc outside src/sys"));
                }
            }
            "todo" | "unimplemented" if text(index + 1) == "!" => {
                wrong.push(format!("{file}:{line}: {}! is work left open", token.text));
            }
            "mod" if NAMES_THAT_SAY_NOTHING.contains(&text(index + 1)) => {
                wrong.push(format!("{file}:{line}: a module named {}", text(index + 1)));
            }
            _ => {}
        }
    }
    wrong
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn the_source_keeps_the_rules() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files).unwrap();
    assert!(files.len() > 10, "only {} files below {}", files.len(), src.display());
    files.sort();
    let mut wrong = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        wrong.extend(check(&file.strip_prefix(&src).unwrap().to_string_lossy(), &source));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
