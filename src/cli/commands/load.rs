//! `rootlay load`

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use rootlay::oci::{Platform, Reference};
use rootlay::ops::{LoadRequest, Loaded, Oddities, SourceSpec};
use rootlay::{Error, ErrorKind, Result};

use super::super::failure::{Failure, Outcome};
use super::super::grammar::parsed;
use super::super::host::Host;
use super::super::limits::{Limit, limit, limits};
use super::super::output::Output;
use super::pull::{self, PullArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\
    \n  rootlay load -i image.tar\
    \n  rootlay load --name busybox oci:busybox:latest\
    \n  rootlay load < image.tar.gz")]
pub struct LoadArgs {
    /// Read from this file or directory instead of stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "source")]
    input: Option<PathBuf>,

    /// Give the image this name
    #[arg(long, value_name = "REF", value_parser = parsed(str::parse::<Reference>))]
    name: Option<Reference>,

    /// Take the image for this platform: `os[/arch[/variant]]`
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// Change a limit of each layer: `entries`, `bytes`, `depth` or `window` (may be repeated)
    #[arg(long = "limit", value_name = "KEY=VALUE", value_parser = limit)]
    limits: Vec<Limit>,

    /// Refuse what other tools read in other ways, instead of warning about it
    #[arg(long)]
    strict: bool,

    /// `docker://REF`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:REF]`, or a path
    source: Option<OsString>,
}

pub fn run(args: LoadArgs, host: &Host, out: &mut Output) -> Outcome {
    let engine = host.open()?;
    let source = source(args.input, args.source, io::stdin().is_terminal())?;
    if let SourceSpec::Registry(reference) = &source {
        if args.name.is_some() {
            return Err(Failure::usage("`--name` does not go with an image of a registry: it keeps its own"));
        }
        pull::quietly(PullArgs::of(args.platform, args.limits, args.strict), &engine, host, reference)?;
        return out.line(&format!("Loaded image: {}", reference.familiar()));
    }
    let oddities = if args.strict { Oddities::Refuse } else { Oddities::Warn };
    let request =
        LoadRequest { source, platform: args.platform, name: args.name, limits: limits(&args.limits), oddities };
    let loaded = engine.load(request)?;
    host.settle();
    for image in &loaded {
        out.lines(lines(image))?;
    }
    Ok(())
}

fn source(input: Option<PathBuf>, source: Option<OsString>, terminal: bool) -> Result<SourceSpec> {
    match (input, source) {
        (Some(file), _) => Ok(SourceSpec::Path(file)),
        (None, Some(source)) => match source.to_str() {
            Some(text) => SourceSpec::parse(text),
            None => Ok(SourceSpec::Path(source.into())),
        },
        (None, None) if terminal => Err(Error::new(ErrorKind::Failed, "requested load from stdin, but stdin is empty")),
        (None, None) => Ok(SourceSpec::Stdin),
    }
}

fn lines(image: &Loaded) -> Vec<String> {
    if image.references.is_empty() {
        return vec![format!("Loaded image ID: {}", image.id)];
    }
    image.references.iter().map(|reference| format!("Loaded image: {}", reference.familiar())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_holds_no_image() {
        let error = source(None, None, true).unwrap_err();
        assert_eq!(error.to_string(), "requested load from stdin, but stdin is empty");
        assert_eq!(super::super::super::failure::exit_code(error.kind()), 1);
        assert!(matches!(source(None, None, false), Ok(SourceSpec::Stdin)));
    }

    #[test]
    fn a_file_may_have_any_name() {
        let file = PathBuf::from("oci:odd");
        assert!(matches!(source(Some(file.clone()), None, true), Ok(SourceSpec::Path(path)) if path == file));
    }
}
