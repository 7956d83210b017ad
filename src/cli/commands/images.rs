//! `rootlay images`

use std::time::SystemTime;

use clap::{Args, CommandFactory as _};
use rootlay::ops::ImageFilters;

use super::super::failure::Outcome;
use super::super::filters;
use super::super::grammar::Cli;
use super::super::host::Host;
use super::super::listing::images::{Columns, Sort, default_fields, listing, rows, sort, tree};
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

    /// Show only what fits: `dangling=true`, `before=IMAGE`, `since=IMAGE`, `until=TIME`, `label=KEY[=VALUE]`,
    /// `label!=KEY[=VALUE]`, `reference=PATTERN`, `id=ID`, `digest=DIGEST`, `platform=PLATFORM`, `mounted=true` (may be
    /// repeated)
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,

    /// `table` or `json`
    #[arg(long)]
    format: Option<String>,

    /// What to sort by: the newest come first, or the smallest, or the lowest ID or name
    #[arg(long, value_name = "KEY", default_value = "created")]
    sort: Sort,

    /// Show the platforms of each name below it
    #[arg(long, conflicts_with_all = ["quiet", "format", "digests", "sort"])]
    tree: bool,

    /// Show only images of this name; may be a pattern
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pattern: Option<String>,
}

pub fn run(args: &ImagesArgs, host: &Host, out: &mut Output) -> Outcome {
    let pairs = filters::pairs("-f, --filter", &args.filters)?;
    let mut filters = ImageFilters::new(&pairs, SystemTime::now())?;
    if let Some(pattern) = &args.pattern {
        filters.add_reference(pattern)?;
    }
    let images = host.open()?.images_where(&filters)?;
    if let Some(pattern) = args.pattern.as_ref().filter(|_| images.is_empty()) {
        hint(pattern, host);
    }
    let columns = Columns { digests: args.digests, whole: args.no_trunc };
    let mut rows = rows(&images, args.digests);
    sort(&mut rows, args.sort);
    if args.tree {
        return out.lines(tree(&rows, columns, Moment::now()));
    }
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    if args.quiet && format.is_none_or(|format| format == "table") {
        return out.lines(rows.iter().map(|row| row.shown_id(columns)));
    }
    listing(&rows, columns, Moment::now()).print(format, default_fields(args.digests), out)
}

/// Somebody may have meant the command of that name.
fn hint(pattern: &str, host: &Host) {
    let cli = Cli::command();
    if cli.find_subcommand("image").is_some_and(|image| image.find_subcommand(pattern).is_some()) {
        host.note(&format!("\nNo images found matching \"{pattern}\": did you mean \"rootlay image {pattern}\"?"));
    }
}
