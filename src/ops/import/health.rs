//! The `HEALTHCHECK` instruction.

use serde_json::{Map, Value, json};

/// Reads `NONE`, or options and `CMD` with a command, as Docker's `Healthcheck` object.
pub(super) fn healthcheck(text: &str, command: impl Fn(&str) -> Option<Vec<String>>) -> Result<Value, String> {
    let mut check = Map::new();
    let mut rest = text.trim();
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        rest = after.trim_start();
        let (name, value) = option.split_once('=').ok_or_else(|| format!("--{option} needs a value"))?;
        let (key, value) = match name {
            "interval" => ("Interval", duration(value)?),
            "timeout" => ("Timeout", duration(value)?),
            "start-period" => ("StartPeriod", duration(value)?),
            "start-interval" => ("StartInterval", duration(value)?),
            "retries" => ("Retries", value.parse().map_err(|_| format!("--retries: bad number `{value}`"))?),
            _ => return Err(format!("unknown option --{name}")),
        };
        if value != 0 {
            check.insert(key.to_owned(), json!(value));
        }
    }
    let (word, line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let line = line.trim();
    let test: Vec<String> = match word.to_ascii_uppercase().as_str() {
        "NONE" if line.is_empty() => vec!["NONE".to_owned()],
        "NONE" => return Err("NONE takes no arguments".to_owned()),
        "CMD" if line.is_empty() => return Err("CMD needs a command".to_owned()),
        "CMD" => match command(line) {
            Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            None => vec!["CMD-SHELL".to_owned(), line.to_owned()],
        },
        _ => return Err("expected CMD or NONE".to_owned()),
    };
    check.insert("Test".to_owned(), json!(test));
    Ok(Value::Object(check))
}

/// A duration as Go writes it (`1m30s`, `1.5h`), in nanoseconds. Docker wants none between 0 and 1 ms.
fn duration(text: &str) -> Result<u64, String> {
    let bad = || format!("bad duration `{text}`");
    let mut total: f64 = 0.0;
    let mut rest = text;
    if rest == "0" {
        return Ok(0);
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
        let (number, tail) = rest.split_at(end);
        let units = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_end);
        let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor).ok_or_else(bad)?;
        total += number.parse::<f64>().map_err(|_| bad())? * factor;
        rest = after;
    }
    if text.is_empty() || !(total == 0.0 || (1e6..9.2e18).contains(&total)) {
        return Err(bad());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its range was just checked")]
    Ok(total.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("1ms", 1_000_000),
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(nanos), "{text}");
        }
        for bad in ["", "5", "s", "1x", "-1s", "1us", "1.2.3s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_then_the_command() {
        let json = |line: &str| serde_json::from_str(line).ok();
        assert_eq!(healthcheck("NONE", json).unwrap(), json!({ "Test": ["NONE"] }));
        assert_eq!(
            healthcheck(r#"--interval=5s --retries=3 CMD ["a","b"]"#, json).unwrap(),
            json!({ "Interval": 5_000_000_000_u64, "Retries": 3, "Test": ["CMD", "a", "b"] })
        );
        assert_eq!(healthcheck("cmd a b || c", json).unwrap(), json!({ "Test": ["CMD-SHELL", "a b || c"] }));
        for bad in ["", "NONE x", "CMD", "RUN x", "--interval CMD x", "--x=1 CMD x", "--retries=x CMD y"] {
            assert!(healthcheck(bad, json).is_err(), "{bad}");
        }
    }
}
