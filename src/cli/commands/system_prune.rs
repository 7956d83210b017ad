//! `rootlay system prune`

use rootlay::ops::{Pruned, SystemPruned};

use super::super::failure::Outcome;
use super::super::host::Host;
use super::super::output::Output;
use super::prune::{PruneArgs, Tense, begin, confirm, images, tell_kept};

pub fn run(args: &PruneArgs, host: &Host, out: &mut Output) -> Outcome {
    let (request, engine) = begin(args, host)?;
    if args.dry_run {
        return out.lines(report(&engine.plan_prune_system(&request)?, Tense::Would));
    }
    if !args.force {
        let plan = engine.plan_prune_system(&request)?;
        let lists = lists(&plan, Tense::Would);
        let warning = format!(
            "WARNING! This will remove:\n  - {}\n  - all downloads that were not finished\n  \
             - all layers and blobs that no image needs\n\n",
            args.what()
        );
        if !lists.is_empty() && !confirm(host, &lists, &warning)? {
            return out.line(&Tense::Did.total(Pruned::default().bytes));
        }
    }
    let pruned = engine.prune_system(&request)?;
    out.lines(report(&pruned, Tense::Did))?;
    tell_kept(host, &pruned.images);
    Ok(())
}

fn lists(pruned: &SystemPruned, tense: Tense) -> Vec<String> {
    let mut lines = images(&pruned.images, tense);
    for (what, names) in [("Unused Data", &pruned.unnamed), ("Partial Downloads", &pruned.downloads)] {
        if !names.is_empty() {
            lines.push(tense.heading(what));
            lines.extend(names.iter().cloned());
            lines.push(String::new());
        }
    }
    lines
}

fn report(pruned: &SystemPruned, tense: Tense) -> Vec<String> {
    let mut lines = lists(pruned, tense);
    lines.push(tense.total(pruned.images.bytes));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_list_of_its_own() {
        let pruned = SystemPruned {
            images: Pruned { bytes: 1_500, ..Pruned::default() },
            unnamed: vec!["layer sha256:a".to_owned()],
            downloads: vec!["sha256:b".to_owned()],
        };
        assert_eq!(
            report(&pruned, Tense::Did),
            [
                "Deleted Unused Data:",
                "layer sha256:a",
                "",
                "Deleted Partial Downloads:",
                "sha256:b",
                "",
                "Total reclaimed space: 1.5kB"
            ]
        );
        assert_eq!(report(&SystemPruned::default(), Tense::Would), ["Total reclaimable space: 0B"]);
    }
}
