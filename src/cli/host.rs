//! What every command needs of this process: the state root, the screen, the cancel flag, the privileges.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rootlay::Result;
use rootlay::cancel::Cancel;
use rootlay::ops::{Options, Privileges, Registries, RegistryOptions, Rootlay};
use rootlay::progress::Progress as _;

use super::commands::pull::count;
use super::grammar::Global;
use super::printable;
use super::progress::Screen;

const DEFAULT_ROOT: &str = "/var/lib/rootlay";

/// The highest descriptor for which there is room from the start.
const HIGHEST_DESCRIPTOR: i32 = 1023;

/// What `--threads` or its variable says. An empty variable is an unset one.
#[derive(Debug, Clone, Copy)]
pub struct Threads(Option<NonZero<usize>>);

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        count(text).map(|count| Self(Some(count)))
    }
}

/// The surroundings of a command.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
    threads: Option<NonZero<usize>>,
    privileges: Privileges,
    screen: Arc<Screen>,
    cancel: Cancel,
}

impl Host {
    /// Collects them. Nothing is touched yet.
    pub fn new(global: &Global, privileges: Privileges, screen: Arc<Screen>, cancel: Cancel) -> Self {
        let root = root_of(global.root.clone(), std::env::var_os("ROOTLAY_ROOT"));
        let threads = global.threads.and_then(|Threads(threads)| threads);
        Self { root, threads, privileges, screen, cancel }
    }

    /// Where the state root is, or would be.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Ends the display of progress, before results are printed.
    pub fn settle(&self) {
        self.screen.finish();
    }

    /// Tells a person something that is no error.
    pub fn warn(&self, warning: &str) {
        self.screen.warning(warning);
    }

    /// Tells a person what goes on, in Docker's words.
    pub fn status(&self, status: &str) {
        self.screen.status(status);
    }

    /// The flag that a signal raises.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The registries of the world. Needs no privileges and touches no state root.
    pub fn registries(&self, options: RegistryOptions) -> Result<Registries> {
        Registries::new(options, self.screen.clone(), self.cancel.clone())
    }

    /// Tells a person something that is no result.
    pub fn note(&self, text: &str) {
        self.screen.finish();
        super::tell(&format!("{}\n", printable::lines(text)));
    }

    /// Opens the state root.
    ///
    /// # Errors
    /// [`Permission`](rootlay::ErrorKind::Permission) if the command lacks a capability that it needs, before anything
    /// is touched; and what the library says.
    pub fn open(&self) -> Result<Rootlay> {
        self.privileges.check()?;
        Rootlay::open(Options {
            root: self.root.clone(),
            threads: self.threads,
            progress: self.screen.clone(),
            cancel: self.cancel.clone(),
        })
    }
}

/// Lets whoever started the program say what others may do with new files, but not that their owner may do nothing:
/// root without capabilities could not read its own records.
pub fn prepare_umask() {
    use rustix::fs::Mode;
    let given = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(given - Mode::RWXU);
}

/// Makes room for the descriptors of an overlay of 500 layers, and of many threads that unpack: more than the usual
/// soft limit of 1,024. To be called before the first thread starts.
pub fn prepare_open_files() {
    rootlay::ops::raise_open_files();
    // The kernel's table of descriptors grows with the highest number. Once threads share it, each step of that growth
    // waits until all processors have let go of the old one, for many milliseconds.
    let _ = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), HIGHEST_DESCRIPTOR);
}

/// The flag, the environment, the default, in this order. An empty variable is an unset one.
fn root_of(flag: Option<PathBuf>, variable: Option<OsString>) -> PathBuf {
    let variable = variable.filter(|root| !root.is_empty()).map(PathBuf::from);
    flag.or(variable).unwrap_or_else(|| PathBuf::from(DEFAULT_ROOT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_number_of_threads_is_none() {
        assert_eq!("".parse::<Threads>().unwrap().0, None);
        assert_eq!("3".parse::<Threads>().unwrap().0, NonZero::new(3));
        assert!("0".parse::<Threads>().is_err());
    }

    #[test]
    fn the_flag_wins_over_the_environment() {
        let flag = || Some(PathBuf::from("/flag"));
        let variable = || Some(OsString::from("/variable"));
        assert_eq!(root_of(flag(), variable()), PathBuf::from("/flag"));
        assert_eq!(root_of(None, variable()), PathBuf::from("/variable"));
        assert_eq!(root_of(None, Some(OsString::new())), PathBuf::from("/var/lib/rootlay"));
        assert_eq!(root_of(None, None), PathBuf::from("/var/lib/rootlay"));
    }
}
