//! Unmount: views by name, directory or image.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Rootlay;
use super::liveness::{Live, target_of};
use super::views::innermost;
use crate::error::{Error, ErrorKind, Result};
use crate::mount::{self, Holder, MountedAt, mountinfo};
use crate::oci::Platform;
use crate::store::{Access, State, View, ViewDir, ViewRecord};
use crate::sys::errno::escape;
use crate::sys::proc;

/// Which views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All that are mounted.
    All,
    /// Those that these name: an argument with `/` is a directory, as are `.` and `..`, else a view's name, else an image.
    Named(Vec<OsString>),
}

/// What happens to a view that somebody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detach {
    /// It stays, and the error names the users.
    #[default]
    Normal,
    /// It is taken out of the tree, and goes with its last user.
    Lazy,
}

/// What to unmount, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmountRequest {
    /// Which views.
    pub which: Which,
    /// How.
    pub mode: Detach,
}

impl Rootlay {
    /// Unmounts views. A read-only view is forgotten, a writable one keeps what was written.
    ///
    /// Gives the name of each view, or why it is still there; an argument that names nothing is an error of its own.
    pub fn unmount(&self, request: UnmountRequest) -> Result<Vec<Result<String>>> {
        let mut results = Vec::new();
        match request.which {
            Which::All => {
                for name in self.mounted()? {
                    match self.unmount_one(&name, None, request.mode) {
                        // Somebody else was faster.
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        result => results.push(result.map(|()| name)),
                    }
                }
            }
            Which::Named(arguments) => {
                for argument in arguments {
                    match self.meant(&argument) {
                        Ok((names, place)) => results.extend(names.into_iter().map(|name| {
                            self.unmount_one(&name, place.as_deref(), request.mode)?;
                            Ok(name)
                        })),
                        Err(error) => results.push(Err(error)),
                    }
                }
            }
        }
        Ok(results)
    }

    /// The names of the views that are mounted, a view within another one before that.
    fn mounted(&self) -> Result<Vec<String>> {
        let live = Live::now()?;
        let mut mounted: Vec<(usize, String)> = Vec::new();
        for view in self.store.views()? {
            let (is_mounted, target) = match view.record() {
                Some(record) => (!live.mounts(&self.store, record).is_empty(), target_of(&self.store, record)),
                None => (live.shows_broken(&self.store, &view.name), self.store.merged_path(&view.name)),
            };
            if is_mounted {
                mounted.push((target.components().count(), view.name));
            }
        }
        mounted.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
        Ok(mounted.into_iter().map(|(_, name)| name).collect())
    }

    /// The names of the views that an argument means, and the place if it is a directory.
    fn meant(&self, argument: &OsString) -> Result<(Vec<String>, Option<PathBuf>)> {
        let views = self.store.views()?;
        let records = || views.iter().filter_map(View::record);
        if argument.as_bytes().contains(&b'/') || matches!(argument.as_bytes(), b"." | b"..") {
            let path = absolute(Path::new(argument));
            let live = Live::now()?;
            let is_there = |record: &&ViewRecord| {
                let mounts = live.mounts(&self.store, record);
                mounts.iter().any(|at| at.own && at.whole && at.target == path)
            };
            let was_there = |record: &&ViewRecord| target_of(&self.store, record) == path;
            let found = records().find(is_there).or_else(|| records().find(was_there));
            let shown = escape(argument.as_bytes());
            let missing = || Error::new(ErrorKind::NotFound, format!("{shown}: no view is mounted there"));
            return found.map(|record| (vec![record.name.clone()], Some(path.clone()))).ok_or_else(missing);
        }
        let name = argument.to_string_lossy();
        if views.iter().any(|view| view.name == name) {
            return Ok((vec![name.into_owned()], None));
        }
        let catalog = self.store.catalog()?;
        let images = match catalog.resolve(&name, &Platform::host()) {
            Ok(found) => found.images,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::new(ErrorKind::NotFound, format!("no such view or image: {}", name.escape_debug())));
            }
            Err(error) => return Err(error),
        };
        let live = Live::now()?;
        let names: Vec<String> = records()
            .filter(|record| images.iter().any(|image| image.id == record.image_id))
            .filter(|record| !live.mounts(&self.store, record).is_empty())
            .map(|record| record.name.clone())
            .collect();
        if names.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, format!("no view of {} is mounted", name.escape_debug())));
        }
        Ok((names, None))
    }

    /// Unmounts a view where its record says that it is, or at this place.
    fn unmount_one(&self, name: &str, place: Option<&Path>, mode: Detach) -> Result<()> {
        let view = self.lock_view(name)?;
        let mut record = match view.record() {
            Ok(record) => record,
            Err(error) => return self.unmount_broken(name, mode, &error),
        };
        let live = Live::now()?;
        let mounts = live.mounts(&self.store, &record);
        let target = place.map_or_else(|| target_of(&self.store, &record), Path::to_owned);
        let Some(at) = mounts.iter().find(|at| at.own && at.whole && at.target == target) else {
            let error = not_here(name, &mounts);
            self.heal_one(view)?;
            return Err(error);
        };
        detach(name, at, mode)?;
        if mode == Detach::Lazy && record.state != State::Detached {
            record.state = State::Detached;
            view.write(&self.store.stage()?, &record)?;
        }
        self.settle(view, record)
    }

    /// Forgets a read-only view that nothing shows any more, and saves a writable one.
    fn settle(&self, view: ViewDir, record: ViewRecord) -> Result<()> {
        if !Live::now()?.is_gone(&self.store, &record)? {
            return Ok(());
        }
        match record.access {
            Access::ReadOnly => self.store.remove_view(&self.store.stage()?, view),
            Access::Writable => self.save_view(&view, record),
        }
    }

    /// Unmounts a view whose record cannot be read, by its own directory; the rest is for `rm`.
    fn unmount_broken(&self, name: &str, mode: Detach, why: &Error) -> Result<()> {
        let path = self.store.merged_path(name);
        let live = Live::now()?;
        if let Some(at) = live.named(name).iter().find(|at| at.own && at.whole && at.target == path) {
            return detach(name, at, mode);
        }
        let message = format!("the record of the view `{name}` cannot be read: {}", innermost(why));
        Err(Error::new(ErrorKind::Failed, message))
    }
}

