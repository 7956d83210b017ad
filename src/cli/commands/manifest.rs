//! `rootlay manifest inspect`

use clap::{Args, ValueEnum};
use rootlay::oci::{Descriptor, Digest, Document, Platform, Reference, media_type, parse_document};
use rootlay::ops::{RemoteDocument, RemoteManifest};
use rootlay::{Error, Result};
use serde::Serialize;

use super::super::failure::Outcome;
use super::super::go_json;
use super::super::grammar::{parsed, remote};
use super::super::host::Host;
use super::super::output::Output;
use super::super::printable;
use super::super::registry::RegistryArgs;

#[derive(Debug, Args)]
pub struct ManifestInspectArgs {
    /// Allow plain HTTP and any certificate (as `--tls-verify=false`)
    #[arg(long)]
    insecure: bool,

    // It has the name of the global flag whose letter it takes.
    /// Print the manifest of every platform, with its reference and descriptor
    #[arg(id = "version", short = 'v', long = "verbose")]
    verbose: bool,

    /// `json` is the document itself, `pretty` a summary
    #[arg(long, default_value = "json", conflicts_with = "version")]
    format: Form,

    /// The name of an image in a registry
    #[arg(value_name = "NAME[:TAG|@DIGEST]", value_parser = parsed(remote))]
    name: Reference,

    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// The values of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Json,
    Pretty,
}

pub fn run(mut args: ManifestInspectArgs, host: &Host, out: &mut Output) -> Outcome {
    if args.insecure {
        args.registry.insecure();
    }
    let name = args.name.with_default_tag();
    let registries = host.registries(args.registry.options(host)?)?;
    let found = registries.document(&name)?;
    let text = match (args.verbose, args.format) {
        (true, _) => verbose(&name, &registries.manifests(&name)?, media_type::is_index(&found.descriptor.media_type))?,
        (false, Form::Json) => go_json::indent(&found.bytes)?,
        (false, Form::Pretty) => pretty(&name, &found)?,
    };
    out.line(&text)
}

/// `NAME[:TAG]@DIGEST` of a manifest behind a name.
fn reference(name: &Reference, digest: &Digest) -> String {
    let tag = name.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    format!("{}/{}{tag}@{digest}", name.registry(), name.repository())
}

/// What Docker prints of a manifest with `-v`. The fields have its order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Head<'a> {
    r#ref: String,
    descriptor: HeadDescriptor<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadDescriptor<'a> {
    media_type: &'a str,
    digest: &'a Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<HeadPlatform<'a>>,
}

#[derive(Serialize)]
struct HeadPlatform<'a> {
    architecture: &'a str,
    os: &'a str,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    os_version: Option<&'a str>,
    #[serde(rename = "os.features", skip_serializing_if = "<[String]>::is_empty")]
    os_features: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
}

impl<'a> From<&'a Platform> for HeadPlatform<'a> {
    fn from(platform: &'a Platform) -> Self {
        Self {
            architecture: &platform.architecture,
            os: &platform.os,
            os_version: platform.os_version.as_deref(),
            os_features: &platform.os_features,
            variant: platform.variant.as_deref(),
        }
    }
}

/// The manifests of an index as an array, the one that was named itself as an object.
fn verbose(name: &Reference, manifests: &[RemoteManifest], is_index: bool) -> Result<String> {
    let objects: Vec<String> =
        manifests.iter().map(|manifest| object(name, &manifest.document, is_index)).collect::<Result<_>>()?;
    let objects = objects.join(",");
    go_json::indent(if is_index { format!("[{objects}]") } else { objects }.as_bytes())
}

fn object(name: &Reference, document: &RemoteDocument, is_index: bool) -> Result<String> {
    let RemoteDocument { descriptor, bytes } = document;
    let head = Head {
        r#ref: if is_index { reference(name, &descriptor.digest) } else { name.canonical() },
        descriptor: HeadDescriptor {
            media_type: &descriptor.media_type,
            digest: &descriptor.digest,
            size: descriptor.size,
            platform: descriptor.platform.as_ref().map(HeadPlatform::from),
        },
    };
    let bad = |error: &dyn std::fmt::Display| Error::refused(format!("{}: bad json: {error}", descriptor.digest));
    let head = serde_json::to_string(&head).map_err(|error| bad(&error))?;
    let raw = std::str::from_utf8(bytes).map_err(|error| bad(&error))?;
    let key = if descriptor.media_type == media_type::DOCKER_MANIFEST { "SchemaV2Manifest" } else { "OCIManifest" };
    // The manifest's own text, whose keys have an order.
    let open = head.strip_suffix('}').unwrap_or(&head);
    Ok(format!("{open},\"{key}\":{raw}}}"))
}

