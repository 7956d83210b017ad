//! The values of `--filter`, and Docker's words for those that are none.

use super::failure::{Failure, Outcome};

/// Splits the values of `flag`, which is called as in Docker's messages: `-f, --filter`.
///
/// # Errors
/// Wrong usage: a value without `=`.
pub fn pairs(flag: &str, values: &[String]) -> Outcome<Vec<(String, String)>> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            let text = text.escape_debug();
            let why = "bad format of filter (expected name=value)";
            Failure::usage(format!("invalid argument \"{text}\" for \"{flag}\" flag: {why}"))
        })?;
        Ok((key.trim().to_lowercase(), value.trim().to_owned()))
    };
    // An empty value is none.
    values.iter().filter(|text| !text.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s39_a_filter_is_a_key_and_a_value() {
        let given = ["Label! = a=b", "", "dangling=true"].map(str::to_owned);
        let expected = [("label!", "a=b"), ("dangling", "true")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(pairs("-f, --filter", &given).unwrap(), expected);
        let failure = pairs("-f, --filter", &["x".to_owned()]).unwrap_err();
        assert_eq!(failure.exit_code(), 125);
        let Failure::Errors(errors) = failure else { unreachable!() };
        let words = "invalid argument \"x\" for \"-f, --filter\" flag: bad format of filter (expected name=value)";
        assert_eq!(errors[0].error.to_string(), words);
    }
}
