//! The overlay options that every mount states, whatever the machine's defaults are.

use std::path::Path;

use crate::sys::file_system::Kind;

/// One option with the one value that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlayOption {
    /// Its name.
    pub key: &'static str,
    /// The value that makes the mount show what the layers say, and nothing else.
    pub value: &'static str,
    /// The module parameter that came with the option, or with this value of it.
    parameter: &'static str,
}

/// What is stated for layers on most file systems. `redirect_dir=nofollow` refuses redirects, which no layer has; the
/// others switch off features that write marks into the upper directory or keep it from being used with other layers.
pub const STATED: [OverlayOption; 5] = [
    OverlayOption { key: "index", value: "off", parameter: "index" },
    OverlayOption { key: "nfs_export", value: "off", parameter: "nfs_export" },
    OverlayOption { key: "metacopy", value: "off", parameter: "metacopy" },
    // `nofollow` came later than the option itself, together with this parameter.
    OverlayOption { key: "redirect_dir", value: "nofollow", parameter: "redirect_always_follow" },
    OverlayOption { key: "xino", value: "auto", parameter: "xino_auto" },
];

/// What is stated for layers on `file_system`.
///
/// On an overlay whiteouts are attributes, and a directory that holds some says so by a mark. In the lowest layer that has
/// its parent the kernel does not read the mark, and lists the whiteouts as names that cannot be opened (Linux 6.8,
/// `ovl_lookup_single` in `fs/overlayfs/namei.c`). If it follows redirects, it reads the mark in all layers but the lowest
/// of the mount, which has to be an empty directory. No layer has a redirect: what an image calls so is stored under another name.
pub fn stated(file_system: Kind) -> [OverlayOption; 5] {
    let follows = |option: &OverlayOption| option.key == "redirect_dir" && file_system == Kind::OVERLAY;
    STATED.map(|option| if follows(&option) { OverlayOption { value: "follow", ..option } } else { option })
}

impl OverlayOption {
    /// Whether this kernel knows the option; `None` where it does not tell: the overlay module is not loaded yet,
    /// or `/sys` is not mounted.
    pub fn known(self) -> Option<bool> {
        self.known_in(Path::new("/sys/module/overlay/parameters"))
    }

    /// The same by the list of the module's parameters in `directory`.
    pub(super) fn known_in(self, directory: &Path) -> Option<bool> {
        directory.is_dir().then(|| directory.join(self.parameter).exists())
    }
}
