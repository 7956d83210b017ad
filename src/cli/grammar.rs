//! The words of the command line: global flags, commands in flat and grouped spelling, and how values are read.

use std::path::PathBuf;

use clap::builder::StringValueParser;
use clap::builder::TypedValueParser as _;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use rootlay::oci::Reference;

use super::commands::check::CheckArgs;
use super::commands::completion::CompletionArgs;
use super::commands::df::DfArgs;
use super::commands::digest::DigestArgs;
use super::commands::exists::ExistsArgs;
use super::commands::history::HistoryArgs;
use super::commands::images::ImagesArgs;
use super::commands::import::ImportArgs;
use super::commands::info::InfoArgs;
use super::commands::inspect::{InspectArgs, Scope};
use super::commands::load::LoadArgs;
use super::commands::login::LoginArgs;
use super::commands::logout::LogoutArgs;
use super::commands::man::ManArgs;
use super::commands::manifest::ManifestInspectArgs;
use super::commands::mount::MountArgs;
use super::commands::mounts::MountsArgs;
use super::commands::pin::PinArgs;
use super::commands::prune::PruneArgs;
use super::commands::pull::PullArgs;
use super::commands::push::PushArgs;
use super::commands::rm::RmArgs;
use super::commands::rmi::RmiArgs;
use super::commands::save::SaveArgs;
use super::commands::search::SearchArgs;
use super::commands::tag::TagArgs;
use super::commands::tags::TagsArgs;
use super::commands::tree::TreeArgs;
use super::commands::umount::UmountArgs;
use super::commands::untag::UntagArgs;
use super::commands::version::VersionArgs;
use super::host::Threads;
use super::progress::Mode;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "rootlay",
    bin_name = "rootlay",
    about = "Container images as OverlayFS root filesystems, without a daemon",
    version,
    propagate_version = true,
    disable_version_flag = true,
    args_override_self = true,
    subcommand_required = true,
    arg_required_else_help = true,
    infer_long_args = false,
    color = clap::ColorChoice::Never,
    max_term_width = 120
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const ROOT_HELP: &str = "State root [env: ROOTLAY_ROOT] [default: /var/lib/rootlay]";

/// Flags that every command has, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    #[arg(long, global = true, value_name = "DIR", help = ROOT_HELP)]
    pub root: Option<PathBuf>,

    /// What to log on stderr
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    log_level: LogLevel,

    /// Log for developers, as `--log-level debug`
    #[arg(short = 'D', long, global = true)]
    debug: bool,

    /// Show no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// How to show progress
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    pub progress: Mode,

    /// How many threads work on layers; by default as many as there are cores
    #[arg(long, global = true, value_name = "N", env = "ROOTLAY_THREADS", hide_env_values = true)]
    pub threads: Option<Threads>,

    /// Print version
    #[arg(short = 'v', long, global = true, action = ArgAction::Version)]
    version: Option<bool>,
}

impl Global {
    /// What is logged.
    pub fn log_level(&self) -> LogLevel {
        if self.debug && self.log_level != LogLevel::Trace { LogLevel::Debug } else { self.log_level }
    }
}

/// The values of `--log-level`, with those of Docker and Podman.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    #[value(alias = "warning")]
    Warn,
    #[value(aliases = ["fatal", "panic"])]
    Error,
    Off,
}

/// The commands in their flat spelling.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download an image from a registry
    Pull(PullArgs),
    /// Load an image from a directory, an archive or stdin
    Load(LoadArgs),
    /// Make a one-layer image of a root filesystem tar
    Import(ImportArgs),
    /// Mount an image, or a saved view again; without arguments, list views
    Mount(MountArgs),
    /// List views
    Mounts(MountsArgs),
    /// Unmount views
    #[command(visible_alias = "unmount")]
    Umount(UmountArgs),
    /// Forget views, and what was written to them
    Rm(RmArgs),
    /// List images
    Images(ImagesArgs),
    /// Upload an image to a registry
    Push(PushArgs),
    /// Write images to an archive
    Save(SaveArgs),
    /// Authenticate to a registry
    Login(LoginArgs),
    /// Log out from a registry
    Logout(LogoutArgs),
    /// Search Docker Hub for images
    Search(SearchArgs),
    /// List the tags of a repository in a registry
    Tags(TagsArgs),
    /// Print the digest that an image has in its registry
    Digest(DigestArgs),
    /// Show everything about images and views, as JSON
    Inspect(InspectArgs),
    /// Give names to an image, or list what a tag named before
    Tag(TagArgs),
    /// Take names from an image
    Untag(UntagArgs),
    /// Keep images from being pruned
    Pin(PinArgs),
    /// Let pinned images be pruned again
    Unpin(PinArgs),
    /// Show how an image was made
    History(HistoryArgs),
    /// Show the layers of an image
    Tree(TreeArgs),
    /// Remove images
    Rmi(RmiArgs),
    /// Manage images
    Image(Group<ImageCommand>),
    /// Look at image manifests and manifest lists in registries
    Manifest(Group<ManifestCommand>),
    /// Show the state root and what this machine offers
    Info(InfoArgs),
    /// Look after the state root
    System(Group<SystemCommand>),
    /// Show the version
    Version(VersionArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the manual page, or write all of them into a directory
    #[command(hide = true)]
    Man(ManArgs),
}

