//! The parser of the table of mounts.

use proptest::prelude::*;

use crate::error::ErrorKind;
use crate::mount::mountinfo::{Mount, of_self, parse};

/// The example of proc(5), and lines with every escape that the kernel makes.
#[test]
fn reads_the_manual_pages_example_and_the_escapes() {
    let table = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
        37 36 0:47 / /a\\040b\\011c\\012d\\134e\\043 ro,nosuid - overlay rootlay:web ro,lowerdir=/x\\054y\n\
        38 36 0:3 mnt:[4026531840] /ns rw shared:2 propagate_from:1 unbindable - nsfs  rw\n";
    let mounts = parse(table).unwrap();
    assert_eq!(
        mounts[0],
        Mount {
            id: 36,
            parent: 35,
            dev: (98, 0),
            root: b"/mnt1".to_vec(),
            target: b"/mnt2".to_vec(),
            options: b"rw,noatime".to_vec(),
            shared: false,
            fs_type: b"ext3".to_vec(),
            source: b"/dev/root".to_vec(),
            super_options: b"rw,errors=continue".to_vec(),
        }
    );
    assert_eq!(mounts[1].target, b"/a b\tc\nd\\e#");
    assert_eq!(mounts[1].super_options, b"ro,lowerdir=/x\\054y");
    assert_eq!((mounts[2].root.as_slice(), mounts[2].source.as_slice()), (&b"mnt:[4026531840]"[..], &b""[..]));
    assert!(mounts[2].shared);
    assert_eq!(parse(b"").unwrap(), []);
}

#[test]
fn garbage_is_an_error_and_never_half_a_table() {
    let good = "1 0 0:1 / / rw - tmpfs none rw";
    parse(good.as_bytes()).unwrap();
    for bad in [
        "",
        " ",
        "1 0 0:1 / / rw - tmpfs none",
        "1 0 0:1 / / rw tmpfs none rw",
        "1 0 0:1 / / rw - tmpfs none rw more",
        "1 0 0 / / rw - tmpfs none rw",
        "1 0 0:1:2 / / rw - tmpfs none rw",
        "x 0 0:1 / / rw - tmpfs none rw",
        "+1 0 0:1 / / rw - tmpfs none rw",
        "-1 0 0:1 / / rw - tmpfs none rw",
        "99999999999999999999 0 0:1 / / rw - tmpfs none rw",
        "1  0:1 / / rw - tmpfs none rw",
        "1 0 0:1 / rel rw - tmpfs none rw",
        "1 0 0:1 / /a\\04 rw - tmpfs none rw",
        "1 0 0:1 / /a\\ rw - tmpfs none rw",
        "1 0 0:1 / /a\\089 rw - tmpfs none rw",
        "1 0 0:1 / /a\\777 rw - tmpfs none rw",
    ] {
        let table = format!("{good}\n{bad}\n{good}\n");
        let error = parse(table.as_bytes()).expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::Failed);
    }
}

#[test]
fn the_kernels_own_table_is_read() {
    let mounts = of_self().unwrap();
    assert!(mounts.iter().any(|mount| mount.target == b"/proc" && mount.fs_type == b"proc"));
}

/// What the kernel does to a name (`mangle()` in `fs/proc_namespace.c`).
fn mangle(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in name {
        if b" \t\n\\#".contains(&byte) {
            out.extend(format!("\\{byte:03o}").bytes());
        } else {
            out.push(byte);
        }
    }
    out
}

fn line(mount: &Mount, optional: &[String]) -> Vec<u8> {
    let (major, minor) = mount.dev;
    let mut fields = vec![
        mount.id.to_string().into_bytes(),
        mount.parent.to_string().into_bytes(),
        format!("{major}:{minor}").into_bytes(),
        mangle(&mount.root),
        mangle(&mount.target),
        mount.options.clone(),
    ];
    fields.extend(optional.iter().map(|field| field.clone().into_bytes()));
    fields.push(b"-".to_vec());
    fields.extend([mangle(&mount.fs_type), mangle(&mount.source), mount.super_options.clone()]);
    fields.join(&b' ')
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![1..=255_u8, prop::sample::select(b" \t\n\\#/-".to_vec())], 0..24)
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    bytes().prop_map(|tail| [b"/", tail.as_slice()].concat())
}

prop_compose! {
    fn mount()(
        id in any::<u64>(), parent in any::<u64>(), dev in any::<(u32, u32)>(),
        root in path(), target in path(), fs_type in bytes(), source in bytes(),
        options in "[a-z,=]{1,12}", super_options in "[a-z0-9,=/\\\\]{0,20}",
    ) -> Mount {
        let (options, super_options) = (options.into_bytes(), super_options.into_bytes());
        Mount { id, parent, dev, root, target, options, shared: false, fs_type, source, super_options }
    }
}

proptest! {
    #[test]
    fn what_the_kernel_writes_is_read_back(
        mounts in prop::collection::vec((mount(), prop::collection::vec("[a-z_]{1,9}(:[0-9]{1,3})?", 0..4)), 0..6),
    ) {
        let table: Vec<u8> =
            mounts.iter().flat_map(|(mount, optional)| [line(mount, optional), b"\n".to_vec()].concat()).collect();
        let expected: Vec<Mount> = mounts.into_iter().map(|(mount, _)| mount).collect();
        prop_assert_eq!(parse(&table).unwrap(), expected);
    }

    #[test]
    fn no_input_makes_it_panic(table in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize) {
        let _ = parse(&table);
        let line = b"36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw";
        let _ = parse(&line[..cut.min(line.len())]);
    }
}
