//! Platforms (image-spec, image-index.md) and which one fits which wish.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::json::null_is_default;
use crate::error::{Error, ErrorKind, Result};

/// What an image runs on, in Go's words (`GOOS`, `GOARCH`).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// The architecture.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// The variant of the architecture, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system; Windows needs it.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system; Windows needs them.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
}

const OPERATING_SYSTEMS: [&str; 11] =
    ["aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "linux", "netbsd", "openbsd", "solaris", "windows"];

const ARCHITECTURES: [&str; 17] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc", "ppc64", "ppc64le",
    "riscv", "riscv64", "s390", "s390x", "wasm",
];

impl Platform {
    /// A platform of three words; the last may be empty.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: Some(variant.to_owned()).filter(|variant| !variant.is_empty()),
            ..Self::default()
        }
    }

    /// The platform of this machine, with the variant of an ARM processor and the level of an AMD64 one.
    pub fn host() -> Self {
        let machine = rustix::system::uname();
        let mut host = of_machine(&machine.machine().to_string_lossy());
        if host.architecture == "amd64" {
            host.variant = amd64_level().map(str::to_owned);
        }
        host
    }

    /// The same platform with one spelling only: lower case, Go's names, and no variant where it says what the
    /// architecture says alone (`amd64/v1`, `arm64/v8`); `arm` alone is `arm/v7`.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let os = match self.os.to_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let (architecture, implied) = architecture_alias(&self.architecture.to_lowercase());
        let given = self.variant.as_deref().unwrap_or_default().to_lowercase();
        let given = match given.as_str() {
            "" => implied.to_owned(),
            // Some tools leave the letter out.
            number if number.starts_with(|first: char| first.is_ascii_digit()) => {
                format!("v{number}")
            }
            _ => given,
        };
        let variant = match (architecture.as_str(), given.as_str()) {
            ("386", _) | ("amd64", "v1") | ("arm64", "v8" | "v8.0") => "",
            ("arm", "") => "v7",
            (_, given) => given,
        };
        Self {
            variant: Some(variant.to_owned()).filter(|variant| !variant.is_empty()),
            os,
            architecture,
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
        }
    }

    /// How well `candidate` serves who wants this platform: `None` not at all, 0 exactly, more is worse.
    ///
    /// A processor runs what was made for an older one of its family: `arm/v7` takes `v6` and `v5`, `amd64/v3` takes
    /// `v2` and `v1`, `arm64/v9` takes `v8`. `unknown/unknown` (an attestation) serves nobody (row 125).
    pub fn rank(&self, candidate: &Self) -> Option<u32> {
        let (wanted, candidate) = (self.normalized(), candidate.normalized());
        let unknown = candidate.os == "unknown" || candidate.architecture == "unknown";
        if unknown || wanted.os != candidate.os || wanted.architecture != candidate.architecture {
            return None;
        }
        if wanted.os_version.is_some() && wanted.os_version != candidate.os_version {
            return None;
        }
        if wanted.variant == candidate.variant {
            return Some(0);
        }
        let baseline = match wanted.architecture.as_str() {
            "amd64" => "v1",
            "arm64" => "v8",
            "arm" => "v7",
            // Variants of other architectures have no order: one that is left open fits any.
            _ => return (wanted.variant.is_none() || candidate.variant.is_none()).then_some(1),
        };
        let level = |platform: &Self| level(platform.variant.as_deref().unwrap_or(baseline));
        level(&wanted)?.checked_sub(level(&candidate)?)
    }
}

/// The order of `v7`, `v8.2`, …
fn level(variant: &str) -> Option<u32> {
    let digits = variant.strip_prefix('v')?;
    let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
    let (major, minor): (u16, u16) = (major.parse().ok()?, minor.parse().ok()?);
    (minor < 100).then_some(u32::from(major) * 100 + u32::from(minor))
}

/// Go's name of an architecture, and the variant that the other name implies.
fn architecture_alias(name: &str) -> (String, &'static str) {
    let (architecture, variant) = match name {
        "i386" | "i486" | "i586" | "i686" => ("386", ""),
        "x86_64" | "x86-64" => ("amd64", ""),
        "aarch64" => ("arm64", ""),
        "armhf" => ("arm", "v7"),
        "armel" => ("arm", "v6"),
        "ppc64el" => ("ppc64le", ""),
        "loongarch64" => ("loong64", ""),
        other => (other, ""),
    };
    (architecture.to_owned(), variant)
}

/// The platform that `uname` names.
fn of_machine(machine: &str) -> Platform {
    let arm = machine.strip_prefix("armv").and_then(|rest| rest.get(..1)).map(|digit| format!("v{digit}"));
    let (architecture, variant) = match (machine, arm) {
        (_, Some(variant)) => ("arm".to_owned(), variant),
        (name, None) => (architecture_alias(name).0, String::new()),
    };
    Platform::new("linux", &architecture, &variant)
}

/// The micro-architecture level of the x86-64 psABI that this processor reaches, above the first.
#[cfg(target_arch = "x86_64")]
fn amd64_level() -> Option<&'static str> {
    use std::arch::is_x86_feature_detected as has;
    let v2 = has!("cmpxchg16b") && has!("popcnt") && has!("sse3") && has!("ssse3") && has!("sse4.1") && has!("sse4.2");
    let v3 = v2
        && has!("avx")
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe");
    let v4 = v3 && has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
    match (v4, v3, v2) {
        (true, ..) => Some("v4"),
        (_, true, _) => Some("v3"),
        (.., true) => Some("v2"),
        _ => None,
    }
}

/// Other builds cannot ask the processor.
#[cfg(not(target_arch = "x86_64"))]
fn amd64_level() -> Option<&'static str> {
    None
}

