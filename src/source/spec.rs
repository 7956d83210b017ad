//! How a user names a source: `docker://REF`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:REF]`,
//! `-` for standard input, or a bare path.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::Reference;

/// A source of images, as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// An image of a registry.
    Registry(Reference),
    /// A directory in OCI layout, and which image of it.
    Oci {
        /// The directory.
        dir: PathBuf,
        /// A tag or a full name; may be left out where there is one image.
        tag: Option<String>,
    },
    /// A tar of an OCI layout, and which image of it.
    OciArchive {
        /// The file.
        file: PathBuf,
        /// A tag or a full name; may be left out where there is one image.
        tag: Option<String>,
    },
    /// An archive of `docker save`, and which image of it; all, if none is named.
    DockerArchive {
        /// The file.
        file: PathBuf,
        /// A full name or an image ID.
        reference: Option<String>,
    },
    /// A file or directory that is recognised by its content.
    Path(PathBuf),
    /// An archive on standard input.
    Stdin,
}

impl SourceSpec {
    /// Reads what the user wrote. A colon may be part of a path: the longest path that exists wins, so this looks at
    /// the file system.
    ///
    /// # Errors
    /// Of kind `Usage`.
    pub fn parse(text: &str) -> Result<Self> {
        parse(text, &Path::exists)
    }

    /// The same source, named so that it can be found from any directory.
    ///
    /// # Errors
    /// The current directory is gone.
    pub fn absolute(&self) -> Result<Self> {
        let absolute = |path: &Path| std::path::absolute(path).context(|| format!("path {}", path.display()));
        Ok(match self {
            Self::Registry(_) | Self::Stdin => self.clone(),
            Self::Oci { dir, tag } => Self::Oci { dir: absolute(dir)?, tag: tag.clone() },
            Self::OciArchive { file, tag } => Self::OciArchive { file: absolute(file)?, tag: tag.clone() },
            Self::DockerArchive { file, reference } => {
                Self::DockerArchive { file: absolute(file)?, reference: reference.clone() }
            }
            Self::Path(path) => Self::Path(absolute(path)?),
        })
    }

    /// The file or directory that it is; none for a registry and for standard input.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Registry(_) | Self::Stdin => None,
            Self::Oci { dir: path, .. }
            | Self::OciArchive { file: path, .. }
            | Self::DockerArchive { file: path, .. }
            | Self::Path(path) => Some(path),
        }
    }
}

impl FromStr for SourceSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

fn parse(text: &str, exists: &dyn Fn(&Path) -> bool) -> Result<SourceSpec> {
    let usage = |why: &str| Err(Error::new(ErrorKind::Usage, format!("bad source `{}`: {why}", text.escape_debug())));
    if text == "-" {
        return Ok(SourceSpec::Stdin);
    }
    if let Some(name) = text.strip_prefix("docker://") {
        return Ok(SourceSpec::Registry(name.parse::<Reference>()?.with_default_tag()));
    }
    let Some((transport @ ("oci" | "oci-archive" | "docker-archive"), rest)) = text.split_once(':') else {
        return if text.is_empty() { usage("empty") } else { Ok(SourceSpec::Path(text.into())) };
    };
    let (path, tag) = split(rest, exists);
    if path.is_empty() {
        return usage("no path");
    }
    if tag == Some("") {
        return usage("nothing after the colon");
    }
    let (path, tag) = (PathBuf::from(path), tag.map(str::to_owned));
    Ok(match transport {
        "oci" => SourceSpec::Oci { dir: path, tag },
        "oci-archive" => SourceSpec::OciArchive { file: path, tag },
        _ => SourceSpec::DockerArchive { file: path, reference: tag },
    })
}

/// Splits `PATH[:TAG]` behind the longest path that exists, else at the first colon.
fn split<'a>(text: &'a str, exists: &dyn Fn(&Path) -> bool) -> (&'a str, Option<&'a str>) {
    if exists(Path::new(text)) {
        return (text, None);
    }
    let mut colons = text.rmatch_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let split = colons.find(|(path, _)| exists(Path::new(path))).or_else(|| text.split_once(':'));
    split.map_or((text, None), |(path, tag)| (path, Some(tag)))
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, tag) = match self {
            Self::Registry(reference) => return write!(f, "docker://{reference}"),
            Self::Path(path) => return write!(f, "{}", path.display()),
            Self::Stdin => return f.write_str("-"),
            Self::Oci { dir, tag } => ("oci", dir, tag),
            Self::OciArchive { file, tag } => ("oci-archive", file, tag),
            Self::DockerArchive { file, reference } => ("docker-archive", file, reference),
        };
        write!(f, "{transport}:{}", path.display())?;
        tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(existing: &'static [&'static str], text: &str) -> SourceSpec {
        parse(text, &|path| existing.iter().any(|known| Path::new(known) == path)).unwrap()
    }

    fn oci(dir: &str, tag: Option<&str>) -> SourceSpec {
        SourceSpec::Oci { dir: dir.into(), tag: tag.map(str::to_owned) }
    }

    #[test]
    fn every_form_is_read_and_printed() {
        let file = PathBuf::from("f.tar");
        let tag = || Some("localhost:5000/x:1".to_owned());
        for (text, expected) in [
            ("-", SourceSpec::Stdin),
            ("oci:dir", oci("dir", None)),
            ("oci:dir:1.2", oci("dir", Some("1.2"))),
            ("oci-archive:f.tar", SourceSpec::OciArchive { file: file.clone(), tag: None }),
            ("oci-archive:f.tar:localhost:5000/x:1", SourceSpec::OciArchive { file: file.clone(), tag: tag() }),
            ("docker-archive:f.tar", SourceSpec::DockerArchive { file: file.clone(), reference: None }),
            ("docker-archive:f.tar:localhost:5000/x:1", SourceSpec::DockerArchive { file, reference: tag() }),
            ("docker://docker.io/library/busybox:latest", SourceSpec::Registry("busybox:latest".parse().unwrap())),
            ("./a:b", SourceSpec::Path("./a:b".into())),
            ("ocidir", SourceSpec::Path("ocidir".into())),
        ] {
            assert_eq!(with(&[], text), expected);
            assert_eq!(expected.to_string(), text);
        }
        assert_eq!(with(&[], "docker://busybox"), SourceSpec::Registry("busybox:latest".parse().unwrap()));
    }

    #[test]
    fn a_colon_may_be_part_of_a_path_that_exists() {
        assert_eq!(with(&["a:b"], "oci:a:b"), oci("a:b", None));
        assert_eq!(with(&["a:b"], "oci:a:b:c"), oci("a:b", Some("c")));
        assert_eq!(with(&["a", "a:b"], "oci:a:b:c"), oci("a:b", Some("c")));
        assert_eq!(with(&["a"], "oci:a:b:c"), oci("a", Some("b:c")));
        assert_eq!(with(&[], "oci:a:b:c"), oci("a", Some("b:c")));
    }

    #[test]
    fn bad_text_is_a_usage_error() {
        for bad in ["", "oci:", "oci::x", "oci:a:", "docker-archive:", "docker://", "docker://A"] {
            let kind = parse(bad, &|_| false).map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Usage), "{bad}");
        }
    }
}
