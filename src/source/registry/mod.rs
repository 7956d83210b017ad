//! Registries (distribution-spec): everything that goes over the network. Async code stays in here.
//!
//! ```text
//! Registries ── conf ─► places (mirrors, then the registry) ─► Repository: Source, Remote
//!      session: scheme, challenge, tokens ◄── credentials        │
//!      transport: TLS, proxies, redirects ◄── certs              └─► BlobReader: goes on where a transfer broke off
//! ```
//! A request that fails for a reason that may pass is tried again ([`retry`]); what a failure means is said in
//! [`answer`]. Nothing that a registry sends is kept in memory without a limit, and nothing is believed that has a digest.

mod answer;
mod blob;
mod certs;
mod challenge;
mod conf;
mod credentials;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hub;
mod nearest;
pub mod options;
mod pinned;
mod place;
mod push;
mod redirect;
mod repository;
mod retry;
mod runtime;
pub mod secret;
mod session;
mod tags;
mod tls;
mod tokens;
mod transport;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;

use crate::cancel::Cancel;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::oci::{Descriptor, Document, Manifest, Platform, Reference, parse_document};
use crate::progress::Progress;

use answer::Subject;
use conf::{Endpoint, RegistriesConf};
pub use credentials::Kept;
use credentials::{Found, Keyring};
pub use hub::Hit;
use options::RegistryOptions;
use place::Place;
pub use push::{Arrived, Destination, Outgoing};
pub use repository::Repository;
use runtime::Runtime;
use secret::Secret;
use session::{Ask, Session, Target, Whose};
use transport::Transport;

/// The target of events that say why something was done: which place served, which credentials were used.
const EXPLAIN: &str = "rootlay::registry";

/// Most bytes of all manifests of an index, where they are wanted at once.
const MAX_MANIFESTS: usize = 64 * 1024 * 1024;

/// The registries of the world, as this machine and this command reach them. Needs no state root and no privileges.
#[derive(Debug)]
pub struct Registries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Shared,
    conf: RegistriesConf,
    runtime: Runtime,
    /// By host, whether anything will do there, and whose it is.
    sessions: Mutex<HashMap<(String, bool, Whose), Arc<Session>>>,
}

/// What every request needs.
#[derive(Debug)]
struct Shared {
    options: RegistryOptions,
    transport: Transport,
    keyring: Keyring,
    progress: Arc<dyn Progress>,
}

impl Shared {
    fn credentials(&self, whose: Whose, host: &str, repository: &str) -> Result<Found> {
        let mut warn = |message: String| self.progress.warning(&message);
        match whose {
            Whose::Named => self.keyring.find(host, repository, &mut warn),
            Whose::Another => self.keyring.kept(host, repository, &mut warn),
        }
    }
}

/// A document of a registry: an index or a manifest, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDocument {
    /// Its media type, digest and size.
    pub descriptor: Descriptor,
    /// Its bytes, verified.
    pub bytes: Vec<u8>,
}

/// One image of an index, or the image that was named itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteManifest {
    /// `NAME@DIGEST`.
    pub reference: Reference,
    /// Its descriptor, with the platform where the index or its configuration says one.
    pub document: RemoteDocument,
}

