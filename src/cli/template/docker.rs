//! The functions that Docker adds, and their stand-ins for the head of a table.

use super::functions::{Called, Function, Param, fixed, limited, one};
use super::json;
use super::printer;
use super::quote;
use super::value::Value;

use Param::{Any, Int, Text};

/// How many pieces a text can be split into.
const MAX_ITEMS: usize = 1 << 20;

pub static FUNCTIONS: &[(&str, Function)] = &[
    ("json", fixed(&[Any], |values| Ok(Value::Text(json::encode(one(values)))))),
    ("split", fixed(&[Text, Text], split)),
    ("join", fixed(&[Any, Text], join)),
    ("title", fixed(&[Text], |values| Ok(Value::Text(title(text(values, 0)))))),
    ("lower", fixed(&[Text], |values| Ok(Value::Text(cased(text(values, 0), lower))))),
    ("upper", fixed(&[Text], |values| Ok(Value::Text(cased(text(values, 0), upper))))),
    ("pad", fixed(&[Text, Int, Int], pad)),
    ("truncate", fixed(&[Text, Int], truncate)),
];

/// In the head of a table, columns keep their names. `pad` stays, as it moves the columns.
pub static HEADERS: &[(&str, Function)] = &[
    ("json", fixed(&[Text], SAME)),
    ("split", fixed(&[Text, Text], SAME)),
    ("join", fixed(&[Text, Text], SAME)),
    ("title", fixed(&[Text], SAME)),
    ("lower", fixed(&[Text], SAME)),
    ("upper", fixed(&[Text], SAME)),
    ("truncate", fixed(&[Text, Int], SAME)),
];

const SAME: fn(&[Value]) -> Called = |values| Ok(one(values).clone());

fn text(values: &[Value], index: usize) -> &str {
    match values.get(index) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

fn int(values: &[Value], index: usize) -> i64 {
    match values.get(index) {
        Some(Value::Int(value)) => *value,
        _ => 0,
    }
}

fn split(values: &[Value]) -> Called {
    let (whole, separator) = (text(values, 0), text(values, 1));
    if whole.matches(separator).take(MAX_ITEMS + 1).count() > MAX_ITEMS {
        return limited(None);
    }
    // Between nothing stand the characters.
    Ok(if separator.is_empty() { Value::texts(whole.chars()) } else { Value::texts(whole.split(separator)) })
}

fn join(values: &[Value]) -> Called {
    let printed = |item: &Value| printer::print(std::slice::from_ref(item));
    let items: Option<Vec<String>> = match one(values) {
        Value::Nil => Some(Vec::new()),
        Value::List(list) => list.items().iter().map(printed).collect(),
        Value::Map(map) => {
            let items: Option<Vec<String>> = map.iter().map(|(_, item)| printed(item)).collect();
            items.map(|mut items| {
                items.sort();
                items
            })
        }
        other => return Err(format!("expected slice, got {}", other.type_name())),
    };
    let separator = text(values, 1);
    limited(
        items
            .filter(|items| items.len() * separator.len() <= super::exec::MAX_LENGTH)
            .map(|items| items.join(separator)),
    )
}

/// Every word with a capital.
fn title(words: &str) -> String {
    let mut previous = ' ';
    let mut titled = |letter: char| {
        let begins = match previous {
            '\0'..='\x7f' => !(previous.is_ascii_alphanumeric() || previous == '_'),
            _ => previous.is_whitespace(),
        };
        previous = letter;
        if begins { upper(letter) } else { letter }
    };
    words.chars().map(&mut titled).collect()
}

fn cased(text: &str, map: fn(char) -> char) -> String {
    text.chars().map(map).collect()
}

/// The one capital of a letter; Go knows no others.
fn upper(letter: char) -> char {
    let mut letters = letter.to_uppercase();
    match (letters.next(), letters.next()) {
        (Some(upper), None) => upper,
        _ => letter,
    }
}

fn lower(letter: char) -> char {
    let mut letters = letter.to_lowercase();
    match (letters.next(), letters.next()) {
        // Go has a small letter for the dotted capital I.
        (Some(lower), _) if lower == 'i' || letters.next().is_none() => lower,
        _ => letter,
    }
}

/// Spaces before and behind a text, unless it is empty.
fn pad(values: &[Value]) -> Called {
    let text = text(values, 0);
    if text.is_empty() {
        return Ok(Value::Text(String::new()));
    }
    let spaces = |index| {
        let count = usize::try_from(int(values, index)).map_err(|_| "strings: negative Repeat count")?;
        if count > super::exec::MAX_LENGTH {
            return Err(format!("exceeded maximum length ({})", super::exec::MAX_LENGTH));
        }
        Ok(" ".repeat(count))
    };
    Ok(Value::Text(format!("{}{text}{}", spaces(1)?, spaces(2)?)))
}

/// The first bytes of a text.
fn truncate(values: &[Value]) -> Called {
    let (text, length) = (text(values, 0), int(values, 1));
    match usize::try_from(length) {
        Ok(length) if text.len() < length => Ok(Value::from(text)),
        Ok(length) => Ok(Value::from(quote::cut(text, 0, length))),
        Err(_) => Err(format!("runtime error: slice bounds out of range [:{length}]")),
    }
}
