//! `rootlay image prune`, and what `rootlay system prune` shares with it.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, SystemTime};

use clap::Args;
use rootlay::ops::{PruneFilters, PruneRequest, PruneScope, Pruned, Rootlay};

use super::super::duration::duration;
use super::super::failure::{Failure, Outcome};
use super::super::filters;
use super::super::host::Host;
use super::super::limits::bytes;
use super::super::output::Output;
use super::super::prompt;
use super::super::units::exact_size;

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Remove all images that no view uses, not only dangling ones
    #[arg(short, long)]
    pub all: bool,

    /// Do not ask
    #[arg(short, long)]
    pub force: bool,

    /// Remove only what fits: `until=<time>`, `label=<key>[=<value>]`, `label!=<key>[=<value>]`
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,

    /// Show what would be removed
    #[arg(long)]
    pub dry_run: bool,

    /// Stop as soon as all images together take at most SIZE: first goes what was not used for the longest time
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub keep_size: Option<u64>,

    /// Remove only what was not mounted or pulled for so long, such as 12h or 30d
    #[arg(long, value_name = "DURATION", value_parser = age)]
    pub unused_for: Option<Duration>,
}

impl PruneArgs {
    pub fn request(&self) -> Outcome<PruneRequest> {
        Ok(PruneRequest {
            scope: if self.all { PruneScope::Unused } else { PruneScope::Dangling },
            filters: PruneFilters::new(&filters::pairs("--filter", &self.filter)?, SystemTime::now())?,
            keep_size: self.keep_size,
            unused_for: self.unused_for,
        })
    }

    /// Docker's words for what goes.
    pub fn what(&self) -> &'static str {
        if self.all { "all images without at least one view associated to them" } else { "all dangling images" }
    }
}

/// A length of time that may be given in days or weeks.
fn age(text: &str) -> Result<Duration, String> {
    const DAY: u64 = 24 * 60 * 60;
    let days = |number: &str, days: u64| {
        let number: u64 = number.parse().map_err(|_| "expected a length of time such as 12h, 30d or 2w".to_owned())?;
        number.checked_mul(days * DAY).map(Duration::from_secs).ok_or_else(|| "that is too long".to_owned())
    };
    match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(number), _) => days(number, 1),
        (_, Some(number)) => days(number, 7),
        _ => duration(text),
    }
}

/// What both prunes begin with: a usable request, somebody to ask, and the store.
pub fn begin(args: &PruneArgs, host: &Host) -> Outcome<(PruneRequest, Rootlay)> {
    let request = args.request()?;
    if !args.dry_run {
        can_ask(args.force)?;
    }
    Ok((request, host.open()?))
}

pub fn run(args: &PruneArgs, host: &Host, out: &mut Output) -> Outcome {
    let (request, engine) = begin(args, host)?;
    if args.dry_run {
        return out.lines(report(&engine.plan_prune(&request)?, Tense::Would));
    }
    if !args.force {
        let plan = engine.plan_prune(&request)?;
        let warning = format!("WARNING! This will remove {}.\n", args.what());
        if !plan.deleted.is_empty() && !confirm(host, &images(&plan, Tense::Would), &warning)? {
            return out.lines(report(&Pruned::default(), Tense::Did));
        }
    }
    let pruned = engine.prune(&request)?;
    out.lines(report(&pruned, Tense::Did))?;
    tell_kept(host, &pruned);
    Ok(())
}

/// Without a terminal there is nobody to answer.
fn can_ask(force: bool) -> Outcome {
    if force || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("stdin is no terminal, so nobody can be asked whether to go on: use `--force`"))
}

/// Shows what will go, and asks as Docker does: only `y` is a yes.
pub fn confirm(host: &Host, plan: &[String], warning: &str) -> Outcome<bool> {
    host.settle();
    let question = format!("{}\n{warning}Are you sure you want to continue? [y/N] ", plan.join("\n"));
    Ok(prompt::line(&question, host.cancel())?.eq_ignore_ascii_case("y"))
}

/// Says what stayed although it was meant.
pub fn tell_kept(host: &Host, pruned: &Pruned) {
    for (count, why) in [(pruned.in_use, "in use"), (pruned.pinned, "pinned")] {
        match count {
            0 => {}
            1 => host.note(&format!("1 image {why}, kept")),
            _ => host.note(&format!("{count} images {why}, kept")),
        }
    }
}

/// Whether something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// It was.
    Did,
    /// It would be.
    Would,
}

impl Tense {
    /// The heading of a list.
    pub fn heading(self, what: &str) -> String {
        match self {
            Self::Did => format!("Deleted {what}:"),
            Self::Would => format!("Would delete {what}:"),
        }
    }

    /// The last line.
    pub fn total(self, bytes: u64) -> String {
        match self {
            Self::Did => format!("Total reclaimed space: {}", exact_size(bytes)),
            Self::Would => format!("Total reclaimable space: {}", exact_size(bytes)),
        }
    }
}

/// The images as Docker lists them, an empty line behind them.
pub fn images(pruned: &Pruned, tense: Tense) -> Vec<String> {
    if pruned.deleted.is_empty() {
        return Vec::new();
    }
    let names = pruned.untagged.iter().map(|name| format!("untagged: {name}"));
    let ids = pruned.deleted.iter().map(|id| format!("deleted: {id}"));
    std::iter::once(tense.heading("Images")).chain(names).chain(ids).chain([String::new()]).collect()
}

fn report(pruned: &Pruned, tense: Tense) -> Vec<String> {
    let mut lines = images(pruned, tense);
    lines.push(tense.total(pruned.bytes));
    lines
}

#[cfg(test)]
mod tests {
    use rootlay::oci::Digest;

    use super::*;

    #[test]
    fn s68_the_report_is_dockers() {
        let id = Digest::of(b"x");
        let pruned = Pruned {
            untagged: vec!["app:1".to_owned()],
            deleted: vec![id.clone()],
            bytes: 16_432_100,
            ..Pruned::default()
        };
        assert_eq!(
            report(&pruned, Tense::Did),
            ["Deleted Images:", "untagged: app:1", &format!("deleted: {id}"), "", "Total reclaimed space: 16.43MB"]
        );
        assert_eq!(report(&pruned, Tense::Would)[0], "Would delete Images:");
        assert_eq!(report(&Pruned::default(), Tense::Did), ["Total reclaimed space: 0B"]);
    }

    #[test]
    fn ages_may_be_days() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(age("2w"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(age("12h"), Ok(Duration::from_secs(12 * 3600)));
        for bad in ["", "d", "1.5d", "-1d", "99999999999999999d", "1y"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
