//! The outer process: lists cases, starts one process for each, and reports.

use std::io::Read as _;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use libtest_mimic::{Arguments, Failed, Trial};

use super::case::Case;
use super::deny;
use super::measure;
use super::sandbox;
use crate::block;

/// Tells a child which case it is.
pub(super) const CASE: &str = "OVERLAY_TESTS_CASE";
/// Tells a child what it has to do.
pub(crate) const STAGE: &str = "OVERLAY_TESTS_STAGE";
/// Tells a child its scratch directory.
pub(super) const SCRATCH: &str = "OVERLAY_TESTS_SCRATCH";

/// The `main` of the suite.
pub fn run_suite(cases: Vec<Case>) -> ExitCode {
    if let Ok(stage) = env::var(STAGE) {
        match stage.as_str() {
            "deny" => return deny::child(),
            "measure" => return measure::child(),
            "trace" => return crate::trace::child(),
            block::STAGE => return block::serve(),
            _ => {}
        }
        let name = env::var(CASE).unwrap();
        let case = cases.iter().find(|case| case.name == name).unwrap();
        return sandbox::child(&stage, case);
    }
    let require = env::var_os("OVERLAY_TESTS_REQUIRE").is_some_and(|value| value == "1");
    let arguments = Arguments::from_args();
    // To ask for what a case needs may take longer than the cases that are wanted.
    let wanted = |case: &Case| arguments.filter.as_ref().is_none_or(|filter| case.name.contains(filter.as_str()));
    let trials = cases.into_iter().filter(wanted).map(|case| trial(case, require)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// An unmet need makes a case ignored, visibly; or a failure where all needs have to be met.
fn trial(case: Case, require: bool) -> Trial {
    let unmet: Vec<String> = case.needs.iter().filter_map(|need| need.unmet()).collect();
    let blameless = case.needs.iter().any(|need| need.is_of_the_machine() && need.unmet().is_some());
    if unmet.is_empty() {
        let name = case.name.clone();
        return Trial::test(name, move || run_case(&case));
    }
    let reason = format!("needs {}", unmet.join(", "));
    let failure = reason.clone();
    Trial::test(format!("{} [{reason}]", case.name), move || Err(Failed::from(failure)))
        .with_ignored_flag(!require || blameless)
}

fn run_case(case: &Case) -> Result<(), Failed> {
    let scratch = tempfile::Builder::new().prefix("overlay-tests-").tempdir()?;
    let (mut reader, writer) = io::pipe()?;
    let mut child = Command::new(env::current_exe()?)
        .env(STAGE, "enter")
        .env(CASE, &case.name)
        .env(SCRATCH, scratch.path())
        .stdin(std::process::Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()?;
    let output = thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let timeout = case.timeout * patience();
    let status = wait(&mut child, timeout)?;
    let output = output.join().map_err(|_| "the reader of the output panicked")??;
    // The mounts went with the namespace; what is left is the empty directory itself.
    let left = fs::read_dir(scratch.path())?.count();
    match status {
        None => Err(format!("{output}\nno end after {} s", timeout.as_secs()).into()),
        Some(status) if !status.success() => Err(format!("{output}\n{status}").into()),
        Some(_) if left != 0 => Err(format!("{output}\n{left} files left in the scratch directory").into()),
        Some(_) => Ok(()),
    }
}

/// `OVERLAY_TESTS_PATIENCE`: how many times slower than usual this machine is.
fn patience() -> u32 {
    env::var("OVERLAY_TESTS_PATIENCE").ok().and_then(|value| value.parse().ok()).unwrap_or(1)
}

fn wait(child: &mut Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + timeout;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
