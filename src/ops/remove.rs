//! Remove: names and images, by Docker's rules, with views in the place of containers.

use std::collections::BTreeSet;

use super::Rootlay;
use super::uses::Use;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{DiffId, Digest, Platform, Reference};
use crate::store::{
    self, Catalog, Change, Freed, ImageRecord, Item, Kind, Reach, Resolved, ResolvedBy, drop_unused_manifests,
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

/// Which images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// Names, image IDs, or prefixes of them; each is handled on its own, in this order.
    Named(Vec<String>),
    /// Every image with all its names.
    All,
}

/// What to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveRequest {
    /// Which images.
    pub images: Selected,
    /// Whether to force it.
    pub force: Force,
    /// Only this platform of them. That has to be forced, as Docker has it.
    pub platform: Option<Platform>,
}

/// What one argument removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// The names that are gone, as people write them.
    pub untagged: Vec<String>,
    /// The images that are gone and, by chain ID, their layers that nothing else uses.
    pub deleted: Vec<Digest>,
}

/// What a removal would do.
#[derive(Debug)]
pub struct RemovalPlan {
    /// One result for each image that was named.
    pub results: Vec<Result<Removed>>,
    /// The bytes on the disk that it would free.
    pub bytes: u64,
}

/// What decides besides the records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub uses: &'a [Use],
    pub force: Force,
    pub platform: Option<&'a Platform>,
    /// Whether an image that is found by its ID may have any names.
    pub names: Names,
}

/// Which names an image may have that goes by its ID without force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    OneTag,
    Any,
}

impl Rootlay {
    /// Removes names and images; one result for each argument.
    ///
    /// # Errors
    /// In the results: [`NotFound`](ErrorKind::NotFound), [`Conflict`](ErrorKind::Conflict) for an image with names
    /// in several repositories or a pinned one, [`InUse`](ErrorKind::InUse) for one that a view uses.
    pub fn remove_images(&self, request: RemoveRequest) -> Result<Vec<Result<Removed>>> {
        let RemoveRequest { images, force, platform } = request;
        let names = names(&images);
        let texts = texts(&images, &self.store.catalog()?);
        Ok(texts.into_iter().map(|text| self.remove_image(&text, force, platform.as_ref(), names)).collect())
    }

    /// Says what [`Rootlay::remove_images`] would do.
    ///
    /// # Errors
    /// What keeps that from being found out; those of the removal are in the results.
    pub fn plan_removal(&self, request: &RemoveRequest) -> Result<RemovalPlan> {
        let RemoveRequest { images, force, platform } = request;
        let uses = self.uses()?;
        let rules = Rules { uses: &uses, force: *force, platform: platform.as_ref(), names: names(images) };
        let decide_all = |catalog: &Catalog| {
            let mut whole = Change::default();
            let mut after = catalog.clone();
            let mut decisions = Vec::new();
            for text in texts(images, catalog) {
                let decision = decide(&after, &text, &rules);
                if let Ok(decision) = &decision {
                    after.apply(&decision.change);
                    whole.then(&decision.change);
                }
                decisions.push(decision);
            }
            Ok((whole, decisions))
        };
        let (decisions, freed) = self.store.rehearse(Reach::Changed, decide_all)?;
        // A layer goes with the last of its images.
        let mut shown = BTreeSet::new();
        let mut results: Vec<Result<Removed>> = Vec::new();
        for decision in decisions.into_iter().rev() {
            results.push(decision.map(|decision| decision.removed(&freed, &mut shown)));
        }
        results.reverse();
        Ok(RemovalPlan { results, bytes: self.bytes_of(&freed)? })
    }

    /// The bytes on the disk that these things take.
    pub(super) fn bytes_of(&self, freed: &Freed) -> Result<u64> {
        freed.items().map(|item| self.store.disk_usage(item)).sum()
    }

    fn remove_image(&self, text: &str, force: Force, platform: Option<&Platform>, names: Names) -> Result<Removed> {
        let staging = self.store.stage()?;
        let decide_now = |catalog: &Catalog, uses: &[Use]| {
            let decision = decide(catalog, text, &Rules { uses, force, platform, names })?;
            Ok((decision.change.clone(), decision))
        };
        let (decision, freed) = self.change_beside_views(&staging, Reach::Changed, decide_now)?;
        Ok(decision.removed(&freed, &mut BTreeSet::new()))
    }
}

fn names(images: &Selected) -> Names {
    match images {
        Selected::Named(_) => Names::OneTag,
        Selected::All => Names::Any,
    }
}

