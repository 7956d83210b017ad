//! Listings: `table`, `json` and templates for rows.

use super::super::Value;
use super::super::listing::{Columns, Format};

const COLUMNS: Columns = Columns {
    type_name: "*formatter.imageContext",
    fields: &[
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("CreatedSince", "CREATED"),
        ("Size", "SIZE"),
    ],
};
const DEFAULT: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t\
                       {{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}";

fn rows() -> Vec<Vec<Value>> {
    let rows = [
        ["d5e1e48cf932", "busybox", "latest", "<none>", "3 days ago", "1.22MB"],
        ["0123456789ab", "example.com/a/long-name", "1.0", "<none>", "", "72.8MB"],
    ];
    rows.map(|row| row.map(Value::from).to_vec()).to_vec()
}

fn listing(format: &str) -> String {
    match Format::parse(format, DEFAULT).and_then(|format| format.render(&COLUMNS, rows())) {
        Ok(lines) => lines,
        Err(error) => format!("{error}\n"),
    }
}

#[test]
fn s71_the_default_table() {
    let expected = "\
REPOSITORY                TAG       IMAGE ID       CREATED      SIZE
busybox                   latest    d5e1e48cf932   3 days ago   1.22MB
example.com/a/long-name   1.0       0123456789ab   N/A          72.8MB
";
    for format in ["", "table", " table "] {
        assert_eq!(listing(format), expected, "{format}");
    }
}

#[test]
fn s71_listings() {
    for (format, expected) in [
        ("{{.Repository}}:{{.Tag}}", "busybox:latest\nexample.com/a/long-name:1.0\n"),
        (r"{{.ID}}\t{{.Tag}}", "d5e1e48cf932\tlatest\n0123456789ab\t1.0\n"),
        (r"  {{.ID}}\n- ", "d5e1e48cf932\n-\n0123456789ab\n-\n"),
        (
            "json",
            "{\"CreatedSince\":\"3 days ago\",\"Digest\":\"\\u003cnone\\u003e\",\"ID\":\"d5e1e48cf932\",\"Repository\":\
             \"busybox\",\"Size\":\"1.22MB\",\"Tag\":\"latest\"}\n\
             {\"CreatedSince\":\"\",\"Digest\":\"\\u003cnone\\u003e\",\"ID\":\"0123456789ab\",\"Repository\":\
             \"example.com/a/long-name\",\"Size\":\"72.8MB\",\"Tag\":\"1.0\"}\n",
        ),
        ("{{json .Digest}}", "\"<none>\"\n\"<none>\"\n"),
        (r"table {{.ID}}\t{{.Tag}}", "IMAGE ID       TAG\nd5e1e48cf932   latest\n0123456789ab   1.0\n"),
        ("table   {{.Tag}}  ", "TAG\nlatest\n1.0\n"),
        ("table{{.Tag}}", "TAG\nlatest\n1.0\n"),
        // Functions leave the heads alone, and spaces still move them.
        (
            r"table {{upper .Tag}}\t{{json .Digest}}\t{{truncate .ID 2}}\t{{pad .Size 2 0}}",
            "TAG       DIGEST     IMAGE ID     SIZE\n\
             LATEST    \"<none>\"   d5           1.22MB\n\
             1.0       \"<none>\"   01           72.8MB\n",
        ),
        (r#"table {{printf "%.3s" .Tag}}|{{len .ID}}"#, "TAG|8\nlat|12\n1.0|12\n"),
        // Lines of their own columns, and a head that cannot be made.
        (
            r#"table {{.Tag}}{{if eq .Tag "latest"}}\t{{.ID}}{{end}}\tx"#,
            "TAG       x\nlatest    d5e1e48cf932   x\n1.0       x\n",
        ),
        (r"table {{.Tag}}\t{{index .ID 0}}{{slice .Size 5}}", "TAG       73\nlatest    100B\n1.0       48B\n"),
        (
            "{{.Nope}}",
            "template parsing error: template: :1:2: executing \"\" at <.Nope>: \
             can't evaluate field Nope in type *formatter.imageContext\n",
        ),
        (
            r"table {{.ID}}\t{{.Nope}}",
            "template parsing error: template: :1:10: executing \"\" at <.Nope>: \
             can't evaluate field Nope in type *formatter.imageContext\n",
        ),
        ("{{.ID", "template parsing error: template: :1: unclosed action\n"),
        ("{{nope .ID}}", "template parsing error: template: :1: function \"nope\" not defined\n"),
    ] {
        assert_eq!(listing(format), expected, "{format}");
    }
}

#[test]
fn s71_without_rows_a_table_is_its_head_and_the_rest_is_nothing() {
    let render = |format| Format::parse(format, DEFAULT).unwrap().render(&COLUMNS, Vec::new()).unwrap();
    assert_eq!(render(""), "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    assert_eq!(render("table {{.ID}}"), "IMAGE ID\n");
    assert_eq!(render("table {{.ID}}\\t{{.Nope}}|"), "IMAGE ID   <no value>|\n");
    assert_eq!(render("table {{.ID}}{{index .ID 99}}x"), "IMAGE ID\n");
    assert_eq!(render("json"), "");
    assert_eq!(render("{{.Nope}}"), "");
}

#[test]
fn only_what_may_be_shown_need_be_worked_out() {
    let shows = |format: &str, field| Format::parse(format, DEFAULT).unwrap().may_show(field);
    assert!(shows("", "Size") && !shows("", "Digest"));
    assert!(shows("{{.Digest}}", "Digest") && shows("{{ upper .Digest }}", "Digest"));
    assert!(shows("json", "Digest") && shows("{{json .}}", "Digest") && shows("{{.}}", "Digest"));
    assert!(shows("{{printf `%v` .}}", "Digest") && shows("{{with $}}{{end}}", "Digest"));
    assert!(!shows("{{.ID}}", "Digest") && !shows("{{$.ID}} {{$x := .Tag}}{{$x}}", "Digest"));
    assert!(Format::parse("table", DEFAULT).unwrap().is_table());
    assert!(!Format::parse("json", DEFAULT).unwrap().is_table());
}

#[test]
fn columns_end_where_a_line_has_no_cell() {
    let align = super::super::tabs::align;
    assert_eq!(align("a\tb\tc\nx\nlonger than that\tb"), "a         b         c\nx\nlonger than that   b");
    assert_eq!(align("a\t\tc"), "a                   c");
    assert_eq!(align("a\t"), "a         ");
    assert_eq!(align(""), "");
    assert_eq!(align("äöüäöüäöü\tx\n"), "äöüäöüäöü   x\n");
}
