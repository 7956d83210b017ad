//! The rows of `images`: one for each tag of an image, as Docker lists them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use rootlay::oci::{Digest, Platform};
use rootlay::ops::ImageInfo;
use serde_json::Value;

use super::super::table::Table;
use super::super::time::Moment;
use super::super::units::human_size;
use super::{Listing, NONE, NOT_APPLICABLE, RowType, since};

/// What stands for the size of an image that cannot be mounted.
const BROKEN: &str = "broken";

const FIELDS: RowType = RowType {
    type_name: "*formatter.imageContext",
    fields: &[
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
        ("Containers", "CONTAINERS"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
    ],
};

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Sort {
    // What is said of a value would make the help text a long one.
    #[default]
    Created,
    Id,
    Repository,
    Size,
    Tag,
}

/// One line of the listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The familiar name, `None` for an image without a name.
    pub repository: Option<String>,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
    pub id: Digest,
    pub created: Option<Moment>,
    pub size: u64,
    pub platform: Platform,
    /// It cannot be mounted.
    pub broken: bool,
    /// How well the image fits this machine; less is better.
    rank: u32,
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

    fn shown_size(&self) -> String {
        if self.broken { BROKEN.to_owned() } else { human_size(self.size) }
    }

    fn values(&self, columns: Columns, now: Moment) -> Vec<Value> {
        let or_none = |name: Option<&String>| name.cloned().unwrap_or_else(|| NONE.to_owned());
        let digest = self.digest.as_ref().filter(|_| columns.digests).map(Digest::to_string);
        let values = [
            or_none(self.repository.as_ref()),
            or_none(self.tag.as_ref()),
            or_none(digest.as_ref()),
            self.shown_id(columns),
            since(self.created, now),
            self.created.map_or_else(|| NOT_APPLICABLE.to_owned(), Moment::go_string),
            self.shown_size(),
            NOT_APPLICABLE.to_owned(),
            NOT_APPLICABLE.to_owned(),
            NOT_APPLICABLE.to_owned(),
        ];
        values.map(Value::from).to_vec()
    }
}

/// The rows of these images, newest first, then by name. Platforms of one tag stand together, the host's first. With
/// `digests`, an image that a repository knows by several digests has a row for each.
pub fn rows(images: &[ImageInfo], digests: bool) -> Vec<Row> {
    let host = Platform::host();
    let mut rows: Vec<Row> = images.iter().flat_map(|image| rows_of(image, &host, digests)).collect();
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

/// Sorts rows that are sorted by their age; rows that are equal then stay as they are.
pub fn sort(rows: &mut [Row], by: Sort) {
    match by {
        Sort::Created => {}
        Sort::Id => rows.sort_by(|one, other| one.id.cmp(&other.id)),
        Sort::Size => rows.sort_by_key(|row| row.size),
        Sort::Repository => {
            rows.sort_by(|one, other| (&one.repository, &one.tag).cmp(&(&other.repository, &other.tag)));
        }
        Sort::Tag => rows.sort_by(|one, other| (&one.tag, &one.repository).cmp(&(&other.tag, &other.repository))),
    }
}

fn rows_of(image: &ImageInfo, host: &Platform, digests: bool) -> Vec<Row> {
    let nameless = Row {
        repository: None,
        tag: None,
        digest: image.digest.clone(),
        id: image.id.clone(),
        created: image.created.map(Moment::from),
        size: image.size,
        platform: image.platform.clone(),
        broken: image.broken.is_some(),
        rank: host.rank(&image.platform).unwrap_or(u32::MAX),
    };
    if image.names.is_empty() {
        return vec![nameless];
    }
    let mut rows = BTreeSet::new();
    for name in &image.names {
        let repository = name.reference.familiar_name();
        let row = Row { repository: Some(repository), digest: name.digest.clone(), ..nameless.clone() };
        let same = |other: &&rootlay::ops::ImageName| other.reference.familiar_name() == name.reference.familiar_name();
        let siblings = || image.names.iter().filter(same);
        if let Some(tag) = name.reference.tag() {
            let row = Row { tag: Some(tag.to_owned()), ..row };
            if digests {
                // A digest that was named is one of the whole repository; one that came with a tag is the tag's.
                let named = siblings().filter(|other| other.reference.tag().is_none());
                rows.extend(named.map(|other| Row { digest: other.digest.clone(), ..row.clone() }));
            }
            rows.insert(row);
        } else if siblings().all(|other| other.reference.tag().is_none()) {
            // Without the column, rows that differ only there are one.
            let digest = row.digest.clone().filter(|_| digests);
            rows.insert(Row { digest, ..row });
        }
    }
    rows.into_iter().collect()
}

/// The listing.
pub fn listing(rows: &[Row], columns: Columns, now: Moment) -> Listing {
    Listing::new(FIELDS, rows.iter().map(|row| row.values(columns, now)))
}

/// The fields of the default table.
pub fn default_fields(digests: bool) -> &'static [&'static str] {
    if digests {
        &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"]
    } else {
        &["Repository", "Tag", "ID", "CreatedSince", "Size"]
    }
}

/// Names, and below each the platforms that the store has of it.
pub fn tree(rows: &[Row], columns: Columns, now: Moment) -> Vec<String> {
    let mut table = Table::new(&["IMAGE", "IMAGE ID", "CREATED", "SIZE"]);
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let same =
            |row: &&Row| row.repository.is_some() && (&row.repository, &row.tag) == (&first.repository, &first.tag);
        let count = rest.iter().take_while(same).count().max(1);
        let (group, after) = rest.split_at(count);
        rest = after;
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| NONE.to_owned());
        table.row(vec![format!("{}:{}", part(&first.repository), part(&first.tag))]);
        for (place, row) in group.iter().enumerate() {
            let branch = if place + 1 == count { "└─" } else { "├─" };
            let platform = if row.platform.os.is_empty() { NONE.to_owned() } else { row.platform.to_string() };
            let shown = format!("{branch} {platform}");
            table.row(vec![shown, row.shown_id(columns), since(row.created, now), row.shown_size()]);
        }
    }
    table.lines().collect()
}

#[cfg(test)]
mod tests;
