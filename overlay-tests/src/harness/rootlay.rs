//! The program as a black box: its exit code and what it printed.

use std::os::unix::process::ExitStatusExt as _;
use std::process;

/// What a run of the program left.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; negative: the signal that it died of.
    pub code: i32,
    /// Results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
    /// For messages: what was run.
    pub command: String,
}

impl Output {
    pub(crate) fn new(command: String, output: &process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            command,
        }
    }

    /// Fails unless the program ended with this code.
    #[track_caller]
    #[must_use = "`exits` returns the output; use `ok` where only success matters"]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "{}\nexit code {} instead of {code}\nstdout: {}\nstderr: {}",
            self.command, self.code, self.stdout, self.stderr
        );
        self
    }

    /// The standard output of a run that ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        self.exits(0).stdout
    }

    /// Fails unless standard error says this.
    #[track_caller]
    #[must_use = "`says` returns the output"]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{}\n`{text}` is not in stderr: {}", self.command, self.stderr);
        self
    }

    /// Fails unless standard error is one line, which is returned. Warnings may stand before it, and a
    /// hint behind it, but no hint where an image was refused.
    #[track_caller]
    pub fn one_line(&self) -> &str {
        let mut all = self.stderr.trim_end_matches('\n');
        while let Some((_, rest)) = all.strip_prefix("Warning: ").and_then(|tail| tail.split_once('\n')) {
            all = rest;
        }
        let line = all.split_once("\nhint: ").filter(|_| self.code != 3).map_or(all, |(line, _)| line);
        assert!(!line.is_empty() && !line.contains('\n'), "{}\nnot one line: {:?}", self.command, self.stderr);
        line
    }
}
