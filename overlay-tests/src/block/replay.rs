//! What a disk may hold after a power cut: everything before a flush, and of what came behind it any part.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

use super::event::{Event, Log};
use crate::random::Rng;

/// A disk writes this much as a whole or not at all.
const SECTOR: usize = 4096;

/// What of the requests behind the last flush reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    None,
    /// Of the writes so many in a hundred; each of them either as a whole or, torn, by sectors.
    Some {
        /// Where the numbers begin.
        seed: u64,
        /// How many in a hundred.
        percent: usize,
    },
}

/// A moment at which the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// So many events are on the disk: the last of them is a flush, or there is none.
    pub durable: usize,
    /// So many events had come.
    pub seen: usize,
    /// What of those between is on the disk too.
    pub tail: Tail,
}

/// Makes images of moments, in ascending order.
#[derive(Debug)]
pub struct Replay<'l> {
    log: &'l Log,
    image: PathBuf,
    done: usize,
}

impl<'l> Replay<'l> {
    /// Begins with the image that the log begins with, which is changed from here on.
    pub fn new(log: &'l Log, image: &Path) -> Self {
        Self { log, image: image.to_owned(), done: 0 }
    }

    /// Writes the image of a moment, which is not before the last one that was asked for.
    pub fn cut(&mut self, cut: Cut, out: &Path) {
        assert!(self.done <= cut.durable, "moments have to be asked for in ascending order");
        let image = File::options().write(true).open(&self.image).unwrap();
        for event in &self.log.events[self.done..cut.durable] {
            self.apply(&image, event);
        }
        self.done = cut.durable;
        copy_sparse(&self.image, out);
        let Tail::Some { seed, percent } = cut.tail else { return };
        let out = File::options().write(true).open(out).unwrap();
        let mut rng = Rng::new(seed);
        for event in &self.log.events[cut.durable..cut.seen] {
            match event {
                Event::Write(offset, content) if rng.percent(30) => {
                    let sectors = self.log.data[content.clone()].chunks(SECTOR);
                    for (number, sector) in sectors.enumerate().filter(|_| rng.percent(percent)) {
                        out.write_all_at(sector, offset + (number * SECTOR) as u64).unwrap();
                    }
                }
                event if rng.percent(percent) => self.apply(&out, event),
                _ => {}
            }
        }
    }

    fn apply(&self, image: &File, event: &Event) {
        match event {
            Event::Write(offset, content) => image.write_all_at(&self.log.data[content.clone()], *offset).unwrap(),
            Event::Zeroes(offset, length) => punch(image, *offset, *length).unwrap(),
            Event::Flush | Event::Mark(_) => {}
        }
    }
}

/// Makes a hole, which reads as zeroes.
pub(super) fn punch(image: &File, offset: u64, length: u64) -> std::io::Result<()> {
    Ok(fallocate(image, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length)?)
}

/// Copies a file without its holes, and makes more of them where it holds zeroes.
pub fn copy_sparse(from: &Path, to: &Path) {
    let from = File::open(from).unwrap();
    let to = File::create(to).unwrap();
    to.set_len(from.metadata().unwrap().len()).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let start = match seek(&from, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => return,
            found => found.unwrap(),
        };
        let end = seek(&from, SeekFrom::Hole(start)).unwrap();
        at = start;
        while at < end {
            let length = usize::try_from(end - at).unwrap().min(buffer.len());
            from.read_exact_at(&mut buffer[..length], at).unwrap();
            for chunk in buffer[..length].chunks(SECTOR) {
                if chunk.iter().any(|&byte| byte != 0) {
                    to.write_all_at(chunk, at).unwrap();
                }
                at += chunk.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tail_is_left_to_chance() {
        let dir = tempfile::tempdir().unwrap();
        let [image, out] = ["image", "out"].map(|name| dir.path().join(name));
        std::fs::write(&image, [b'0'; 4 * SECTOR]).unwrap();
        let sector = SECTOR as u64;
        let data = [[b'1'; SECTOR], [b'2'; SECTOR]].concat();
        let events = vec![
            Event::Write(0, 0..SECTOR),
            Event::Flush,
            Event::Write(sector, SECTOR..2 * SECTOR),
            Event::Zeroes(2 * sector, sector),
        ];
        let log = Log { events, data };
        let mut replay = Replay::new(&log, &image);
        let firsts = |out: &Path| {
            let bytes = std::fs::read(out).unwrap();
            (0..4).map(|number| bytes[number * SECTOR]).collect::<Vec<u8>>()
        };
        replay.cut(Cut { durable: 0, seen: 0, tail: Tail::None }, &out);
        assert_eq!(firsts(&out), b"0000");
        replay.cut(Cut { durable: 2, seen: 4, tail: Tail::None }, &out);
        assert_eq!(firsts(&out), b"1000");
        replay.cut(Cut { durable: 2, seen: 4, tail: Tail::Some { seed: 1, percent: 100 } }, &out);
        assert_eq!(firsts(&out), b"12\x000");
        replay.cut(Cut { durable: 2, seen: 4, tail: Tail::Some { seed: 1, percent: 0 } }, &out);
        assert_eq!(firsts(&out), b"1000");
    }
}
