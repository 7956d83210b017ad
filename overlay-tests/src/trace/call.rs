//! A call that the program is about to make, and what it is about.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use super::kernel::{CREATING, Notice};
use super::table::{Known, Object, Only, known};

/// A system call that has not taken place yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: &'static str,
    /// What it is about, as a path in the state root. For mounts a word.
    pub path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.path)
    }
}

impl Call {
    /// The call of this notice, if it counts.
    pub(super) fn of(notice: &Notice, root: &Path) -> Option<Self> {
        let known = known().find(|known| known.number == notice.number)?;
        if !counts(known, notice) {
            return None;
        }
        if matches!(known.object, Object::Mount) {
            let word = mount_word(known, notice);
            return Some(Self { name: known.name, path: word });
        }
        let path = path_of(known.object, notice)?;
        let path = path.strip_prefix(root).ok()?;
        Some(Self { name: known.name, path: path.as_os_str().as_bytes().escape_ascii().to_string() })
    }

    /// The call with everything left out that differs from run to run, or between objects of one kind: calls of the same
    /// kind come from the same place in the program.
    pub fn kind(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in self.path.split('/') {
            let is_digest = part.len() >= 64 && part.bytes().take(64).all(|byte| byte.is_ascii_hexdigit());
            match part {
                _ if parts.last() == Some(&"staging") || is_digest => parts.push("*"),
                "diff" | "upper" => {
                    parts.extend([part, "*"]);
                    break;
                }
                // Drafts of a state root that has no staging directory yet.
                _ if part.starts_with(".version.") => parts.push(".version"),
                _ => parts.push(without_number(part)),
            }
        }
        format!("{}({})", self.name, parts.join("/"))
    }
}

/// `record-12` is a record.
fn without_number(part: &str) -> &str {
    match part.rsplit_once('-') {
        Some((word, number)) if number.bytes().all(|byte| byte.is_ascii_hexdigit()) => without_number(word),
        _ => part,
    }
}

fn counts(known: &Known, notice: &Notice) -> bool {
    let creates = |flags: u64| u32::try_from(flags & 0xffff_ffff).unwrap() & CREATING != 0;
    match known.only {
        Only::All => true,
        Only::Creating(index) => creates(notice.arguments[index]),
        Only::CreatingHow(index) => read(notice, notice.arguments[index], 8)
            .and_then(|bytes| bytes.try_into().ok())
            .is_some_and(|bytes| creates(u64::from_ne_bytes(bytes))),
        Only::Cloning(index) => {
            let request = notice.arguments[index] & 0xffff_ffff;
            [libc::FICLONE, libc::FICLONERANGE].contains(&request)
        }
        Only::Writable => is_writable(notice),
    }
}

/// Whether the descriptor in the first argument can be written to.
fn is_writable(notice: &Notice) -> bool {
    let info = fs::read_to_string(format!("/proc/{}/fdinfo/{}", notice.thread, notice.arguments[0]));
    let flags = info.ok().and_then(|info| {
        let line = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim().to_owned();
        i32::from_str_radix(&line, 8).ok()
    });
    flags.is_some_and(|flags| flags & libc::O_PATH == 0 && flags & libc::O_ACCMODE != libc::O_RDONLY)
}

fn path_of(object: Object, notice: &Notice) -> Option<PathBuf> {
    let argument = |index: usize| notice.arguments[index];
    match object {
        Object::Fd(index) => descriptor(notice, argument(index)),
        Object::At(dir, path) if argument(path) == 0 => descriptor(notice, argument(dir)),
        Object::At(dir, path) => {
            let name = text(notice, argument(path))?;
            if name.is_absolute() {
                return Some(resolved(notice, name));
            }
            // An empty path means the descriptor itself (`AT_EMPTY_PATH`).
            Some(descriptor(notice, argument(dir))?.join(name))
        }
        Object::Path(path) => {
            let name = text(notice, argument(path))?;
            if name.is_absolute() {
                return Some(resolved(notice, name));
            }
            Some(fs::read_link(format!("/proc/{}/cwd", notice.thread)).ok()?.join(name))
        }
        Object::Mount => None,
    }
}

fn descriptor(notice: &Notice, number: u64) -> Option<PathBuf> {
    // The upper half of an `int` says nothing; AT_FDCWD is negative.
    let number = u32::try_from(number & 0xffff_ffff).unwrap().cast_signed();
    let link = if number == libc::AT_FDCWD {
        format!("/proc/{}/cwd", notice.thread)
    } else {
        format!("/proc/{}/fd/{number}", notice.thread)
    };
    fs::read_link(link).ok()
}

/// `/proc/self/fd/NUMBER` is how descriptors are named where there is no call for them.
fn resolved(notice: &Notice, path: PathBuf) -> PathBuf {
    let parts: Vec<Component<'_>> = path.components().collect();
    match parts.as_slice() {
        [
            Component::RootDir,
            Component::Normal(proc),
            Component::Normal(this),
            Component::Normal(fd),
            number,
            rest @ ..,
        ] if *proc == "proc" && (*this == "self" || *this == "thread-self") && *fd == "fd" => {
            let number = number.as_os_str().to_str().and_then(|text| text.parse().ok());
            let base = number.and_then(|number| descriptor(notice, number));
            base.map(|base| rest.iter().fold(base, |path, part| path.join(part))).unwrap_or(path)
        }
        _ => path,
    }
}

fn mount_word(known: &Known, notice: &Notice) -> String {
    let place = match known.name {
        "fsconfig" => 2,
        "fsopen" | "umount2" => 0,
        "mount" => 1,
        _ => return String::new(),
    };
    text(notice, notice.arguments[place]).map_or_else(String::new, |text| {
        let word = text.file_name().unwrap_or_default().as_bytes().escape_ascii().to_string();
        // The directory of a view.
        if word == "merged" { word } else { word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned() }
    })
}

/// The string at this address of the program.
fn text(notice: &Notice, address: u64) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    // A page at most at once: what lies behind it need not be there.
    while bytes.len() < 4096 && address != 0 {
        let at = address + bytes.len() as u64;
        let chunk = read(notice, at, usize::try_from(4096 - at % 4096).unwrap())?;
        if let Some(end) = chunk.iter().position(|byte| *byte == 0) {
            bytes.extend(&chunk[..end]);
            return Some(PathBuf::from(std::ffi::OsStr::from_bytes(&bytes)));
        }
        bytes.extend(chunk);
    }
    None
}

fn read(notice: &Notice, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let memory = File::open(format!("/proc/{}/mem", notice.thread)).ok()?;
    let read = memory.read_at(&mut bytes, address).ok()?;
    bytes.truncate(read);
    (read > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_leave_out_what_differs() {
        let hex = "0123456789abcdef".repeat(4);
        for (path, expected) in [
            ("staging/12-ab-0/layer-1/diff/etc/hosts".to_owned(), "write(staging/*/layer/diff/*)"),
            (format!("blobs/sha256/{hex}"), "write(blobs/sha256/*)"),
            (format!("images/sha256/{hex}.json"), "write(images/sha256/*)"),
            ("staging/12-ab-0/lease".to_owned(), "write(staging/*/lease)"),
            ("staging/12-ab-0/blob-0123ab-7".to_owned(), "write(staging/*/blob)"),
            (format!("locks/layer-{hex}"), "write(locks/layer)"),
            (".version.12.ThreadId(1)".to_owned(), "write(.version)"),
        ] {
            assert_eq!(Call { name: "write", path }.kind(), expected);
        }
    }
}
