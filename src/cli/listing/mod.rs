//! The rows of `images`: one for each tag of an image, as Docker lists them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rootlay::oci::{Digest, Platform};
use rootlay::ops::ImageInfo;

use super::glob;
use super::go_json;
use super::table::Table;
use super::time::Moment;
use super::units::human_size;

const NONE: &str = "<none>";

/// One line of the listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The familiar name, `None` for an image without a name.
    pub repository: Option<String>,
    pub tag: Option<String>,
    /// The name with its registry, for patterns.
    pub canonical: Option<String>,
    pub digest: Option<Digest>,
    pub id: Digest,
    pub created: Option<Moment>,
    pub size: u64,
    /// How well the image fits this machine; less is better.
    pub rank: u32,
}

/// What is shown of a row.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// With the DIGEST column.
    pub digests: bool,
    /// Image IDs are not cut.
    pub whole: bool,
}

impl Row {
    /// The image ID as it is shown.
    pub fn shown_id(&self, columns: Columns) -> String {
        if columns.whole { self.id.to_string() } else { self.id.short().to_owned() }
    }

    fn name(&self) -> Option<(String, String)> {
        Some((self.repository.clone()?, self.tag.clone()?))
    }

    fn shown_digest(&self) -> String {
        self.digest.as_ref().map_or_else(|| NONE.to_owned(), Digest::to_string)
    }
}

/// The rows of these images, newest first, then by name. Platforms of one tag stand together, the host's first. With
/// `digests`, an image that a repository knows by several digests has a row for each.
pub fn rows(images: &[ImageInfo], digests: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = images.iter().flat_map(|image| rows_of(image, digests)).collect();
    let mut newest: BTreeMap<(String, String), Option<Moment>> = BTreeMap::new();
    for row in &rows {
        if let Some(name) = row.name() {
            let created = newest.entry(name).or_default();
            *created = row.created.max(*created);
        }
    }
    rows.sort_by_cached_key(|row| {
        let created = row.name().and_then(|name| newest.get(&name).copied()).unwrap_or(row.created);
        (Reverse(created), row.repository.clone(), row.tag.clone(), row.rank, row.id.clone())
    });
    rows
}

fn rows_of(image: &ImageInfo, digests: bool) -> Vec<Row> {
    let nameless = Row {
        repository: None,
        tag: None,
        canonical: None,
        digest: image.digest.clone(),
        id: image.id.clone(),
        created: image.created.as_deref().and_then(Moment::parse),
        size: image.size,
        rank: Platform::host().rank(&image.platform).unwrap_or(u32::MAX),
    };
    if image.references.is_empty() {
        return vec![nameless];
    }
    let named = image.references.iter().map(|reference| Row {
        repository: Some(reference.familiar_name()),
        canonical: Some(format!("{}/{}", reference.registry(), reference.repository())),
        tag: reference.tag().map(str::to_owned),
        digest: reference.digest().or(image.digest.as_ref()).cloned(),
        ..nameless.clone()
    });
    let named: BTreeSet<Row> = named.collect();
    // Without the column, rows that differ only there are one; and what has a tag is not shown as `<none>` too.
    let covers = |shown: &Row, row: &Row| {
        let same = shown.repository == row.repository && (!digests || shown.digest == row.digest);
        same && (row.tag.is_none() || shown.tag == row.tag)
    };
    let mut rows: Vec<Row> = Vec::new();
    // Tags sort behind their absence.
    for row in named.into_iter().rev() {
        if !rows.iter().any(|shown| covers(shown, &row)) {
            rows.push(row);
        }
    }
    rows
}

/// Whether a row is meant by the argument of `images`: `repo`, `repo:tag`, `repo@digest`, or a pattern of them.
pub fn selects(pattern: &str, row: &Row) -> bool {
    let names = [row.repository.as_ref(), row.canonical.as_ref()];
    names.into_iter().flatten().any(|name| {
        let tag = row.tag.as_ref().map(|tag| format!("{name}:{tag}"));
        let digest = row.digest.as_ref().map(|digest| format!("{name}@{digest}"));
        let texts = [Some(name.clone()), tag, digest];
        texts.iter().flatten().any(|text| glob::matches(pattern, text) == Some(true))
    })
}

/// The listing as a table.
pub fn table(rows: &[Row], columns: Columns, now: Moment) -> Table {
    let mut header = vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
    if columns.digests {
        header.insert(2, "DIGEST");
    }
    let mut table = Table::new(&header);
    for row in rows {
        let mut cells = vec![
            shown(row.repository.as_ref()),
            shown(row.tag.as_ref()),
            row.shown_id(columns),
            row.created.map_or_else(|| "N/A".to_owned(), |created| created.ago(now)),
            human_size(row.size),
        ];
        if columns.digests {
            cells.insert(2, row.shown_digest());
        }
        table.row(cells);
    }
    table
}

fn shown(name: Option<&String>) -> String {
    name.cloned().unwrap_or_else(|| NONE.to_owned())
}

/// A row as Docker's JSON: every value is text, and `<`, `>`, `&` are escaped.
pub fn json(row: &Row, columns: Columns, now: Moment) -> String {
    let digest = if columns.digests { row.shown_digest() } else { NONE.to_owned() };
    let object = serde_json::json!({
        "Containers": "N/A",
        "CreatedAt": row.created.map_or_else(|| "N/A".to_owned(), Moment::go_string),
        "CreatedSince": row.created.map_or_else(|| "N/A".to_owned(), |created| created.ago(now)),
        "Digest": digest,
        "ID": row.shown_id(columns),
        "Repository": shown(row.repository.as_ref()),
        "SharedSize": "N/A",
        "Size": human_size(row.size),
        "Tag": shown(row.tag.as_ref()),
        "UniqueSize": "N/A",
    });
    go_json::line(&object)
}

#[cfg(test)]
mod tests;
