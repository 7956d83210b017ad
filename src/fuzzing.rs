//! Doors for `fuzz/` and its benches into modules that are private. Built only with `--cfg fuzzing`, which `cargo fuzz`
//! sets.

use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::cancel::Cancel;
use crate::chunks;
use crate::compression::{self, Gunzip, WINDOW};
use crate::error::{Error, Result};
use crate::layer::{self, Claims, LayerIndex, Limits, Oddities, Places, StackLayer, UnpackOptions};
use crate::mount::mountinfo;
use crate::oci::{Algorithm, Descriptor, Digest, Reference};
use crate::source::{self, Candidate, Resolved, SourceSpec};
use crate::sys::dir::Dir;

pub use crate::layer::{Kind, NameMeans, Node, Shape, count_entries};
pub use crate::source::fuzzing::{Answer, Meaning, answer, credentials, hosts};

/// Small enough that no input takes long.
fn limits() -> Limits {
    Limits { entries: 4096, bytes: 8 << 20, header_bytes: 1 << 16, depth: 64, zstd_window_log: 20 }
}

/// Unpacks a layer into the empty directory `diff`, takes its index through its written form, and gives what the
/// index says is now in `diff` and kept in `aside`. Then corrects a stack of this layer alone into the empty directory
/// `correction`; a layer that contradicts an empty tree is no error here.
///
/// # Errors
/// As [`layer::unpack`] has them, or the index does not read back.
pub fn layer(blob: &[u8], diff: &Path, aside: &Path, correction: &Path) -> Result<Shape> {
    let mut written = Vec::new();
    unpack(blob, diff, aside, limits())?.write_to(&mut written)?;
    let index = LayerIndex::read_from(&mut &written[..])?;
    let mut again = Vec::new();
    index.write_to(&mut again)?;
    assert_eq!(written, again, "the index changes when it is read and written");
    let open = || Ok(Places { diff: Dir::open(diff)?, aside: Dir::open(aside)? });
    let stack = [StackLayer { index: &index, open: Box::new(open) }];
    let _ = layer::correct(&stack, &Dir::open(correction)?, &Cancel::new());
    drop(stack);
    layer::shape(index)
}

/// Unpacks the layers of a stack, base first, each into its empty directories `diff` and `aside`, and makes what corrects
/// the stack in the empty directory `correction`. Gives for each layer whether it hides all below it.
///
/// # Errors
/// As [`layer::unpack`] and [`layer::correct`] have them.
pub fn stack(layers: &[(Vec<u8>, &Path, &Path)], correction: &Path) -> Result<Vec<bool>> {
    let mut indexes = Vec::new();
    for (blob, diff, aside) in layers {
        indexes.push(unpack(blob, diff, aside, limits())?);
    }
    let layer = |(index, (_, diff, aside)): (_, &(Vec<u8>, &Path, &Path))| {
        let (diff, aside) = (diff.to_path_buf(), aside.to_path_buf());
        let open = move || Ok(Places { diff: Dir::open(&diff)?, aside: Dir::open(&aside)? });
        StackLayer { index, open: Box::new(open) }
    };
    let stack: Vec<StackLayer<'_>> = indexes.iter().zip(layers).map(layer).collect();
    layer::correct(&stack, &Dir::open(correction)?, &Cancel::new())?;
    drop(stack);
    Ok(indexes.iter().map(|index| index.summary.opaque_root).collect())
}

fn unpack(blob: &[u8], diff: &Path, aside: &Path, limits: Limits) -> Result<LayerIndex> {
    let options = UnpackOptions { limits, oddities: Oddities::Warn, crew: 1, check: &|| Ok(()), warn: &|_| {} };
    let (blob, claims) = (chunks::reader_of(blob), Claims::default());
    Ok(layer::unpack(blob, &Dir::open(diff)?, &Dir::open(aside)?, &claims, &options)?.index)
}

