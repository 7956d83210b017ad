//! `rootlay images`

use std::path::PathBuf;
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
#[command(after_help = "Examples:\
    \n  rootlay images\
    \n  rootlay images --filter dangling=true --quiet\
    \n  rootlay images --format '{{.Repository}}:{{.Tag}} {{.Size}}'")]
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

    /// `table`, `json`, `table TEMPLATE` or a Go template
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
    // Docker takes no pattern for no pattern.
    let pattern = args.pattern.as_ref().filter(|pattern| !pattern.is_empty());
    if let Some(pattern) = pattern {
        filters.add_reference(pattern)?;
    }
    let images = host.open()?.images_where(&filters)?;
    if let Some(pattern) = pattern.filter(|_| images.is_empty()) {
        hint(pattern, host);
    }
    let own = args.format.clone().filter(|format| !format.is_empty());
    let configured = || (!args.quiet && !args.tree).then(docker_format).flatten();
    let mut format = own.or_else(configured).map(|format| format.trim_matches(' ').to_owned());
    if let Some(raw) = raw(format.as_deref(), args) {
        format = Some(raw);
    }
    if let Some(format) = &mut format
        && args.digests
        && format.strip_prefix("table").is_some_and(|template| !template.is_empty() && !template.contains(".Digest"))
    {
        format.push_str("\\t{{.Digest}}");
    }
    let format = format.as_deref().filter(|format| *format != "table");
    let digests = args.digests || format.is_some_and(|format| format.contains("{{.Digest}}"));
    let columns = Columns { digests, whole: args.no_trunc };
    let mut rows = rows(&images, digests);
    sort(&mut rows, args.sort);
    if args.tree {
        return out.lines(tree(&rows, columns, Moment::now()));
    }
    if args.quiet && format.is_none() {
        return out.lines(rows.iter().map(|row| row.shown_id(columns)));
    }
    listing(&rows, columns, Moment::now()).print(format, default_fields(args.digests), out)
}

/// The template that stands for `raw`.
fn raw(format: Option<&str>, args: &ImagesArgs) -> Option<String> {
    if format != Some("raw") {
        return None;
    }
    if args.quiet {
        return Some("image_id: {{.ID}}".to_owned());
    }
    let digest = if args.digests { "digest: {{.Digest}}\n" } else { "" };
    let end = "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";
    Some(format!("repository: {{{{.Repository}}}}\ntag: {{{{.Tag}}}}\n{digest}{end}"))
}

/// What Docker's own configuration file makes the default.
fn docker_format() -> Option<String> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")))?;
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("config.json")).ok()?).ok()?;
    let format = config.get("imagesFormat")?.as_str()?;
    Some(format.to_owned()).filter(|format| !format.is_empty())
}

/// Somebody may have meant the command of that name.
fn hint(pattern: &str, host: &Host) {
    let cli = Cli::command();
    if cli.find_subcommand("image").is_some_and(|image| image.find_subcommand(pattern).is_some()) {
        host.note(&format!("\nNo images found matching \"{pattern}\": did you mean \"rootlay image {pattern}\"?"));
    }
}