/// A command whose only argument is another command.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Group<C: Subcommand> {
    #[command(subcommand)]
    command: C,
}

/// `rootlay image …`
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Tell by the exit code whether an image is here
    Exists(ExistsArgs),
    /// Show how an image was made
    History(HistoryArgs),
    /// Make a one-layer image of a root filesystem tar
    Import(ImportArgs),
    /// Show everything about images, as JSON
    Inspect(InspectArgs),
    /// Load an image from a directory, an archive or stdin
    Load(LoadArgs),
    /// List images
    #[command(visible_alias = "list")]
    Ls(ImagesArgs),
    /// Mount an image, or a saved view again; without arguments, list views
    Mount(MountArgs),
    /// Keep images from being pruned
    Pin(PinArgs),
    /// Remove unused images
    Prune(PruneArgs),
    /// Download an image from a registry
    Pull(PullArgs),
    /// Upload an image to a registry
    Push(PushArgs),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(RmiArgs),
    /// Write images to an archive
    Save(SaveArgs),
    /// Search Docker Hub for images
    Search(SearchArgs),
    /// Give names to an image, or list what a tag named before
    Tag(TagArgs),
    /// Take names from an image
    Untag(UntagArgs),
    /// Show the layers of an image
    Tree(TreeArgs),
    /// Unmount views
    #[command(visible_alias = "unmount")]
    Umount(UmountArgs),
    /// Let pinned images be pruned again
    Unpin(PinArgs),
}

/// `rootlay manifest …`
#[derive(Debug, Subcommand)]
pub enum ManifestCommand {
    /// Display an image manifest, or manifest list
    Inspect(ManifestInspectArgs),
}

/// `rootlay system …`
#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    /// Check the state root, and repair it
    Check(CheckArgs),
    /// Show what the state root takes on disk
    Df(DfArgs),
    /// Show the state root and what this machine offers
    Info(InfoArgs),
    /// Remove unused data
    Prune(PruneArgs),
}

/// One command, whichever way it was spelled.
#[derive(Debug)]
pub enum Action {
    Pull(PullArgs),
    Push(PushArgs),
    Save(SaveArgs),
    Login(LoginArgs),
    Logout(LogoutArgs),
    Search(SearchArgs),
    Tags(TagsArgs),
    Digest(DigestArgs),
    ManifestInspect(ManifestInspectArgs),
    Load(LoadArgs),
    Import(ImportArgs),
    Mount(MountArgs),
    Mounts(MountsArgs),
    Umount(UmountArgs),
    Rm(RmArgs),
    Images(ImagesArgs),
    Tag(TagArgs),
    Untag(UntagArgs),
    Pin(PinArgs),
    Unpin(PinArgs),
    Prune(PruneArgs),
    SystemPrune(PruneArgs),
    Inspect(InspectArgs, Scope),
    History(HistoryArgs),
    Tree(TreeArgs),
    Rmi(RmiArgs),
    Exists(ExistsArgs),
    Info(InfoArgs),
    Check(CheckArgs),
    Df(DfArgs),
    Version(VersionArgs),
    Completion(CompletionArgs),
    Man(ManArgs),
}

