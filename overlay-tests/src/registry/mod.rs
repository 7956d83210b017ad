//! A test bed for registries. Everything listens on the loopback device of a network that a case has for itself.
//!
//! * [`Registry`] is Debian's `docker-registry`: open, with passwords, with tokens, with TLS.
//! * [`Proxy`] stands before it, records every request, and does [damage](Fault).
//! * [`TokenServer`] hands out tokens; [`Authority`] makes certificates.
//! * [`Bed`] puts them together, and runs the program in surroundings that say nothing about registries.

mod authority;
mod bed;
mod daemon;
mod fault;
pub mod http;
mod network;
mod proxy;
mod server;
mod tokens;

pub use authority::{Authority, Identity};
pub use bed::{Bed, OTHER, PROXY, REGISTRY, TOKENS, noise};
pub use daemon::{Access, Registry, USER};
pub use fault::Fault;
pub use proxy::{Proxy, Record, basic};
pub use tokens::{Asked, IDENTITY_TOKEN, PUBLIC, TokenServer};
