//! One case: a name, a function, and what it needs.

use std::time::Duration;

use super::context::Context;
use super::needs::Need;

/// A case of the suite. The function fails by a panic.
#[derive(Debug, Clone)]
pub struct Case {
    pub(super) name: String,
    pub(super) function: fn(&Context),
    pub(super) needs: Vec<Need>,
    pub(super) file_system: Option<&'static str>,
    pub(super) timeout: Duration,
}

impl Case {
    /// A case; the module's path without the crate becomes part of the name.
    pub fn new(module: &str, name: &str, function: fn(&Context)) -> Self {
        let module = module.split_once("::").map_or("", |(_, module)| module);
        let timeout = Duration::from_secs(180);
        Self {
            name: format!("{module}::{name}"),
            function,
            needs: vec![Need::Program, Need::Root],
            file_system: None,
            timeout,
        }
    }

    /// With one more need.
    #[must_use]
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// With the state root on this file system, whatever the others use.
    #[must_use]
    pub fn on(mut self, file_system: &'static str) -> Self {
        self.file_system = Some(file_system);
        self.needs(Need::FileSystem(file_system))
    }

    /// With this limit instead of three minutes.
    #[must_use]
    pub fn minutes(self, minutes: u64) -> Self {
        Self { timeout: Duration::from_secs(60 * minutes), ..self }
    }
}

/// `cases![a, b, c => Need::Tool("x")]`: the functions as cases of this module.
#[macro_export]
macro_rules! cases {
    ($($function:ident $(=> $($need:expr),+)?);* $(;)?) => {
        vec![$($crate::harness::Case::new(module_path!(), stringify!($function), $function)$($(.needs($need))+)?),*]
    };
}
