//! What a check says.

use std::fmt;

use crate::oci::{ChainId, DiffId, Digest};
use crate::store::{Item, Kind, Leftover};
use crate::sys::errno::escape;

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is part of.
    pub thing: Thing,
    /// Which one: a digest or the name of a view; empty where there is one only.
    pub name: String,
    /// The path of the file in the state root.
    pub file: String,
    /// What is wrong.
    pub problem: String,
    /// What was done about it.
    pub outcome: Outcome,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is not as it has to be.
    Wrong,
    /// Nobody needs it, and it may be removed.
    Debris,
    /// Nobody knows what it is. It stays.
    Unknown,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// An unpacked layer.
    Layer,
    /// What was computed for a stack.
    Stack,
    /// A blob.
    Blob,
    /// The record of an image.
    Image,
    /// A view.
    View,
    /// The state root itself.
    Root,
    /// What is unfinished, or was.
    Leftover,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layer => "layer",
            Self::Stack => "stack",
            Self::Blob => "blob",
            Self::Image => "image",
            Self::View => "view",
            Self::Root => "root",
            Self::Leftover => "leftover",
        })
    }
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was tried.
    Found,
    /// It is right again, by this.
    Repaired(String),
    /// It is as it was, for this reason.
    Left(String),
}

/// What a check looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// By what they are about.
    pub findings: Vec<Finding>,
    /// How many images were checked.
    pub images: usize,
    /// How many layers.
    pub layers: usize,
    /// How many blobs.
    pub blobs: usize,
    /// How many views.
    pub views: usize,
}

impl Checked {
    /// Whether something is wrong now, after what was repaired.
    pub fn is_wrong(&self) -> bool {
        let wrong = |finding: &&Finding| finding.severity == Severity::Wrong;
        self.findings.iter().filter(wrong).any(|finding| !matches!(finding.outcome, Outcome::Repaired(_)))
    }
}

/// What is repaired as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Blob(Digest),
    Layer(DiffId),
    /// The correction layer of the stack with this chain ID, or a stack as one directory.
    Made(Kind, ChainId),
    /// What an earlier boot made and no record names: it may have been torn, and is made anew when it is needed.
    Stale(Kind, Digest),
    /// The `plan.json` of a correction layer.
    Plan(ChainId),
    /// The `commit.json` of a directory.
    Commit(Kind, Digest),
    Image(Digest),
    /// A file among the image records that is none.
    Record,
    View(String),
    Index,
    Layout,
    Leftover(Leftover),
    Unneeded(Item),
    Unknown,
}

/// A finding, with what has to be repaired for it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub subject: Subject,
    pub finding: Finding,
}

impl Subject {
    fn thing(&self) -> Thing {
        match self {
            Self::Commit(kind, _) | Self::Stale(kind, _) | Self::Unneeded(Item::Dir(kind, _)) => match kind {
                Kind::Layer => Thing::Layer,
                Kind::Correction | Kind::Merged => Thing::Stack,
            },
            Self::Layer(_) => Thing::Layer,
            Self::Made(..) | Self::Plan(_) => Thing::Stack,
            Self::Blob(_) | Self::Unneeded(Item::Blob(_)) => Thing::Blob,
            Self::Image(_) | Self::Record => Thing::Image,
            Self::View(_) => Thing::View,
            Self::Index | Self::Layout | Self::Unknown => Thing::Root,
            Self::Leftover(_) => Thing::Leftover,
        }
    }

    /// What of the store it is, where records name it.
    pub fn item(&self) -> Option<Item> {
        Some(match self {
            Self::Blob(digest) => Item::Blob(digest.clone()),
            Self::Layer(id) => Item::Dir(Kind::Layer, id.0.clone()),
            Self::Made(kind, chain) => Item::Dir(*kind, chain.0.clone()),
            Self::Plan(chain) => Item::Dir(Kind::Correction, chain.0.clone()),
            Self::Stale(kind, digest) | Self::Commit(kind, digest) => Item::Dir(*kind, digest.clone()),
            _ => return None,
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Layer(id) => id.to_string(),
            Self::Made(_, chain) | Self::Plan(chain) => chain.to_string(),
            Self::Blob(digest)
            | Self::Commit(_, digest)
            | Self::Stale(_, digest)
            | Self::Image(digest)
            | Self::Unneeded(Item::Dir(_, digest) | Item::Blob(digest))
            | Self::Leftover(Leftover::Download(digest) | Leftover::Use(digest)) => digest.to_string(),
            Self::View(name) => name.clone(),
            Self::Leftover(Leftover::Staging(name) | Leftover::Lock(name)) => escape(name),
            Self::Record | Self::Index | Self::Layout | Self::Unknown => String::new(),
        }
    }

    /// A finding about this.
    pub fn found(self, severity: Severity, file: String, problem: impl Into<String>) -> Found {
        let (thing, name) = (self.thing(), self.name());
        let finding = Finding { severity, thing, name, file, problem: problem.into(), outcome: Outcome::Found };
        Found { subject: self, finding }
    }

    /// The same of something that is not as it has to be.
    pub fn wrong(self, file: String, problem: impl Into<String>) -> Found {
        self.found(Severity::Wrong, file, problem)
    }
}

/// The path in the state root of a directory that a digest names.
pub(super) fn place(kind: Kind, digest: &Digest) -> String {
    format!("{}/{}/{}", kind.folder(), digest.algorithm().as_str(), digest.hex())
}

/// The path of a blob.
pub(super) fn blob_place(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// The path of the record of an image.
pub(super) fn record_place(id: &Digest) -> String {
    format!("images/{}/{}.json", id.algorithm().as_str(), id.hex())
}
