//! `rootlay search`

use std::cmp::Reverse;

use clap::Args;
use rootlay::ops::Hit;
use rootlay::{Error, ErrorKind, Result};
use serde_json::Value;

use super::super::failure::Outcome;
use super::super::filters;
use super::super::grammar::go_bool;
use super::super::host::Host;
use super::super::listing::{Listing, RowType, ellipsis};
use super::super::output::Output;
use super::super::registry::RegistryArgs;

const FIELDS: RowType = RowType {
    type_name: "*registry.searchContext",
    fields: &[("Name", "NAME"), ("Description", "DESCRIPTION"), ("StarCount", "STARS"), ("IsOfficial", "OFFICIAL")],
};
const COLUMNS: &[&str] = &["Name", "Description", "StarCount", "IsOfficial"];
const DEFAULT_LIMIT: i64 = 25;
const MAX_LIMIT: usize = 100;
/// The longest description of a table, in characters.
const MAX_DESCRIPTION: usize = 45;
const AUTOMATED: &str = "WARNING: the \"is-automated\" filter is deprecated, and searching for \"is-automated=true\" will \
                         not yield any results in future.\n";

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Show only what fits: `is-official=BOOL` or `stars=N` (may be repeated)
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,

    /// How many results there are at most, from 1 to 100
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, allow_negative_numbers = true)]
    limit: i64,

    /// Print whole descriptions
    #[arg(long)]
    no_trunc: bool,

    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long)]
    format: Option<String>,

    /// What to search Docker Hub for; `HOST/TERM` searches the catalogue of another registry
    #[arg(value_name = "TERM")]
    term: String,

    #[command(flatten)]
    pub registry: RegistryArgs,
}

pub fn run(args: &SearchArgs, host: &Host, out: &mut Output) -> Outcome {
    if args.term.contains("://") {
        return Err(failed(format!("invalid repository name ({}): it has a scheme", args.term)).into());
    }
    let limit = limit(args.limit)?;
    let wanted = Wanted::new(&filters::pairs("-f, --filter", &args.filters)?)?;
    if wanted.automated.is_some() {
        super::super::tell(AUTOMATED);
    }
    let registries = host.registries(args.registry.options(host)?)?;
    let mut hits = registries.search(&args.term, limit)?;
    hits.retain(|hit| wanted.fits(hit));
    hits.sort_by_key(|hit| Reverse(hit.stars));
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    let is_json = format.is_some_and(|format| format.contains("json"));
    listing(&hits, args.no_trunc, is_json).print(format, COLUMNS, out)
}

fn failed(message: String) -> Error {
    Error::new(ErrorKind::Failed, message)
}

/// Checks `--limit`; 0 is the default.
fn limit(given: i64) -> Result<usize> {
    let limit = if given == 0 { DEFAULT_LIMIT } else { given };
    usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| failed(format!("invalid parameter: limit {given} is outside the range of [1, {MAX_LIMIT}]")))
}

/// What the filters let through.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    official: Option<bool>,
    automated: Option<bool>,
    stars: u64,
}

impl Wanted {
    fn new(filters: &[(String, String)]) -> Result<Self> {
        let mut wanted = Self::default();
        for (key, value) in filters {
            let bad = || failed(format!("invalid filter '{key}=[{value}]'"));
            let choose = |before: Option<bool>| {
                let chosen = go_bool(value).map_err(|_| bad())?;
                if before.is_some_and(|before| before != chosen) { Err(bad()) } else { Ok(Some(chosen)) }
            };
            match key.as_str() {
                "is-official" => wanted.official = choose(wanted.official)?,
                "is-automated" => wanted.automated = choose(wanted.automated)?,
                "stars" => wanted.stars = wanted.stars.max(value.parse().map_err(|_| bad())?),
                _ => return Err(failed(format!("invalid filter '{key}'"))),
            }
        }
        Ok(wanted)
    }

    fn fits(&self, hit: &Hit) -> bool {
        // Nothing is built by the registry any more.
        self.automated != Some(true)
            && self.official.is_none_or(|official| official == hit.official)
            && hit.stars >= self.stars
    }
}

