//! `rootlay umount`

use std::ffi::OsString;

use clap::Args;
use rootlay::ops::{Detach, UnmountRequest, Which};

use super::super::failure::Outcome;
use super::super::host::Host;
use super::super::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay umount box\
    \n  rootlay umount /mnt/box\
    \n  rootlay umount --all")]
pub struct UmountArgs {
    /// Unmount every view
    #[arg(short, long, conflicts_with = "views")]
    all: bool,

    /// Detach a view that is in use; it goes away with its last user
    #[arg(short, long)]
    lazy: bool,

    /// A directory (with a `/`), a view's name, or an image (all its views)
    #[arg(value_name = "NAME|DIR|IMAGE", required_unless_present = "all")]
    views: Vec<OsString>,
}

pub fn run(args: UmountArgs, host: &Host, out: &mut Output) -> Outcome {
    let which = if args.all { Which::All } else { Which::Named(args.views) };
    let mode = if args.lazy { Detach::Lazy } else { Detach::Normal };
    let results = host.open()?.unmount(UnmountRequest { which, mode })?;
    out.names(results)
}
