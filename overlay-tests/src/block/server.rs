//! The process behind a device: a FUSE file system with one file, the disk. It touches nothing but files of a tmpfs, so
//! whatever waits for the disk never waits for itself.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use std::{env, thread};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Session, TimeOrNow, WriteFlags,
};

use super::event;
use super::fault::{Fault, Request};

/// The name of the one file.
pub(super) const DISK: &str = "disk";
/// The log must not fill the memory.
const MOST_LOGGED: u64 = 512 << 20;

const TTL: Duration = Duration::from_secs(3600);

/// What the two threads share.
struct Disk {
    image: File,
    size: u64,
    log: Option<File>,
    logged: u64,
    faults: Vec<Fault>,
    failed: u64,
}

impl Disk {
    /// Whether this request has to fail.
    fn fails(&mut self, request: Request, offset: u64, length: u64, data: &[u8]) -> bool {
        // Each of them counts.
        let hits = self.faults.iter_mut().filter_map(|fault| fault.hits(request, offset, length, data).then_some(()));
        let fails = hits.count() > 0;
        self.failed += u64::from(fails);
        fails
    }

    fn log(&mut self, length: u64, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        self.logged += length;
        if self.logged > MOST_LOGGED {
            return Err(io::Error::other("the log is too long"));
        }
        write(log)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.log(data.len() as u64, |log| event::write(log, offset, data))?;
        self.image.write_all_at(data, offset)
    }

    fn zero(&mut self, offset: u64, length: u64) -> io::Result<()> {
        self.log(0, |log| event::zeroes(log, offset, length))?;
        super::replay::punch(&self.image, offset, length)
    }

    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let root = inode == INodeNo::ROOT;
        FileAttr {
            ino: inode,
            size: if root { 0 } else { self.size },
            blocks: self.size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if root { FileType::Directory } else { FileType::RegularFile },
            perm: if root { 0o700 } else { 0o600 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

struct Server(Arc<Mutex<Disk>>);

const FILE: INodeNo = INodeNo(2);

impl Server {
    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(is_done: bool, reply: ReplyEmpty) {
    if is_done { reply.ok() } else { reply.error(Errno::EIO) }
}

impl Filesystem for Server {
    fn lookup(&self, _: &fuser::Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == DISK {
            reply.entry(&TTL, &self.disk().attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &fuser::Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.disk().attributes(inode));
    }

    /// Only times are ever set.
    fn setattr(
        &self,
        _: &fuser::Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.attr(&TTL, &self.disk().attributes(inode));
    }

    fn open(&self, _: &fuser::Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Nothing is kept in the page cache of this file: each write of the loop device arrives, in order.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn flush(&self, _: &fuser::Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn read(
        &self,
        _: &fuser::Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut disk = self.disk();
        let length = disk.size.saturating_sub(offset).min(size.into());
        let mut data = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = disk.image.read_exact_at(&mut data, offset);
        if read.is_err() || disk.fails(Request::Read, offset, length, &data) {
            reply.error(Errno::EIO);
        } else {
            reply.data(&data);
        }
    }

    fn write(
        &self,
        _: &fuser::Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut disk = self.disk();
        if disk.fails(Request::Write, offset, data.len() as u64, data) || disk.write(offset, data).is_err() {
            reply.error(Errno::EIO);
        } else {
            reply.written(u32::try_from(data.len()).unwrap_or_default());
        }
    }

    /// A loop device discards, and writes zeroes, like this.
    fn fallocate(
        &self,
        _: &fuser::Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        _: i32,
        reply: ReplyEmpty,
    ) {
        let mut disk = self.disk();
        let fails = disk.fails(Request::Write, offset, length, &[]);
        answer(!fails && disk.zero(offset, length).is_ok(), reply);
    }

    fn fsync(&self, _: &fuser::Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut disk = self.disk();
        let fails = disk.fails(Request::Flush, 0, 0, &[]);
        answer(!fails && disk.log(0, event::flush).is_ok(), reply);
    }
}

/// The server's process: it serves until standard input ends.
pub(super) fn serve(image: &Path, target: &Path) -> ExitCode {
    let image = File::options().read(true).write(true).open(image).unwrap();
    let size = image.metadata().unwrap().len();
    let disk = Disk { image, size, log: None, logged: 0, faults: Vec::new(), failed: 0 };
    let disk = Arc::new(Mutex::new(disk));
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("overlay-tests".to_owned())];
    let session = Session::new(Server(Arc::clone(&disk)), target, &config).unwrap();
    thread::spawn(move || session.run());
    println("ready");
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
        match word {
            "log" => {
                disk.log = Some(File::create(rest).unwrap());
                disk.logged = 0;
            }
            "mark" => disk.log(0, |log| event::mark(log, rest.parse().unwrap())).unwrap(),
            "fail" => disk.faults.push(rest.parse().unwrap()),
            "well" => disk.faults.clear(),
            "failed" => {}
            other => panic!("not a command: {other}"),
        }
        println(&disk.failed.to_string());
    }
    // The connection ends with the process, and whatever still waits for the disk gets an error.
    ExitCode::SUCCESS
}

fn println(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// The arguments of the process, which come by its environment.
pub(super) const IMAGE: &str = "OVERLAY_TESTS_DISK";
/// Where it mounts.
pub(super) const TARGET: &str = "OVERLAY_TESTS_DISK_AT";

pub(super) fn from_environment() -> ExitCode {
    let path = |name: &str| env::var_os(name).unwrap();
    serve(Path::new(&path(IMAGE)), Path::new(&path(TARGET)))
}
