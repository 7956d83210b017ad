//! Runs the corpus once, or the given files: `replay [TARGET [FILE]...]`. Needs neither `cargo fuzz` nor libFuzzer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rootlay_fuzz::{TARGETS, Target};

fn run(name: &str, target: Target, files: &[PathBuf]) -> std::io::Result<bool> {
    let mut failed = Vec::new();
    for file in files {
        let input = std::fs::read(file)?;
        if std::panic::catch_unwind(|| target(&input)).is_err() {
            failed.push(file);
        }
    }
    println!("{name}: {} inputs, {} failed", files.len(), failed.len());
    for file in &failed {
        println!("  {}", file.display());
    }
    Ok(failed.is_empty())
}

/// The files of a target that were kept: its corpus, and what fuzzing found.
fn kept(name: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["corpus", "artifacts"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
        if folder.is_dir() {
            for entry in std::fs::read_dir(folder)? {
                files.push(entry?.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn main() -> std::io::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let wanted = arguments.next();
    let files: Vec<OsString> = arguments.collect();
    let mut ok = true;
    let mut known = false;
    for &(name, target) in TARGETS {
        if wanted.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        known = true;
        let files = if files.is_empty() { kept(name)? } else { files.iter().map(PathBuf::from).collect() };
        ok &= !files.is_empty() & run(name, target, &files)?;
    }
    if !known {
        eprintln!("replay: no such target");
    }
    Ok(if ok && known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
