//! Servers that mean no good, or do their work badly.

mod reading;
mod server;
mod trust;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use super::options::{RegistryOptions, Retry};
use super::secret::Secret;
use super::{Registries, Repository};
use crate::cancel::Cancel;
use crate::oci::Reference;
use crate::progress::Silent;
use crate::source::Waiting;
use server::{Server, answer};

/// Somebody who waits as long as it takes, and wants to know nothing.
const PATIENT: Waiting<'static> = Waiting { check: &|| Ok(()), retrying: &|_| () };

/// A client that is in a hurry.
fn options() -> RegistryOptions {
    let retry = Retry { times: 2, delay: Duration::from_millis(1), patience: Duration::from_millis(500) };
    RegistryOptions { retry, ..RegistryOptions::default() }
}

fn registries(options: RegistryOptions) -> Registries {
    Registries::new(options, Arc::new(Silent), Cancel::new()).unwrap()
}

fn with_password() -> RegistryOptions {
    RegistryOptions { credentials: Some(("somebody".to_owned(), Secret::new("swordfish"))), ..options() }
}

fn named(server: &Server, rest: &str) -> Reference {
    format!("{}/{rest}", server.host).parse().unwrap()
}

/// A repository of which the registry is `server`.
fn repository(options: RegistryOptions, server: &Server) -> Repository {
    registries(options).repository(&named(server, "app:1")).unwrap()
}