/// Decodes gzip, with the input in pieces of `input` bytes and the output in pieces of `output`.
///
/// # Errors
/// The stream is broken.
pub fn gunzip(blob: &[u8], input: usize, output: usize) -> io::Result<Vec<u8>> {
    let mut gunzip = Gunzip::new(BufReader::with_capacity(input, blob));
    let mut buffer = vec![0; WINDOW + output];
    let mut plain = Vec::new();
    let mut at = 0;
    loop {
        let len = gunzip.decode(&mut buffer[..at + output], at)?;
        if len == 0 {
            return Ok(plain);
        }
        plain.extend_from_slice(&buffer[at..at + len]);
        let end = at + len;
        at = end.min(WINDOW);
        buffer.copy_within(end - at..end, 0);
        buffer[at..].fill(0xa5);
    }
}

/// One image of an archive.
#[derive(Debug)]
pub struct Archived {
    /// Its names.
    pub names: Vec<Reference>,
    /// Its ID.
    pub id: Digest,
    /// Its configuration.
    pub config: Vec<u8>,
    /// How many diff IDs it has.
    pub diff_ids: usize,
    /// The first bytes of its layers, unverified.
    pub layers: Vec<Vec<u8>>,
}

/// Opens the archive at `path`, of any kind, and reads its images; those that cannot be read are left out. Of each layer
/// `most` bytes are read.
///
/// # Errors
/// It is no archive of images.
pub fn archive(path: &Path, scratch: &Path, most: u64) -> Result<Vec<Archived>> {
    let source = source::open(&SourceSpec::Path(path.to_owned()), &Dir::open(scratch)?, &Cancel::new())?;
    let read = |image: Candidate| -> Result<Archived> {
        let Resolved { manifest, config, config_bytes, .. } = source::resolve(&*source, &image.descriptor, None)?;
        let layer = |blob: &Descriptor| -> Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let content = source.open_blob(blob)?.take(most).read_to_end(&mut bytes);
            content.map_err(|error| Error::io("read a layer", error))?;
            Ok(bytes)
        };
        let layers = manifest.layers.iter().map(layer).collect::<Result<_>>()?;
        let (id, diff_ids) = (manifest.config.digest.clone(), config.diff_ids.len());
        Ok(Archived { names: image.names, id, config: config_bytes, diff_ids, layers })
    };
    Ok(source.images()?.into_iter().filter_map(|image| read(image).ok()).collect())
}

/// Parses a table of mounts; gives how many it has.
pub fn mountinfo(table: &[u8]) -> Result<usize> {
    mountinfo::parse(table).map(|mounts| mounts.len())
}

/// Cleans the name of an entry and tells what it means.
pub fn name(raw: &[u8]) -> Result<NameMeans> {
    layer::name_means(raw, limits().depth)
}

/// Reads the uncompressed bytes of a blob through `buffer`; gives how many there are.
pub fn decompress(blob: &[u8], buffer: &mut [u8]) -> Result<u64> {
    let (mut input, _) = compression::decompress(Box::new(blob), compression::ZSTD_WINDOW_LOG)?;
    let mut total = 0;
    loop {
        match input.read(buffer)? {
            0 => return Ok(total),
            read => total += read as u64,
        }
    }
}

/// The SHA-256 digest of `content`.
pub fn sha256(content: &[u8]) -> Digest {
    let mut hasher = Algorithm::Sha256.hasher();
    hasher.update(content);
    hasher.finish()
}

/// The index of a layer.
#[derive(Debug)]
pub struct Index(LayerIndex);

impl Index {
    /// Unpacks a layer of any size into the empty directories `diff` and `aside`.
    ///
    /// # Errors
    /// As [`layer::unpack`] has them.
    pub fn of(blob: &[u8], diff: &Path, aside: &Path) -> Result<Self> {
        unpack(blob, diff, aside, Limits::default()).map(Self)
    }

    /// Its written form.
    pub fn write(&self) -> Result<Vec<u8>> {
        let mut written = Vec::new();
        self.0.write_to(&mut written)?;
        Ok(written)
    }

    /// Reads the written form.
    pub fn read(mut written: &[u8]) -> Result<Self> {
        LayerIndex::read_from(&mut written).map(Self)
    }

    /// Folds it: what is where in the diff directory.
    pub fn shape(self) -> Result<Shape> {
        layer::shape(self.0)
    }
}