/// The summary of `docker buildx imagetools inspect`.
fn pretty(name: &Reference, found: &RemoteDocument) -> Result<String> {
    let summary = |name: String, descriptor: &Descriptor| {
        [format!("Name:      {name}"), format!("MediaType: {}", printable::word(descriptor.media_type.as_bytes()))]
    };
    let mut lines = summary(name.canonical(), &found.descriptor).to_vec();
    lines.push(format!("Digest:    {}", found.descriptor.digest));
    if let Document::Index(index) = parse_document(&found.bytes, Some(&found.descriptor.media_type))? {
        lines.extend([String::new(), "Manifests:".to_owned()]);
        for (number, entry) in index.manifests.iter().enumerate() {
            if number > 0 {
                lines.push(String::new());
            }
            lines.extend(summary(reference(name, &entry.digest), entry).map(|line| format!("  {line}")));
            if let Some(platform) = &entry.platform {
                lines.push(format!("  Platform:  {}", printable::word(platform.to_string().as_bytes())));
            }
        }
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMD64: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"size":3,"digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","mediaType":"application/vnd.oci.image.config.v1+json"},"layers":[]}"#;

    fn document(media_type: &str, text: &str, platform: Option<&str>) -> RemoteDocument {
        let bytes = text.as_bytes().to_vec();
        let mut descriptor = Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64);
        descriptor.platform = platform.map(|platform| platform.parse().unwrap());
        RemoteDocument { descriptor, bytes }
    }

    fn named(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn manifest() -> RemoteManifest {
        let document = document(media_type::OCI_MANIFEST, AMD64, Some("linux/arm/v7"));
        RemoteManifest { reference: named(&format!("busybox@{}", document.descriptor.digest)), document }
    }

    #[test]
    fn s45_verbose_shows_reference_descriptor_and_manifest() {
        let one = verbose(&named("busybox:latest"), &[manifest()], false).unwrap();
        let digest = manifest().document.descriptor.digest;
        let size = AMD64.len();
        let head = format!(
            "{{\n\t\"Ref\": \"docker.io/library/busybox:latest\",\n\t\"Descriptor\": {{\n\
             \t\t\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\",\n\t\t\"digest\": \"{digest}\",\n\
             \t\t\"size\": {size},\n\t\t\"platform\": {{\n\t\t\t\"architecture\": \"arm\",\n\t\t\t\"os\": \"linux\",\n\
             \t\t\t\"variant\": \"v7\"\n\t\t}}\n\t}},\n\t\"OCIManifest\": {{\n\t\t\"schemaVersion\": 2,\n"
        );
        assert!(one.starts_with(&head), "{one}");
        // The order of the document's own keys is kept.
        assert!(one.find("\"size\": 3").unwrap() < one.find("sha256:ba7816bf").unwrap());
        let list = verbose(&named("busybox:latest"), &[manifest(), manifest()], true).unwrap();
        assert!(list.starts_with("[\n\t{\n\t\t\"Ref\": \"docker.io/library/busybox:latest@sha256:"), "{list}");
        let parsed: serde_json::Value = serde_json::from_str(&list).unwrap();
        assert_eq!(parsed[1]["Ref"], format!("docker.io/library/busybox:latest@{digest}"));
        assert_eq!(verbose(&named("x"), &[], true).unwrap(), "[]");
    }

    #[test]
    fn s45_dockers_own_manifest_has_its_own_key() {
        let document = document(media_type::DOCKER_MANIFEST, AMD64, None);
        let text = object(&named("x:1"), &document, false).unwrap();
        assert!(text.contains(r#"},"SchemaV2Manifest":{"schemaVersion":2"#), "{text}");
        assert!(!text.contains("platform"), "{text}");
    }

    #[test]
    fn s46_pretty_lists_the_platforms() {
        let digest = manifest().document.descriptor.digest;
        let entry = |platform: &str| {
            let words: Vec<&str> = platform.split('/').collect();
            let (os, architecture) = (words[0], words[1]);
            format!(
                r#"{{"mediaType":"{}","digest":"{digest}","size":5,"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#,
                media_type::OCI_MANIFEST
            )
        };
        let index =
            format!(r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#, entry("linux/amd64"), entry("unknown/unknown"));
        let found = document(media_type::OCI_INDEX, &index, None);
        let expected = format!(
            "Name:      docker.io/library/alpine:latest\n\
             MediaType: application/vnd.oci.image.index.v1+json\n\
             Digest:    {}\n\n\
             Manifests:\n  \
               Name:      docker.io/library/alpine:latest@{digest}\n  \
               MediaType: application/vnd.oci.image.manifest.v1+json\n  \
               Platform:  linux/amd64\n\n  \
               Name:      docker.io/library/alpine:latest@{digest}\n  \
               MediaType: application/vnd.oci.image.manifest.v1+json\n  \
               Platform:  unknown/unknown",
            found.descriptor.digest
        );
        assert_eq!(pretty(&named("alpine:latest"), &found).unwrap(), expected);
        let single = pretty(&named("alpine:latest"), &manifest().document).unwrap();
        assert_eq!(single.lines().count(), 3, "{single}");
    }
}