fn texts(images: &Selected, catalog: &Catalog) -> Vec<String> {
    match images {
        Selected::Named(texts) => texts.clone(),
        Selected::All => {
            let unreadable = catalog.unreadable.iter().filter_map(|record| record.id.as_ref());
            catalog.images.iter().map(|image| &image.id).chain(unreadable).map(ToString::to_string).collect()
        }
    }
}

/// The images that went, each followed by the chain IDs of its layers that went with it, top first. Layers that are
/// shown already are left out.
pub(super) fn deleted(images: &[(Digest, Vec<DiffId>)], freed: &Freed, shown: &mut BTreeSet<Digest>) -> Vec<Digest> {
    let mut all = Vec::new();
    for (image, stack) in images {
        all.push(image.clone());
        let chains = store::chains(stack);
        for (id, chain) in stack.iter().zip(chains).rev() {
            if freed.contains(&Item::Dir(Kind::Layer, id.0.clone())) && !shown.contains(&id.0) {
                all.push(chain.0);
            }
        }
        shown.extend(stack.iter().map(|id| id.0.clone()));
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
pub(super) fn decide(catalog: &Catalog, text: &str, rules: &Rules<'_>) -> Result<Decision> {
    if rules.platform.is_some() && rules.force == Force::No {
        let why = "content will be removed from all images referencing this variant. Use --force to force delete.";
        return Err(Error::new(ErrorKind::Conflict, why));
    }
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
    let Resolved { by, mut images } = found;
    if let Some(wanted) = rules.platform {
        images.retain(|image| wanted.rank(&image.platform).is_some());
        if images.is_empty() {
            let message = format!("No such image: {} for {wanted}", text.escape_debug());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
    }
    let mut decision = Decision::default();
    // Two platforms of one tag go together, or none of them.
    for image in images {
        match &by {
            ResolvedBy::Name(reference) => decision.by_name(image, reference, rules)?,
            ResolvedBy::Id => decision.by_id(image, rules)?,
        }
    }
    Ok(decision)
}

impl Decision {
    fn by_name(&mut self, image: &ImageRecord, reference: &Reference, rules: &Rules<'_>) -> Result<()> {
        let Rules { uses, force, .. } = *rules;
        let conflict = |kind, why: &str| {
            let name = reference.familiar();
            let message = format!("conflict: unable to remove repository reference \"{name}\" (must force) - {why}");
            Err(Error::new(kind, message))
        };
        if force == Force::No
            && is_single(&image.references())
            && let Some(user) = uses.iter().find(|user| user.image == image.id)
        {
            let why = format!("view {} is using its referenced image {}", user.view, image.id.short());
            return conflict(ErrorKind::InUse, &why);
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
        if force == Force::No && left.names.is_empty() && image.pinned {
            return conflict(ErrorKind::Conflict, &format!("its referenced image {} is pinned", image.id.short()));
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

    fn by_id(&mut self, image: &ImageRecord, rules: &Rules<'_>) -> Result<()> {
        let conflict = |kind, force: &str, why: &str| {
            let message = format!("conflict: unable to delete {} ({force}) - {why}", image.id.short());
            Err(Error::new(kind, message))
        };
        let mut users = rules.uses.iter().filter(|user| user.image == image.id);
        if let Some(user) = users.clone().find(|user| user.running) {
            let why = format!("image is being used by running view {}", user.view);
            return conflict(ErrorKind::InUse, "cannot be forced", &why);
        }
        let names = image.references();
        if rules.force == Force::No {
            if rules.names == Names::OneTag && !is_single(&names) {
                let why = "image is referenced in multiple repositories";
                return conflict(ErrorKind::Conflict, "must be forced", why);
            }
            if let Some(user) = users.next() {
                let why = format!("image is being used by stopped view {}", user.view);
                return conflict(ErrorKind::InUse, "must be forced", &why);
            }
            if image.pinned {
                return conflict(ErrorKind::Conflict, "must be forced", "image is pinned");
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

    fn removed(self, freed: &Freed, shown: &mut BTreeSet<Digest>) -> Removed {
        Removed { deleted: deleted(&self.deleted, freed, shown), untagged: self.untagged }
    }
}

/// Whether there is at most one tag, and all names are of one repository: such an image goes by its ID without force.
fn is_single(names: &[Reference]) -> bool {
    let tags = names.iter().filter(|name| name.digest().is_none()).count();
    let repositories: BTreeSet<String> = names.iter().map(Reference::familiar_name).collect();
    tags <= 1 && repositories.len() <= 1
}
