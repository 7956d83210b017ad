//! Mount: an image as a root filesystem, or a saved view again.

use std::path::PathBuf;
use std::time::SystemTime;

use super::attach::create_upper;
use super::lowers::{self, Workspace};
use super::target::Target;
use super::{Access, Rootlay, ViewInfo};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount;
use crate::oci::{DiffId, Platform};
use crate::store::{self, ImageRecord, Keep, Staging, State, ViewDir, ViewOptions, ViewRecord};

/// Something that has a default of its own for each kind of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flag {
    /// As the kind of view says.
    #[default]
    Default,
    /// Yes.
    On,
    /// No.
    Off,
}

impl Flag {
    fn or(self, default: bool) -> bool {
        match self {
            Self::Default => default,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// What to mount, and how.
#[derive(Debug, Clone)]
pub struct MountRequest {
    /// The image: a name, an ID, or a prefix of one.
    pub image: String,
    /// The directory to mount it on; without one the view has its own.
    pub target: Option<PathBuf>,
    /// The name of the view; without one it gets one.
    pub name: Option<String>,
    /// Whether it can be written to.
    pub access: Access,
    /// Which platform of the image; without one the host's comes first.
    pub platform: Option<Platform>,
    /// Only this many of the lowest layers.
    pub upto: Option<usize>,
    /// Whether set-user-ID bits have effect: by default in writable views.
    pub suid: Flag,
    /// Whether device nodes have effect: by default never.
    pub dev: Flag,
}

/// What the user's name for an image meant.
struct Chosen {
    image: ImageRecord,
    /// How the view's record and listings call it.
    shown: String,
    /// What the default names of its views begin with.
    stem: String,
}

/// The lowest layers of a stack, as many as the user said.
fn part(stack: &[DiffId], upto: Option<usize>) -> Result<&[DiffId]> {
    let Some(upto) = upto else { return Ok(stack) };
    stack.get(..upto).filter(|part| !part.is_empty()).ok_or_else(|| {
        let message = format!("expected the number of a layer from 1 to {}, got {upto}", stack.len());
        Error::new(ErrorKind::Usage, message)
    })
}

impl Rootlay {
    /// Mounts an image. The mount is in the caller's mount namespace and outlives the process.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without such an image or target, [`Conflict`](ErrorKind::Conflict) if the
    /// view's name is taken, [`InUse`](ErrorKind::InUse) if the target is a view, and those of the kernel.
    pub fn mount(&self, request: MountRequest) -> Result<ViewInfo> {
        mount::check_capabilities()?;
        if let Some(name) = &request.name {
            store::check_view_name(name)?;
        }
        let target = request.target.as_ref().map(|path| Target::open(&self.store, path, &self.cancel)).transpose()?;
        let staging = self.store.stage()?;
        mount::check_storage(staging.dir())?;
        let chosen = self.choose(&staging, &request)?;
        let stack = part(&chosen.image.diff_ids, request.upto)?.to_vec();
        let named = Keep::of_image(&chosen.image);
        let workspace = Workspace { store: &self.store, staging: &staging, cancel: &self.cancel, named: &named };
        let lowers = workspace.lowers(&stack)?;
        let tried = || format!("create a view of {}", chosen.shown);
        let (draft, dir) = staging.new_dir("view", 0o700).context(tried)?;
        store::part(&dir, "merged", 0o755).context(tried)?;
        if request.access == Access::Writable {
            create_upper(&dir, &stack, lowers.correction.as_ref()).context(tried)?;
            // What the record of a writable view names has to be as durable as the record.
            self.store.sync(&self.cancel)?;
            staging.is_trusted()?;
        }
        let mut record = ViewRecord {
            name: String::new(),
            image: chosen.shown,
            image_id: chosen.image.id,
            stack: stack.clone(),
            merged: lowers.merged.clone(),
            access: request.access,
            options: ViewOptions {
                nosuid: !request.suid.or(request.access == Access::Writable),
                nodev: !request.dev.or(false),
            },
            target: target.as_ref().map(|target| target.path.clone()),
            state: State::New,
            boot: self.store.boot().to_owned(),
            era: staging.era().map(str::to_owned),
            device: None,
            created: SystemTime::now(),
        };
        drop(dir);
        self.cancel.check()?;
        let view = self.create(&staging, &draft, &mut record, request.name, &chosen.stem).inspect_err(|_| {
            // Whoever removed the image left what this leases.
            if let Err(error) = self.store.discard(&staging, &lowers::items(&stack).collect()) {
                tracing::debug!(%error, "what a removed image had stays");
            }
        })?;
        match self.attach(&staging, &view, &mut record, lowers, target.as_ref()) {
            Ok(()) => {
                self.store.note_use(&record.image_id);
                Ok(self.view_info(&record, true))
            }
            Err(error) => {
                if let Err(left) = self.store.remove_view(&staging, view) {
                    tracing::debug!(error = %left, "a view that never was mounted stays for the next command");
                }
                Err(error)
            }
        }
    }

    /// Finds the image and leases its layers. If it is removed in between, it is looked for again.
    fn choose(&self, staging: &Staging<'_>, request: &MountRequest) -> Result<Chosen> {
        loop {
            let chosen = self.resolve(&request.image, request.platform.as_ref())?;
            staging.rely_on(lowers::items(part(&chosen.image.diff_ids, request.upto)?))?;
            // Whoever takes the record away from here on sees the lease.
            if self.store.image(&chosen.image.id)?.is_some() {
                return Ok(chosen);
            }
        }
    }

    fn resolve(&self, text: &str, platform: Option<&Platform>) -> Result<Chosen> {
        let host = Platform::host();
        let catalog = self.store.catalog()?;
        let found = super::images::resolve(&catalog, text, platform.unwrap_or(&host))?;
        let fits = |image: &&&ImageRecord| platform.is_none_or(|wanted| wanted.rank(&image.platform).is_some());
        let Some(image) = found.images.iter().find(fits) else {
            let platforms: Vec<String> = found.images.iter().map(|image| image.platform.to_string()).collect();
            let wanted = platform.map(ToString::to_string).unwrap_or_default();
            let message = format!("no image {text} for {wanted}, there are: {}", platforms.join(", "));
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let name = found.name(image).or(image.names.first()).map(|name| &name.reference);
        let short = image.id.short().to_owned();
        Ok(Chosen {
            shown: found.name(image).map_or_else(|| short.clone(), |name| name.reference.familiar()),
            stem: name
                .and_then(|name| name.repository().rsplit('/').next().map(str::to_owned))
                .filter(|stem| store::check_view_name(&format!("{stem}-18446744073709551615")).is_ok())
                .unwrap_or(short),
            image: (*image).clone(),
        })
    }

    /// Gives the draft its name: the user's, or the first that is free. Whoever removes the image sees the view from then on.
    fn create(
        &self,
        staging: &Staging<'_>,
        draft: &str,
        record: &mut ViewRecord,
        mut name: Option<String>,
        stem: &str,
    ) -> Result<ViewDir> {
        let is_given = name.is_some();
        let mut number: u64 = 0;
        loop {
            record.name = match name.take() {
                Some(name) => name,
                None => self.free_name(stem, &mut number)?,
            };
            // Nobody waits for the disk: what takes time is done before the store is locked, or after.
            let view = ViewDir::draft(staging, draft, record)?;
            let named = self.store.beside_image(&record.image_id, || {
                staging.is_trusted()?;
                self.store.name_view(staging, draft, &view)
            });
            match named {
                // Somebody else was faster.
                Err(error) if error.kind() == ErrorKind::Conflict && !is_given => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    if record.access == Access::Writable {
                        self.store.sync_views()?;
                    }
                    return Ok(view);
                }
            }
        }
    }

    /// The first name of this form that is free now; the next one with each call.
    fn free_name(&self, stem: &str, number: &mut u64) -> Result<String> {
        loop {
            self.cancel.check()?;
            *number += 1;
            let name = format!("{stem}-{number}");
            if !self.store.has_view(&name)? {
                return Ok(name);
            }
        }
    }

    /// Mounts a saved writable view again, with everything that was written to it.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without such a view, [`InUse`](ErrorKind::InUse) if it is mounted.
    pub fn remount(&self, name: &str) -> Result<ViewInfo> {
        mount::check_capabilities()?;
        let view = self.lock_view(name)?;
        let mut record = view.record().map_err(|error| error.context(format!("view {name}")))?;
        if !super::liveness::Live::now()?.is_gone(&self.store, &record)? {
            return Err(Error::new(ErrorKind::InUse, format!("the view `{name}` is mounted")));
        }
        if record.access == Access::ReadOnly {
            return Err(super::views::no_such_view(name));
        }
        let staging = self.store.stage()?;
        mount::check_storage(staging.dir())?;
        staging.rely_on(lowers::items(&record.stack))?;
        let target = record.target.as_ref().map(|path| Target::open(&self.store, path, &self.cancel)).transpose()?;
        let named = Keep::of_view(&record);
        let workspace = Workspace { store: &self.store, staging: &staging, cancel: &self.cancel, named: &named };
        let lowers = workspace.lowers(&record.stack)?;
        self.cancel.check()?;
        // From here on a mount at the target counts as this view, even if nobody lives to write its device down.
        self.store.boot().clone_into(&mut record.boot);
        record.device = None;
        if record.merged != lowers.merged {
            self.store.sync(&self.cancel)?;
        }
        record.merged.clone_from(&lowers.merged);
        self.store.write_trusted(&staging, &view, &record)?;
        self.attach(&staging, &view, &mut record, lowers, target.as_ref())?;
        self.store.note_use(&record.image_id);
        Ok(self.view_info(&record, true))
    }
}
