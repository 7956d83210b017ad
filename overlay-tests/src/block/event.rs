//! What reached a device, in the order in which it came: the log that the server writes and the replay reads.

use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

const WRITE: u8 = b'w';
const ZEROES: u8 = b'z';
const FLUSH: u8 = b'f';
const MARK: u8 = b'm';

/// One request, or a mark that the test set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes at an offset; where they are in [`Log::data`].
    Write(u64, Range<usize>),
    /// So many bytes were discarded or zeroed.
    Zeroes(u64, u64),
    /// Everything before this is durable when it is answered.
    Flush,
    /// The test got here.
    Mark(u64),
}

/// What a device wrote down.
#[derive(Debug, Default)]
pub struct Log {
    /// The requests.
    pub events: Vec<Event>,
    /// The content of all writes.
    pub data: Vec<u8>,
}

impl Log {
    /// Reads the file that the server wrote.
    pub fn read(path: &Path) -> Self {
        let data = fs::read(path).unwrap();
        let mut events = Vec::new();
        let mut at = 0;
        while at < data.len() {
            let kind = data[at];
            let number = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap());
            let (offset, length) = (number(at + 1), number(at + 9));
            at += 17;
            events.push(match kind {
                WRITE => {
                    let content = at..at + usize::try_from(length).unwrap();
                    at = content.end;
                    Event::Write(offset, content)
                }
                ZEROES => Event::Zeroes(offset, length),
                FLUSH => Event::Flush,
                MARK => Event::Mark(offset),
                other => panic!("{}: a record of the kind {other}", path.display()),
            });
        }
        Self { events, data }
    }

    /// The numbers of the events that are flushes.
    pub fn flushes(&self) -> Vec<usize> {
        (0..self.events.len()).filter(|&number| self.events[number] == Event::Flush).collect()
    }

    /// The last mark among the first `count` events.
    pub fn mark_before(&self, count: usize) -> Option<u64> {
        self.events[..count].iter().rev().find_map(|event| match event {
            Event::Mark(mark) => Some(*mark),
            _ => None,
        })
    }
}

fn record(out: &mut impl Write, kind: u8, offset: u64, length: u64, data: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(17 + data.len());
    bytes.push(kind);
    bytes.extend(offset.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(data);
    out.write_all(&bytes)
}

pub(super) fn write(out: &mut impl Write, offset: u64, data: &[u8]) -> io::Result<()> {
    record(out, WRITE, offset, data.len() as u64, data)
}

pub(super) fn zeroes(out: &mut impl Write, offset: u64, length: u64) -> io::Result<()> {
    record(out, ZEROES, offset, length, &[])
}

pub(super) fn flush(out: &mut impl Write) -> io::Result<()> {
    record(out, FLUSH, 0, 0, &[])
}

pub(super) fn mark(out: &mut impl Write, mark: u64) -> io::Result<()> {
    record(out, MARK, mark, 0, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut out = file.reopen().unwrap();
        write(&mut out, 4096, b"abc").unwrap();
        flush(&mut out).unwrap();
        mark(&mut out, 7).unwrap();
        zeroes(&mut out, 1, 2).unwrap();
        let log = Log::read(file.path());
        let [Event::Write(4096, content), Event::Flush, Event::Mark(7), Event::Zeroes(1, 2)] = &log.events[..] else {
            panic!("{:?}", log.events)
        };
        assert_eq!(&log.data[content.clone()], b"abc");
        assert_eq!((log.flushes(), log.mark_before(2), log.mark_before(4)), (vec![1], None, Some(7)));
    }
}
