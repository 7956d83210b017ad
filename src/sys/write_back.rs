//! Telling the kernel early what is to go to disk, so that the one `syncfs` at the end finds it gone.
#![expect(unsafe_code, reason = "no crate that we use has sync_file_range(2)")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// So many bytes are worth a call.
const STRETCH: u64 = 8 << 20;

/// How far a file that is written from its beginning to its end is on its way to disk.
#[derive(Debug, Default)]
pub struct WriteBack {
    begun: u64,
}

impl WriteBack {
    /// Begins to write what is new, if that is worth it; `written` bytes are in the file. Nobody waits, and nothing depends
    /// on it: errors show in `syncfs`.
    pub fn written(&mut self, file: BorrowedFd<'_>, written: u64) {
        let new = written.saturating_sub(self.begun);
        if new < STRETCH {
            return;
        }
        if let (Ok(offset), Ok(len)) = (i64::try_from(self.begun), i64::try_from(new)) {
            // SAFETY: the descriptor is open for the whole call, and no memory is passed.
            let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
        }
        self.begun = written;
    }
}
