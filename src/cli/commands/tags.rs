//! `rootlay tags`

use clap::Args;
use rootlay::oci::Reference;
use serde_json::json;

use super::super::failure::{Failure, Outcome};
use super::super::go_json;
use super::super::grammar::{Format, format, parsed};
use super::super::host::Host;
use super::super::output::Output;
use super::super::printable;
use super::super::registry::RegistryArgs;
use super::super::table::Table;

#[derive(Debug, Args)]
pub struct TagsArgs {
    /// `table` or `json`; without it one tag for each line
    #[arg(long, value_parser = format)]
    format: Option<Format>,

    /// The repository whose tags are listed
    #[arg(value_name = "REPOSITORY", value_parser = parsed(str::parse::<Reference>))]
    repository: Reference,

    #[command(flatten)]
    pub registry: RegistryArgs,
}

pub fn run(args: &TagsArgs, host: &Host, out: &mut Output) -> Outcome {
    let repository = &args.repository;
    if repository.tag().is_some() || repository.digest().is_some() {
        return Err(Failure::usage(format!("expected a repository without tag or digest, got `{repository}`")));
    }
    let tags = host.registries(args.registry.options(host)?)?.tags(repository)?;
    out.lines(lines(repository, &tags, args.format))
}

fn lines(repository: &Reference, tags: &[String], format: Option<Format>) -> Vec<String> {
    let shown = tags.iter().map(|tag| printable::word(tag.as_bytes()));
    match format {
        None => shown.collect(),
        Some(Format::Table) => {
            let mut table = Table::new(&["TAG"]);
            shown.for_each(|tag| table.row(vec![tag]));
            table.lines().collect()
        }
        Some(Format::Json) => {
            let name = repository.familiar_name();
            let object = |tag: &String| go_json::line(&json!({ "Repository": name, "Tag": tag }));
            tags.iter().map(object).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_lines() {
        let repository: Reference = "busybox".parse().unwrap();
        let tags = ["latest".to_owned(), "1\u{1b}".to_owned()];
        assert_eq!(lines(&repository, &tags, None), ["latest", "1\\u{1b}"]);
        assert_eq!(lines(&repository, &tags[..1], Some(Format::Table)), ["TAG", "latest"]);
        assert_eq!(lines(&repository, &tags[..1], Some(Format::Json)), [r#"{"Repository":"busybox","Tag":"latest"}"#]);
        assert!(lines(&repository, &[], None).is_empty());
    }
}
