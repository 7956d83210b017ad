//! Makes a plain, seekable file of any stream: standard input, pipes, compressed archives.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use crate::cancel::Cancel;
use crate::compression::{Compression, MAGIC, ZSTD_WINDOW_LOG, decompress};
use crate::error::{Error, Result};
use crate::sys::dir::Dir;
use crate::sys::errno::SysError;

const BUFFER: usize = 1 << 18;

/// The same bytes as `file`, decompressed, as a regular file that can be read at any place. A plain regular file
/// is itself; everything else is copied into `scratch` under no name.
///
/// # Errors
/// Refused, if a compressed stream is damaged or cut.
pub(super) fn seekable(mut file: File, scratch: &Dir, cancel: &Cancel) -> Result<File> {
    let fail = |error: io::Error| Error::from(SysError::from_io("read", b"archive", &error));
    let regular = file.metadata().map_err(fail)?.is_file();
    // Another program may have read the beginning of standard input.
    let mut magic = Vec::with_capacity(MAGIC);
    if regular && file.stream_position().map_err(fail)? == 0 {
        magic.resize(MAGIC, 0);
        let count = file.read_at(&mut magic, 0).map_err(fail)?;
        magic.truncate(count);
        return match Compression::detect(&magic) {
            Compression::None => Ok(file),
            _ => copy(file, scratch, cancel),
        };
    }
    (&mut file).take(MAGIC as u64).read_to_end(&mut magic).map_err(fail)?;
    copy(Cursor::new(magic).chain(file), scratch, cancel)
}

fn copy(input: impl Read + Send + 'static, scratch: &Dir, cancel: &Cancel) -> Result<File> {
    let (mut plain, _) = decompress(Box::new(input), ZSTD_WINDOW_LOG)?;
    let mut spool = nameless(scratch)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        cancel.check()?;
        let count = match plain.read(&mut buffer) {
            Ok(0) => return Ok(spool),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(error)),
        };
        let fail = |error| SysError::from_io("write", b"spooled archive", &error);
        spool.write_all(&buffer[..count]).map_err(fail)?;
    }
}

/// What went wrong in a stream: its format, or the input below.
pub(super) fn damaged(error: io::Error) -> Error {
    Error::from(error).context("damaged or cut stream")
}

/// A file in `scratch` whose name is removed at once.
fn nameless(scratch: &Dir) -> Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!("spool-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        match scratch.create_file(name.as_bytes(), 0o600) {
            Ok(file) => {
                scratch.remove_file(name.as_bytes())?;
                return Ok(file);
            }
            Err(error) if error.errno() == Errno::EEXIST => {}
            Err(error) => return Err(error.into()),
        }
    }
}