impl FromStr for Platform {
    type Err = Error;

    /// Reads `os/architecture/variant`, `os/architecture`, `architecture/variant`, `architecture` (of this system) or
    /// `os` (of this machine). The result is [normalized](Platform::normalized).
    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::new(ErrorKind::Usage, format!("bad platform `{}`: {why}", text.escape_debug()));
        let lower = text.to_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        let word = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(word) {
            return Err(bad("expected os/architecture[/variant]"));
        }
        let is_os = |name: &str| name == "macos" || OPERATING_SYSTEMS.contains(&name);
        let is_architecture = |name: &str| ARCHITECTURES.contains(&architecture_alias(name).0.as_str());
        let platform = match *parts.as_slice() {
            [os] if is_os(os) => Self { os: os.to_owned(), ..Self::host() },
            [architecture] if is_architecture(architecture) => Self::new("linux", architecture, ""),
            [_] => {
                return Err(bad("neither a known operating system nor a known architecture"));
            }
            [architecture, variant] if is_architecture(architecture) => Self::new("linux", architecture, variant),
            [os, architecture] => Self::new(os, architecture, ""),
            [os, architecture, variant] => Self::new(os, architecture, variant),
            _ => return Err(bad("expected os/architecture[/variant]")),
        };
        Ok(platform.normalized())
    }
}

impl fmt::Display for Platform {
    /// `os/architecture[/variant]`, escaped: the words may come from an image.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os.escape_debug(), self.architecture.escape_debug())?;
        match &self.variant {
            Some(variant) => write!(f, "/{}", variant.escape_debug()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(wanted: &str, candidate: (&str, &str, &str)) -> Option<u32> {
        let wanted: Platform = wanted.parse().unwrap();
        wanted.rank(&Platform::new(candidate.0, candidate.1, candidate.2))
    }

    #[test]
    fn s19_older_processors_of_a_family_serve_in_order() {
        for (wanted, better, worse) in [
            ("linux/arm/v7", "v7", "v6"),
            ("linux/arm/v7", "v6", "v5"),
            ("linux/arm/v6", "v6", "v5"),
            ("linux/arm/v8", "v8", ""),
        ] {
            let (better, worse) = (rank(wanted, ("linux", "arm", better)), rank(wanted, ("linux", "arm", worse)));
            assert!(better.unwrap() < worse.unwrap(), "{wanted}");
        }
        assert_eq!(rank("linux/arm/v6", ("linux", "arm", "v7")), None);
        assert_eq!(rank("linux/arm/v6", ("linux", "arm", "")), None);
        let amd64: Vec<_> = ["v4", "v3", "v2", ""].map(|v| rank("linux/amd64/v3", ("linux", "amd64", v))).into();
        assert_eq!(amd64[0], None);
        assert_eq!(amd64[1], Some(0));
        assert!(amd64[1] < amd64[2] && amd64[2] < amd64[3]);
        assert_eq!(rank("linux/amd64", ("linux", "amd64", "v2")), None);
        assert!(rank("linux/arm64/v9", ("linux", "arm64", "")).is_some());
    }

    #[test]
    fn row_125_spellings_of_one_platform_are_equal() {
        for (wanted, candidate) in [
            ("linux/arm64", ("linux", "arm64", "v8")),
            ("linux/arm64/v8", ("linux", "arm64", "")),
            ("aarch64", ("linux", "arm64", "8")),
            ("linux/x86_64", ("linux", "amd64", "v1")),
            ("arm", ("linux", "arm", "v7")),
            ("linux/armhf", ("linux", "arm", "")),
            ("armel", ("linux", "arm", "6")),
            ("Linux/AMD64", ("linux", "amd64", "")),
            ("i386", ("linux", "386", "")),
            ("arm/v6", ("linux", "arm", "v6")),
        ] {
            assert_eq!(rank(wanted, candidate), Some(0), "{wanted}");
        }
    }

    #[test]
    fn row_125_attestations_and_strangers_never_fit() {
        assert_eq!(rank("unknown/unknown", ("unknown", "unknown", "")), None);
        assert_eq!(rank("linux/amd64", ("linux", "arm64", "")), None);
        assert_eq!(rank("linux/arm64", ("linux", "arm", "v7")), None);
        assert_eq!(rank("linux/amd64", ("windows", "amd64", "")), None);
        assert_eq!(rank("linux/ppc64le", ("linux", "ppc64le", "power8")), Some(1));
        assert_eq!(rank("linux/amd64", ("linux", "amd64", "vx")), None);
    }

    #[test]
    fn bad_text_is_a_usage_error() {
        for bad in ["", "/", "linux/", "a/b/c/d", "toaster", "linux/amd64/", "li nux/amd64"] {
            assert_eq!(bad.parse::<Platform>().unwrap_err().kind(), ErrorKind::Usage, "{bad}");
        }
    }

    #[test]
    fn the_host_fits_itself_and_uname_is_understood() {
        let host = Platform::host();
        assert_eq!(host.rank(&host), Some(0));
        assert_eq!("linux".parse::<Platform>().unwrap().rank(&host), Some(0));
        for (machine, expected) in [
            ("x86_64", "linux/amd64"),
            ("i686", "linux/386"),
            ("aarch64", "linux/arm64"),
            ("armv7l", "linux/arm/v7"),
            ("armv6l", "linux/arm/v6"),
            ("armv5tejl", "linux/arm/v5"),
            ("ppc64le", "linux/ppc64le"),
            ("s390x", "linux/s390x"),
            ("riscv64", "linux/riscv64"),
            ("loongarch64", "linux/loong64"),
        ] {
            assert_eq!(of_machine(machine).to_string(), expected);
        }
    }
}
