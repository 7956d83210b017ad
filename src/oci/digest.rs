//! Digests (image-spec, descriptor.md, "Digests") and the two identifiers that are made of them (config.md).

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha512};

use super::sha256::Sha256;
use crate::error::{Error, Result};

/// A registered digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, the one that every tool writes.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name in front of the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits a digest of this algorithm has.
    pub fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// A hasher of this algorithm.
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher(State::Sha256(Sha256::new())),
            Self::Sha512 => Hasher(State::Sha512(Sha512::new())),
        }
    }
}

/// The digest of some content: a known algorithm and lower-case hexadecimal digits of the right number, so that
/// it is safe as a file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits after the colon.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first 12 digits, as listings show them.
    pub fn short(&self) -> &str {
        self.hex.get(..12).unwrap_or(&self.hex)
    }

    /// The digest with these digits; `None` if they are not lower-case hexadecimal ones of the right number.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Self> {
        let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (hex.len() == algorithm.hex_len() && is_hex).then(|| Self { algorithm, hex: hex.into() })
    }

    /// The SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = Algorithm::Sha256.hasher();
        hasher.update(content);
        hasher.finish()
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::refused(format!("bad digest `{}`: {why}", text.escape_debug()));
        let (name, hex) = text.split_once(':').ok_or_else(|| bad("no algorithm"))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(bad("unknown algorithm, expected sha256 or sha512")),
        };
        if hex.len() != algorithm.hex_len() {
            return Err(bad(&format!("expected {} digits, got {}", algorithm.hex_len(), hex.len())));
        }
        Self::from_hex(algorithm, hex).ok_or_else(|| bad("expected lower-case hexadecimal digits"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText)
    }
}

/// Reads a digest where it stands: records have many.
struct FromText;

impl Visitor<'_> for FromText {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }
}

/// The digest of a layer's uncompressed tar (config.md, "Layer `DiffID`").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// The identifier of a stack of layers (config.md, "Layer `ChainID`"). A cache key, never a proof.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub Digest);

impl ChainId {
    /// The chain ID of the whole stack, base first; `None` for a stack of no layers.
    pub fn of(stack: &[DiffId]) -> Option<Self> {
        let (base, rest) = stack.split_first()?;
        let chain = rest.iter().fold(base.0.clone(), |chain, layer| {
            let mut hasher = Algorithm::Sha256.hasher();
            for (end, digest) in [(" ", &chain), ("", &layer.0)] {
                for text in [digest.algorithm.as_str(), ":", &digest.hex, end] {
                    hasher.update(text.as_bytes());
                }
            }
            hasher.finish()
        });
        Some(Self(chain))
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A running digest. Also a [`Write`] that never fails.
#[derive(Debug, Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(_) => "Sha256",
            Self::Sha512(_) => "Sha512",
        })
    }
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Which digest it is.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Adds bytes to two hashers. Two of SHA-256 need less time for that than one after the other.
    pub fn update_both(one: &mut Self, bytes: &[u8], other: &mut Self, other_bytes: &[u8]) {
        if let (State::Sha256(one), State::Sha256(other)) = (&mut one.0, &mut other.0) {
            Sha256::update_both(one, bytes, other, other_bytes);
        } else {
            one.update(bytes);
            other.update(other_bytes);
        }
    }

    /// The digest of everything that was added.
    pub fn finish(self) -> Digest {
        let (algorithm, bytes) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, state.finish().to_vec()),
            State::Sha512(state) => (Algorithm::Sha512, state.finalize().to_vec()),
        };
        Digest { algorithm, hex: hex::encode(bytes).into() }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_120_a_digest_is_strict_before_it_becomes_a_path() {
        let good = format!("sha256:{}", "a".repeat(64));
        assert_eq!(good.parse::<Digest>().unwrap().to_string(), good);
        assert!(format!("sha512:{}", "0".repeat(128)).parse::<Digest>().is_ok());
        for bad in [
            "sha256:../../x".to_owned(),
            format!("sha256:{}", "A".repeat(64)),
            format!("sha256:{}", "a".repeat(63)),
            format!("sha256:{}", "a".repeat(65)),
            format!("sha512:{}", "a".repeat(64)),
            format!("md5:{}", "a".repeat(32)),
            format!("sha256:{}/", "a".repeat(63)),
            format!(":{}", "a".repeat(64)),
            "a".repeat(64),
            String::new(),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn row_119_both_registered_algorithms_hash() {
        // FIPS 180-4 examples for the message "abc".
        let cases = [
            (Algorithm::Sha256, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Algorithm::Sha512,
                "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ];
        for (algorithm, expected) in cases {
            let mut hasher = algorithm.hasher();
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish().to_string(), expected);
        }
    }

    #[test]
    fn row_137_chain_ids_follow_the_specification() {
        let layer = |digit: &str| DiffId(format!("sha256:{}", digit.repeat(64)).parse().unwrap());
        let (a, b, c) = (layer("a"), layer("b"), layer("c"));
        assert_eq!(ChainId::of(&[]), None);
        assert_eq!(ChainId::of(std::slice::from_ref(&a)).unwrap().0, a.0);
        let ab = Digest::of(format!("{a} {b}").as_bytes());
        assert_eq!(ChainId::of(&[a.clone(), b.clone()]).unwrap().0, ab);
        let abc = Digest::of(format!("{ab} {c}").as_bytes());
        assert_eq!(ChainId::of(&[a, b, c]).unwrap().0, abc);
    }
}
