//! `rootlay info --check`: what works here, what rootlay does where something does not, and what to change.

use std::os::unix::ffi::OsStrExt as _;

use rootlay::ops::{Examination, Observation, Probe, examine};
use serde_json::{Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::host::Host;
use super::super::listing::{Listing, RowType};
use super::super::output::Output;
use super::super::printable;

/// The exit code where something is missing that every image needs.
const MISSING: u8 = 4;

/// The width of the text: it is read in small windows, over serial lines and in mails.
const WIDTH: usize = 60;
const ANSWERS: usize = 36;
const INDENT: &str = "    ";

const FIELDS: RowType = RowType {
    type_name: "*formatter.probeContext",
    fields: &[
        ("Name", "NAME"),
        ("Works", "WORKS"),
        ("Needed", "NEEDED"),
        ("Seen", "SEEN"),
        ("Without", "WITHOUT"),
        ("Change", "CHANGE"),
    ],
};

pub fn run(format: Option<&str>, host: &Host, out: &mut Output) -> Outcome {
    let found = examine(host.root(), host.cancel())?;
    match format {
        None | Some("" | "table") => out.lines(lines(&found))?,
        format => Listing::new(FIELDS, found.observations.iter().map(row)).print(format, &[], out)?,
    }
    if found.observations.iter().any(Observation::is_fatal) { Err(Failure::Silent(MISSING)) } else { Ok(()) }
}

fn lines(found: &Examination) -> Vec<String> {
    let place = printable::word(found.place.as_os_str().as_bytes());
    let mut lines = vec![format!("Tried in: {place}"), format!("File system: {}", found.file_system), String::new()];
    for observation in &found.observations {
        lines.extend(one(observation));
    }
    let fatal: Vec<&Observation> = found.observations.iter().filter(|observation| observation.is_fatal()).collect();
    lines.push(String::new());
    if fatal.is_empty() {
        lines.push("Everything that is needed works.".to_owned());
    } else {
        let names: Vec<&str> = fatal.iter().map(|observation| words(observation.probe).name).collect();
        lines.extend(wrapped("", &format!("Needed, and missing: {}.", names.join(", "))));
    }
    lines
}

/// What was tried and the answer; below it what was seen, what happens without it, and what to do.
fn one(observation: &Observation) -> Vec<String> {
    let words = words(observation.probe);
    let answer = match observation.works {
        Some(true) => "yes",
        Some(false) if observation.is_fatal() => "NO",
        Some(false) => "no",
        None => "not tried",
    };
    let mut lines = vec![format!("{:<ANSWERS$}{answer}", words.name)];
    let seen = printable::word(observation.seen.as_bytes());
    match observation.works {
        Some(true) if !seen.is_empty() && ANSWERS + answer.len() + 2 + seen.len() <= WIDTH => {
            lines[0] = format!("{}  {seen}", lines[0]);
        }
        _ if !seen.is_empty() => lines.extend(wrapped(INDENT, &seen)),
        _ => {}
    }
    if observation.works == Some(false) {
        lines.extend(wrapped(INDENT, words.without));
        lines.extend(wrapped(INDENT, words.change));
    }
    lines
}

/// Text in lines that begin with `indent`. A word that is too long has a line of its own.
fn wrapped(indent: &str, text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines
}

fn row(observation: &Observation) -> Vec<Value> {
    let words = words(observation.probe);
    let lacks = observation.works == Some(false);
    vec![
        json!(words.name),
        json!(observation.works),
        json!(observation.probe.is_needed()),
        json!(observation.seen),
        json!(if lacks { words.without } else { "" }),
        json!(if lacks { words.change } else { "" }),
    ]
}

/// What people read of a probe.
struct Words {
    name: &'static str,
    /// What rootlay does without it.
    without: &'static str,
    /// What to do about it; empty where nothing needs to be done.
    change: &'static str,
}

const MOVE: &str = "Keep the state root on ext4, xfs (ftype=1), btrfs or tmpfs.";

fn words(probe: Probe) -> Words {
    let of = |name, without, change| Words { name, without, change };
    match probe {
        Probe::Capabilities => of(
            "capabilities of root",
            "Nothing can be unpacked or mounted.",
            "Run as root; give a container --privileged or these capabilities.",
        ),
        Probe::FirstUserNamespace => of(
            "outside of user namespaces",
            "Root in a user namespace makes no devices and no trusted attributes.",
            "Run as root of the machine.",
        ),
        Probe::OpenFiles => of(
            "1200 open files",
            "Images with hundreds of layers cannot be mounted.",
            "Raise the hard limit: `ulimit -Hn 4096`, or LimitNOFILE= of the service.",
        ),
        Probe::Proc => of("/proc", "Mounts and processes cannot be seen.", "mount -t proc proc /proc"),
        Probe::Unfiltered => of(
            "no filter of system calls",
            "Calls may fail as if the kernel did not have them.",
            "Where something else is missing: --security-opt seccomp=unconfined.",
        ),
        Probe::Unconfined => of(
            "no confining security module",
            "AppArmor or SELinux may deny mounts.",
            "Where mounts are denied: --security-opt apparmor=unconfined, or a policy that allows them.",
        ),
        Probe::Overlay => of(
            "overlay in the kernel",
            "Nothing can be mounted.",
            "modprobe overlay, or a kernel with CONFIG_OVERLAY_FS.",
        ),
        Probe::MountCalls => of("fsopen, fsconfig, fsmount", "mount(2) does it, with less to say in errors.", ""),
        Probe::LowerdirPlus => of("one layer a call (lowerdir+)", "mount(2) does it, with numbers for names.", ""),
        Probe::LayerDescriptors => of("layers as descriptors", "Short names in /proc/self/fd do it.", ""),
        Probe::Openat2 => of("openat2", "Each directory on a path is opened by itself, which is slower.", ""),
        Probe::MountSetattr => of("mount_setattr (idmapped mounts)", "Nothing here uses it yet.", ""),
        Probe::Scratch => of(
            "files can be made there",
            "Nothing can be unpacked, and nothing below was tried.",
            "Give the state root a file system that is writable, with --root or ROOTLAY_ROOT.",
        ),
        Probe::EntryTypes => of(
            "types in directories (d_type)",
            "OverlayFS would show what layers delete.",
            "xfs without ftype=1: make it anew with `mkfs.xfs -n ftype=1`, or keep the state root elsewhere.",
        ),
        Probe::CaseSensitive => of("names differ by case", "Files of an image would replace each other.", MOVE),
        Probe::Symlinks => of("symbolic links", "Hardly an image can be unpacked.", MOVE),
        Probe::HardLinks => of("hard links", "Images with hard links cannot be unpacked.", MOVE),
        Probe::Owners => of("owners and modes", "Files would not belong to whom the image says.", MOVE),
        Probe::Devices => of("device nodes", "Images with device nodes are refused.", ""),
        Probe::TrustedXattrs => of("trusted attributes", "Layers that replace directories cannot be stored.", MOVE),
        Probe::UserXattrs => of(
            "user attributes",
            "Images with such attributes are refused.",
            "tmpfs: Linux 6.6 has them. ext4: mount without nouser_xattr.",
        ),
        Probe::FileCapabilities => of("file capabilities", "Images whose programs have some are refused.", MOVE),
        Probe::Nanoseconds => of(
            "times of a nanosecond",
            "Times of files are cut.",
            "ext4: `mkfs.ext4 -I 256`; inodes of 128 bytes have no room for them.",
        ),
        Probe::LateTimes => of(
            "times after 2038",
            "Later times become the latest one there is.",
            "ext4: `mkfs.ext4 -I 256`. xfs: `mkfs.xfs -m bigtime=1`.",
        ),
        Probe::Reflinks => of("copies share blocks (reflink)", "Copies take room of their own.", ""),
        Probe::LargeFiles => of("files of 8 GiB", "Larger layers and files are refused.", MOVE),
        Probe::Space => {
            of("1 GiB of free space", "Images may not fit.", "`rootlay system prune` removes what is not needed.")
        }
        Probe::Inodes => {
            of("10000 free inodes", "Images may not fit.", "`rootlay system prune` removes what is not needed.")
        }
        Probe::ReadOnlyViews => of("images can be mounted", "Images can be unpacked only.", MOVE),
        Probe::Whiteouts => of(
            "views hide what layers delete",
            "Views would show deleted files; such images are not mounted.",
            "A state root on OverlayFS needs Linux 6.8; or use another file system.",
        ),
        Probe::WritableViews => of("writable views", "`mount --writable` fails; read-only views work.", MOVE),
        Probe::SharedMounts => of(
            "mounts show in other namespaces",
            "A container sees a view only if it is handed over, and is started after the mount.",
            "`mount --make-rshared` on the mount of the state root, where that is wanted.",
        ),
        // The library may know more than this program was built for.
        _ => of("something else", "", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(probe: Probe, works: Option<bool>, seen: &str) -> Observation {
        Observation::of(probe, works, seen)
    }

    fn example() -> Examination {
        let observations = vec![
            observation(Probe::Capabilities, Some(false), "missing CAP_SYS_ADMIN, CAP_MKNOD, CAP_CHOWN, CAP_SETFCAP"),
            observation(Probe::Space, Some(true), "20000 MiB free"),
            observation(
                Probe::Reflinks,
                Some(false),
                "ioctl(\"FICLONE\"): EOPNOTSUPP (operation not supported on socket)",
            ),
            observation(Probe::WritableViews, None, "unshare(\"CLONE_NEWNS\"): EPERM (operation not permitted)"),
        ];
        Examination { place: "/var/lib".into(), file_system: "ext4".to_owned(), observations }
    }

    #[test]
    fn no_line_is_longer_than_sixty_columns() {
        let all = lines(&example());
        assert!(all.iter().all(|line| line.chars().count() <= WIDTH), "{all:#?}");
        for line in ["Everything that is needed works.", "capabilities of root"] {
            assert_eq!(all.iter().any(|own| own.starts_with(line)), line.starts_with("cap"), "{all:#?}");
        }
        assert!(all.contains(&"Needed, and missing: capabilities of root.".to_owned()), "{all:#?}");
    }

    #[test]
    fn what_works_needs_no_advice() {
        assert_eq!(one(&observation(Probe::Owners, Some(true), "")), ["owners and modes                    yes"]);
        let lines = one(&observation(Probe::Owners, None, ""));
        assert_eq!(lines, ["owners and modes                    not tried"]);
        let listing = Listing::new(FIELDS, [row(&observation(Probe::Reflinks, Some(false), ""))]);
        let value: Value = serde_json::from_str(&listing.text("json").unwrap()).unwrap();
        assert_eq!((&value["Needed"], &value["Works"]), (&json!(false), &json!(false)));
        assert_eq!(value["Without"], "Copies take room of their own.");
    }
}
