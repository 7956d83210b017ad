//! The text of one file, as rules.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::{Mirror, Rule, Serves};
use crate::error::{Error, ErrorKind, Result};

/// A file of version 2, and of version 1 as well: the names of their tables differ. Other keys are of no concern.
#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    registry: Vec<Spanned<Registry>>,
    #[serde(default)]
    registries: Lists,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<Spanned<MirrorTable>>,
    mirror_by_digest_only: bool,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct MirrorTable {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

/// The tables of version 1.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Lists {
    insecure: List,
    block: List,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct List {
    registries: Vec<Spanned<String>>,
}

/// Reads one file. Of two tables with one prefix the first one counts, as it does for others who read these files.
///
/// # Errors
/// With the file and the line.
pub(super) fn rules(text: &str, file: &Path) -> Result<Vec<Rule>> {
    let reader = Reader { text, file: Arc::from(file) };
    let document: Document = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        reader.bad(start, error.message())
    })?;
    let mut rules: Vec<Rule> = Vec::new();
    for table in document.registry {
        let rule = reader.rule(table)?;
        if rules.iter().all(|earlier| earlier.prefix != rule.prefix) {
            rules.push(rule);
        }
    }
    for (list, blocked) in [(document.registries.block, true), (document.registries.insecure, false)] {
        for name in list.registries {
            let prefix = reader.place(name.get_ref(), name.span().start)?;
            if rules.iter().all(|rule| rule.prefix != prefix) {
                rules.push(reader.plain(prefix.clone()));
            }
            for rule in rules.iter_mut().filter(|rule| rule.prefix == prefix) {
                rule.blocked |= blocked;
                rule.insecure |= !blocked;
            }
        }
    }
    Ok(rules)
}

struct Reader<'t> {
    text: &'t str,
    file: Arc<Path>,
}

impl Reader<'_> {
    fn rule(&self, table: Spanned<Registry>) -> Result<Rule> {
        let start = table.span().start;
        let table = table.into_inner();
        let location = self.place(&table.location, start)?;
        let prefix = self.place(&table.prefix, start)?;
        let location = Some(location).filter(|location| !location.is_empty());
        let prefix = match (prefix.is_empty(), &location) {
            (false, _) => prefix,
            (true, Some(location)) => location.clone(),
            (true, None) => return Err(self.bad(start, "a registry has neither prefix nor location")),
        };
        if let Some(domain) = prefix.strip_prefix("*.")
            && (domain.is_empty() || domain.contains(['*', '/', ':', '@']))
        {
            return Err(self.bad(start, format!("prefix `{prefix}`: only a domain may follow `*.`")));
        }
        let mirrors = table.mirror.into_iter().map(|mirror| self.mirror(mirror, table.mirror_by_digest_only));
        Ok(Rule {
            location,
            insecure: table.insecure,
            blocked: table.blocked,
            mirrors: mirrors.collect::<Result<_>>()?,
            ..self.plain(prefix)
        })
    }

    fn mirror(&self, table: Spanned<MirrorTable>, by_digest_only: bool) -> Result<Mirror> {
        let start = table.span().start;
        let table = table.into_inner();
        let location = self.place(&table.location, start)?;
        if location.is_empty() {
            return Err(self.bad(start, "a mirror has no location"));
        }
        if by_digest_only && !table.pull_from_mirror.is_empty() {
            let why = "pull-from-mirror of a mirror and mirror-by-digest-only of its registry exclude each other";
            return Err(self.bad(start, why));
        }
        let serves = match table.pull_from_mirror.as_str() {
            _ if by_digest_only => Serves::Digests,
            "" | "all" => Serves::All,
            "digest-only" => Serves::Digests,
            "tag-only" => Serves::Tags,
            other => {
                let why = format!("pull-from-mirror is `{other}`: expected all, digest-only or tag-only");
                return Err(self.bad(start, why));
            }
        };
        Ok(Mirror { location, insecure: table.insecure, serves })
    }

    fn plain(&self, prefix: String) -> Rule {
        let file = Arc::clone(&self.file);
        Rule { prefix, location: None, insecure: false, blocked: false, mirrors: Vec::new(), file }
    }

    /// A prefix or location, without slashes at its end.
    fn place(&self, text: &str, start: usize) -> Result<String> {
        if text.contains("://") {
            return Err(self.bad(start, format!("`{text}`: a prefix or location has no scheme")));
        }
        Ok(text.trim_end_matches('/').to_owned())
    }

    fn bad(&self, start: usize, why: impl AsRef<str>) -> Error {
        let line = self.text.as_bytes().iter().take(start).filter(|&&byte| byte == b'\n').count() + 1;
        // The message of a parser may have several lines.
        let why = why.as_ref().escape_debug();
        Error::new(ErrorKind::Failed, format!("{}, line {line}: {why}", self.file.display()))
    }
}
