//! A tar whose members are read in place.
//!
//! Only headers are parsed, into a table of names; nothing is unpacked. A member's name is a key of that table and
//! may be anything. Links are followed inside the archive only: `docker save` before version 25 wrote the second
//! copy of a layer as a symlink to the first (row 132).

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;

use tar::EntryType;

use super::files::{Files, Found};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::sys::errno::{SysError, escape};

/// More members than any image archive has.
const MAX_MEMBERS: usize = 1_000_000;
/// The most bytes of long names and extended headers of one member, as Go's reader has it.
const MAX_HEADERS: u64 = 1 << 20;
/// The longest name that is kept: no path is longer, so nobody asks for it.
const MAX_NAME: usize = 4096;
/// Most bytes of all names and of all targets of links.
const MAX_NAMES: usize = 128 << 20;
/// The longest chain of links.
const MAX_LINKS: usize = 8;

/// An indexed tar.
#[derive(Debug)]
pub(super) struct Archive {
    file: Arc<File>,
    members: HashMap<Vec<u8>, Member>,
}

#[derive(Debug, Clone)]
enum Member {
    File {
        at: u64,
        size: u64,
    },
    /// The path of the target, `None` if it leads out of the archive.
    Link(Option<Vec<u8>>),
    Other,
}

impl Member {
    fn target_length(&self) -> usize {
        match self {
            Self::Link(Some(target)) => target.len(),
            _ => 0,
        }
    }
}

impl Archive {
    /// Reads all headers. Of two members with one name the later counts, as if the archive were unpacked.
    ///
    /// # Errors
    /// Refused: no tar, a damaged header, a member that is cut, too many members, endless headers.
    pub(super) fn index(file: File, cancel: &Cancel) -> Result<Self> {
        let fail = |error: io::Error| Error::from(SysError::from_io("read", b"archive", &error));
        let length = file.metadata().map_err(fail)?.len();
        let file = Arc::new(file);
        let budget = Rc::new(Cell::new(MAX_HEADERS));
        let mut reader = tar::Archive::new(Headers { file: Arc::clone(&file), at: 0, budget: Rc::clone(&budget) });
        let mut members = HashMap::new();
        let mut bytes_of_names = 0;
        for entry in reader.entries_with_seek().map_err(fail)? {
            cancel.check()?;
            let entry = entry.map_err(|error| bad_tar(&error, members.is_empty()))?;
            budget.set(MAX_HEADERS);
            if members.len() >= MAX_MEMBERS {
                return Err(Error::refused(format!("more than {MAX_MEMBERS} members")));
            }
            let name = entry.path_bytes();
            let (at, size) = (entry.raw_file_position(), entry.size());
            let kind = entry.header().entry_type();
            let member = match kind {
                EntryType::Regular | EntryType::Continuous => Member::File { at, size },
                EntryType::Symlink => Member::Link(target(parent(&name), entry.link_name_bytes().as_deref())),
                EntryType::Link => Member::Link(target(b"", entry.link_name_bytes().as_deref())),
                _ => Member::Other,
            };
            if let Member::File { at, size } = member
                && at.checked_add(size).is_none_or(|end| end > length)
            {
                return Err(Error::refused(format!("truncated: member `{}` is cut", escape(&name))));
            }
            // A name that leads out of the archive cannot be asked for.
            if let Some(name) = join(b"", &name).filter(|name| name.len() <= MAX_NAME) {
                bytes_of_names += name.len() + member.target_length();
                if bytes_of_names > MAX_NAMES {
                    return Err(Error::refused(format!("names of members of more than {MAX_NAMES} bytes")));
                }
                members.insert(name, member);
            }
        }
        if members.is_empty() {
            return Err(Error::refused("no tar archive, or an empty one"));
        }
        Ok(Self { file, members })
    }

    /// Whether there is a member of this name, whatever it is.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.members.contains_key(path.as_bytes())
    }

    /// Whether there is a member of this name or below it.
    pub(super) fn contains_tree(&self, name: &str) -> bool {
        let below = format!("{name}/");
        self.contains(name) || self.names().any(|member| member.starts_with(below.as_bytes()))
    }

    /// The names of all members, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.members.keys().map(Vec::as_slice)
    }

    /// Opens a member, following links.
    pub(super) fn open(&self, path: &str) -> Result<Option<Section>> {
        let shown = || escape(path.as_bytes());
        let Some(mut name) = join(b"", path.as_bytes()) else {
            return Ok(None);
        };
        for links in 0..=MAX_LINKS {
            match self.members.get(&name) {
                None if links == 0 => return Ok(None),
                None => {
                    return Err(Error::refused(format!("{}: link to `{}`, which is missing", shown(), escape(&name))));
                }
                Some(Member::File { at, size }) => {
                    return Ok(Some(Section { file: Arc::clone(&self.file), at: *at, left: *size }));
                }
                Some(Member::Link(Some(target))) => name.clone_from(target),
                Some(Member::Link(None)) => {
                    return Err(Error::refused(format!("{}: link that leads out of the archive", shown())));
                }
                Some(Member::Other) => {
                    return Err(Error::refused(format!("{}: not a regular file", shown())));
                }
            }
        }
        Err(Error::refused(format!("{}: more than {MAX_LINKS} links in a row", shown())))
    }
}

impl Files for Archive {
    fn find(&self, path: &str) -> Result<Option<Found>> {
        let section = self.open(path)?;
        Ok(section.map(|section| Found { size: section.left, content: Box::new(section) }))
    }
}

fn bad_tar(error: &io::Error, first: bool) -> Error {
    if error.raw_os_error().is_some() {
        return SysError::from_io("read", b"archive", error).into();
    }
    if first {
        return Error::refused("not a tar archive, plain or compressed");
    }
    // The parser quotes the bytes that it did not understand.
    let why: String = escape(error.to_string().as_bytes()).chars().take(120).collect();
    Error::refused(format!("damaged or truncated tar archive ({why})"))
}

/// Everything before the last component.
fn parent(name: &[u8]) -> &[u8] {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    name.iter().rposition(|&byte| byte == b'/').map_or(b"", |at| &name[..at])
}

fn target(base: &[u8], link: Option<&[u8]>) -> Option<Vec<u8>> {
    let link = link?;
    if link.starts_with(b"/") { None } else { join(base, link) }
}

/// A path without `.`, `..` and repeated slashes; `None` if it leaves the archive.
fn join(base: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in base.split(|&byte| byte == b'/').chain(path.split(|&byte| byte == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The bytes of one member. Reads by position, so any number of them may be read at once.
#[derive(Debug, Clone)]
pub(super) struct Section {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Section {
    /// How many bytes are left.
    pub(super) fn size(&self) -> u64 {
        self.left
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..limit], self.at)?;
        if count == 0 && limit > 0 {
            return Err(Error::refused("archive was cut while it was read").into_io());
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// What the header parser reads from: seeking is free, reading has a budget, which is renewed for each member.
struct Headers {
    file: Arc<File>,
    at: u64,
    budget: Rc<Cell<u64>>,
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        let Some(left) = self.budget.get().checked_sub(count as u64) else {
            return Err(io::Error::other(format!("more than {MAX_HEADERS} bytes of headers for one member")));
        };
        self.budget.set(left);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Headers {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
            SeekFrom::End(_) => None,
        };
        self.at = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
