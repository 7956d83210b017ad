//! `rootlay image tree`

use clap::Args;
use rootlay::oci::{Digest, Platform, Reference};
use rootlay::ops::{Changes, ImageTree, TreeLayer};
use serde_json::{Value, json};

use super::super::failure::Outcome;
use super::super::grammar::parsed;
use super::super::host::Host;
use super::super::listing::{Listing, NONE, NOT_APPLICABLE, RowType, ellipsis, since};
use super::super::output::Output;
use super::super::printable;
use super::super::time::Moment;
use super::super::units::human_size;
use super::history::MAX_COMMAND;

const FIELDS: RowType = RowType {
    type_name: "*image.treeContext",
    fields: &[
        ("Layer", "LAYER"),
        ("DiffID", "DIFF ID"),
        ("Digest", "DIGEST"),
        ("CompressedSize", "COMPRESSED"),
        ("CompressedBytes", "COMPRESSED BYTES"),
        ("Size", "SIZE"),
        ("Bytes", "BYTES"),
        ("Added", "ADDED"),
        ("Changed", "CHANGED"),
        ("Deleted", "DELETED"),
        ("Images", "IMAGES"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Comment", "COMMENT"),
    ],
};
const COLUMNS: &[&str] =
    &["Layer", "DiffID", "Digest", "CompressedSize", "Size", "Added", "Changed", "Deleted", "Images", "CreatedBy"];

/// Shows the layers, base first, numbered as `mount --upto` counts them. DIFF ID is the digest of a layer's tar, DIGEST
/// that of its blob. ADDED, CHANGED and DELETED count names, directories among them. IMAGES is the number of images
/// that have the layer.
#[derive(Debug, Args)]
pub struct TreeArgs {
    /// Print whole digests and commands
    #[arg(long)]
    no_trunc: bool,

    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long)]
    format: Option<String>,

    /// Of the platforms of the image, show this one
    #[arg(long, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// A reference, an image ID, or an unambiguous prefix of one
    image: String,
}

pub fn run(args: &TreeArgs, host: &Host, out: &mut Output) -> Outcome {
    let tree = host.open()?.image_tree(&args.image, args.platform.as_ref())?;
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    if format.is_none() {
        out.lines(title(&tree, args.no_trunc))?;
    }
    listing(&tree, args.no_trunc, Moment::now()).print(format, COLUMNS, out)
}

fn title(tree: &ImageTree, whole: bool) -> [String; 1] {
    let names: Vec<String> = tree.names.iter().map(Reference::familiar).collect();
    let names = if names.is_empty() { NONE.to_owned() } else { names.join(", ") };
    let (id, platform, size) = (digest(&tree.id, whole), &tree.platform, human_size(tree.size));
    let layers = match tree.layers.len() {
        1 => "1 layer".to_owned(),
        count => format!("{count} layers"),
    };
    [printable::word(format!("{names} ({id}, {platform}): {layers}, {size}").as_bytes())]
}

fn digest(digest: &Digest, whole: bool) -> String {
    if whole { digest.to_string() } else { digest.short().to_owned() }
}

fn listing(tree: &ImageTree, whole: bool, now: Moment) -> Listing {
    Listing::new(FIELDS, (1..).zip(&tree.layers).map(|(number, layer)| row(number, layer, whole, now)))
}

fn row(number: usize, layer: &TreeLayer, whole: bool, now: Moment) -> Vec<Value> {
    let step = &layer.step;
    let created = step.created.map(Moment::from);
    let or_none = |text: Option<String>| Value::from(text.unwrap_or_else(|| NOT_APPLICABLE.to_owned()));
    let count = |of: fn(&Changes) -> u64| layer.changes.as_ref().map_or(json!("broken"), |changes| json!(of(changes)));
    let command = step.created_by.replace('\t', " ");
    vec![
        json!(number),
        json!(digest(&layer.diff_id.0, whole)),
        or_none(layer.digest.as_ref().map(|own| digest(own, whole))),
        or_none(layer.compressed.map(human_size)),
        json!(layer.compressed),
        step.size.map_or(json!("broken"), |size| json!(human_size(size))),
        json!(step.size),
        count(|changes| changes.added),
        count(|changes| changes.changed),
        count(|changes| changes.deleted),
        json!(layer.images),
        json!(since(created, now)),
        or_none(created.map(Moment::rfc3339)),
        json!(if whole { command } else { ellipsis(&command, MAX_COMMAND) }),
        json!(step.comment),
    ]
}

#[cfg(test)]
mod tests {
    use rootlay::oci::DiffId;
    use rootlay::ops::HistoryStep;

    use super::*;

    #[test]
    fn layers_are_numbered_from_the_base() {
        let layer = |text: &str, changes| TreeLayer {
            diff_id: DiffId(Digest::of(text.as_bytes())),
            digest: Some(Digest::of(b"blob")),
            compressed: Some(1_500),
            step: HistoryStep { created_by: text.to_owned(), size: Some(5_000), ..HistoryStep::default() },
            changes,
            images: 2,
        };
        let changes = Changes { added: 3, changed: 2, deleted: 1 };
        let tree = ImageTree {
            id: Digest::of(b""),
            names: vec!["busybox:1".parse().unwrap()],
            platform: Platform::new("linux", "amd64", ""),
            size: 10_000,
            layers: vec![layer("ADD", Some(changes)), layer("RUN", None)],
        };
        assert_eq!(title(&tree, false), ["busybox:1 (e3b0c44298fc, linux/amd64): 2 layers, 10kB"]);
        let lines: Vec<String> = listing(&tree, false, Moment::now()).table(COLUMNS).lines().collect();
        assert_eq!(
            lines,
            [
                "LAYER     DIFF ID        DIGEST         COMPRESSED   SIZE      ADDED     CHANGED   DELETED   IMAGES    CREATED BY",
                "1         0ecba1370ba1   fa2c8cc4f281   1.5kB        5kB       3         2         1         2         ADD",
                "2         ddeaded8ad8e   fa2c8cc4f281   1.5kB        5kB       broken    broken    broken    2         RUN",
            ]
        );
    }
}
