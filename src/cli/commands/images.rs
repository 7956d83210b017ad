//! `rootlay images`

use clap::Args;

use super::super::failure::{Failure, Outcome};
use super::super::grammar::{Format, format};
use super::super::host::Host;
use super::super::listing::{Columns, json, rows, selects, table};
use super::super::output::Output;
use super::super::time::Moment;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of Docker's")]
pub struct ImagesArgs {
    /// Show all images (the default: every image is one that was loaded)
    #[arg(short, long)]
    all: bool,

    /// Print only image IDs
    #[arg(short, long)]
    quiet: bool,

    /// Show digests of manifests
    #[arg(long)]
    digests: bool,

    /// Print whole image IDs
    #[arg(long)]
    no_trunc: bool,

    /// `table` or `json`
    #[arg(long, value_parser = format)]
    format: Option<Format>,

    /// Show only images of this name; may be a pattern
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pattern: Option<String>,
}

/// Names that are commands where they follow `image`.
const SUBCOMMANDS: [&str; 11] =
    ["exists", "import", "inspect", "list", "load", "ls", "pull", "push", "remove", "rm", "search"];

pub fn run(args: &ImagesArgs, host: &Host, out: &mut Output) -> Outcome {
    let images = host.open()?.images()?;
    let mut rows = rows(&images, args.digests);
    if let Some(pattern) = &args.pattern {
        if super::super::glob::matches(pattern, "").is_none() {
            return Err(Failure::usage(format!("syntax error in pattern `{pattern}`")));
        }
        rows.retain(|row| selects(pattern, row));
        if rows.is_empty() && SUBCOMMANDS.contains(&pattern.as_str()) {
            host.hint(&format!("no images found matching `{pattern}`: did you mean `rootlay image {pattern}`?"));
        }
    }
    let columns = Columns { digests: args.digests, whole: args.no_trunc };
    match args.format {
        Some(Format::Json) => out.lines(rows.iter().map(|row| json(row, columns, Moment::now()))),
        _ if args.quiet => out.lines(rows.iter().map(|row| row.shown_id(columns))),
        _ => out.lines(table(&rows, columns, Moment::now()).lines()),
    }
}
