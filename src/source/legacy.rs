//! Archives of `docker save` before Docker 1.10 (moby, `image/spec/v1.md`): a directory per layer with `json` and
//! `layer.tar`, linked by `parent`, and names in `repositories`.
//!
//! Nothing in them is content-addressed. The configuration is made as Docker's migration makes it: the topmost
//! layer's JSON without the fields of version 1, with diff IDs and history.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Candidate;
use super::archive::Archive;
use super::files::Files;
use super::synthesis::{Synthesis, to_json};
use crate::error::{Context, Error, Result};
use crate::oci::json::{self as strict, null_is_default};
use crate::oci::{HistoryEntry, Reference};

const REPOSITORIES: &str = "repositories";
/// Docker of that age stacked 127 layers at most.
const MAX_LAYERS: usize = 127;
/// More layers than any such archive has.
const MAX_IDS: usize = 10_000;
/// Fields of version 1 that a configuration has not.
const DROPPED: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

/// The JSON of one layer.
#[derive(Debug, Deserialize)]
struct V1 {
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    container_config: Command,
}

#[derive(Debug, Default, Deserialize)]
struct Command {
    #[serde(rename = "Cmd", default, deserialize_with = "null_is_default")]
    words: Vec<String>,
}

/// Whether the archive has a layer of that form.
pub(super) fn is_one(archive: &Archive) -> bool {
    archive.names().any(|name| id_of(name).is_some())
}

/// All images of the archive: those with a name, then those that are nobody's parent.
///
/// # Errors
/// Refused: a layer or its JSON is missing, parents go in a circle.
pub(super) fn images(archive: &Archive, synthesis: &mut Synthesis<'_>) -> Result<Vec<Candidate>> {
    let ids: BTreeSet<String> = archive.names().filter_map(id_of).collect();
    if ids.len() > MAX_IDS {
        return Err(Error::refused(format!("{} layers, the limit is {MAX_IDS}", ids.len())));
    }
    let layers: BTreeMap<&str, V1> =
        ids.iter().map(|id| Ok((id.as_str(), layer_json(archive, id)?))).collect::<Result<_>>()?;
    let mut named: BTreeMap<String, Vec<Reference>> = BTreeMap::new();
    let repositories: BTreeMap<String, BTreeMap<String, String>> = match archive.document(REPOSITORIES)? {
        Some(bytes) => strict::parse(&bytes).context(|| REPOSITORIES.to_owned())?,
        None => BTreeMap::new(),
    };
    for (repository, tags) in repositories {
        for (tag, id) in tags {
            let name = format!("{repository}:{tag}").parse::<Reference>();
            let name = name.map_err(|error| Error::refused(format!("{REPOSITORIES}: {error}")))?;
            named.entry(id).or_default().push(name);
        }
    }
    let parents: HashSet<&str> = layers.values().filter_map(|layer| layer.parent.as_deref()).collect();
    for id in ids.iter().filter(|id| !parents.contains(id.as_str())) {
        named.entry(id.clone()).or_default();
    }
    let image = |(id, names): (String, Vec<Reference>)| {
        image(archive, synthesis, &layers, &id, names).context(|| format!("image {}", id.escape_debug()))
    };
    named.into_iter().map(image).collect()
}

fn image(
    archive: &Archive,
    synthesis: &mut Synthesis<'_>,
    layers: &BTreeMap<&str, V1>,
    top: &str,
    names: Vec<Reference>,
) -> Result<Candidate> {
    let mut chain: Vec<(&str, &V1)> = Vec::new();
    let mut next = Some(top);
    while let Some(id) = next {
        let (&id, layer) = layers
            .get_key_value(id)
            .ok_or_else(|| Error::refused(format!("layer {} is missing", id.escape_debug())))?;
        if chain.len() >= MAX_LAYERS {
            let why = format!("more than {MAX_LAYERS} layers, or their parents go in a circle");
            return Err(Error::refused(why));
        }
        chain.push((id, layer));
        next = layer.parent.as_deref().filter(|parent| !parent.is_empty());
    }
    chain.reverse();
    let (mut descriptors, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new());
    for (id, layer) in chain {
        let (descriptor, diff_id) = synthesis.unknown_layer(&format!("{id}/layer.tar"))?;
        descriptors.push(descriptor);
        diff_ids.push(diff_id);
        history.push(HistoryEntry {
            created: layer.created.clone(),
            author: layer.author.clone(),
            created_by: Some(layer.container_config.words.join(" ")).filter(|command| !command.is_empty()),
            comment: layer.comment.clone(),
            empty_layer: false,
        });
    }
    let bytes = document(archive, top)?;
    let mut config: Map<String, Value> = strict::parse(&bytes)?;
    config.retain(|key, _| !DROPPED.contains(&key.as_str()));
    config.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
    config.insert("history".to_owned(), json!(history));
    let descriptor = synthesis.image(to_json(&config)?, descriptors)?;
    Ok(Candidate { names, tag: None, descriptor })
}

fn layer_json(archive: &Archive, id: &str) -> Result<V1> {
    strict::parse(&document(archive, id)?).context(|| format!("{id}/json"))
}

fn document(archive: &Archive, id: &str) -> Result<Vec<u8>> {
    let path = format!("{id}/json");
    archive.document(&path)?.ok_or_else(|| Error::refused(format!("no {path}")))
}

/// The ID in `<id>/json`.
fn id_of(name: &[u8]) -> Option<String> {
    let id = name.strip_suffix(b"/json")?;
    let hex = id.len() == 64 && id.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex.then(|| String::from_utf8_lossy(id).into_owned())
}
