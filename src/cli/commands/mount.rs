//! `rootlay mount`: an image, a saved view again, or the list of views.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rootlay::oci::{Platform, Reference};
use rootlay::ops::{Access, Flag, MountRequest, Privileges, Rootlay, ViewInfo};
use rootlay::{ErrorKind, Result};

use super::super::failure::{Failure, Outcome};
use super::super::grammar::{go_bool, parsed};
use super::super::host::Host;
use super::super::output::Output;
use super::mounts;
use super::pull::{self, PullArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay mount busybox\
    \n  rootlay mount --writable --name box --target /mnt/box busybox\
    \n  rootlay mount --name box")]
pub struct MountArgs {
    /// Mount on this directory, which must exist
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,

    /// The view's name; without IMAGE, the saved view to mount again
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Let the view be written to; the image stays as it is
    #[arg(short, long)]
    writable: bool,

    /// Mount the image for this platform: `os[/arch[/variant]]`
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// When to pull IMAGE first [default: missing]
    #[arg(long, value_name = "WHEN")]
    pull: Option<Pull>,

    /// Mount only the lowest N layers
    #[arg(long, value_name = "N")]
    upto: Option<usize>,

    #[command(flatten)]
    suid: Suid,

    /// Let device files work
    #[arg(long)]
    dev: bool,

    /// The form of the list of views: `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, conflicts_with = "image", conflicts_with = "name")]
    format: Option<String>,

    /// A reference, an image ID, or an unambiguous prefix of one
    image: Option<String>,
}

/// The values of `--pull`: if there is no such image here, in any case, not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Pull {
    #[default]
    Missing,
    Always,
    Never,
}

impl MountArgs {
    /// Whether a saved view is mounted again.
    pub fn is_again(&self) -> bool {
        self.image.is_none()
    }

    /// Whether views are listed.
    pub fn is_list(&self) -> bool {
        self.image.is_none() && self.name.is_none()
    }

    /// Whether the target is the caller's.
    pub fn names_target(&self) -> bool {
        self.target.is_some()
    }
}

/// A choice whose default depends on the view; the last of both flags wins.
#[derive(Debug, Args)]
struct Suid {
    /// Honour set-user-ID and set-group-ID bits (the default for a writable view)
    #[arg(long, overrides_with = "nosuid", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", value_parser = go_bool, hide_possible_values = true)]
    suid: Option<bool>,

    /// Ignore set-user-ID and set-group-ID bits (the default for a read-only view)
    #[arg(long, overrides_with = "suid", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", value_parser = go_bool, hide_possible_values = true)]
    nosuid: Option<bool>,
}

impl Suid {
    fn wanted(&self) -> Option<bool> {
        self.suid.or(self.nosuid.map(|not| !not))
    }
}

/// What the arguments ask for.
#[derive(Debug)]
enum Task {
    List(Option<String>),
    Again(String),
    New(MountRequest, Pull),
}

pub fn run(args: MountArgs, host: &Host, out: &mut Output) -> Outcome {
    let view = match task(args)? {
        Task::List(format) => return mounts::list(format.as_deref(), host, out),
        Task::Again(name) => host.open()?.remount(&name)?,
        Task::New(request, pull) => mount(&host.open()?, host, request, pull)?,
    };
    // The superblock has what it needs.
    if let Err(error) = Privileges::NONE.drop_others() {
        tracing::debug!(%error, "the capabilities stay for the rest of the command");
    }
    host.settle();
    out.raw_line(view.target.as_os_str().as_bytes())
}

fn task(args: MountArgs) -> Outcome<Task> {
    let suid = args.suid.wanted();
    let of_an_image = [
        ("--target", args.target.is_some()),
        ("--writable", args.writable),
        ("--platform", args.platform.is_some()),
        ("--pull", args.pull.is_some()),
        ("--upto", args.upto.is_some()),
        ("--suid", suid.is_some()),
        ("--dev", args.dev),
    ];
    let needs_image = of_an_image.into_iter().find_map(|(flag, given)| given.then_some(flag));
    let access = if args.writable { Access::Writable } else { Access::ReadOnly };
    match (args.image, args.name, needs_image) {
        (Some(image), name, _) => {
            let request = MountRequest {
                image,
                target: args.target,
                name,
                access,
                platform: args.platform,
                upto: args.upto,
                suid: flag(suid),
                dev: flag(args.dev.then_some(true)),
            };
            Ok(Task::New(request, args.pull.unwrap_or_default()))
        }
        (None, _, Some(flag)) => Err(Failure::usage(format!("`{flag}` needs an IMAGE"))),
        (None, Some(name), None) => Ok(Task::Again(name)),
        (None, None, None) => Ok(Task::List(args.format)),
    }
}

