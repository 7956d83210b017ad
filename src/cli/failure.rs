//! How a command ends: the exit codes that scripts rely on, and the words on stderr.

use std::error::Error as StdError;

use rootlay::{Error, ErrorKind};

use super::printable;

/// Wrong usage: flags, unknown commands, argument counts.
pub const USAGE: u8 = 125;

/// The end of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// One or more things went wrong. Each is printed; the first that is not forgiven decides the exit code.
    Errors(Vec<Told>),
    /// A template is wrong. Each error is printed, and this is the exit code.
    Template(Vec<Told>, u8),
    /// Nobody reads the results any more. Nothing is printed, and it is no failure.
    ClosedPipe,
    /// The exit code is the answer; there is nothing to say.
    Silent(u8),
}

/// An error that will be printed.
#[derive(Debug)]
pub struct Told {
    /// What went wrong.
    pub error: Error,
    /// Printed, but not counted (`rmi -f` of an image that is not there).
    pub forgiven: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Errors(vec![error.into()])
    }
}

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        Self { error, forgiven: false }
    }
}

impl Failure {
    /// What was wrong with the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, message).into()
    }

    /// `Ok` where nothing was collected.
    pub fn unless_empty(errors: Vec<Told>) -> Outcome {
        if errors.is_empty() { Ok(()) } else { Err(Self::Errors(errors)) }
    }

    /// What is to be printed.
    pub fn errors(&self) -> &[Told] {
        match self {
            Self::Errors(errors) | Self::Template(errors, _) => errors,
            Self::ClosedPipe | Self::Silent(_) => &[],
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Errors(errors) => {
                errors.iter().find(|told| !told.forgiven).map_or(0, |told| exit_code(told.error.kind()))
            }
            Self::ClosedPipe => 0,
            Self::Silent(code) | Self::Template(_, code) => *code,
        }
    }
}

/// The failures of several pieces of work, where one does not keep the others from being done.
#[derive(Debug, Default)]
pub struct Failures(Vec<Told>);

impl Failures {
    /// The result of one piece of work, if it was done.
    ///
    /// # Errors
    /// What ends the command at once: a signal, and a reader that went away.
    pub fn keep<T>(&mut self, outcome: Outcome<T>) -> Outcome<Option<T>> {
        let mut errors = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(Failure::Errors(errors)) => errors,
            Err(other) => return Err(other),
        };
        if errors.iter().any(|told| matches!(told.error.kind(), ErrorKind::Interrupted(_))) {
            // The signal decides the exit code, so it stands in front.
            errors.append(&mut self.0);
            return Err(Failure::Errors(errors));
        }
        self.0.append(&mut errors);
        Ok(None)
    }

    /// `Ok` where nothing failed.
    pub fn end(self) -> Outcome {
        Failure::unless_empty(self.0)
    }
}

/// The exit code for an error of this kind.
pub fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InUse => 2,
        ErrorKind::Refused => 3,
        ErrorKind::Permission | ErrorKind::Unsupported => 4,
        ErrorKind::Unreachable => 10,
        ErrorKind::Authentication => 11,
        ErrorKind::NotInRegistry => 12,
        ErrorKind::RateLimited => 13,
        ErrorKind::DigestMismatch => 14,
        ErrorKind::Usage => USAGE,
        ErrorKind::Interrupted(signal) => by_signal(signal),
        _ => 1,
    }
}

/// The exit code of a command that a signal ended, as a shell counts it.
pub fn by_signal(signal: i32) -> u8 {
    u8::try_from(signal).map_or(1, |signal| signal.saturating_add(128))
}

/// The error and its causes in one line, each said once.
pub fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.contains(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        cause = error.source();
    }
    if error.kind() == ErrorKind::NoSpace {
        // The C library writes it with a capital letter, and a quota has words of its own.
        text = text.replace("No space left", "no space left");
        if !text.contains("no space left") {
            text.push_str(": no space left");
        }
    }
    // What a message quotes may hold line ends, but the message is one line.
    printable::word(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        for (kind, code) in [
            (ErrorKind::Failed, 1),
            (ErrorKind::NotFound, 1),
            (ErrorKind::Conflict, 1),
            (ErrorKind::NoSpace, 1),
            (ErrorKind::InUse, 2),
            (ErrorKind::Refused, 3),
            (ErrorKind::Permission, 4),
            (ErrorKind::Unsupported, 4),
            (ErrorKind::Unreachable, 10),
            (ErrorKind::Authentication, 11),
            (ErrorKind::NotInRegistry, 12),
            (ErrorKind::RateLimited, 13),
            (ErrorKind::DigestMismatch, 14),
            (ErrorKind::Usage, 125),
            (ErrorKind::Interrupted(2), 130),
            (ErrorKind::Interrupted(15), 143),
        ] {
            assert_eq!(exit_code(kind), code, "{kind:?}");
        }
    }

    #[test]
    fn the_first_error_that_counts_decides() {
        let told = |kind, forgiven| Told { error: Error::new(kind, "x"), forgiven };
        let code = |errors| Failure::Errors(errors).exit_code();
        assert_eq!(code(vec![told(ErrorKind::InUse, false), told(ErrorKind::NotFound, false)]), 2);
        assert_eq!(code(vec![told(ErrorKind::NotFound, true), told(ErrorKind::InUse, false)]), 2);
        assert_eq!(code(vec![told(ErrorKind::NotFound, true)]), 0);
        assert_eq!(Failure::ClosedPipe.exit_code(), 0);
    }

    #[test]
    fn a_signal_ends_a_series_and_an_error_does_not() {
        let failed = |kind| -> Outcome { Err(Error::new(kind, "x").into()) };
        let mut failures = Failures::default();
        assert!(matches!(failures.keep(Ok(5)), Ok(Some(5))));
        assert!(matches!(failures.keep(failed(ErrorKind::NotInRegistry)), Ok(None)));
        let ended = failures.keep(failed(ErrorKind::Interrupted(2))).unwrap_err();
        assert_eq!(ended.exit_code(), 130);
        assert!(matches!(&ended, Failure::Errors(errors) if errors.len() == 2));
        let mut failures = Failures::default();
        assert!(matches!(failures.keep::<()>(Err(Failure::ClosedPipe)), Err(Failure::ClosedPipe)));
        assert!(matches!(failures.keep(failed(ErrorKind::RateLimited)), Ok(None)));
        assert_eq!(failures.end().unwrap_err().exit_code(), 13);
        assert!(Failures::default().end().is_ok());
    }

    #[test]
    fn each_cause_is_printed_once() {
        let error = Error::new(ErrorKind::Failed, "layer 1: bad header").context("unpack busybox");
        assert_eq!(text(&error), "unpack busybox: layer 1: bad header");
        let cause = io::Error::other("boom");
        let error = Error::io("read x: boom", cause).context("load");
        assert_eq!(text(&error), "load: read x: boom");
        let carried = Error::from(Error::refused("bad").into_io()).context("outer");
        assert_eq!(text(&carried), "outer: bad");
    }

    #[test]
    fn a_full_disk_always_says_no_space_left() {
        let full = Error::io("write x", io::Error::from_raw_os_error(28));
        assert!(text(&full).contains("no space left"), "{}", text(&full));
        let quota = Error::io("write x", io::Error::from_raw_os_error(122));
        assert!(text(&quota).contains("no space left"), "{}", text(&quota));
    }

    #[test]
    fn an_error_is_one_line() {
        let error = Error::new(ErrorKind::Refused, "bad number: `a\nb`");
        assert_eq!(text(&error), "bad number: `a\\nb`");
    }
}
