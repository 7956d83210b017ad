//! What push and save share: which image is meant, and the blobs that were never needed here.

use std::io::Read;

use super::parallel::Check;
use super::tee::Tee;
use super::{Registries, Rootlay};
use crate::content::Ingest;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Descriptor, Digest, Platform, Reference};
use crate::progress::Phase;
use crate::source::{Remote, Waiting};
use crate::store::{Catalog, ImageRecord, Item, ManifestRecord, Name, Staging};

/// An image that leaves the store, with the manifest that goes with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picked<'c> {
    pub image: &'c ImageRecord,
    pub manifest: &'c ManifestRecord,
    /// The name by which it was found.
    pub name: Option<&'c Name>,
}

/// The image that a text means: for this platform, or the host's first.
///
/// # Errors
/// `NotFound`, if there is none, or none for this platform.
pub(super) fn pick<'c>(catalog: &'c Catalog, text: &str, platform: Option<&Platform>) -> Result<Picked<'c>> {
    let host = Platform::host();
    let wanted = platform.unwrap_or(&host);
    let found = super::images::resolve(catalog, text, wanted)?;
    let fits = |image: &&&ImageRecord| platform.is_none_or(|wanted| wanted.rank(&image.platform).is_some());
    let image = *found.images.iter().find(fits).ok_or_else(|| {
        let message = format!("no image {text} for {wanted}");
        Error::new(ErrorKind::NotFound, message)
    })?;
    let name = found.name(image);
    let digest = text.rsplit_once('@').map_or(text, |(_, digest)| digest).parse::<Digest>().ok();
    let by_digest = digest.and_then(|digest| image.manifests.iter().find(|manifest| manifest.is(&digest)));
    let manifest = by_digest.or_else(|| image.manifest(name));
    let manifest = manifest.ok_or_else(|| Error::new(ErrorKind::Failed, "image without a manifest"))?;
    Ok(Picked { image, manifest, name })
}

/// Brings blobs that are not here: their layers had come with another image.
pub(super) struct Fetch<'a> {
    pub rootlay: &'a Rootlay,
    pub registries: &'a Registries,
    pub staging: &'a Staging<'a>,
    pub catalog: &'a Catalog,
    /// A name in the registry that the user named, if one was: credentials of this command are for it alone.
    pub named: Option<&'a Reference>,
}

impl Fetch<'_> {
    /// Fetches a blob of this manifest into the store, from where the image came from, or another image that has it.
    ///
    /// # Errors
    /// `NotFound`, if none of them came from a registry; those of registries.
    pub fn blob(
        &self,
        manifest: &ManifestRecord,
        blob: &Descriptor,
        show: &(dyn Fn(Phase) + Sync),
        check: Check<'_>,
    ) -> Result<()> {
        let Descriptor { digest, size, .. } = blob;
        let Some(origin) = origins(self.catalog, manifest, digest).next() else {
            let message = format!("blob {digest} is not here, and {} is no registry", manifest.origin);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        self.staging.rely_on([Item::Blob(digest.clone())])?;
        let repository = if self.named.is_some_and(|named| named.registry() == origin.registry()) {
            self.registries.repository(&origin)?
        } else {
            self.registries.unnamed_repository(&origin)?
        };
        let store = &self.rootlay.store;
        let partial = store.partial(digest, *size, check)?;
        let retrying = |delay| show(Phase::Retrying(delay));
        show(Phase::Downloading);
        let old = partial.kept_bytes()?;
        let input = old.chain(repository.fetch(blob, partial.kept, 0, Waiting { check, retrying: &retrying }));
        let watch = |_| check();
        let fetched = Tee::new(Box::new(input), Ingest::resume(partial, digest, *size), &watch).finish();
        match fetched {
            Ok(ingest) => ingest.sync().and_then(|()| ingest.commit(store.content())),
            Err(error) => {
                if error.kind() == ErrorKind::DigestMismatch {
                    store.cut_partial(digest, 0)?;
                }
                Err(error.context(format!("blob {digest} of {origin}")))
            }
        }
    }
}

/// Repositories that have a blob, as far as the store knows; first that of its own manifest.
pub(super) fn origins<'c>(
    catalog: &'c Catalog,
    own: &'c ManifestRecord,
    blob: &Digest,
) -> impl Iterator<Item = Reference> + use<'c> {
    let blob = blob.clone();
    let manifests = catalog.images.iter().flat_map(|image| &image.manifests);
    let have = manifests.filter(move |manifest| manifest.layers.contains(&blob));
    std::iter::once(own).chain(have).filter_map(registry)
}

/// The registry that a manifest came from.
pub(super) fn registry(manifest: &ManifestRecord) -> Option<Reference> {
    manifest.origin.strip_prefix("docker://")?.parse().ok()
}
