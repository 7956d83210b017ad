//! zstd streams (RFC 8878), frame by frame: a frame may ask for a window of 128 MiB, and many layers are unpacked at
//! once. So before a frame with a large window is decoded its stream takes the only turn that there is.

use std::io::{self, BufRead};
use std::sync::{Condvar, Mutex, PoisonError};

use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer};

/// Longest header of a frame (RFC 8878, 3.1.1.1), with the magic number.
const HEADER: usize = 18;

/// Windows up to this size are not counted: what every decoder must support (RFC 8878, 3.1.1.1.2).
const SMALL: u64 = 8 << 20;

static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

/// The uncompressed bytes of a zstd stream.
pub struct Unzstd<R> {
    input: R,
    context: DCtx<'static>,
    /// The first bytes of a frame, and how many of them were decoded.
    start: Vec<u8>,
    used: usize,
    in_frame: bool,
    /// Kept to the end: so is the window.
    turn: Option<Turn>,
}

impl<R: BufRead> Unzstd<R> {
    /// Decodes what this input gives; `window_log` is the largest window, as its base-2 logarithm.
    pub fn new(input: R, window_log: u32) -> io::Result<Self> {
        let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        context.set_parameter(DParameter::WindowLogMax(window_log)).map_err(format_error)?;
        Ok(Self { input, context, start: Vec::with_capacity(HEADER), used: 0, in_frame: false, turn: None })
    }

    /// Decodes into `out`, which has room; gives the number of bytes, 0 at the end.
    pub fn decode(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame && !self.next_frame()? {
                return Ok(0);
            }
            let from_start = self.used < self.start.len();
            let bytes = if from_start { &self.start[self.used..] } else { self.input.fill_buf()? };
            let is_end = bytes.is_empty();
            let (mut from, mut to) = (InBuffer::around(bytes), OutBuffer::around(&mut *out));
            // What is expected next, or 0 at the end of a frame.
            let expected = self.context.decompress_stream(&mut to, &mut from).map_err(format_error)?;
            let (read, written) = (from.pos(), to.pos());
            if from_start {
                self.used += read;
            } else {
                self.input.consume(read);
            }
            self.in_frame = expected != 0;
            if written > 0 {
                return Ok(written);
            }
            if is_end && self.in_frame {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete frame"));
            }
        }
    }

    /// Looks at the header of the next frame, and waits for what it needs; `false` if there is none.
    fn next_frame(&mut self) -> io::Result<bool> {
        self.start.drain(..self.used);
        self.used = 0;
        while self.start.len() < HEADER {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let len = bytes.len().min(HEADER - self.start.len());
            self.start.extend_from_slice(&bytes[..len]);
            self.input.consume(len);
        }
        if self.turn.is_none() && window(&self.start).is_some_and(|size| size > SMALL) {
            self.turn = Some(Turn::wait());
        }
        Ok(!self.start.is_empty())
    }
}

fn format_error(code: usize) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}

/// The right to decode a stream with a large window. One per process at a time.
#[derive(Debug)]
struct Turn(());

impl Turn {
    fn wait() -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            taken = GIVEN_BACK.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        GIVEN_BACK.notify_one();
    }
}

/// The window of the frame that begins with these bytes (RFC 8878, 3.1.1.1); `None` where it has none.
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
    use std::io::{BufReader, Read, Write};

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

    /// An encoder with a window of 16 MiB, at its end: the content is too short to be a single segment of less.
    fn large_frame(content: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(24).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Pieces of the input that part every header.
    struct Pieces<'a>(&'a [u8]);

    impl Read for Pieces<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let len = out.len().min(7);
            self.0.read(&mut out[..len])
        }
    }

    fn decoded(blob: &[u8]) -> io::Result<Vec<u8>> {
        let mut decoder = Unzstd::new(BufReader::with_capacity(7, Pieces(blob)), 27)?;
        let (mut all, mut out) = (Vec::new(), [0; 1000]);
        loop {
            match decoder.decode(&mut out)? {
                0 => return Ok(all),
                len => all.extend_from_slice(&out[..len]),
            }
        }
    }

    #[test]
    fn row_114_frames_in_pieces() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
        let frame = |content: &[u8]| zstd::encode_all(content, 3).unwrap();
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
        let blob =
            [&frame(b"")[..], &frame(&text), &skippable, &frame(b"x"), &large_frame(&text), &frame(b"")].concat();
        assert_eq!(decoded(&blob).unwrap(), [&text[..], b"x", &text].concat());
        let whole = frame(&text);
        for cut in [5, 12, whole.len() / 2, whole.len() - 1] {
            assert!(decoded(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(decoded(&[&whole[..], b"x"].concat()).is_err());
    }

    #[test]
    fn row_114_large_windows_take_turns_whichever_frame_has_them() {
        let small = zstd::encode_all(&b"small"[..], 1).unwrap();
        assert_eq!(window(&large_frame(b"x")), Some(16 << 20));
        let turn = Turn::wait();
        let waiting = std::thread::spawn(move || decoded(&[&small[..], &large_frame(b" large")].concat()).unwrap());
        assert_eq!(decoded(&zstd::encode_all(&b"other"[..], 1).unwrap()).unwrap(), b"other");
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(!waiting.is_finished());
        drop(turn);
        assert_eq!(waiting.join().unwrap(), b"small large");
        // The turn was given back.
        drop(Turn::wait());
    }
}
