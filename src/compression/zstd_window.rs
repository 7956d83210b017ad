//! Large zstd windows one at a time: a frame may ask for 128 MiB, and many layers are unpacked at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// Windows up to this size are not counted: what every decoder must support (RFC 8878, 3.1.1.1.2).
const SMALL: u64 = 8 << 20;

static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

/// The right to decode a stream with a large window. One per process at a time.
#[derive(Debug)]
pub struct Turn(());

impl Turn {
    /// Waits for the turn if the stream that starts with these bytes needs one.
    pub fn wait(start: &[u8]) -> Option<Self> {
        if window(start).is_some_and(|size| size <= SMALL) {
            return None;
        }
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            taken = GIVEN_BACK.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        Some(Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        GIVEN_BACK.notify_one();
    }
}

/// The window of the first frame (RFC 8878, 3.1.1.1); `None` where a skippable frame hides it.
fn window(start: &[u8]) -> Option<u64> {
    let header = start.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (&descriptor, rest) = header.split_first()?;
    if descriptor & 0x20 == 0 {
        let byte = u64::from(*rest.first()?);
        let base = 1_u64 << (10 + (byte >> 3));
        return Some(base + (base >> 3) * (byte & 7));
    }
    // A single segment: the window is the content, whose size stands behind the dictionary ID.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let field = rest.get(dictionary..)?;
    let number = |len: usize| -> Option<u64> {
        let bytes = field.get(..len)?;
        Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    };
    match descriptor >> 6 {
        0 => number(1),
        1 => number(2).map(|size| size + 256),
        2 => number(4),
        _ => number(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_114_the_window_of_a_frame() {
        let frame = |tail: &[u8]| window(&[&[0x28, 0xb5, 0x2f, 0xfd], tail].concat());
        assert_eq!(frame(&[0x00, 0x68]), Some(8 << 20));
        assert_eq!(frame(&[0x00, 0x88]), Some(128 << 20));
        assert_eq!(frame(&[0x00, 0x01]), Some(1024 + 128));
        assert_eq!(frame(&[0x20, 5]), Some(5));
        assert_eq!(frame(&[0x60, 0, 1]), Some(512));
        assert_eq!(frame(&[0xa1, 9, 0, 0, 0, 1]), Some(1 << 24));
        assert_eq!(window(&[0x50, 0x2a, 0x4d, 0x18]), None);
    }

    #[test]
    fn row_114_large_windows_take_turns() {
        let large = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88];
        let first = Turn::wait(&large).unwrap();
        let second = std::thread::spawn(move || Turn::wait(&large).is_some());
        assert!(Turn::wait(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68]).is_none());
        assert!(!second.is_finished());
        drop(first);
        assert!(second.join().unwrap());
    }
}
