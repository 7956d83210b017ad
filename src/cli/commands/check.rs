//! `rootlay system check`

use clap::Args;
use rootlay::ops::{CheckRequest, Checked, Depth, Finding, Outcome as Became, Severity};
use serde_json::{Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::host::Host;
use super::super::listing::{Listing, RowType};
use super::super::output::Output;
use super::super::printable;
use super::super::registry::Connection;

/// Compares everything below the state root with what was recorded when it was made. The exit code is 1 where something
/// is wrong. Debris is no damage: nobody needs it, and `--repair` and `system prune` remove it. Files that are not
/// rootlay's are named and stay.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Read the content of every file and blob too
    #[arg(long)]
    deep: bool,

    /// Repair what is wrong, from blobs that are here or are fetched again, and remove debris
    #[arg(long)]
    repair: bool,

    // It has the name of the global flag whose letter it takes.
    /// Print only the files that are wrong, and no progress
    #[arg(short, long)]
    quiet: bool,

    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long)]
    format: Option<String>,

    #[command(flatten)]
    pub connection: Connection,
}

impl CheckArgs {
    /// Whether anything is changed.
    pub fn repairs(&self) -> bool {
        self.repair
    }
}

const FIELDS: RowType = RowType {
    type_name: "*formatter.checkContext",
    fields: &[
        ("What", "WHAT"),
        ("Severity", "SEVERITY"),
        ("Kind", "KIND"),
        ("Name", "NAME"),
        ("ID", "ID"),
        ("Path", "PATH"),
        ("File", "FILE"),
        ("Problem", "PROBLEM"),
        ("Status", "STATUS"),
        ("Result", "RESULT"),
    ],
};
const COLUMNS: &[&str] = &["What", "ID", "File", "Problem"];
const REPAIR_COLUMNS: &[&str] = &["What", "ID", "File", "Problem", "Result"];

pub fn run(args: &CheckArgs, host: &Host, out: &mut Output) -> Outcome {
    let engine = host.open()?;
    let registries = if args.repair { Some(host.registries(args.connection.options())?) } else { None };
    let depth = if args.deep { Depth::Deep } else { Depth::Quick };
    let checked = engine.check(&CheckRequest { depth, repair: registries.as_ref() })?;
    host.settle();
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    let columns = if args.repair { REPAIR_COLUMNS } else { COLUMNS };
    if format.is_some() {
        Listing::new(FIELDS, checked.findings.iter().map(row)).print(format, columns, out)?;
    } else if args.quiet {
        let wrong = checked.findings.iter().filter(|finding| is_wrong(finding));
        out.lines(wrong.map(|finding| printable::word(finding.file.as_bytes())))?;
    } else if !checked.findings.is_empty() {
        Listing::new(FIELDS, checked.findings.iter().map(row)).print(None, columns, out)?;
    }
    if !args.quiet {
        host.note(&summary(&checked));
    }
    if checked.is_wrong() { Err(Failure::Silent(1)) } else { Ok(()) }
}

fn is_wrong(finding: &Finding) -> bool {
    finding.severity == Severity::Wrong && !matches!(finding.outcome, Became::Repaired(_))
}

fn row(finding: &Finding) -> Vec<Value> {
    let severity = match finding.severity {
        Severity::Wrong => "wrong",
        Severity::Debris => "debris",
        Severity::Unknown => "unknown",
    };
    let (status, result) = match &finding.outcome {
        Became::Found => ("found", String::new()),
        Became::Repaired(how) => ("repaired", how.clone()),
        Became::Left(why) => ("left", format!("not repaired: {why}")),
    };
    let id = short(&finding.name);
    let thing = finding.thing.to_string();
    let what = if finding.severity == Severity::Wrong { thing.as_str() } else { severity };
    vec![
        json!(what),
        json!(severity),
        json!(thing),
        json!(finding.name),
        json!(id),
        json!(finding.file),
        json!(within(finding)),
        json!(finding.problem),
        json!(status),
        json!(result),
    ]
}

/// The first digits of a digest; a name as it is.
fn short(name: &str) -> String {
    match name.split_once(':') {
        Some(("sha256" | "sha512", hex)) => hex.chars().take(12).collect(),
        _ => name.to_owned(),
    }
}

/// The file without the directories that only repeat the digest.
fn within(finding: &Finding) -> String {
    let Some((_, hex)) = finding.name.split_once(':') else { return finding.file.clone() };
    match finding.file.split_once(hex) {
        Some((_, rest)) if !rest.is_empty() => rest.trim_start_matches('/').to_owned(),
        Some((folder, _)) => folder.trim_end_matches('/').to_owned(),
        None => finding.file.clone(),
    }
}

/// What was looked at, and how it is.
fn summary(checked: &Checked) -> String {
    let count = |fits: &dyn Fn(&Finding) -> bool| checked.findings.iter().filter(|finding| fits(finding)).count();
    let wrong = count(&is_wrong);
    let repaired =
        count(&|finding| finding.severity == Severity::Wrong && matches!(finding.outcome, Became::Repaired(_)));
    let debris =
        count(&|finding| finding.severity == Severity::Debris && !matches!(finding.outcome, Became::Repaired(_)));
    let unknown = count(&|finding| finding.severity == Severity::Unknown);
    let mut parts = Vec::new();
    for (count, word) in [(wrong, "wrong"), (repaired, "repaired"), (debris, "debris"), (unknown, "not rootlay's")] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    if parts.is_empty() {
        parts.push("nothing is wrong".to_owned());
    }
    let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!(
        "Checked {}, {}, {}, {}: {}",
        many(checked.images, "image"),
        many(checked.layers, "layer"),
        many(checked.blobs, "blob"),
        many(checked.views, "view"),
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use rootlay::ops::Thing;

    use super::*;

    fn finding(severity: Severity, outcome: Became) -> Finding {
        Finding {
            severity,
            thing: Thing::Layer,
            name: format!("sha256:{}", "ab".repeat(32)),
            file: format!("layers/sha256/{}/diff/etc/passwd", "ab".repeat(32)),
            problem: "mode: expected 644, got 666".to_owned(),
            outcome,
        }
    }

    #[test]
    fn a_line_has_the_short_digest_and_the_file_in_the_layer() {
        let one = finding(Severity::Wrong, Became::Found);
        let lines: Vec<String> = Listing::new(FIELDS, [row(&one)]).table(COLUMNS).lines().collect();
        assert_eq!(
            lines,
            [
                "WHAT      ID             FILE              PROBLEM",
                "layer     abababababab   diff/etc/passwd   mode: expected 644, got 666",
            ]
        );
        let blob = Finding { file: format!("blobs/sha256/{}", "ab".repeat(32)), ..one };
        assert_eq!(within(&blob), "blobs/sha256");
        assert_eq!(short("my-view"), "my-view");
    }

    #[test]
    fn the_summary_counts() {
        let mut checked = Checked { images: 1, layers: 2, ..Checked::default() };
        assert_eq!(summary(&checked), "Checked 1 image, 2 layers, 0 blobs, 0 views: nothing is wrong");
        checked.findings = vec![
            finding(Severity::Wrong, Became::Left("x".to_owned())),
            finding(Severity::Wrong, Became::Repaired("x".to_owned())),
            finding(Severity::Debris, Became::Found),
            finding(Severity::Unknown, Became::Found),
        ];
        let text = summary(&checked);
        assert!(text.ends_with(": 1 wrong, 1 repaired, 1 debris, 1 not rootlay's"), "{text}");
    }
}
