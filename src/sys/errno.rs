//! System call failures, printed the way strace prints them.

use std::fmt;
use std::io;

use nix::errno::Errno;

use crate::error::Error;

/// A failed system call: its name, the object, the error number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysError {
    call: &'static str,
    object: String,
    errno: Errno,
    /// The object is of another type than it has to be.
    other_type: bool,
}

/// The result of a wrapped system call.
pub type SysResult<T> = Result<T, SysError>;

impl SysError {
    /// Records that `call` on `object` failed with `errno`. The object is printed escaped.
    pub fn new(call: &'static str, object: &[u8], errno: rustix::io::Errno) -> Self {
        Self { call, object: escape(object), errno: Errno::from_raw(errno.raw_os_error()), other_type: false }
    }

    /// What was opened is no regular file. No call says so: the error number is that of reading a directory.
    pub fn not_a_file(object: &[u8]) -> Self {
        Self { call: "fstat", object: escape(object), errno: Errno::EISDIR, other_type: true }
    }

    /// Whether what was opened is no regular file.
    pub fn is_not_a_file(&self) -> bool {
        self.other_type
    }

    /// The same for a call of the standard library.
    pub fn from_io(call: &'static str, object: &[u8], error: &io::Error) -> Self {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        Self { call, object: escape(object), errno, other_type: false }
    }

    /// The error number.
    pub fn errno(&self) -> Errno {
        self.errno
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, object, errno, other_type } = self;
        if *other_type {
            return write!(f, "\"{object}\" is not a regular file");
        }
        write!(f, "{call}(\"{object}\"): {errno:?} ({})", errno.desc().to_lowercase())
    }
}

impl std::error::Error for SysError {}

impl From<SysError> for Error {
    fn from(error: SysError) -> Self {
        let kind = Self::from(io::Error::from(error.errno)).kind();
        Self::new(kind, error.to_string())
    }
}

/// Longest name that a message shows whole. Those of an archive may have a mebibyte.
const SHOWN: usize = 1024;

/// Writes bytes from an image so that they are safe on a terminal: printable ASCII stays, the rest is `\xHH`. Of what is
/// too long for a line, the middle is left out.
pub fn escape(raw: &[u8]) -> String {
    if raw.len() > SHOWN {
        let (start, end) = (&raw[..SHOWN / 2], &raw[raw.len() - SHOWN / 2..]);
        return format!("{}[{} bytes]{}", escape(start), raw.len() - SHOWN, escape(end));
    }
    let mut out = String::with_capacity(raw.len());
    for &byte in raw {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                use fmt::Write as _;
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_136_names_of_any_length_fit_into_a_line() {
        assert_eq!(escape(&[b'n'; SHOWN]).len(), SHOWN);
        let shown = escape(&[&b"begin"[..], &vec![b'/'; 1 << 20], b"end"].concat());
        assert!(shown.starts_with("begin//") && shown.ends_with("//end"), "{shown}");
        assert!(shown.contains("[1047560 bytes]") && shown.len() < 2 * SHOWN, "{shown}");
    }

    #[test]
    fn prints_like_strace_with_escaped_names() {
        let error = SysError::new("openat2", b"a\nb\xff", rustix::io::Errno::NOENT);
        assert_eq!(error.to_string(), "openat2(\"a\\x0ab\\xff\"): ENOENT (no such file or directory)");
    }
}