impl From<Command> for Action {
    fn from(command: Command) -> Self {
        match command {
            Command::Pull(args) | Command::Image(Group { command: ImageCommand::Pull(args) }) => Self::Pull(args),
            Command::Push(args) | Command::Image(Group { command: ImageCommand::Push(args) }) => Self::Push(args),
            Command::Save(args) | Command::Image(Group { command: ImageCommand::Save(args) }) => Self::Save(args),
            Command::Search(args) | Command::Image(Group { command: ImageCommand::Search(args) }) => Self::Search(args),
            Command::Manifest(Group { command: ManifestCommand::Inspect(args) }) => Self::ManifestInspect(args),
            Command::Login(args) => Self::Login(args),
            Command::Logout(args) => Self::Logout(args),
            Command::Tags(args) => Self::Tags(args),
            Command::Digest(args) => Self::Digest(args),
            Command::Load(args) | Command::Image(Group { command: ImageCommand::Load(args) }) => Self::Load(args),
            Command::Import(args) | Command::Image(Group { command: ImageCommand::Import(args) }) => Self::Import(args),
            Command::Mount(args) | Command::Image(Group { command: ImageCommand::Mount(args) }) => Self::Mount(args),
            Command::Umount(args) | Command::Image(Group { command: ImageCommand::Umount(args) }) => Self::Umount(args),
            Command::Images(args) | Command::Image(Group { command: ImageCommand::Ls(args) }) => Self::Images(args),
            Command::Inspect(args) => Self::Inspect(args, Scope::Everything),
            Command::Image(Group { command: ImageCommand::Inspect(args) }) => Self::Inspect(args, Scope::Images),
            Command::History(args) | Command::Image(Group { command: ImageCommand::History(args) }) => {
                Self::History(args)
            }
            Command::Tree(args) | Command::Image(Group { command: ImageCommand::Tree(args) }) => Self::Tree(args),
            Command::Rmi(args) | Command::Image(Group { command: ImageCommand::Rm(args) }) => Self::Rmi(args),
            Command::Tag(args) | Command::Image(Group { command: ImageCommand::Tag(args) }) => Self::Tag(args),
            Command::Untag(args) | Command::Image(Group { command: ImageCommand::Untag(args) }) => Self::Untag(args),
            Command::Pin(args) | Command::Image(Group { command: ImageCommand::Pin(args) }) => Self::Pin(args),
            Command::Unpin(args) | Command::Image(Group { command: ImageCommand::Unpin(args) }) => Self::Unpin(args),
            Command::Image(Group { command: ImageCommand::Prune(args) }) => Self::Prune(args),
            Command::System(Group { command: SystemCommand::Prune(args) }) => Self::SystemPrune(args),
            Command::Info(args) | Command::System(Group { command: SystemCommand::Info(args) }) => Self::Info(args),
            Command::System(Group { command: SystemCommand::Df(args) }) => Self::Df(args),
            Command::System(Group { command: SystemCommand::Check(args) }) => Self::Check(args),
            Command::Image(Group { command: ImageCommand::Exists(args) }) => Self::Exists(args),
            Command::Mounts(args) => Self::Mounts(args),
            Command::Rm(args) => Self::Rm(args),
            Command::Version(args) => Self::Version(args),
            Command::Completion(args) => Self::Completion(args),
            Command::Man(args) => Self::Man(args),
        }
    }
}

impl Action {
    /// Whether it is to say what happens between this machine and registries.
    pub fn explains(&self) -> bool {
        let connection = match self {
            Self::Pull(args) => &args.registry.connection,
            Self::Push(args) => &args.registry.connection,
            Self::Save(args) => &args.connection,
            Self::Check(args) => &args.connection,
            Self::Search(args) => &args.registry.connection,
            Self::Tags(args) => &args.registry.connection,
            Self::Digest(args) => &args.registry.connection,
            Self::ManifestInspect(args) => &args.registry.connection,
            Self::Login(args) => &args.connection,
            _ => return false,
        };
        connection.explain
    }
}

/// Go's `strconv.ParseBool`.
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

/// Reads the name of an image in a registry, which may be written as the SOURCE that it is.
pub fn remote(text: &str) -> rootlay::Result<Reference> {
    text.strip_prefix("docker://").unwrap_or(text).parse()
}

/// Reads text that a constructor of ours understands, so that a mistake is a usage error with clap's words around it.
pub fn parsed<T, E>(parse: fn(&str) -> Result<T, E>) -> impl clap::builder::TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    StringValueParser::new().try_map(move |text| parse(&text))
}