impl Registries {
    /// Reads the configuration and makes ready. No request is sent. `progress` gets warnings.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn new(options: RegistryOptions, progress: Arc<dyn Progress>, cancel: Cancel) -> Result<Self> {
        let conf = RegistriesConf::load(options.conf.as_deref(), &options.conf_dirs)?;
        let keyring =
            Keyring::new(options.credentials.clone(), options.auth_files.clone()).cancelled_by(cancel.clone());
        let shared = Shared { options, transport: Transport::default(), keyring, progress };
        let runtime = Runtime::new(cancel)?;
        Ok(Self(Arc::new(Inner { shared, conf, runtime, sessions: Mutex::default() })))
    }

    /// Opens a repository for reading. No request is sent.
    ///
    /// # Errors
    /// The registry is blocked by the configuration.
    pub fn repository(&self, reference: &Reference) -> Result<Repository> {
        self.open(
            reference,
            |endpoint| {
                if endpoint.host == reference.registry() { Whose::Named } else { Whose::Another }
            },
        )
    }

    /// The same for a repository that the user has not named: credentials that were given for this command are for
    /// another one.
    ///
    /// # Errors
    /// The registry is blocked by the configuration.
    pub fn unnamed_repository(&self, reference: &Reference) -> Result<Repository> {
        self.open(reference, |_| Whose::Another)
    }

    fn open(&self, reference: &Reference, whose: impl Fn(&Endpoint) -> Whose) -> Result<Repository> {
        let name = reference.familiar_name();
        let place = |endpoint: Endpoint| {
            let session = self.session(&endpoint, whose(&endpoint));
            Place { session, repository: endpoint.repository, name: name.clone() }
        };
        let places = self.0.conf.endpoints(reference)?.into_iter().map(place).collect();
        Ok(Repository::new(Arc::clone(&self.0), reference.clone(), places))
    }

    fn session(&self, endpoint: &Endpoint, whose: Whose) -> Arc<Session> {
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let tls = self.0.shared.options.tls;
        let make = || Arc::new(Session::new(endpoint, whose, tls));
        Arc::clone(sessions.entry((endpoint.host.clone(), endpoint.insecure, whose)).or_insert_with(make))
    }

    /// The digest (with media type and size) that a name has: a `HEAD` request, which registries do not count as a
    /// pull. With a platform, that of the platform's manifest.
    pub fn digest(&self, reference: &Reference, platform: Option<&Platform>) -> Result<Descriptor> {
        let repository = self.repository(reference)?;
        if platform.is_none() {
            return repository.head();
        }
        let root = repository.root()?.with_content();
        Ok(super::resolve(&repository, &root, platform)?.manifest_descriptor)
    }

    /// The index or manifest that a name has.
    pub fn document(&self, reference: &Reference) -> Result<RemoteDocument> {
        self.repository(reference)?.root()
    }

    /// The manifests behind a name: all images of an index, or the one.
    pub fn manifests(&self, reference: &Reference) -> Result<Vec<RemoteManifest>> {
        let root = self.document(reference)?;
        let parse = |document: &RemoteDocument| {
            let Descriptor { media_type, digest, .. } = &document.descriptor;
            parse_document(&document.bytes, Some(media_type)).context(|| format!("document {digest}"))
        };
        let index = match parse(&root)? {
            Document::Index(index) => index,
            Document::Manifest(manifest) => {
                let platform = self.platform(reference, &manifest)?;
                return Ok(vec![RemoteManifest::of(reference, root, platform)?]);
            }
        };
        let mut left = MAX_MANIFESTS;
        let one = |entry: &Descriptor| {
            let document = self.document(&at_digest(reference, entry)?)?;
            left = left.checked_sub(document.bytes.len()).ok_or_else(|| {
                Error::refused(format!(
                    "{}: its manifests have more than {MAX_MANIFESTS} bytes",
                    root.descriptor.digest
                ))
            })?;
            RemoteManifest::of(reference, document, entry.platform.clone())
        };
        index.manifests.iter().map(one).collect()
    }

    /// What the configuration of an image says that it runs on.
    fn platform(&self, reference: &Reference, manifest: &Manifest) -> Result<Option<Platform>> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let repository = self.repository(reference)?;
        super::Source::open_blob(&repository, &manifest.config)?.read_to_end(&mut bytes)?;
        // An artifact has a configuration of its own kind.
        Ok(crate::oci::ImageConfig::parse(&bytes).ok().map(|config| config.platform()))
    }

    /// All tags of a repository, in the registry's order (pages are followed).
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        self.repository(reference)?.tags()
    }

    /// Searches Docker Hub, or the catalogue of a registry that is named in front of the term (`quay.io/name`).
    pub fn search(&self, term: &str, limit: usize) -> Result<Vec<Hit>> {
        match hub::registry_of(term)? {
            None => hub::search(&self.0, term, limit),
            Some((registry, term)) => {
                let session = self.session(&self.0.conf.registry(registry)?, Whose::Named);
                let all = tags::catalogue(&self.0, &session)?;
                Ok(tags::matching(registry, &all, term).iter().take(limit).map(hub::plain).collect())
            }
        }
    }

    /// Checks credentials with a registry, and keeps them. Returns where they were written.
    ///
    /// # Errors
    /// `Authentication` if the registry does not accept them.
    pub fn login(&self, registry: &str, user: &str, password: &Secret) -> Result<Kept> {
        let registry = credentials::registry_named(registry);
        let keyring = Keyring::new(Some((user.to_owned(), password.clone())), Vec::new());
        let Shared { options, progress, .. } = &self.0.shared;
        let shared = Shared {
            options: options.clone(),
            transport: Transport::default(),
            keyring,
            progress: Arc::clone(progress),
        };
        // A session of its own: what others have learned must not let these credentials pass.
        let endpoint = self.0.conf.registry(registry)?;
        let session = Session::new(&endpoint, Whose::Named, options.tls);
        let subject = Subject { what: format!("registry {registry}"), name: registry.to_owned(), verb: "login" };
        let ask = Ask {
            method: Method::GET,
            target: Target::Api(String::new()),
            headers: Vec::new(),
            repository: "",
            scopes: &[],
            subject: &subject,
            body: None,
        };
        let answer = self.0.runtime.wait(session.send(&shared, &ask, async |_| Ok(())));
        answer.map_err(|error| match error.kind() {
            ErrorKind::Authentication => {
                tracing::debug!(target: EXPLAIN, "{error}");
                Error::new(ErrorKind::Authentication, format!("{registry}: incorrect username or password"))
            }
            _ => error,
        })?;
        self.0.shared.keyring.keep(registry, user, password)
    }

    /// Forgets the credentials for a registry. `false` if there were none.
    pub fn logout(&self, registry: &str) -> Result<bool> {
        self.0.shared.keyring.forget(credentials::registry_named(registry))
    }
}

impl RemoteManifest {
    fn of(reference: &Reference, document: RemoteDocument, platform: Option<Platform>) -> Result<Self> {
        let reference = at_digest(reference, &document.descriptor)?;
        let descriptor = Descriptor { platform, ..document.descriptor };
        Ok(Self { reference, document: RemoteDocument { descriptor, bytes: document.bytes } })
    }
}

impl RemoteDocument {
    /// The descriptor with the content embedded in it.
    pub fn with_content(&self) -> Descriptor {
        Descriptor { data: Some(self.bytes.clone()), ..self.descriptor.clone() }
    }
}

/// The repository of `reference` at this digest.
fn at_digest(reference: &Reference, descriptor: &Descriptor) -> Result<Reference> {
    let text = format!("{}/{}@{}", reference.registry(), reference.repository(), descriptor.digest);
    text.parse().map_err(|error| Error::with_source(ErrorKind::Failed, format!("name of {}", descriptor.digest), error))
}

#[cfg(test)]
mod tests;