/// Why a view cannot be unmounted where it should be.
fn not_here(name: &str, mounts: &[&MountedAt]) -> Error {
    // A view that was moved, or is bound elsewhere: whose place that is, only the user knows.
    let places: Vec<String> =
        mounts.iter().filter(|at| at.own).map(|at| escape(at.target.as_os_str().as_bytes())).collect();
    match (mounts, places.as_slice()) {
        ([], _) => Error::new(ErrorKind::NotFound, format!("the view `{name}` is not mounted")),
        (_, []) => {
            Error::new(ErrorKind::InUse, format!("the view `{name}` is mounted in another mount namespace only"))
        }
        _ => Error::new(ErrorKind::InUse, format!("the view `{name}` is mounted at {} only", places.join(", "))),
    }
}

/// How long a view is tried again that only commands of ours look at, and how long each try waits.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

fn detach(name: &str, at: &MountedAt, mode: Detach) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match mount::detach_view(name, at, mode == Detach::Lazy) {
            Err(error) if error.kind() == ErrorKind::InUse => {
                let users = Users::of(at)?;
                if Instant::now() > end || !users.are_passing() {
                    // The kernel's EBUSY says no more.
                    return Err(Error::new(ErrorKind::InUse, format!("the view `{name}` is in use{}", users.words())));
                }
                std::thread::sleep(PAUSE);
            }
            // It went away in between, or its root did.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::new(ErrorKind::NotFound, format!("the view `{name}` is not mounted")));
            }
            result => return result,
        }
    }
}

/// Who uses a view, and what is mounted within it.
struct Users {
    holders: Vec<Holder>,
    within: Vec<String>,
}

impl Users {
    fn of(at: &MountedAt) -> Result<Self> {
        let is_within = |mount: &&mountinfo::Mount| mount.parent == at.mount;
        let mounts = mountinfo::of_self()?;
        let within = mounts.iter().filter(is_within).map(|mount| escape(&mount.target)).collect();
        Ok(Self { holders: mount::holders(at.dev)?, within })
    }

    /// Whether it is only somebody who looks where the view is mounted, as every command of ours does, or who is gone already.
    fn are_passing(&self) -> bool {
        let own = i32::try_from(std::process::id()).ok().and_then(proc::command).map(|command| escape(&command));
        let passes = |holder: &Holder| holder.command.is_empty() || Some(&holder.command) == own.as_ref();
        self.within.is_empty() && self.holders.iter().all(passes)
    }

    /// ` by 12 (bash), 34 (sleep)`, or what is mounted within it.
    fn words(&self) -> String {
        if !self.holders.is_empty() {
            let list: Vec<String> =
                self.holders.iter().map(|holder| format!("{} ({})", holder.pid, holder.command)).collect();
            return format!(" by {}", list.join(", "));
        }
        if self.within.is_empty() { String::new() } else { format!(": mounted within it: {}", self.within.join(", ")) }
    }
}

/// The path as records have it. What cannot be resolved is taken as it is written.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}
