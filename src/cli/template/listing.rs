//! The lines of a listing, as `--format` wants them.

use super::tabs;
use super::value::{Struct, Value};
use super::{Template, TemplateError};

/// What the rows of a listing have.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// What messages call the type of a row: `*formatter.imageContext`.
    pub type_name: &'static str,
    /// The fields and what stands over them in a table.
    pub fields: &'static [(&'static str, &'static str)],
}

impl Columns {
    /// A row of these values, which are in the order of the fields.
    fn row(&self, values: Vec<Value>) -> Value {
        let named = self.fields.iter().zip(values);
        named.fold(Struct::row(self.type_name), |row, ((name, _), value)| row.field(name, value)).into()
    }

    fn header(&self) -> Value {
        Value::map("string", self.fields.iter().map(|(name, header)| (*name, Value::from(*header))))
    }
}

/// A `--format` that was understood.
#[derive(Debug, Clone)]
pub struct Format {
    source: String,
    template: Template,
    is_table: bool,
}

impl Format {
    /// Reads what stands behind `--format`. Nothing at all and `table` are the default, which is such a text too
    /// (`table {{.ID}}\t{{.Name}}`); `json` is an object for each row; `table TEMPLATE` is aligned under a head; the
    /// rest is a template for each row. `\t` and `\n` are written as two characters.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub fn parse(text: &str, default: &str) -> Result<Self, TemplateError> {
        let source = if matches!(text.trim_matches(' '), "" | "table") { default } else { text };
        let (is_table, template) = match source.strip_prefix("table") {
            Some(template) => (true, template),
            None if source == "json" => (false, "{{json .}}"),
            None => (false, source),
        };
        let template = template.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n");
        Ok(Self { source: source.to_owned(), template: Template::parse(&template)?, is_table })
    }

    /// Whether the lines stand under a head.
    #[cfg(test)]
    pub fn is_table(&self) -> bool {
        self.is_table
    }

    /// Whether a field may be shown, so that one that costs time need only be worked out when it is. It is not when
    /// the template neither names it nor has a dot or `$` that stands for the whole row.
    #[cfg_attr(not(test), expect(dead_code, reason = "no field costs time so far"))]
    pub fn may_show(&self, field: &str) -> bool {
        let alone = |(at, sign): (usize, &str)| {
            let next = self.source[at + sign.len()..].chars().next();
            next.is_none_or(|next| !next.is_alphanumeric() && next != '_' && next != '.')
        };
        self.source == "json"
            || self.source.contains(&format!(".{field}"))
            || self.source.match_indices(['.', '$']).any(alone)
    }

    /// The whole listing, with its line ends. A row is the values of the fields, in their order.
    ///
    /// # Errors
    /// What could not be evaluated; nothing is to be printed then.
    pub fn render(
        &self,
        columns: &Columns,
        rows: impl IntoIterator<Item = Vec<Value>>,
    ) -> Result<String, TemplateError> {
        let mut out = String::new();
        if self.is_table {
            out.push_str(&self.template.execute_for_header(&columns.header()));
            out.push('\n');
        }
        for row in rows {
            out.push_str(&self.template.execute(&columns.row(row))?);
            out.push('\n');
        }
        Ok(if self.is_table { tabs::align(&out) } else { out })
    }
}
