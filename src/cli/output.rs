//! Results on stdout. A reader that went away (`| head`) ends the command quietly; a full disk does not.

use std::io::{self, Write};

use rootlay::{Error, Result};

use super::failure::{Failure, Outcome};

/// Where a command writes its results.
pub struct Output<W: Write = io::Stdout> {
    to: W,
}

impl Output {
    /// This process's stdout.
    pub fn stdout() -> Self {
        Self { to: io::stdout() }
    }
}

impl<W: Write> Output<W> {
    /// Writes a line.
    pub fn line(&mut self, text: &str) -> Outcome {
        self.raw_line(text.as_bytes())
    }

    /// Writes a line that need not be text: a path.
    pub fn raw_line(&mut self, bytes: &[u8]) -> Outcome {
        let mut line = Vec::with_capacity(bytes.len() + 1);
        line.extend_from_slice(bytes);
        line.push(b'\n');
        self.raw(&line)
    }

    /// Writes the name of each piece of work that was done; what failed is collected.
    pub fn names(&mut self, results: impl IntoIterator<Item = Result<String>>) -> Outcome {
        let mut errors = Vec::new();
        for result in results {
            match result {
                Ok(name) => self.line(&name)?,
                Err(error) => errors.push(error.into()),
            }
        }
        Failure::unless_empty(errors)
    }

    /// Writes lines, all at once.
    pub fn lines(&mut self, lines: impl IntoIterator<Item = String>) -> Outcome {
        let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        self.raw(text.as_bytes())
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Outcome {
        self.to.write_all(bytes).map_err(closed_or_failed)
    }

    /// Makes sure that everything was written.
    pub fn flush(&mut self) -> Outcome {
        self.to.flush().map_err(closed_or_failed)
    }
}

fn closed_or_failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Error::io("write to stdout", error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_not_an_error_but_other_failures_are() {
        let mut closed = Output { to: Broken(io::ErrorKind::BrokenPipe) };
        assert!(matches!(closed.line("x"), Err(Failure::ClosedPipe)));
        let mut full = Output { to: Broken(io::ErrorKind::StorageFull) };
        assert!(matches!(full.line("x"), Err(Failure::Errors { .. })));
    }

    #[test]
    fn a_path_is_written_byte_for_byte() {
        let mut out = Output { to: Vec::new() };
        assert!(out.raw_line(b"/m\xff").is_ok());
        assert_eq!(out.to, b"/m\xff\n");
    }
}
