//! `rootlay tag`

use clap::Args;
use rootlay::oci::Reference;
use rootlay::ops::TagEntry;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::go_json;
use super::super::grammar::{Format, format, parsed};
use super::super::host::Host;
use super::super::output::Output;
use super::super::table::Table;
use super::super::time::Moment;

#[derive(Debug, Args)]
#[command(override_usage = "rootlay tag [OPTIONS] SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]...\n       \
                            rootlay tag --history NAME[:TAG]")]
pub struct TagArgs {
    /// List what a tag names now and named before: NAME@{0}, NAME@{1}, …
    #[arg(long, value_name = "NAME", conflicts_with_all = ["source", "targets"], value_parser = parsed(str::parse::<Reference>))]
    history: Option<Reference>,

    /// How to list it: `table` or `json`
    #[arg(long, conflicts_with = "source", value_parser = format)]
    format: Option<Format>,

    /// The image that gets the name; all its platforms, if it is a name of several
    #[arg(value_name = "SOURCE_IMAGE", required_unless_present = "history", requires = "targets")]
    source: Option<String>,

    /// The names that it gets; the tag is `latest` if none is given
    #[arg(value_name = "TARGET_IMAGE", value_parser = parsed(str::parse::<Reference>))]
    targets: Vec<Reference>,
}

pub fn run(args: &TagArgs, host: &Host, out: &mut Output) -> Outcome {
    let engine = host.open()?;
    if let Some(name) = &args.history {
        let entries = engine.tag_history(name)?;
        let name = name.clone().with_default_tag().familiar();
        return out.lines(lines(&name, &entries, args.format.unwrap_or_default(), Moment::now()));
    }
    Ok(engine.tag(args.source.as_deref().unwrap_or_default(), &args.targets)?)
}

fn lines(name: &str, entries: &[TagEntry], format: Format, now: Moment) -> Vec<String> {
    let shown = |entry: &TagEntry| format!("{name}@{{{}}}", entry.number);
    let status = |entry: &TagEntry| if entry.here { "present" } else { "removed" };
    match format {
        Format::Table => {
            let mut table = Table::new(&["NAME", "IMAGE ID", "PLATFORM", "DIGEST", "TAGGED", "STATUS"]);
            for entry in entries {
                table.row(vec![
                    shown(entry),
                    entry.id.short().to_owned(),
                    entry.platform.to_string(),
                    entry.digest.to_string(),
                    Moment::parse(&entry.tagged).map_or_else(|| "N/A".to_owned(), |moment| moment.ago(now)),
                    status(entry).to_owned(),
                ]);
            }
            table.lines().collect()
        }
        Format::Json => {
            let object = |entry: &TagEntry| {
                go_json::line(&json!({
                    "Digest": entry.digest, "ID": entry.id, "Name": shown(entry),
                    "Platform": entry.platform.to_string(), "Status": status(entry), "TaggedAt": entry.tagged,
                }))
            };
            entries.iter().map(object).collect()
        }
    }
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
        let table = lines("app:1", std::slice::from_ref(&entry), Format::Table, now);
        assert!(table[0].starts_with("NAME        IMAGE ID       PLATFORM      DIGEST "), "{table:?}");
        assert_eq!(
            table[1],
            format!("app:1@{{1}}   {}   linux/amd64   {}   3 days ago   removed", entry.id.short(), entry.digest)
        );
        let json = lines("app:1", &[entry], Format::Json, now);
        assert!(json[0].contains(r#""Name":"app:1@{1}""#) && json[0].contains(r#""Status":"removed""#), "{json:?}");
    }
}
