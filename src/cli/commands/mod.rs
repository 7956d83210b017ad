//! One file for each command: its arguments and what it prints. The work is done by `rootlay::ops`.

pub mod check;
pub mod completion;
pub mod df;
pub mod digest;
pub mod doctor;
pub mod exists;
pub mod history;
pub mod images;
pub mod import;
pub mod info;
pub mod inspect;
pub mod load;
pub mod login;
pub mod logout;
pub mod man;
pub mod manifest;
pub mod mount;
pub mod mounts;
pub mod pin;
pub mod prune;
pub mod pull;
pub mod push;
pub mod rm;
pub mod rmi;
pub mod save;
pub mod search;
pub mod system_prune;
pub mod tag;
pub mod tags;
pub mod tree;
pub mod umount;
pub mod untag;
pub mod version;

use rootlay::ops::Pinned;

use super::failure::Outcome;
use super::grammar::Action;
use super::host::Host;
use super::output::Output;

/// Runs a command.
pub fn run(action: Action, host: &Host, out: &mut Output) -> Outcome {
    match action {
        Action::Pull(args) => pull::run(args, host, out),
        Action::Push(args) => push::run(args, host, out),
        Action::Save(args) => save::run(args, host),
        Action::Login(args) => login::run(&args, host, out),
        Action::Logout(args) => logout::run(args, host, out),
        Action::Tags(args) => tags::run(&args, host, out),
        Action::Digest(args) => digest::run(args, host, out),
        Action::Search(args) => search::run(&args, host, out),
        Action::ManifestInspect(args) => manifest::run(args, host, out),
        Action::Load(args) => load::run(args, host, out),
        Action::Import(args) => import::run(args, host, out),
        Action::Mount(args) => mount::run(args, host, out),
        Action::Mounts(args) => mounts::run(&args, host, out),
        Action::Umount(args) => umount::run(args, host, out),
        Action::Rm(args) => rm::run(&args, host, out),
        Action::Images(args) => images::run(&args, host, out),
        Action::Tag(args) => tag::run(&args, host, out),
        Action::Untag(args) => untag::run(&args, host),
        Action::Pin(args) => pin::run(&args, Pinned::Yes, host),
        Action::Unpin(args) => pin::run(&args, Pinned::No, host),
        Action::Prune(args) => prune::run(&args, host, out),
        Action::SystemPrune(args) => system_prune::run(&args, host, out),
        Action::Inspect(args, scope) => inspect::run(&args, scope, host, out),
        Action::History(args) => history::run(&args, host, out),
        Action::Tree(args) => tree::run(&args, host, out),
        Action::Rmi(args) => rmi::run(args, host, out),
        Action::Exists(args) => exists::run(&args, host),
        Action::Check(args) => check::run(&args, host, out),
        Action::Df(args) => df::run(&args, host, out),
        Action::Info(args) => info::run(&args, host, out),
        Action::Version(args) => version::run(&args, out),
        Action::Completion(args) => completion::run(&args, out),
        Action::Man(args) => man::run(&args, out),
    }
}
