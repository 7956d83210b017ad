//! Whiteouts on disk (kernel `Documentation/filesystems/overlayfs.rst`, "whiteouts and opaque directories").

use nix::errno::Errno;
use rustix::fs::FileType;

use crate::error::Result;
use crate::sys::dir::Dir;
use crate::sys::xattr;

/// How this file system can hold a whiteout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Form {
    /// Not tried yet.
    #[default]
    Unknown,
    /// A character device 0:0.
    Device,
    /// An empty file with an attribute: on overlayfs itself, which refuses the device (Linux 6.8, row 21).
    Attribute,
}

/// Makes the whiteouts of one layer; they are hard links of one inode, as the kernel makes its own (row 18).
#[derive(Debug, Default)]
pub struct Whiteouts {
    form: Form,
    first: Option<(Dir, Vec<u8>)>,
}

impl Whiteouts {
    /// Makes the whiteout of `name` in `parent`.
    pub fn create(&mut self, parent: &Dir, name: &[u8]) -> Result<()> {
        if let Some((dir, first)) = &self.first {
            match dir.link(first, parent, name) {
                Ok(()) => return Ok(()),
                // Too many links, or a file system without hard links: a new inode.
                Err(error) if matches!(error.errno(), Errno::EMLINK | Errno::EPERM | Errno::EOPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.form != Form::Attribute {
            match parent.make_node(name, FileType::CharacterDevice, 0, 0) {
                Ok(()) => self.form = Form::Device,
                Err(error) if error.errno() == Errno::EPERM && self.form == Form::Unknown => {
                    self.form = Form::Attribute;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.form == Form::Attribute {
            let file = parent.create_file(name, 0)?;
            xattr::set_fd(&file, b"trusted.overlay.whiteout", b"")?;
        }
        self.first = Some((parent.try_clone()?, name.to_vec()));
        Ok(())
    }

    /// The value of `trusted.overlay.opaque` that a directory with such whiteouts needs, if any.
    pub fn mark_of_parent(&self) -> Option<&'static [u8]> {
        (self.form == Form::Attribute).then_some(b"x")
    }
}
