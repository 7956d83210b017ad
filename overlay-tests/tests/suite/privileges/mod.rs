//! Capabilities: those that each command cannot do without, and what it still has while it works.

mod after_mount;
mod held;
mod inherited;
mod needed;
mod network;
mod private;
mod reserved;
mod threads;

use std::path::Path;
use std::process::Command;

use overlay_tests::fixture::{
    Entry, Image, block, char_device, dir, fifo, file, hardlink, opaque, root, symlink, whiteout,
};
use overlay_tests::harness::{Case, Context};

pub fn cases() -> Vec<Case> {
    let of_processes = [needed::cases(), held::cases(), after_mount::cases(), network::cases(), inherited::cases()];
    [of_processes.concat(), reserved::cases(), private::cases()].concat()
}

/// capabilities(7), as the kernel numbers those that are of interest here.
const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const DAC_READ_SEARCH: u32 = 2;
const FOWNER: u32 = 3;
const FSETID: u32 = 4;
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: u32 = 24;
const MKNOD: u32 = 27;
const SETFCAP: u32 = 31;

const NAMES: [(u32, &str); 10] = [
    (CHOWN, "chown"),
    (DAC_OVERRIDE, "dac_override"),
    (DAC_READ_SEARCH, "dac_read_search"),
    (FOWNER, "fowner"),
    (FSETID, "fsetid"),
    (SYS_PTRACE, "sys_ptrace"),
    (SYS_ADMIN, "sys_admin"),
    (SYS_RESOURCE, "sys_resource"),
    (MKNOD, "mknod"),
    (SETFCAP, "setfcap"),
];

fn name(capability: u32) -> &'static str {
    NAMES.iter().find(|(number, _)| *number == capability).unwrap().1
}

/// What the tree of a layer may need: any owner and mode, set-id bits, devices, attributes of every class.
const UNPACK: [u32; 7] = [CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP, SYS_ADMIN];
/// What `OverlayFS` needs of who mounts it.
const MOUNT: [u32; 8] = [CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, MKNOD, SETFCAP, SYS_ADMIN];

/// `security.capability` of a file with `CAP_NET_BIND_SERVICE`: `struct vfs_cap_data`, revision 2, effective.
const FILE_CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Two layers with everything that needs a capability somewhere.
fn layers() -> [Vec<Entry>; 2] {
    [
        vec![
            root(0o755),
            dir("user", 0o700).uid(1000).gid(1000),
            file("user/secret", "of another").mode(0o600).uid(1000).gid(1001),
            dir("shut", 0).uid(1000).gid(1000),
            file("shut/gone", vec![7; 5000]).mode(0).uid(2000),
            dir("shut/deep", 0).uid(3000),
            file("shut/deep/f", "f").mode(0).uid(3001),
            dir("sticky", 0o1777).uid(1000),
            file("sticky/a", "a").mode(0o600).uid(2000),
            file("sticky/b", "b").mode(0o600).uid(2000),
            file("setuid", "s").mode(0o6755).uid(1000).gid(1000),
            dir("setgid", 0o2775).uid(1000).gid(1000),
            file("setgid/f", "g").mode(0o2755).uid(5).gid(7),
            file("capable", "c").mode(0o755).xattr("security.capability", FILE_CAPABILITY),
            file("trusted", "t").xattr("trusted.overlay-tests", "v"),
            file("attributes", "x").mode(0).uid(1000).xattr("user.a", "b").xattr("security.overlay-tests", "v"),
            char_device("null", 1, 3).mode(0o666).uid(3),
            block("disk", 8, 0).mode(0o660).gid(6),
            fifo("pipe").uid(9),
            symlink("link", "user/secret").uid(1000),
            hardlink("hard", "user/secret"),
            dir("opaque", 0o700).uid(1000),
            file("opaque/old", "1").uid(1000),
        ],
        vec![
            whiteout("shut/gone"),
            opaque("opaque"),
            file("opaque/new", "2").mode(0o400).uid(4),
            dir("shut/deep", 0).uid(3000),
            file("shut/deep/g", "g").mode(0o4000).uid(1),
            whiteout("sticky/a"),
            hardlink("hard-2", "user/secret"),
            file("implied/by/this", "d").mode(0o600).uid(77),
        ],
    ]
}

fn load(context: &Context) -> String {
    context.load(&Image::of(layers())).image_id
}

fn write(context: &Context) -> String {
    let layout = context.fresh("layout");
    Image::of(layers()).write_oci(&layout);
    format!("oci:{}", layout.display())
}

/// The program on the case's state root, with these capabilities or with all but these: `+chown,+mknod`, `-mknod`.
fn confined(context: &Context, capabilities: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args([&format!("--bounding-set={capabilities}"), "--inh-caps=-all"]);
    command.arg(context.program()).arg("--root").arg(context.root()).args(["--progress", "none"]).args(arguments);
    command.env_remove("ROOTLAY_ROOT").env("TMPDIR", context.dir());
    command
}

/// The argument of `setpriv` for nothing but these.
fn only(capabilities: &[u32]) -> String {
    capabilities.iter().fold("-all".to_owned(), |text, &one| format!("{text},+{}", name(one)))
}

/// What is left in staging.
fn debris(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("staging")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
