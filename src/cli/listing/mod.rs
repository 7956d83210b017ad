//! Listings: rows of named fields, printed as a table, as JSON, or by a template.

pub mod images;

use serde_json::{Map, Value};

use super::failure::Outcome;
use super::go_json;
use super::output::Output;
use super::printable;
use super::table::Table;

/// What stands where there is nothing to name.
pub const NONE: &str = "<none>";
/// What stands where something does not apply.
pub const NOT_APPLICABLE: &str = "N/A";

/// A field of a listing: its name in templates and in JSON, and what stands over it in a table.
pub type Field = (&'static str, &'static str);

/// Rows, each with a value for every field.
#[derive(Debug)]
pub struct Listing {
    fields: &'static [Field],
    rows: Vec<Vec<Value>>,
}

impl Listing {
    /// Rows of these fields, with the values in the same order.
    pub fn new(fields: &'static [Field], rows: impl IntoIterator<Item = Vec<Value>>) -> Self {
        Self { fields, rows: rows.into_iter().collect() }
    }

    /// Prints the rows. `columns` are the fields of the table that stands for `table` alone.
    pub fn print(&self, format: Option<&str>, columns: &[&str], out: &mut Output) -> Outcome {
        match format.map(str::trim) {
            Some("json") => out.lines(self.rows.iter().map(|row| self.json(row))),
            _ => out.lines(self.table(columns).lines()),
        }
    }

    /// Prints one field of each row.
    pub fn print_field(&self, name: &str, out: &mut Output) -> Outcome {
        let place = self.fields.iter().position(|(field, _)| *field == name);
        let values = self.rows.iter().filter_map(|row| row.get(place?));
        out.lines(values.map(cell))
    }

    /// The table of these fields.
    pub fn table(&self, columns: &[&str]) -> Table {
        let places: Vec<usize> =
            columns.iter().filter_map(|name| self.fields.iter().position(|(field, _)| field == name)).collect();
        let header: Vec<&str> = places.iter().map(|&place| self.fields[place].1).collect();
        let mut table = Table::new(&header);
        for row in &self.rows {
            table.row(places.iter().map(|&place| row.get(place).map(cell).unwrap_or_default()).collect());
        }
        table
    }

    /// A row as `{{json .}}` prints it.
    fn json(&self, row: &[Value]) -> String {
        let pairs = self.fields.iter().zip(row).map(|((field, _), value)| ((*field).to_owned(), value.clone()));
        go_json::line(&Value::Object(pairs.collect::<Map<_, _>>()))
    }
}

/// A value as text for a terminal.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => printable::word(text.as_bytes()),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Cuts a text to so many characters, the last of which is then `…`.
pub fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[("Name", "NAME"), ("Live", "LIVE"), ("More", "MORE")];

    fn listing() -> Listing {
        Listing::new(
            FIELDS,
            [vec![json!("<a>"), json!(true), json!(null)], vec![json!("b\u{1b}"), json!(false), json!("x")]],
        )
    }

    #[test]
    fn columns_are_chosen_and_made_safe() {
        let lines: Vec<String> = listing().table(&["Live", "Name", "More"]).lines().collect();
        assert_eq!(lines, ["LIVE      NAME      MORE", "true      <a>       ", "false     b\\u{1b}   x"]);
    }

    #[test]
    fn s71_json_has_sorted_keys_and_gos_escapes() {
        let listing = listing();
        assert_eq!(listing.json(&listing.rows[0]), r#"{"Live":true,"More":null,"Name":"\u003ca\u003e"}"#);
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis() {
        assert_eq!(ellipsis(&"ü".repeat(45), 45), "ü".repeat(45));
        assert_eq!(ellipsis(&"ü".repeat(46), 45), format!("{}…", "ü".repeat(44)));
    }
}
