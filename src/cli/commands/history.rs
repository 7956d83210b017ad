//! `rootlay history`

use clap::Args;
use rootlay::oci::Platform;
use rootlay::ops::HistoryStep;
use serde_json::Value;

use super::super::failure::Outcome;
use super::super::grammar::{go_bool, parsed};
use super::super::host::Host;
use super::super::listing::{Listing, NOT_APPLICABLE, RowType, ellipsis, since};
use super::super::output::Output;
use super::super::time::Moment;
use super::super::units::human_size;

const FIELDS: RowType = RowType {
    type_name: "*image.historyContext",
    fields: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
};
/// What stands for the images that a registry does not tell of.
const MISSING: &str = "<missing>";
/// The longest command of a table, in characters.
pub const MAX_COMMAND: usize = 45;

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Print ages and rounded sizes; `--human=false` prints dates and bytes
    #[arg(
        short = 'H', long, value_name = "BOOL", value_parser = go_bool, action = clap::ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true",
        hide_default_value = true
    )]
    human: bool,

    /// Print whole image IDs and commands
    #[arg(long)]
    no_trunc: bool,

    /// Print only image IDs
    #[arg(short, long)]
    quiet: bool,

    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long)]
    format: Option<String>,

    /// Of the platforms of the image, show this one
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// A reference, an image ID, or an unambiguous prefix of one
    image: String,
}

pub fn run(args: &HistoryArgs, host: &Host, out: &mut Output) -> Outcome {
    let steps = host.open()?.history(&args.image, args.platform.as_ref())?;
    let now = Moment::now();
    let listing = Listing::new(FIELDS, steps.iter().map(|step| row(step, args.human, args.no_trunc, now)));
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    let created = if args.human { "CreatedSince" } else { "CreatedAt" };
    let all = ["ID", created, "CreatedBy", "Size", "Comment"];
    if args.quiet && format.is_none_or(|format| format == "table") {
        return listing.print_field("ID", out);
    }
    listing.print(format, &all, out)
}

fn row(step: &HistoryStep, human: bool, whole: bool, now: Moment) -> Vec<Value> {
    let id = step.image.as_ref().map(|id| if whole { id.to_string() } else { id.short().to_owned() });
    let created = step.created.map(Moment::from);
    let at = created.map_or_else(|| NOT_APPLICABLE.to_owned(), Moment::rfc3339);
    let command = step.created_by.replace('\t', " ");
    let size = match step.size {
        None => "broken".to_owned(),
        Some(size) if human => human_size(size),
        Some(size) => size.to_string(),
    };
    let values = [
        id.unwrap_or_else(|| MISSING.to_owned()),
        if human { since(created, now) } else { at.clone() },
        at,
        if whole { command } else { ellipsis(&command, MAX_COMMAND) },
        size,
        step.comment.clone(),
    ];
    values.map(Value::from).to_vec()
}

#[cfg(test)]
mod tests {
    use rootlay::oci::{Digest, Timestamp};

    use super::*;

    fn listing(human: bool, whole: bool) -> Listing {
        let now = Moment::parse("2021-03-04T00:00:00Z").unwrap_or_else(Moment::now);
        let newest = HistoryStep {
            image: Some(Digest::of(b"")),
            created: Timestamp::parse("2021-03-01T00:00:00.25Z"),
            created_by: "/bin/sh -c #(nop)  CMD [\"/bin/sh\"\t\"-c\" \"echo\"]".to_owned(),
            size: Some(0),
            comment: "buildkit".to_owned(),
            ..HistoryStep::default()
        };
        let base = HistoryStep { created_by: "ADD".to_owned(), size: Some(5_612_345), ..HistoryStep::default() };
        let broken = HistoryStep { created_by: "RUN\nx".to_owned(), ..HistoryStep::default() };
        Listing::new(FIELDS, [newest, broken, base].iter().map(|step| row(step, human, whole, now)))
    }

    fn lines(human: bool, created: &str) -> Vec<String> {
        listing(human, false).table(&["ID", created, "CreatedBy", "Size", "Comment"]).lines().collect()
    }

    #[test]
    fn s55_columns_are_dockers() {
        assert_eq!(
            lines(true, "CreatedSince"),
            [
                "IMAGE          CREATED      CREATED BY                                      SIZE      COMMENT",
                "e3b0c44298fc   3 days ago   /bin/sh -c #(nop)  CMD [\"/bin/sh\" \"-c\" \"echo…   0B        buildkit",
                "<missing>      N/A          RUN\\nx                                          broken    ",
                "<missing>      N/A          ADD                                             5.61MB    ",
            ]
        );
        let at = Moment::parse("2021-03-01T00:00:00Z").unwrap().rfc3339();
        assert_eq!(
            lines(false, "CreatedAt")[1],
            format!("e3b0c44298fc   {at}   /bin/sh -c #(nop)  CMD [\"/bin/sh\" \"-c\" \"echo…   0         buildkit")
        );
        assert!(lines(false, "CreatedAt")[3].contains("5612345"));
        let whole: Vec<String> = listing(true, true).table(&["ID", "CreatedBy"]).lines().collect();
        assert_eq!(whole[1], format!("{}   /bin/sh -c #(nop)  CMD [\"/bin/sh\" \"-c\" \"echo\"]", Digest::of(b"")));
    }
}
