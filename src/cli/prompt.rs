//! Questions on the terminal.

use std::io::{self, Write as _};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rootlay::cancel::Cancel;
use rootlay::ops::Secret;
use rootlay::{Error, ErrorKind, Result};

/// How soon a signal is noticed.
const BEAT: Duration = Duration::from_millis(50);

/// Asks for a line of text, which is shown while it is typed. The white space around it does not count.
pub fn line(question: &str, cancel: &Cancel) -> Result<String> {
    let mut stderr = io::stderr();
    // Without the question there may still be an answer.
    let _ = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    let (sender, receiver) = sync_channel(1);
    // A read of a terminal cannot be cancelled: the thread ends with the process.
    let reader = move || {
        let mut answer = String::new();
        let _ = sender.send(io::stdin().read_line(&mut answer).map(|_| answer));
    };
    thread::Builder::new().spawn(reader).map_err(|error| Error::io("start a thread", error))?;
    loop {
        match receiver.recv_timeout(BEAT) {
            Ok(answer) => {
                let answer = answer.map_err(|error| Error::io("read the answer", error))?;
                if !answer.ends_with('\n') {
                    // Ctrl-D leaves the cursor behind the question.
                    let _ = stderr.write_all(b"\n");
                }
                return Ok(answer.trim().to_owned());
            }
            Err(RecvTimeoutError::Timeout) => cancel.check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Error::new(ErrorKind::Failed, "no answer")),
        }
    }
}

/// Asks for something that nobody may see.
pub fn secret(question: &str, cancel: &Cancel) -> Result<Secret> {
    let answer = rpassword::prompt_password(question);
    cancel.check()?;
    answer.map(Secret::new).map_err(|error| match error.kind() {
        // The terminal was raw: Ctrl-C came as a letter, and the signal may still be on its way.
        io::ErrorKind::Interrupted => Error::new(ErrorKind::Interrupted(signal_hook::consts::SIGINT), "interrupted"),
        _ => Error::io("read the password", error),
    })
}
