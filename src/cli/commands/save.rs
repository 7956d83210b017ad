//! `rootlay save`

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rootlay::oci::Platform;
use rootlay::ops::{ArchiveFormat, SaveRequest, SaveTo};
use rootlay::{Error, ErrorKind};

use super::super::failure::{Failure, Outcome};
use super::super::grammar::parsed;
use super::super::host::Host;
use super::super::registry::Connection;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay save -o busybox.tar busybox\
    \n  rootlay save --without debian app | ssh host rootlay load")]
pub struct SaveArgs {
    /// Write to this file instead of stdout; it is there when it is complete
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The form of the archive
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: Format,

    /// Save the image for this platform: `os[/arch[/variant]]`
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// Leave out the layers of this image: where the archive is loaded, they have to be (may be repeated)
    #[arg(long, value_name = "BASE")]
    without: Vec<String>,

    /// References, image IDs, or unambiguous prefixes of them; a repository without a tag is all its tags
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,

    #[command(flatten)]
    pub connection: Connection,
}

/// The values of `--format`, which are Podman's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    DockerArchive,
    OciArchive,
}

pub fn run(args: SaveArgs, host: &Host) -> Outcome {
    if args.output.is_none() && io::stdout().is_terminal() {
        let message = "cowardly refusing to save to a terminal. Use the -o flag or redirect";
        return Err(Error::new(ErrorKind::Failed, message).into());
    }
    let time = time(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref())?;
    let engine = host.open()?;
    let registries = host.registries(args.connection.options())?;
    let format = match args.format {
        Format::DockerArchive => ArchiveFormat::Docker,
        Format::OciArchive => ArchiveFormat::Oci,
    };
    let request = SaveRequest { images: args.images, platform: args.platform, without: args.without, format, time };
    if let Some(path) = &args.output {
        return Ok(engine.save(&registries, &request, SaveTo::File(path))?);
    }
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let stdout = stdout.map_err(|error| Error::io("duplicate stdout", error))?;
    let mut pipe = Pipe { to: File::from(stdout), closed: false };
    let saved = engine.save(&registries, &request, SaveTo::Stream(&mut pipe));
    match saved {
        // Nobody has the archive, so it is no success; but there is nobody to tell.
        Err(_) if pipe.closed => Err(Failure::Silent(1)),
        saved => Ok(saved?),
    }
}

/// The time of what is in the archive (reproducible-builds.org): seconds since 1970, which is the default.
fn time(variable: Option<&str>) -> Outcome<u64> {
    let Some(text) = variable.filter(|text| !text.is_empty()) else { return Ok(0) };
    text.parse().map_err(|_| {
        let text = text.escape_debug();
        Failure::usage(format!("bad SOURCE_DATE_EPOCH `{text}`: expected seconds since 1970"))
    })
}

/// Standard output without a buffer, that remembers whether its reader went away.
struct Pipe<W> {
    to: W,
    closed: bool,
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).inspect_err(|error| self.closed |= error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_reproducible_builds() {
        assert!(matches!(time(None), Ok(0)));
        assert!(matches!(time(Some("")), Ok(0)));
        assert!(matches!(time(Some("1700000000")), Ok(1_700_000_000)));
        for bad in ["x", "-1", "1.5", " 1"] {
            assert_eq!(time(Some(bad)).unwrap_err().exit_code(), 125, "{bad}");
        }
    }

    #[test]
    fn a_reader_that_went_away_is_remembered() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut pipe = Pipe { to: Gone, closed: false };
        assert!(pipe.write_all(b"x").is_err() && pipe.closed);
        let mut pipe = Pipe { to: Vec::new(), closed: false };
        assert!(pipe.write_all(b"x").is_ok() && !pipe.closed);
    }
}
