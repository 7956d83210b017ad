//! What a mount has to know of the layers of a stack, so that it need not open each `layer.json`.
//!
//! `plan.json` lies beside the `diff` of the stack's correction layer: a line of JSON and, as the second line, the XXH3
//! of the first. It repeats what the layers say. Where it is missing, damaged or of something else, they are asked.
//!
//! ```text
//! {"format":1,"chain":"sha256:…","layers":3,"empty":[1],"opaque_roots":[]}
//! 9ae16a3b2f90404f
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::layout::FILE_LIMIT;
use super::staging::Staging;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::ChainId;
use crate::sys::dir::Dir;

/// The format that this version writes.
const FORMAT: u32 = 1;

const FILE: &[u8] = b"plan.json";

/// Which layers of a stack are empty, and which have an opaque root; as indexes into the stack, base first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    format: u32,
    /// The stack.
    chain: ChainId,
    /// How many layers it has.
    layers: usize,
    /// Those that have no entry below their root.
    pub empty: BTreeSet<usize>,
    /// Those whose root hides everything below it.
    pub opaque_roots: BTreeSet<usize>,
}

impl PlanRecord {
    /// The record of a stack of so many layers.
    pub fn new(chain: ChainId, layers: usize, empty: BTreeSet<usize>, opaque_roots: BTreeSet<usize>) -> Self {
        Self { format: FORMAT, chain, layers, empty, opaque_roots }
    }

    /// The record in the directory of a correction layer, if it is whole and that of this stack.
    pub fn read(correction: &Dir, chain: &ChainId, layers: usize) -> Option<Self> {
        let content = correction.read(FILE, FILE_LIMIT).ok()?;
        let mut lines = content.split(|&byte| byte == b'\n');
        let (line, sum) = (lines.next()?, lines.next()?);
        if sum != checksum(line).as_bytes() {
            return None;
        }
        let record: Self = serde_json::from_slice(line).ok()?;
        let fits = record.format == FORMAT && record.chain == *chain && record.layers == layers;
        fits.then_some(record)
    }

    /// Writes the record into the directory of a correction layer. Nothing is synced: what a power cut leaves of it is
    /// either whole or is not taken for it.
    pub fn write(&self, staging: &Staging<'_>, correction: &Dir) -> Result<()> {
        let mut content = serde_json::to_vec(self)
            .map_err(|error| Error::with_source(ErrorKind::Failed, "write the plan of a stack", error))?;
        let sum = checksum(&content);
        content.extend([b"\n", sum.as_bytes(), b"\n"].concat());
        let draft = staging.fresh_name("plan");
        staging.dir().write_new(draft.as_bytes(), 0o600, &content)?;
        super::record::place(staging, &draft, correction, FILE)
    }
}

fn checksum(line: &[u8]) -> String {
    format!("{:016x}", xxh3_64(line))
}