/// JSON has the truth where a table has a mark.
fn listing(hits: &[Hit], whole: bool, is_json: bool) -> Listing {
    let official = |hit: &Hit| match hit.official {
        official if is_json => official.to_string(),
        true => "[OK]".to_owned(),
        false => String::new(),
    };
    let row = |hit: &Hit| {
        let values = [hit.name.clone(), description(hit, whole), hit.stars.to_string(), official(hit)];
        values.map(Value::from).to_vec()
    };
    Listing::new(FIELDS, hits.iter().map(row))
}

/// The description in one line, cut unless it is wanted whole.
fn description(hit: &Hit, whole: bool) -> String {
    let line = hit.description.replace(['\n', '\r'], " ");
    if whole { line } else { ellipsis(&line, MAX_DESCRIPTION) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(name: &str, description: &str, stars: u64, official: bool) -> Hit {
        let (name, description) = (name.to_owned(), description.to_owned());
        Hit { name, description, stars, official, automated: false }
    }

    fn wanted(filters: &[&str]) -> Result<Wanted> {
        let texts: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        Wanted::new(&super::filters::pairs("", &texts).unwrap())
    }

    #[test]
    fn s44_columns_and_json_are_dockers() {
        let long = "0123456789".repeat(5);
        let hits = [hit("busybox", "Busybox base\nimage.", 3300, true), hit("me/busy<box>", &long, 0, false)];
        let lines: Vec<String> = listing(&hits, false, false).table(COLUMNS).lines().collect();
        assert_eq!(
            lines,
            [
                "NAME           DESCRIPTION                                     STARS     OFFICIAL",
                "busybox        Busybox base image.                             3300      [OK]",
                "me/busy<box>   01234567890123456789012345678901234567890123…   0         ",
            ]
        );
        assert!(listing(&hits, true, false).table(COLUMNS).lines().any(|line| line.contains(&long)));
        let json = listing(&hits, false, true).text("json").unwrap();
        assert_eq!(
            json.lines().next().unwrap(),
            r#"{"Description":"Busybox base image.","IsOfficial":"true","Name":"busybox","StarCount":"3300"}"#
        );
        assert!(json.contains(r#""IsOfficial":"false","Name":"me/busy\u003cbox\u003e""#));
        assert_eq!(description(&hit("x", &"ü".repeat(45), 0, false), false), "ü".repeat(45));
    }

    #[test]
    fn s43_the_limit_has_a_range() {
        assert_eq!(limit(0).unwrap(), 25);
        assert_eq!(limit(100).unwrap(), 100);
        for bad in [-1, 101] {
            let error = limit(bad).unwrap_err();
            assert!(error.to_string().contains(&format!("limit {bad} is outside the range of [1, 100]")), "{error}");
            assert_eq!(super::super::super::failure::exit_code(error.kind()), 1);
        }
    }

    #[test]
    fn s41_filters_are_and_the_largest_number_of_stars_counts() {
        let wanted = wanted(&["stars=3", "STARS = 10", "is-official=true"]).unwrap();
        assert_eq!(wanted, Wanted { official: Some(true), automated: None, stars: 10 });
        assert!(wanted.fits(&hit("a", "", 10, true)));
        assert!(!wanted.fits(&hit("a", "", 9, true)));
        assert!(!wanted.fits(&hit("a", "", 10, false)));
    }

    #[test]
    fn s42_nothing_is_automated() {
        assert!(!wanted(&["is-automated=true"]).unwrap().fits(&hit("a", "", 1, true)));
        assert!(wanted(&["is-automated=false"]).unwrap().fits(&hit("a", "", 1, true)));
        assert_eq!(
            AUTOMATED,
            "WARNING: the \"is-automated\" filter is deprecated, and searching for \"is-automated=true\" will not yield \
             any results in future.\n"
        );
    }

    #[test]
    fn s39_wrong_filters_are_named() {
        for (filters, words) in [
            (&["colour=red"][..], "invalid filter 'colour'"),
            (&["stars=many"], "invalid filter 'stars=[many]'"),
            (&["is-official=x"], "invalid filter 'is-official=[x]'"),
            (&["is-official=1", "is-official=0"], "invalid filter 'is-official=[0]'"),
        ] {
            let error = wanted(filters).unwrap_err();
            assert_eq!(error.to_string(), words);
            assert_eq!(error.kind(), ErrorKind::Failed);
        }
    }
}
