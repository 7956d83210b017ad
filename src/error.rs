//! The one error type of the crate.
//!
//! [`Error`] is opaque: callers branch on [`Error::kind`], people read its [`Display`](fmt::Display),
//! which says what was tried on which object, and its [`source`](std::error::Error::source) chain, which says why.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error means for the caller. The command line maps each kind to one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Anything that has no kind of its own, most I/O errors among them.
    Failed,
    /// The image, view, file or tag that was named does not exist.
    NotFound,
    /// The name is taken, or what was asked contradicts what is there.
    Conflict,
    /// A view is in use, or an image is used by one.
    InUse,
    /// The image or archive was refused: corrupt, unsafe or unsupported content.
    Refused,
    /// A capability or permission is missing.
    Permission,
    /// The kernel or the file system lacks what is needed.
    Unsupported,
    /// The file system or the quota is full (`ENOSPC`, `EDQUOT`).
    NoSpace,
    /// What the caller asked for is not a valid request (a bad reference, a bad option).
    Usage,
    /// A registry, or another server on the way to it, cannot be reached or does not answer as it should.
    Unreachable,
    /// A registry wants other credentials, or does not allow this to whoever they belong to.
    Authentication,
    /// The registry does not have the repository, the tag, the manifest or the blob.
    NotInRegistry,
    /// The registry wants fewer requests (HTTP status 429).
    RateLimited,
    /// What a registry sent does not have the digest or the size that was promised.
    DigestMismatch,
    /// The operation was cancelled by this signal.
    Interrupted(i32),
}

/// What failed, on which object, and why.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    /// An error without a cause. The message is lower case and has no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    /// An error with its cause.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync + 'static>>,
    ) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: Some(source.into()) }))
    }

    /// Content was refused ([`ErrorKind::Refused`]).
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// An I/O error; the kind follows from its `errno`.
    pub fn io(message: impl Into<String>, source: io::Error) -> Self {
        // A reader of ours may have carried an `Error` through `io::Error`: its kind must not be lost.
        let kind = match source.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(inner) => inner.kind(),
            None => kind_of_io(&source),
        };
        Self::with_source(kind, message, source)
    }

    /// What this error means.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The same error as the cause of another one, which keeps its kind.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let kind = self.kind();
        Self::with_source(kind, message, self)
    }

    /// The cause at the bottom of this error, as far down as causes are errors of this crate: for what has nothing to
    /// do with the object that was at hand when it came up.
    #[must_use]
    pub fn innermost(self) -> Self {
        let Inner { kind, message, source } = *self.0;
        let with = |source| Self(Box::new(Inner { kind, message, source }));
        let Some(cause) = source else { return with(None) };
        match cause.downcast::<Self>() {
            Ok(inner) => inner.innermost(),
            Err(cause) => match cause.downcast::<io::Error>().map(|error| error.downcast::<Self>()) {
                Ok(Ok(inner)) => inner.innermost(),
                Ok(Err(error)) => with(Some(error.into())),
                Err(cause) => with(Some(cause)),
            },
        }
    }

    /// Carries this error through an interface that only knows `io::Error`; [`Error::from`] takes it out again.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

/// The kind that an `errno` stands for.
fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.raw_os_error() {
        Some(libc::ENOENT) => ErrorKind::NotFound,
        Some(libc::ENOSPC | libc::EDQUOT) => ErrorKind::NoSpace,
        Some(libc::EPERM | libc::EACCES) => ErrorKind::Permission,
        Some(libc::EOPNOTSUPP | libc::ENOSYS) => ErrorKind::Unsupported,
        _ => ErrorKind::Failed,
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(inner) => inner,
            Err(error) => {
                let kind = kind_of_io(&error);
                Self(Box::new(Inner { kind, message: error.to_string(), source: None }))
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

/// Adds what was tried to an error on its way up; the kind stays.
pub trait Context<T> {
    /// Wraps the error with a message that is only built when there is one.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().context(message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_io_error() {
        let io = Error::refused("layer 1: bad checksum").into_io();
        let back = Error::from(io);
        assert_eq!(back.kind(), ErrorKind::Refused);
        assert_eq!(back.to_string(), "layer 1: bad checksum");
    }

    #[test]
    fn errno_decides_the_kind() {
        for (errno, kind) in [
            (libc::ENOENT, ErrorKind::NotFound),
            (libc::ENOSPC, ErrorKind::NoSpace),
            (libc::EDQUOT, ErrorKind::NoSpace),
            (libc::EPERM, ErrorKind::Permission),
            (libc::EIO, ErrorKind::Failed),
        ] {
            assert_eq!(Error::from(io::Error::from_raw_os_error(errno)).kind(), kind);
            assert_eq!(Error::io("write", io::Error::from_raw_os_error(errno)).kind(), kind);
        }
    }

    #[test]
    fn the_innermost_error_has_its_own_cause() {
        let deep = || Error::with_source(ErrorKind::Unreachable, "deep", "cause");
        for error in [
            deep(),
            deep().context("outer").context("outermost"),
            Error::io("read", deep().context("inner").into_io()).context("outer"),
        ] {
            let innermost = error.innermost();
            assert_eq!((innermost.kind(), innermost.to_string().as_str()), (ErrorKind::Unreachable, "deep"));
            assert_eq!(innermost.source().map(ToString::to_string).as_deref(), Some("cause"));
        }
        let io = Error::io("read x", io::Error::from_raw_os_error(libc::EIO)).innermost();
        assert_eq!(io.to_string(), "read x");
        assert!(io.source().is_some());
    }

    #[test]
    fn context_keeps_kind_and_cause() {
        let error = Error::refused("inner").context("outer");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(error.to_string(), "outer");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("inner"));
    }
}
