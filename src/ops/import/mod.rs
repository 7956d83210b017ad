//! Import: a root filesystem in a tar becomes an image of one layer, as `docker import` makes it.

mod changes;
mod config;
mod health;
mod words;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use super::install::{NewImage, Run};
use super::tee::{Step, Tee};
use super::unpack::unpack_into_place;
use super::{Limits, Oddities, Rootlay, SourceSpec};
use crate::content::Ingest;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::layer::Claims;
use crate::oci::{Algorithm, Descriptor, Digest, ImageConfig, Platform, Reference, media_type};
use crate::progress::{Phase, Task};
use crate::store::{self, Item};

/// Where the tar is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// On standard input.
    Stdin,
    /// In a file.
    File(PathBuf),
}

/// What to import.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The tar, compressed or not.
    pub input: Input,
    /// The name of the image.
    pub name: Option<Reference>,
    /// Instructions of a Dockerfile that change the configuration, in this order.
    pub changes: Vec<String>,
    /// What the history says instead of where the tar came from.
    pub message: Option<String>,
    /// What the image runs on; without one, this machine.
    pub platform: Option<Platform>,
}

impl Rootlay {
    /// Imports a root filesystem; gives the image ID.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) for whatever is wrong with the tar, [`Usage`](ErrorKind::Usage) for an
    /// instruction that is none.
    pub fn import(&self, request: ImportRequest) -> Result<Digest> {
        let ImportRequest { input, name, changes, message, platform } = request;
        if name.as_ref().is_some_and(|name| name.digest().is_some()) {
            return Err(Error::new(ErrorKind::Usage, "the name of an imported image cannot have a digest"));
        }
        let container = changes::apply(&changes)?;
        let origin = match &input {
            Input::Stdin => "-".to_owned(),
            Input::File(path) => path.display().to_string(),
        };
        let about = config::About {
            created: store::now(),
            comment: message.unwrap_or_else(|| format!("Imported from {origin}")),
            platform: platform.unwrap_or_else(host).normalized(),
            container,
        };
        Run::begin(self, Limits::default(), Oddities::Warn)?.carry_out(|run| {
            run.named = run.store.named()?;
            let mut file = seekable(run, &input)?;
            let (digest, size) = measure(run, &mut file).context(|| format!("read {origin}"))?;
            run.staging.rely_on([Item::Blob(digest.clone())])?;
            let blob = Descriptor::new("", digest, size);
            let found_at = match &input {
                Input::Stdin => origin.clone(),
                Input::File(path) => SourceSpec::Path(path.clone()).absolute()?.to_string(),
            };
            import(run, file, blob, &about, name.into_iter().collect(), found_at)
                .context(|| format!("import `{origin}`"))
        })
    }
}

/// An imported tree may run on any processor of the family.
fn host() -> Platform {
    Platform { variant: None, ..Platform::host() }
}

fn import(
    run: &mut Run<'_>,
    file: File,
    mut blob: Descriptor,
    about: &config::About,
    names: Vec<Reference>,
    origin: String,
) -> Result<Digest> {
    let task = Task { id: run.next_task(), label: blob.digest.short().to_owned(), total: Some(blob.size) };
    run.progress.phase(&task, Phase::Extracting);
    let watch = |step| {
        if let Step::Passed(bytes) = step {
            run.progress.advance(&task, bytes);
        }
        run.cancel.check()
    };
    let ingest = Ingest::new(run.staging.dir(), &blob.digest, blob.size)?;
    let tee = Tee::new(Box::new(file), ingest, &watch);
    let claims = Claims { diff_id: None, blob: Some(&blob.digest) };
    let layer = unpack_into_place(run, tee, &claims, &|| run.cancel.check(), |ingest| run.keep_blob(ingest))?;
    run.progress.phase(&task, Phase::Complete);

    blob.media_type = media_type::layer(layer.compression.suffix());
    let config_bytes = config::image(about, &layer.diff_id)?;
    let config_digest = Digest::of(&config_bytes);
    let config_descriptor = Descriptor::new(media_type::OCI_CONFIG, config_digest, config_bytes.len() as u64);
    let manifest = config::manifest(config_descriptor, blob);
    let manifest_bytes = config::manifest_json(&manifest)?;
    let descriptor =
        Descriptor::new(media_type::OCI_MANIFEST, Digest::of(&manifest_bytes), manifest_bytes.len() as u64);
    let image = NewImage {
        descriptor: &descriptor,
        config: &ImageConfig::parse(&config_bytes)?,
        indexes: Vec::new(),
        documents: vec![(&descriptor.digest, &manifest_bytes), (&manifest.config.digest, &config_bytes)],
        manifest: &manifest,
        names,
        origin,
    };
    run.image(None, &image)
}

/// The input as a file that can be read twice.
fn seekable(run: &Run<'_>, input: &Input) -> Result<File> {
    let mut input: Box<dyn Read> = match input {
        Input::Stdin => Box::new(std::io::stdin()),
        Input::File(path) => {
            let file = File::open(path).context(|| format!("open {}", path.display()))?;
            if file.metadata()?.is_file() {
                return Ok(file);
            }
            Box::new(file)
        }
    };
    let name = run.staging.fresh_name("input");
    let mut spool = run.staging.dir().create_file(name.as_bytes(), 0o600)?;
    run.staging.dir().remove_file(name.as_bytes())?;
    each_piece(run, &mut input, |piece| Ok(spool.write_all(piece)?))?;
    spool.rewind()?;
    Ok(spool)
}

/// The digest and the size of a file, which is read from its beginning and left there.
fn measure(run: &Run<'_>, file: &mut File) -> Result<(Digest, u64)> {
    let (mut hasher, mut size) = (Algorithm::Sha256.hasher(), 0);
    each_piece(run, file, |piece| {
        hasher.update(piece);
        size += piece.len() as u64;
        Ok(())
    })?;
    file.rewind()?;
    Ok((hasher.finish(), size))
}

fn each_piece(run: &Run<'_>, input: &mut impl Read, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; 1 << 17];
    loop {
        run.cancel.check()?;
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&buffer[..count])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
