//! Listings: rows of named fields, printed as a table, as JSON, or by a template.

pub mod images;

use rootlay::{Error, ErrorKind, Result};
use serde_json::Value;

use super::failure::Outcome;
use super::output::Output;
use super::printable;
use super::table::Table;
use super::template::listing::Format;
use super::template::{ANY, Template, TemplateError, Value as Typed};
use super::time::Moment;

pub use super::template::listing::Columns as RowType;

/// What stands where there is nothing to name.
pub const NONE: &str = "<none>";
/// What stands where something does not apply.
pub const NOT_APPLICABLE: &str = "N/A";

/// How long ago something was made. The year 1 is what Go writes where it has no time, and 1970 what reproducible builds
/// write: neither tells an age.
pub fn since(created: Option<Moment>, now: Moment) -> String {
    let created = created.filter(|created| created.tells_an_age());
    created.map_or_else(|| NOT_APPLICABLE.to_owned(), |created| created.ago(now))
}

/// Rows, each with a value for every field.
#[derive(Debug)]
pub struct Listing {
    kind: RowType,
    rows: Vec<Vec<Value>>,
}

impl Listing {
    /// Rows of this kind, with the values in the order of its fields.
    pub fn new(kind: RowType, rows: impl IntoIterator<Item = Vec<Value>>) -> Self {
        Self { kind, rows: rows.into_iter().collect() }
    }

    /// Prints the rows. `columns` are the fields of the table that stands for `table` alone.
    ///
    /// # Errors
    /// What is wrong with a template; nothing is printed then.
    pub fn print(&self, format: Option<&str>, columns: &[&str], out: &mut Output) -> Outcome {
        match format.map(|format| format.trim_matches(' ')) {
            None | Some("" | "table") => out.lines(self.table(columns).lines()),
            Some(format) => out.raw(self.text(format)?.as_bytes()),
        }
    }

    /// What a template, or `json`, makes of the rows.
    pub fn text(&self, format: &str) -> Result<String> {
        let wrong = |error: TemplateError| Error::new(ErrorKind::Failed, error.to_string());
        // JSON has escapes of its own.
        let is_json = format.contains("json");
        let value = |value: &Value| match value {
            Value::String(text) if !is_json => printable::word(text.as_bytes()).into(),
            other => other.clone().into(),
        };
        let rows = self.rows.iter().map(|row| row.iter().map(value).collect());
        let text = Format::parse(format, "").and_then(|format| format.render(&self.kind, rows)).map_err(wrong)?;
        Ok(if is_json { printable::lines(&text) } else { text })
    }

    /// Prints one field of each row.
    pub fn print_field(&self, name: &str, out: &mut Output) -> Outcome {
        let place = self.kind.fields.iter().position(|(field, _)| *field == name);
        let values = self.rows.iter().filter_map(|row| row.get(place?));
        out.lines(values.map(cell))
    }

    /// The rows as objects.
    pub fn objects(&self) -> Value {
        let names = || self.kind.fields.iter().map(|(name, _)| (*name).to_owned());
        self.rows.iter().map(|row| names().zip(row.iter().cloned()).collect::<Value>()).collect()
    }

    /// The table of these fields.
    pub fn table(&self, columns: &[&str]) -> Table {
        let places: Vec<usize> =
            columns.iter().filter_map(|name| self.kind.fields.iter().position(|(field, _)| field == name)).collect();
        let header: Vec<&str> = places.iter().map(|&place| self.kind.fields[place].1).collect();
        let mut table = Table::new(&header);
        for row in &self.rows {
            table.row(places.iter().map(|&place| row.get(place).map(cell).unwrap_or_default()).collect());
        }
        table
    }
}

/// Prints one object: as these lines, as JSON in one line, or by a template.
///
/// # Errors
/// What is wrong with a template; nothing is printed then.
pub fn print_object(
    object: &Value,
    format: Option<&str>,
    lines: impl FnOnce() -> Vec<String>,
    out: &mut Output,
) -> Outcome {
    let wrong = |error: TemplateError| Error::new(ErrorKind::Failed, error.to_string());
    match format.map(|format| format.trim_matches(' ')) {
        None | Some("" | "table") => out.lines(lines()),
        Some("json") => out.line(&object.to_string()),
        Some(text) => {
            let template = Template::parse(text).map_err(wrong)?;
            let fields = object.as_object().cloned().unwrap_or_default().into_iter();
            let object = Typed::map(ANY, fields.map(|(name, value)| (name, value.into())));
            out.line(&printable::lines(&template.execute_strictly(&object).map_err(wrong)?))
        }
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

    const KIND: RowType = RowType {
        type_name: "*formatter.testContext",
        fields: &[("Name", "NAME"), ("Live", "LIVE"), ("More", "MORE")],
    };

    fn listing() -> Listing {
        let one = vec![json!("<a>"), json!(true), json!(null)];
        Listing::new(KIND, [one, vec![json!("b\u{1b}"), json!(false), json!("x")]])
    }

    #[test]
    fn columns_are_chosen_and_made_safe() {
        let lines: Vec<String> = listing().table(&["Live", "Name", "More"]).lines().collect();
        assert_eq!(lines, ["LIVE      NAME      MORE", "true      <a>       ", "false     b\\u{1b}   x"]);
    }

    #[test]
    fn s71_json_has_sorted_keys_and_gos_escapes() {
        let json = listing().text("json").unwrap();
        assert_eq!(json.lines().next(), Some(r#"{"Live":true,"More":null,"Name":"\u003ca\u003e"}"#));
        assert!(json.ends_with("\"Name\":\"b\\u001b\"}\n"), "{json}");
    }

    #[test]
    fn s71_templates_make_lines_or_a_table() {
        assert_eq!(listing().text("{{.Name}}:{{.Live}}").unwrap(), "<a>:true\nb\\u{1b}:false\n");
        assert_eq!(
            listing().text("table {{.Name}}\\t{{.Live}}").unwrap(),
            "NAME      LIVE\n<a>       true\nb\\u{1b}   false\n"
        );
        let error = listing().text("{{.Foo}}").unwrap_err();
        let words = "template parsing error: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type \
                     *formatter.testContext";
        assert_eq!(error.to_string(), words);
        assert!(listing().text("{{").is_err());
    }

    #[test]
    fn s30_a_time_that_was_never_set_tells_no_age() {
        let at = |text| Moment::parse(text);
        let now = at("2021-03-04T00:00:00Z").unwrap();
        for (created, expected) in [
            (None, "N/A"),
            (at("0001-01-01T00:00:00Z"), "N/A"),
            (at("1970-01-01T00:00:00Z"), "N/A"),
            (at("1970-01-01T00:00:01Z"), "51 years ago"),
            (at("2021-03-01T00:00:00Z"), "3 days ago"),
        ] {
            assert_eq!(since(created, now), expected, "{created:?}");
        }
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis() {
        assert_eq!(ellipsis(&"ü".repeat(45), 45), "ü".repeat(45));
        assert_eq!(ellipsis(&"ü".repeat(46), 45), format!("{}…", "ü".repeat(44)));
    }
}