/// Mounts an image, which is pulled before if that is wanted and it has a name to pull it by.
fn mount(engine: &Rootlay, host: &Host, mut request: MountRequest, pull: Pull) -> Outcome<ViewInfo> {
    let Some(name) = name(&request.image).filter(|_| pull != Pull::Never) else {
        return Ok(engine.mount(request)?);
    };
    if pull == Pull::Missing {
        // What else is wrong with the request is found out before anything is pulled.
        let refused = match engine.mount(request.clone()) {
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            result => return Ok(result?),
        };
        let has_target = request.target.as_ref().is_none_or(|target| target.is_dir());
        if !has_target || !is_missing(engine, &request, &name)? {
            return Err(refused.into());
        }
        host.status(&format!("Unable to find image '{}' locally", name.familiar()));
    } else if is_here(engine, &request.image)? && !has_name(engine, &name)? {
        // An ID that looks like a name.
        return Ok(engine.mount(request)?);
    }
    request.platform = pull::quietly(PullArgs::of(request.platform, Vec::new(), false), engine, host, &name)?;
    Ok(engine.mount(request)?)
}

/// The name that an IMAGE may be. What begins with the name of a digest's algorithm is an ID.
fn name(image: &str) -> Option<Reference> {
    let name: Reference = image.parse().ok()?;
    (!image.starts_with("sha256:")).then(|| name.with_default_tag())
}

fn is_here(engine: &Rootlay, image: &str) -> Result<bool> {
    match engine.inspect(image, None) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn has_name(engine: &Rootlay, name: &Reference) -> Result<bool> {
    Ok(engine.images()?.iter().any(|image| image.is_named(name)))
}

/// Whether there is no such image here, or only for other platforms.
fn is_missing(engine: &Rootlay, request: &MountRequest, name: &Reference) -> Result<bool> {
    if !is_here(engine, &request.image)? {
        return Ok(true);
    }
    let Some(wanted) = &request.platform else {
        return Ok(false);
    };
    let images = engine.images()?;
    let mut named = images.iter().filter(|image| image.is_named(name)).peekable();
    Ok(named.peek().is_some() && named.all(|image| wanted.rank(&image.platform).is_none()))
}

fn flag(wanted: Option<bool>) -> Flag {
    match wanted {
        None => Flag::Default,
        Some(true) => Flag::On,
        Some(false) => Flag::Off,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: MountArgs,
    }

    fn of(line: &str) -> Outcome<Task> {
        let words = std::iter::once("mount").chain(line.split_whitespace());
        task(Line::try_parse_from(words).unwrap().args)
    }

    #[test]
    fn without_an_image_views_are_listed_or_mounted_again() {
        assert!(matches!(of(""), Ok(Task::List(None))));
        assert!(matches!(of("--format json"), Ok(Task::List(Some(format))) if format == "json"));
        assert!(matches!(of("--name work"), Ok(Task::Again(name)) if name == "work"));
        for line in ["-w", "--target /m", "--name work -w", "--upto 2", "--suid", "--dev --name x", "--pull never"] {
            assert!(matches!(of(line), Err(failure) if failure.exit_code() == 125), "{line}");
        }
    }

    #[test]
    fn a_missing_image_is_pulled_unless_it_has_no_name() {
        assert!(matches!(of("busybox"), Ok(Task::New(_, Pull::Missing))));
        assert!(matches!(of("--pull always busybox"), Ok(Task::New(_, Pull::Always))));
        assert!(matches!(of("busybox --pull=never"), Ok(Task::New(_, Pull::Never))));
        assert_eq!(name("busybox").unwrap().canonical(), "docker.io/library/busybox:latest");
        assert!(name("d5e1e48cf932").is_some());
        for id in ["sha256:d5e1", &"a".repeat(64), "busybox@{1}", "Busybox"] {
            assert!(name(id).is_none(), "{id}");
        }
    }

    #[test]
    fn set_user_id_bits_follow_the_last_flag() {
        let suid = |line: &str| match of(line) {
            Ok(Task::New(request, _)) => request.suid,
            other => panic!("{line}: {other:?}"),
        };
        assert!(matches!(suid("busybox"), Flag::Default));
        assert!(matches!(suid("--suid busybox"), Flag::On));
        assert!(matches!(suid("--nosuid busybox"), Flag::Off));
        assert!(matches!(suid("--suid=false busybox"), Flag::Off));
        assert!(matches!(suid("--suid busybox --nosuid"), Flag::Off));
        assert!(matches!(suid("--nosuid busybox --suid"), Flag::On));
    }
}
