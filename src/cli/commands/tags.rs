//! `rootlay tags`

use clap::Args;
use rootlay::oci::Reference;
use serde_json::json;

use super::super::failure::{Failure, Outcome};
use super::super::grammar::{parsed, remote};
use super::super::host::Host;
use super::super::listing::{Listing, RowType};
use super::super::output::Output;
use super::super::registry::RegistryArgs;

const FIELDS: RowType =
    RowType { type_name: "*registry.tagContext", fields: &[("Repository", "REPOSITORY"), ("Tag", "TAG")] };

#[derive(Debug, Args)]
pub struct TagsArgs {
    /// `table`, `json`, `table TEMPLATE` or a Go template; without it one tag for each line
    #[arg(long)]
    format: Option<String>,

    /// The repository whose tags are listed
    #[arg(value_name = "REPOSITORY", value_parser = parsed(remote))]
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
    match args.format.as_deref().filter(|format| !format.is_empty()) {
        None => listing(repository, &tags).print_field("Tag", out),
        format => listing(repository, &tags).print(format, &["Tag"], out),
    }
}

fn listing(repository: &Reference, tags: &[String]) -> Listing {
    let name = repository.familiar_name();
    Listing::new(FIELDS, tags.iter().map(|tag| vec![json!(name), json!(tag)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_lines() {
        let repository: Reference = "busybox".parse().unwrap();
        let tags = ["latest".to_owned(), "1\u{1b}".to_owned()];
        let listing = listing(&repository, &tags);
        assert_eq!(listing.table(&["Tag"]).lines().collect::<Vec<_>>(), ["TAG", "latest", "1\\u{1b}"]);
        let json = listing.text("json").unwrap();
        assert_eq!(json.lines().next(), Some(r#"{"Repository":"busybox","Tag":"latest"}"#));
        assert_eq!(listing.text("{{.Repository}}:{{.Tag}}").unwrap(), "busybox:latest\nbusybox:1\\u{1b}\n");
    }
}
