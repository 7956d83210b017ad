//! `pull --dry-run`: what would be fetched, and whether it fits.

use rootlay::ops::{PlannedLayer, PullPlan};

use super::super::super::table::Table;
use super::super::super::units::human_size;

/// The answer.
pub fn lines(plan: &PullPlan) -> Vec<String> {
    let mut table = Table::new(&["LAYER", "SIZE", "STATUS"]);
    for layer in &plan.layers {
        table.row(vec![layer.digest.short().to_owned(), human_size(layer.size), status(layer).to_owned()]);
    }
    let mut lines = vec![format!("Image: {}", plan.reference), format!("Digest: {}", plan.digest)];
    lines.extend(table.lines());
    lines.push(format!("Bytes to fetch: {}", human_size(to_fetch(plan))));
    lines.push(format!("Free space: {}", human_size(plan.free)));
    lines
}

/// What is wrong if the image cannot fit.
pub fn shortage(plan: &PullPlan) -> Option<String> {
    let needed = to_fetch(plan);
    (needed > plan.free).then(|| {
        let (needed, free) = (human_size(needed), human_size(plan.free));
        format!("{}: no space left for it: {needed} to fetch, {free} free", plan.reference.familiar())
    })
}

fn status(layer: &PlannedLayer) -> &'static str {
    match layer.here {
        here if here >= layer.size => "here",
        0 => "fetch",
        _ => "partial",
    }
}

fn to_fetch(plan: &PullPlan) -> u64 {
    plan.layers.iter().map(|layer| layer.size.saturating_sub(layer.here)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use rootlay::oci::Digest;

    use super::*;

    fn plan(free: u64) -> PullPlan {
        let layer = |name: &str, size, here| PlannedLayer { digest: Digest::of(name.as_bytes()), size, here };
        PullPlan {
            reference: "busybox:latest".parse().unwrap(),
            digest: Digest::of(b"index"),
            id: Digest::of(b"config"),
            layers: vec![layer("a", 2_000_000, 2_000_000), layer("b", 10_000_000, 4_000_000), layer("c", 6_300_000, 0)],
            free,
        }
    }

    #[test]
    fn a_plan_names_each_layer_and_the_sum() {
        let short = |name: &str| Digest::of(name.as_bytes()).short().to_owned();
        assert_eq!(
            lines(&plan(1_000_000_000)),
            [
                "Image: docker.io/library/busybox:latest".to_owned(),
                format!("Digest: {}", Digest::of(b"index")),
                "LAYER          SIZE      STATUS".to_owned(),
                format!("{}   2MB       here", short("a")),
                format!("{}   10MB      partial", short("b")),
                format!("{}   6.3MB     fetch", short("c")),
                "Bytes to fetch: 12.3MB".to_owned(),
                "Free space: 1GB".to_owned(),
            ]
        );
        assert_eq!(shortage(&plan(12_300_000)), None);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let warning = shortage(&plan(5_000_000)).unwrap();
        assert_eq!(warning, "busybox:latest: no space left for it: 12.3MB to fetch, 5MB free");
    }
}
