//! `rootlay tag`

use clap::Args;
use rootlay::oci::{Reference, Timestamp};
use rootlay::ops::TagEntry;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::grammar::parsed;
use super::super::host::Host;
use super::super::listing::{Listing, NOT_APPLICABLE, RowType};
use super::super::output::Output;
use super::super::time::Moment;

#[derive(Debug, Args)]
#[command(override_usage = "rootlay tag [OPTIONS] SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]...\n       \
                            rootlay tag --history NAME[:TAG]")]
#[command(after_help = "Examples:\
    \n  rootlay tag busybox quay.io/org/busybox:1\
    \n  rootlay tag --history busybox\
    \n  rootlay tag busybox@{1} busybox")]
pub struct TagArgs {
    /// List what a tag names now and named before: NAME@{0}, NAME@{1}, …
    #[arg(long, value_name = "NAME", conflicts_with_all = ["source", "targets"], value_parser = parsed(str::parse::<Reference>))]
    history: Option<Reference>,

    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, conflicts_with = "source")]
    format: Option<String>,

    /// The image that gets the name; all its platforms, if it is a name of several
    #[arg(value_name = "SOURCE_IMAGE", required_unless_present = "history")]
    source: Option<String>,

    /// The names that it gets; the tag is `latest` if none is given
    #[arg(
        value_name = "TARGET_IMAGE", required_unless_present = "history", value_parser = parsed(str::parse::<Reference>)
    )]
    targets: Vec<Reference>,
}

const FIELDS: RowType = RowType {
    type_name: "*formatter.tagContext",
    fields: &[
        ("Name", "NAME"),
        ("ID", "IMAGE ID"),
        ("Platform", "PLATFORM"),
        ("Digest", "DIGEST"),
        ("TaggedSince", "TAGGED"),
        ("TaggedAt", "TAGGED AT"),
        ("Status", "STATUS"),
    ],
};

const COLUMNS: &[&str] = &["Name", "ID", "Platform", "Digest", "TaggedSince", "Status"];

pub fn run(args: &TagArgs, host: &Host, out: &mut Output) -> Outcome {
    let engine = host.open()?;
    if let Some(name) = &args.history {
        let entries = engine.tag_history(name)?;
        let name = name.clone().with_default_tag().familiar();
        return listing(&name, &entries, Moment::now()).print(args.format.as_deref(), COLUMNS, out);
    }
    Ok(engine.tag(args.source.as_deref().unwrap_or_default(), &args.targets)?)
}

fn listing(name: &str, entries: &[TagEntry], now: Moment) -> Listing {
    let row = |entry: &TagEntry| {
        let tagged = Timestamp::parse(&entry.tagged).map(Moment::from);
        vec![
            json!(format!("{name}@{{{}}}", entry.number)),
            json!(entry.id.short()),
            json!(entry.platform.to_string()),
            json!(entry.digest),
            json!(tagged.map_or_else(|| NOT_APPLICABLE.to_owned(), |moment| moment.ago(now))),
            json!(tagged.map_or_else(|| NOT_APPLICABLE.to_owned(), Moment::go_string)),
            json!(if entry.here { "present" } else { "removed" }),
        ]
    };
    Listing::new(FIELDS, entries.iter().map(row))
}

#[cfg(test)]
mod tests {
    use rootlay::oci::{Digest, Platform};

    use super::*;

    #[test]
    fn s18_the_history_is_a_table_or_lines() {
        let entry = TagEntry {
            number: 1,
            id: Digest::of(b"x"),
            digest: Digest::of(b"y"),
            platform: Platform::new("linux", "amd64", ""),
            tagged: "1970-01-01T00:00:00Z".to_owned(),
            here: false,
        };
        let now = Moment::parse("1970-01-04T00:00:00Z").unwrap();
        let shown = listing("app:1", std::slice::from_ref(&entry), now);
        let table: Vec<String> = shown.table(COLUMNS).lines().collect();
        assert!(table[0].starts_with("NAME        IMAGE ID       PLATFORM      DIGEST "), "{table:?}");
        assert_eq!(
            table[1],
            format!("app:1@{{1}}   {}   linux/amd64   {}   3 days ago   removed", entry.id.short(), entry.digest)
        );
        assert_eq!(shown.text("{{.Name}} {{.Status}}").unwrap(), "app:1@{1} removed\n");
    }
}
