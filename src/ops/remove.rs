//! Remove: names and images, by Docker's rules, with views in the place of containers.

use std::collections::BTreeSet;

use super::Rootlay;
use super::liveness::Live;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{DiffId, Digest, Platform, Reference};
use crate::store::{
    self, Catalog, Change, Freed, ImageRecord, Item, Kind, Resolved, ResolvedBy, View, drop_unused_manifests,
    same_repository,
};

/// Whether conflicts that force can overcome are overcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// They are errors.
    #[default]
    No,
    /// Names go although something needs them.
    Yes,
}

/// What to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveRequest {
    /// Names, image IDs, or prefixes of them; each is handled on its own, in this order.
    pub images: Vec<String>,
    /// Whether to force it.
    pub force: Force,
}

/// What one argument removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// The names that are gone, as people write them.
    pub untagged: Vec<String>,
    /// The images that are gone and, by chain ID, their layers that nothing else uses.
    pub deleted: Vec<Digest>,
}

/// A view that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub view: String,
    pub image: Digest,
    /// It is mounted, or held: Docker's running container. Otherwise it is saved: a stopped one.
    pub running: bool,
}

impl Rootlay {
    /// Removes names and images; one result for each argument.
    ///
    /// # Errors
    /// In the results: [`NotFound`](ErrorKind::NotFound), [`Conflict`](ErrorKind::Conflict) for an image with names
    /// in several repositories, [`InUse`](ErrorKind::InUse) for one that a view uses.
    pub fn remove_images(&self, request: RemoveRequest) -> Result<Vec<Result<Removed>>> {
        let RemoveRequest { images, force } = request;
        let uses = self.uses()?;
        Ok(images.into_iter().map(|text| self.remove_image(&text, &uses, force)).collect())
    }

    fn uses(&self) -> Result<Vec<Use>> {
        let live = Live::now()?;
        let mut uses = Vec::new();
        for record in self.store.views()?.iter().filter_map(View::record) {
            let running = !live.is_gone(&self.store, record)?;
            uses.push(Use { view: record.name.clone(), image: record.image_id.clone(), running });
        }
        Ok(uses)
    }

    fn remove_image(&self, text: &str, uses: &[Use], force: Force) -> Result<Removed> {
        let staging = self.store.stage()?;
        let decide_now = |catalog: &Catalog| {
            let decision = decide(catalog, text, uses, force)?;
            Ok((decision.change.clone(), decision))
        };
        let (decision, freed) = self.store.change(&staging, decide_now)?;
        Ok(Removed { untagged: decision.untagged, deleted: deleted(&decision.deleted, &freed) })
    }
}

/// The images that went, each followed by the chain IDs of its layers that went with it, top first.
fn deleted(images: &[(Digest, Vec<DiffId>)], freed: &Freed) -> Vec<Digest> {
    let mut all = Vec::new();
    for (image, stack) in images {
        all.push(image.clone());
        let chains = store::chains(stack);
        for (id, chain) in stack.iter().zip(chains).rev() {
            if freed.contains(&Item::Dir(Kind::Layer, id.0.clone())) {
                all.push(chain.0);
            }
        }
    }
    all
}

/// What a removal does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub change: Change,
    pub untagged: Vec<String>,
    /// Images, each with its layers.
    pub deleted: Vec<(Digest, Vec<DiffId>)>,
}

/// Decides on one argument: a pure function, after Docker's `image_delete.go`.
pub(super) fn decide(catalog: &Catalog, text: &str, uses: &[Use], force: Force) -> Result<Decision> {
    let found = match catalog.resolve(text, &Platform::host()) {
        Ok(found) => found,
        Err(error) => {
            // A record that nobody can read can still be removed.
            let id = catalog.resolve_unreadable(text).and_then(|record| record.id.clone());
            let Some(id) = id.filter(|_| error.kind() == ErrorKind::NotFound) else { return Err(error) };
            let mut decision = Decision::default();
            decision.delete(&id, &[]);
            return Ok(decision);
        }
    };
    let Resolved { by, images } = found;
    let mut decision = Decision::default();
    // Two platforms of one tag go together, or none of them.
    for image in images {
        match &by {
            ResolvedBy::Name(reference) => decision.by_name(image, reference, uses, force)?,
            ResolvedBy::Id => decision.by_id(image, uses, force)?,
        }
    }
    Ok(decision)
}

impl Decision {
    fn by_name(&mut self, image: &ImageRecord, reference: &Reference, uses: &[Use], force: Force) -> Result<()> {
        if force == Force::No
            && is_single(&image.references())
            && let Some(user) = uses.iter().find(|user| user.image == image.id)
        {
            let message = format!(
                "conflict: unable to remove repository reference \"{}\" (must force) - view {} is using its \
                 referenced image {}",
                reference.familiar(),
                user.view,
                image.id.short()
            );
            return Err(Error::new(ErrorKind::InUse, message));
        }
        let mut left = image.clone();
        self.untag(&mut left, reference);
        // The digests of a repository go with its last tag.
        let same = |other: &Reference| same_repository(other, reference);
        let names = left.references();
        if reference.digest().is_none() && !names.iter().any(|name| name.digest().is_none() && same(name)) {
            for name in names.iter().filter(|name| same(name)) {
                self.untag(&mut left, name);
            }
        }
        let keeps = |user: &Use| user.image == image.id && (user.running || force == Force::No);
        if left.names.is_empty() && !uses.iter().any(keeps) {
            self.delete(&image.id, &image.diff_ids);
        } else {
            drop_unused_manifests(&mut left);
            self.change.write.push(left);
        }
        Ok(())
    }

    fn by_id(&mut self, image: &ImageRecord, uses: &[Use], force: Force) -> Result<()> {
        let conflict = |kind, force: &str, why: &str| {
            let message = format!("conflict: unable to delete {} ({force}) - {why}", image.id.short());
            Err(Error::new(kind, message))
        };
        let mut users = uses.iter().filter(|user| user.image == image.id);
        if let Some(user) = users.clone().find(|user| user.running) {
            let why = format!("image is being used by running view {}", user.view);
            return conflict(ErrorKind::InUse, "cannot be forced", &why);
        }
        let names = image.references();
        if force == Force::No {
            if !is_single(&names) {
                let why = "image is referenced in multiple repositories";
                return conflict(ErrorKind::Conflict, "must be forced", why);
            }
            if let Some(user) = users.next() {
                let why = format!("image is being used by stopped view {}", user.view);
                return conflict(ErrorKind::InUse, "must be forced", &why);
            }
        }
        let mut left = image.clone();
        for name in &names {
            self.untag(&mut left, name);
        }
        self.delete(&image.id, &image.diff_ids);
        Ok(())
    }

    fn untag(&mut self, image: &mut ImageRecord, reference: &Reference) {
        image.names.retain(|name| name.reference != *reference);
        let shown = reference.familiar();
        // Two platforms of one tag lose one name.
        if !self.untagged.contains(&shown) {
            self.untagged.push(shown);
        }
    }

    fn delete(&mut self, image: &Digest, stack: &[DiffId]) {
        self.change.delete.push(image.clone());
        self.deleted.push((image.clone(), stack.to_vec()));
    }
}

/// Whether there is at most one tag, and all names are of one repository: such an image goes by its ID without force.
fn is_single(names: &[Reference]) -> bool {
    let tags = names.iter().filter(|name| name.digest().is_none()).count();
    let repositories: BTreeSet<String> = names.iter().map(Reference::familiar_name).collect();
    tags <= 1 && repositories.len() <= 1
}
