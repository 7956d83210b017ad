//! The system calls that change the disk, and where they say what they change.

/// Where a call names its object. Numbers are those of its arguments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Object {
    /// A descriptor.
    Fd(usize),
    /// A directory and a path from there on; without a path the directory itself.
    At(usize, usize),
    /// A path.
    Path(usize),
    /// A mount: always counted.
    Mount,
}

/// Which calls of this number count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    All,
    /// Flags in this argument that create or truncate.
    Creating(usize),
    /// The same in the `struct open_how` that this argument leads to.
    CreatingHow(usize),
    /// Requests that clone content.
    Cloning(usize),
    /// Descriptors that can be written to.
    Writable,
}

/// One system call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub name: &'static str,
    pub number: i64,
    pub object: Object,
    pub only: Only,
}

macro_rules! only {
    () => {
        Only::All
    };
    ($only:expr) => {
        $only
    };
}

macro_rules! table {
    ($($name:ident $call:ident $object:expr $(, $only:expr)?;)*) => {
        &[$(Known {
            name: stringify!($name),
            number: libc::$call,
            object: $object,
            only: only!($($only)?),
        }),*]
    };
}

use Object::{At, Fd, Mount, Path};

const COMMON: &[Known] = table! {
    openat SYS_openat At(0, 1), Only::Creating(2);
    openat2 SYS_openat2 At(0, 1), Only::CreatingHow(2);
    write SYS_write Fd(0);
    pwrite64 SYS_pwrite64 Fd(0);
    writev SYS_writev Fd(0);
    pwritev SYS_pwritev Fd(0);
    pwritev2 SYS_pwritev2 Fd(0);
    copy_file_range SYS_copy_file_range Fd(2);
    sendfile SYS_sendfile Fd(0);
    splice SYS_splice Fd(2);
    fallocate SYS_fallocate Fd(0);
    ftruncate SYS_ftruncate Fd(0);
    truncate SYS_truncate Path(0);
    renameat2 SYS_renameat2 At(2, 3);
    linkat SYS_linkat At(2, 3);
    symlinkat SYS_symlinkat At(1, 2);
    unlinkat SYS_unlinkat At(0, 1);
    mkdirat SYS_mkdirat At(0, 1);
    mknodat SYS_mknodat At(0, 1);
    fchmod SYS_fchmod Fd(0);
    fchmodat SYS_fchmodat At(0, 1);
    fchown SYS_fchown Fd(0);
    fchownat SYS_fchownat At(0, 1);
    utimensat SYS_utimensat At(0, 1);
    setxattr SYS_setxattr Path(0);
    lsetxattr SYS_lsetxattr Path(0);
    fsetxattr SYS_fsetxattr Fd(0);
    removexattr SYS_removexattr Path(0);
    lremovexattr SYS_lremovexattr Path(0);
    fremovexattr SYS_fremovexattr Fd(0);
    fsync SYS_fsync Fd(0);
    fdatasync SYS_fdatasync Fd(0);
    syncfs SYS_syncfs Fd(0);
    sync_file_range SYS_sync_file_range Fd(0);
    ioctl SYS_ioctl Fd(0), Only::Cloning(1);
    mount SYS_mount Mount;
    umount2 SYS_umount2 Mount;
    fsopen SYS_fsopen Mount;
    fsconfig SYS_fsconfig Mount;
    fsmount SYS_fsmount Mount;
    move_mount SYS_move_mount Mount;
    mount_setattr SYS_mount_setattr Mount;
};

/// Calls that younger architectures do not have.
#[cfg(target_arch = "x86_64")]
const OLD: &[Known] = table! {
    open SYS_open Path(0), Only::Creating(1);
    creat SYS_creat Path(0);
    rename SYS_rename Path(1);
    renameat SYS_renameat At(2, 3);
    link SYS_link Path(1);
    symlink SYS_symlink Path(1);
    unlink SYS_unlink Path(0);
    mkdir SYS_mkdir Path(0);
    rmdir SYS_rmdir Path(0);
    mknod SYS_mknod Path(0);
    chmod SYS_chmod Path(0);
    chown SYS_chown Path(0);
    lchown SYS_lchown Path(0);
    utimes SYS_utimes Path(0);
    futimesat SYS_futimesat At(0, 1);
};
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Known] = table! {
    renameat SYS_renameat At(2, 3);
};

const CLOSE: &[Known] = table! {
    close SYS_close Fd(0), Only::Writable;
};

/// All calls that are watched.
pub(super) fn known() -> impl Iterator<Item = &'static Known> {
    COMMON.iter().chain(OLD).chain(CLOSE)
}
