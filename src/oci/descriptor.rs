//! Descriptors (image-spec, descriptor.md): what a piece of content is, its digest and its size.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::json::null_is_default;
use super::platform::Platform;
use crate::error::{Error, Result};

/// A reference to content by digest. Embedded `data` was checked against size and digest (row 127).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Descriptor {
    /// What the content is said to be.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes, at most 2^63-1.
    pub size: u64,
    /// In an index: what the image runs on.
    pub platform: Option<Platform>,
    /// Free-form annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where the content may be fetched as well. Never used, only shown (row 129).
    pub urls: Vec<String>,
    /// The content itself.
    pub data: Option<Vec<u8>>,
    /// The type of an artifact that is no container image.
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor of `content`, which is embedded into it.
    pub fn embedding(media_type: &str, content: Vec<u8>) -> Self {
        let mut descriptor = Self::new(media_type, Digest::of(&content), content.len() as u64);
        descriptor.data = Some(content);
        descriptor
    }

    /// A descriptor with nothing optional.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
            data: None,
            artifact_type: None,
        }
    }

    /// Checks content that was read as a whole: its size, then its digest.
    ///
    /// # Errors
    /// Refused, with both values in the message.
    pub fn verify(&self, content: &[u8]) -> Result<()> {
        let Self { digest, size, .. } = self;
        if content.len() as u64 != *size {
            return Err(Error::refused(format!("{digest}: expected {size} bytes, got {}", content.len())));
        }
        let mut hasher = digest.algorithm().hasher();
        hasher.update(content);
        let got = hasher.finish();
        if got != *digest {
            return Err(Error::refused(format!("expected digest {digest}, got {got}")));
        }
        Ok(())
    }
}

/// A descriptor as JSON has it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
}

impl TryFrom<Raw> for Descriptor {
    type Error = Error;

    fn try_from(raw: Raw) -> Result<Self> {
        let Raw { media_type, digest, size, platform, annotations, urls, data, artifact_type } = raw;
        if i64::try_from(size).is_err() {
            return Err(Error::refused(format!("{digest}: size {size} is beyond 2^63-1")));
        }
        let data = match data {
            None => None,
            Some(text) => {
                Some(STANDARD.decode(&text).map_err(|_| Error::refused(format!("{digest}: bad base64 in `data`")))?)
            }
        };
        // Some tools write an empty object where they know nothing.
        let platform = platform.filter(|platform| !(platform.os.is_empty() && platform.architecture.is_empty()));
        let artifact_type = artifact_type.filter(|name| !name.is_empty());
        let descriptor = Self { media_type, digest, size, platform, annotations, urls, data, artifact_type };
        if let Some(data) = &descriptor.data {
            descriptor.verify(data).map_err(|error| error.context("embedded `data` does not match"))?;
        }
        Ok(descriptor)
    }
}

impl From<Descriptor> for Raw {
    fn from(descriptor: Descriptor) -> Self {
        let Descriptor { media_type, digest, size, platform, annotations, urls, data, artifact_type } = descriptor;
        let data = data.map(|data| STANDARD.encode(data));
        Self { media_type, digest, size, platform, annotations, urls, data, artifact_type }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::json;

    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn parse(size: &str, rest: &str) -> Result<Descriptor> {
        json::parse(format!(r#"{{"mediaType":"x","digest":"{ABC}","size":{size}{rest}}}"#).as_bytes())
    }

    #[test]
    fn row_127_embedded_data_must_match() {
        let good = parse("3", r#","data":"YWJj""#).unwrap();
        assert_eq!(good.data.as_deref(), Some(&b"abc"[..]));
        for (size, data) in [("4", "YWJj"), ("3", "YWJk"), ("3", "YWJ"), ("0", "")] {
            assert!(parse(size, &format!(r#","data":"{data}""#)).is_err(), "{size} {data}");
        }
        let again: Descriptor = json::parse(&serde_json::to_vec(&good).unwrap()).unwrap();
        assert_eq!(again, good);
    }

    #[test]
    fn row_128_impossible_sizes_are_refused() {
        for bad in ["-1", "9223372036854775808", "18446744073709551616", "1.5", "1e3", "\"3\"", "null"] {
            assert!(parse(bad, "").is_err(), "{bad}");
        }
        assert_eq!(parse("9223372036854775807", "").unwrap().size, i64::MAX as u64);
    }

    #[test]
    fn row_135_unknown_fields_and_annotations_are_ignored() {
        let good = parse("3", r#","annotations":{"a":"b"},"future":{"x":[1]},"urls":null,"platform":{}"#).unwrap();
        assert_eq!(good.annotations["a"], "b");
        assert_eq!(good.platform, None);
    }
}
