//! Templates that would not end, and those that make no sense.

use proptest::prelude::*;

use super::super::{Template, Value};
use super::{document, row};

fn outcome(template: &str) -> Result<String, String> {
    let executed = Template::parse(template).and_then(|template| template.execute(&document()));
    executed.map_err(|error| error.to_string())
}

#[test]
fn what_calls_itself_ends() {
    let error = outcome("{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}").unwrap_err();
    let expected = "template parsing error: template: :1:25: executing \"a\" at <{{template \"a\"}}>: exceeded maximum \
                    template depth (50)";
    assert_eq!(error, expected);
    let root = outcome("{{template \"\"}}").unwrap_err();
    assert!(root.ends_with("exceeded maximum template depth (50)"), "{root}");
    let both = "{{define \"a\"}}{{template \"b\" .}}{{end}}{{define \"b\"}}{{if .}}{{template \"a\" .}}{{end}}{{end}}";
    let error = outcome(&format!("{both}{{{{template \"a\" .}}}}")).unwrap_err();
    assert!(error.ends_with("exceeded maximum template depth (50)"), "{error}");
}

#[test]
fn what_takes_too_many_steps_ends() {
    let call = |n| format!("{{{{template \"{n}\"}}}}");
    let define = |n| format!("{{{{define \"{n}\"}}}}{}{}{{{{end}}}}", call(n + 1), call(n + 1));
    let doubling: Vec<String> = (0..40).map(define).collect();
    let doubling = doubling.concat();
    let error =
        outcome(&format!("{doubling}{{{{define \"40\"}}}}{{{{1}}}}{{{{end}}}}{{{{template \"0\"}}}}")).unwrap_err();
    assert!(error.ends_with("exceeded maximum steps (1000000)"), "{error}");
    let error = outcome("{{range 9223372036854775807}}{{end}}").unwrap_err();
    assert!(error.ends_with("exceeded maximum steps (1000000)"), "{error}");
}

#[test]
fn what_becomes_too_long_ends() {
    for template in [
        "{{range 100}}{{printf \"%1000000d\" .}}{{end}}",
        "{{printf \"%10000000d%10000000d\" 1 2}}",
        "{{$x := \"0123456789\"}}{{range 64}}{{$x = print $x $x}}{{end}}",
        "{{$x := \"0123456789\"}}{{range 64}}{{$x = printf \"%s%s\" $x $x}}{{end}}",
        "{{pad .Name 9999999999 1}}",
        "{{pad .Name 16000000 16000000}}",
        "{{split (printf \"%9999999d\" 1) \"\"}}",
        "{{printf \"%9999999v\" .Tags}}",
        "{{join (split (printf \"%99999d\" 1) \"\") (printf \"%1000d\" 1)}}",
    ] {
        let error = outcome(template).unwrap_err();
        assert!(error.ends_with("exceeded maximum length (16777216)"), "{template}: {error}");
    }
    assert_eq!(outcome("{{printf \"%999999d\" 1 | len}}"), Ok("999999".to_owned()));
    assert_eq!(outcome("{{printf \"%.70000f\" 0.5 | len}}"), Ok("70002".to_owned()));
    assert_eq!(outcome("{{printf \"%.70000e\" 0.5 | len}}"), Ok("70006".to_owned()));
    assert_eq!(outcome("{{printf \"%.70000g\" 0.5}}"), Ok("0.5".to_owned()));
    assert_eq!(outcome("{{printf \"%.70000U\" 1 | len}}"), Ok("70002".to_owned()));
    assert_eq!(outcome("{{printf \"%.70000x\" 0.5 | len}}"), Ok("70008".to_owned()));
}

#[test]
fn nesting_is_limited_well_beyond_need() {
    let parens = |depth: usize| format!("{{{{{}1{}}}}}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(outcome(&parens(100)), Ok("1".to_owned()));
    let error = outcome(&parens(101)).unwrap_err();
    assert_eq!(error, "template parsing error: template: :1: exceeded maximum nesting (100)");
    assert!(outcome(&parens(100_000)).is_err());
    let ifs = |depth: usize| format!("{}x{}", "{{if .Yes}}".repeat(depth), "{{end}}".repeat(depth));
    assert_eq!(outcome(&ifs(100)), Ok("x".to_owned()));
    assert!(outcome(&ifs(101)).is_err());
    assert!(outcome(&"{{range .Tags}}".repeat(100_000)).is_err());
    let chain = |length: usize| format!("{{{{if .No}}}}{}{{{{end}}}}", "{{else if .No}}".repeat(length));
    assert_eq!(outcome(&chain(40)), Ok(String::new()));
    assert!(outcome(&chain(10_000)).is_err());
    // Deep calls of deep bodies.
    let deep = format!("{{{{define \"a\"}}}}{}{{{{end}}}}", ifs(90).replace('x', "{{template \"a\" .}}"));
    assert!(outcome(&format!("{deep}{{{{template \"a\" .}}}}")).unwrap_err().contains("exceeded maximum"));
    assert!(outcome(&"{{.Name}}".repeat(10_000)).is_ok());
}

fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        " ",
        "\n",
        ".",
        ".Name",
        ".Tags",
        ".Labels",
        ".AnyMap.m",
        ".Nope",
        "$",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        ",",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "define ",
        "template ",
        "block ",
        "break",
        "continue",
        "nil",
        "true",
        "1",
        "-2",
        "0x1f",
        "1.5",
        "1e9",
        "'a'",
        "\"a\"",
        "\"%[2]*d|%+q\"",
        "`x`",
        "printf ",
        "print ",
        "index ",
        "slice ",
        "len ",
        "eq ",
        "lt ",
        "and ",
        "or ",
        "not ",
        "json ",
        "join ",
        "split ",
        "pad ",
        "truncate ",
        "html ",
        "js ",
        "urlquery ",
        "/*",
        "*/",
        "é",
        "🦀",
        "\\",
        "\"",
        "`",
        "'",
    ]);
    prop::collection::vec(words, 0..24).prop_map(|words| words.concat())
}

/// Half of them are at least actions.
fn templates() -> impl Strategy<Value = String> {
    prop_oneof![pieces(), pieces().prop_map(|inner| format!("{{{{{inner}}}}}"))]
}

proptest! {
    #[test]
    fn nothing_panics(template in templates()) {
        if let Ok(template) = Template::parse(&template) {
            for data in [document(), row(), Value::Nil] {
                let _ = template.execute(&data);
                let _ = template.execute_strictly(&data);
                let _ = template.execute_for_header(&data);
            }
        }
    }

    #[test]
    fn no_format_panics(format in "[%#+ 0\\-*.\\[\\]0-9a-zA-Zé]{0,24}") {
        let template = format!("{{{{printf `{format}` 1 .Pi .Name .Tags .Labels nil .Yes .Ptr -3 (index .Name 0)}}}}");
        prop_assert!(Template::parse(&template).is_ok());
        let _ = outcome(&template);
    }

    #[test]
    fn text_stays_as_it_is(text in "[^{]*") {
        prop_assert_eq!(outcome(&text), Ok(text));
    }

    #[test]
    fn a_quoted_text_is_itself_again(text in any::<String>()) {
        let quoted = super::super::quote::quoted(&text);
        prop_assert_eq!(super::super::quote::unquote(&quoted), Some(text));
    }
}
