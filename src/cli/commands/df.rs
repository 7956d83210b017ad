//! `rootlay system df`

use clap::Args;
use rootlay::ops::{Access, DiskUsage, ImageDisk, Share};
use serde_json::{Value, json};

use super::super::failure::Outcome;
use super::super::host::Host;
use super::super::listing::{Listing, NONE, RowType, print_object, since};
use super::super::output::Output;
use super::super::time::Moment;
use super::super::units::human_size;

const SHARES: RowType = RowType {
    type_name: "*formatter.diskUsageContext",
    fields: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
        ("Bytes", "BYTES"),
        ("ReclaimableBytes", "RECLAIMABLE BYTES"),
    ],
};
const SHARE_COLUMNS: &[&str] = &["Type", "TotalCount", "Active", "Size", "Reclaimable"];

const IMAGES: RowType = RowType {
    type_name: "*formatter.diskUsageImageContext",
    fields: &[
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("Size", "SIZE"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
        ("Views", "VIEWS"),
    ],
};
const LAYERS: RowType = RowType {
    type_name: "*formatter.diskUsageLayerContext",
    fields: &[("DiffID", "DIFF ID"), ("Size", "SIZE"), ("Images", "IMAGES")],
};
const VIEWS: RowType = RowType {
    type_name: "*formatter.diskUsageViewContext",
    fields: &[("Name", "NAME"), ("Image", "IMAGE"), ("Mode", "MODE"), ("Size", "SIZE"), ("Status", "STATUS")],
};

/// Counts the blocks of every file below the state root once, so that the sizes add up to what `du -x` says of it.
/// RECLAIMABLE is what no view needs. Layers count with what was made of them for mounts; Other is what downloads left
/// behind, and the directories themselves.
#[derive(Debug, Args)]
pub struct DfArgs {
    // It has the name of the global flag whose letter it takes.
    /// Show each image, layer and view
    #[arg(id = "version", short = 'v', long = "verbose")]
    verbose: bool,

    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long)]
    format: Option<String>,
}

pub fn run(args: &DfArgs, host: &Host, out: &mut Output) -> Outcome {
    let usage = host.open()?.disk_usage()?;
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    if !args.verbose {
        return Listing::new(SHARES, usage.shares.iter().map(share)).print(format, SHARE_COLUMNS, out);
    }
    let sections = sections(&usage, Moment::now());
    let object: Value = sections.iter().map(|(title, listing, _)| ((*title).to_owned(), listing.objects())).collect();
    print_object(&object, format, || sections.iter().flat_map(lines).collect(), out)
}

fn lines((title, listing, kind): &(&str, Listing, RowType)) -> Vec<String> {
    let columns: Vec<&str> = kind.fields.iter().map(|(name, _)| *name).collect();
    let title = [format!("{title} space usage:"), String::new()];
    title.into_iter().chain(listing.table(&columns).lines()).chain([String::new()]).collect()
}

fn share(share: &Share) -> Vec<Value> {
    let reclaimable = match (share.reclaimable * 100).checked_div(share.bytes) {
        Some(percent) => format!("{} ({percent}%)", human_size(share.reclaimable)),
        None => human_size(share.reclaimable),
    };
    vec![
        json!(share.kind),
        json!(share.count.to_string()),
        json!(share.active.to_string()),
        json!(human_size(share.bytes)),
        json!(reclaimable),
        json!(share.bytes),
        json!(share.reclaimable),
    ]
}

fn sections(usage: &DiskUsage, now: Moment) -> [(&'static str, Listing, RowType); 3] {
    let layers = usage.layers.iter().map(|layer| {
        let values = [layer.id.0.short().to_owned(), human_size(layer.bytes), layer.images.to_string()];
        values.map(Value::from).to_vec()
    });
    let views = usage.views.iter().map(|view| {
        let mode = if view.access == Access::Writable { "rw" } else { "ro" };
        let status = if view.mounted { "mounted" } else { "saved" };
        vec![json!(view.name), json!(view.image), json!(mode), json!(human_size(view.bytes)), json!(status)]
    });
    [
        ("Images", Listing::new(IMAGES, usage.images.iter().flat_map(|image| rows(image, now))), IMAGES),
        ("Layers", Listing::new(LAYERS, layers), LAYERS),
        ("Views", Listing::new(VIEWS, views), VIEWS),
    ]
}

/// A row for each name, as `images` has them.
fn rows(image: &ImageDisk, now: Moment) -> Vec<Vec<Value>> {
    let mut names: Vec<(String, String)> = image
        .names
        .iter()
        .map(|name| (name.reference.familiar_name(), name.reference.tag().unwrap_or(NONE).to_owned()))
        .collect();
    if names.is_empty() {
        names.push((NONE.to_owned(), NONE.to_owned()));
    }
    let created = image.created.map(Moment::from);
    let row = |(repository, tag): (String, String)| {
        let values = [
            repository,
            tag,
            image.id.short().to_owned(),
            since(created, now),
            human_size(image.shared + image.unique),
            human_size(image.shared),
            human_size(image.unique),
            image.views.to_string(),
        ];
        values.map(Value::from).to_vec()
    };
    names.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use rootlay::oci::Digest;
    use rootlay::ops::ImageName;

    use super::*;

    #[test]
    fn columns_are_dockers() {
        let of = |kind, count, bytes, reclaimable| Share { kind, count, active: 1, bytes, reclaimable };
        let shares = [of("Images", 12, 4_000_000, 1_000_000), of("Views", 0, 0, 0)];
        let listing = Listing::new(SHARES, shares.iter().map(share));
        let lines: Vec<String> = listing.table(SHARE_COLUMNS).lines().collect();
        assert_eq!(
            lines,
            [
                "TYPE      TOTAL     ACTIVE    SIZE      RECLAIMABLE",
                "Images    12        1         4MB       1MB (25%)",
                "Views     0         1         0B        0B",
            ]
        );
    }

    #[test]
    fn an_image_has_a_row_for_each_name() {
        let name = |text: &str| ImageName { reference: text.parse().unwrap(), digest: None };
        let image = ImageDisk {
            id: Digest::of(b""),
            names: vec![name("busybox:1"), name("busybox:2")],
            created: None,
            unique: 1_000,
            shared: 2_000,
            views: 3,
        };
        let nameless = ImageDisk { names: Vec::new(), ..image.clone() };
        let usage =
            DiskUsage { shares: Vec::new(), images: vec![image, nameless], layers: Vec::new(), views: Vec::new() };
        let [(_, listing, _), ..] = sections(&usage, Moment::now());
        let columns = ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Views"];
        let lines: Vec<String> = listing.table(&columns).lines().collect();
        assert_eq!(
            lines[1..],
            [
                "busybox      1         e3b0c44298fc   N/A       3kB       2kB           1kB           3",
                "busybox      2         e3b0c44298fc   N/A       3kB       2kB           1kB           3",
                "<none>       <none>    e3b0c44298fc   N/A       3kB       2kB           1kB           3",
            ]
        );
    }
}
