//! Image configurations (image-spec, config.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::DiffId;
use super::json::{self, null_is_default};
use super::platform::Platform;
use crate::error::{Error, Result};

/// The configuration of an image: what it runs on, its layers' diff IDs, how it was made, how it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageConfig {
    /// The architecture in Go's words; empty where an old tool left it out.
    pub architecture: String,
    /// The operating system in Go's words; empty where an old tool left it out.
    pub os: String,
    /// The variant of the architecture.
    pub variant: Option<String>,
    /// The version of the operating system that Windows images need.
    pub os_version: Option<String>,
    /// When the image was made, RFC 3339.
    pub created: Option<String>,
    /// Who made the image.
    pub author: Option<String>,
    /// How a container of the image is run.
    pub config: ContainerConfig,
    /// The diff IDs of the layers, base first.
    pub diff_ids: Vec<DiffId>,
    /// How each layer was made, base first.
    pub history: Vec<HistoryEntry>,
    /// The whole document, for everything that has no field here.
    pub raw: Value,
}

/// How a container is run: the object `config` of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerConfig {
    /// `user[:group]`, names or numbers.
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    /// `NAME=value` each.
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// The command's beginning.
    #[serde(deserialize_with = "words")]
    pub entrypoint: Vec<String>,
    /// The command, or the arguments of the entry point.
    #[serde(deserialize_with = "words")]
    pub cmd: Vec<String>,
    /// The working directory.
    #[serde(deserialize_with = "null_is_default")]
    pub working_dir: String,
    /// Labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops the container.
    pub stop_signal: Option<String>,
    /// Directories for data of each container.
    #[serde(deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// `port/protocol` each.
    #[serde(deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
}

/// One step in the making of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether this step made no layer.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default, deserialize_with = "null_is_default")]
    architecture: String,
    #[serde(default, deserialize_with = "null_is_default")]
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "os.version")]
    os_version: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    config: ContainerConfig,
    rootfs: RootFs,
    #[serde(default, deserialize_with = "null_is_default")]
    history: Vec<HistoryEntry>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    // Docker leaves the list out for an image without layers.
    #[serde(default, deserialize_with = "null_is_default")]
    diff_ids: Vec<DiffId>,
}

impl ImageConfig {
    /// Parses a configuration.
    ///
    /// # Errors
    /// Refused: more than 8 MiB, a duplicate key, a field of the wrong type, or a `rootfs.type` other than `layers`,
    /// which config.md makes an error.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let raw: Raw = json::parse(bytes)?;
        if raw.rootfs.kind != "layers" {
            return Err(Error::refused(format!(
                "expected rootfs.type `layers`, got `{}`",
                raw.rootfs.kind.escape_debug()
            )));
        }
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            architecture: raw.architecture,
            os: raw.os,
            variant: some(raw.variant),
            os_version: some(raw.os_version),
            created: some(raw.created),
            author: some(raw.author),
            config: raw.config,
            diff_ids: raw.rootfs.diff_ids,
            history: raw.history,
            raw: json::parse(bytes)?,
        })
    }

    /// What the image runs on. What an old tool left out is taken to be the host's.
    pub fn platform(&self) -> Platform {
        let or_host = |text: &str, host: fn(Platform) -> String| {
            if text.is_empty() { host(Platform::host()) } else { text.to_owned() }
        };
        Platform {
            os: or_host(&self.os, |host| host.os),
            architecture: or_host(&self.architecture, |host| host.architecture),
            variant: self.variant.clone(),
            os_version: self.os_version.clone(),
            os_features: Vec::new(),
        }
    }
}

/// A list of words, which the oldest tools wrote as one string.
fn words<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Words::One(word)) => vec![word],
        Some(Words::Many(words)) => words,
    })
}

/// The keys of an object: a set as Go writes it.
fn keys<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let set: Option<serde_json::Map<String, Value>> = Option::deserialize(deserializer)?;
    Ok(set.unwrap_or_default().into_iter().map(|(key, _)| key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn row_122_only_layers_make_a_root_file_system() {
        for bad in [
            r#"{"rootfs":{"type":"layers+base","diff_ids":[]}}"#,
            r#"{"rootfs":{"diff_ids":[]}}"#,
            r#"{"rootfs":null}"#,
            "{}",
            "[]",
        ] {
            assert!(ImageConfig::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn row_120_diff_ids_are_strict() {
        let text = r#"{"rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}}"#;
        assert!(ImageConfig::parse(text.as_bytes()).is_err());
    }

    #[test]
    fn every_field_is_read_and_null_is_empty() {
        let text = format!(
            r#"{{"architecture":"arm","os":"linux","variant":"v7","created":"2024-01-01T00:00:00Z","author":null,
            "config":{{"User":"1:2","Env":["A=b"],"Cmd":null,"Entrypoint":"/init","Volumes":{{"/data":{{}}}},
            "ExposedPorts":null,"Labels":{{"k":"v"}},"WorkingDir":"/w","Unknown":1}},
            "rootfs":{{"type":"layers","diff_ids":["{A}"]}},
            "history":[{{"created_by":"RUN x"}},{{"empty_layer":true}}],"x":1}}"#
        );
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.platform().to_string(), "linux/arm/v7");
        assert_eq!(config.diff_ids, [DiffId(A.parse().unwrap())]);
        assert_eq!(config.config.entrypoint, ["/init"]);
        assert_eq!(config.config.volumes, ["/data"]);
        assert!(config.config.cmd.is_empty() && config.config.exposed_ports.is_empty());
        assert_eq!(config.config.labels["k"], "v");
        assert!(config.history[1].empty_layer && !config.history[0].empty_layer);
        assert_eq!(config.raw["x"], 1);
    }

    #[test]
    fn an_image_without_layers_or_platform_is_read() {
        let config = ImageConfig::parse(br#"{"config":null,"rootfs":{"type":"layers"}}"#).unwrap();
        assert!(config.diff_ids.is_empty());
        assert_eq!(config.platform().os, "linux");
    }
}
