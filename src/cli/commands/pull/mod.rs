//! `rootlay pull`

mod check;
mod plan;

use std::num::NonZero;

use clap::Args;
use rootlay::Error;
use rootlay::oci::{Platform, Reference};
use rootlay::ops::{News, Oddities, PullRequest, Pulled, Registries, Rootlay};

use super::super::failure::{Failure, Failures, Outcome};
use super::super::grammar::{parsed, remote};
use super::super::host::Host;
use super::super::limits::{Limit, limit, limits};
use super::super::output::Output;
use super::super::printable;
use super::super::registry::RegistryArgs;
use super::super::registry::environment::{Environment, platform};

const PLATFORM_HELP: &str = "Pull the image for this platform: `os[/arch[/variant]]` [env: DOCKER_DEFAULT_PLATFORM]";

/// The exit code of `--check` where the registry has something newer.
const NEWER: u8 = 20;

#[derive(Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
#[command(after_help = "Examples:\
    \n  rootlay pull busybox\
    \n  rootlay pull --platform linux/arm64 quay.io/org/app:1.2\
    \n  rootlay pull --check nginx:1.27")]
pub struct PullArgs {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,

    /// Print only the reference
    #[arg(short, long)]
    quiet: bool,

    #[arg(long, help = PLATFORM_HELP, value_name = "PLATFORM", value_parser = parsed(str::parse::<Platform>))]
    platform: Option<Platform>,

    /// Say what would be fetched, and fetch nothing
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,

    /// Tell by the exit code whether the registry has a newer image (20) or not (0)
    #[arg(long)]
    check: bool,

    /// How many layers are pulled at once [default: the number of cores, at least 4]
    #[arg(long, value_name = "N", value_parser = count)]
    jobs: Option<NonZero<usize>>,

    /// Change a limit of each layer: `entries`, `bytes`, `depth` or `window` (may be repeated)
    #[arg(long = "limit", value_name = "KEY=VALUE", value_parser = limit)]
    limits: Vec<Limit>,

    /// Refuse what other tools read in other ways, instead of warning about it
    #[arg(long)]
    strict: bool,

    /// Accepted for scripts; it has no effect
    #[arg(long, hide = true)]
    disable_content_trust: bool,

    /// Names of images in registries
    #[arg(value_name = "NAME[:TAG|@DIGEST]", required = true, value_parser = parsed(remote))]
    names: Vec<Reference>,

    #[command(flatten)]
    pub registry: RegistryArgs,
}

pub fn run(args: PullArgs, host: &Host, out: &mut Output) -> Outcome {
    if args.all_tags && args.names.iter().any(|name| !is_untagged(name)) {
        return Err(Failure::usage("tag can't be used with --all-tags/-a"));
    }
    if args.disable_content_trust {
        host.warn("--disable-content-trust has no effect: signatures are not checked");
    }
    let platform = platform(args.platform.as_ref(), &Environment::of_process())?;
    let engine = host.open()?;
    let registries = host.registries(args.registry.options(host)?)?;
    Run { args, platform, engine: &engine, registries, host }.all(out)
}

impl PullArgs {
    /// Whether nothing is fetched.
    pub fn only_asks(&self) -> bool {
        self.dry_run || self.check
    }

    /// What another command wants of a pull.
    pub fn of(platform: Option<Platform>, limits: Vec<Limit>, strict: bool) -> Self {
        Self { platform, limits, strict, ..Self::default() }
    }
}

/// Pulls one image for another command: nothing is printed on stdout. Returns the platform that was asked for, by the
/// command or by the environment.
pub fn quietly(args: PullArgs, engine: &Rootlay, host: &Host, name: &Reference) -> Outcome<Option<Platform>> {
    let platform = platform(args.platform.as_ref(), &Environment::of_process())?;
    let registries = host.registries(args.registry.options(host)?)?;
    let run = Run { args, platform, engine, registries, host };
    run.fetch(name)?;
    Ok(run.platform)
}

/// A number of things of which there is one at least.
pub fn count(text: &str) -> Result<NonZero<usize>, String> {
    text.parse().map_err(|_| "expected a whole number above 0".to_owned())
}

/// Whether neither tag nor digest was named.
fn is_untagged(name: &Reference) -> bool {
    name.tag().is_none() && name.digest().is_none()
}

/// One run of the command.
struct Run<'a> {
    args: PullArgs,
    platform: Option<Platform>,
    engine: &'a Rootlay,
    registries: Registries,
    host: &'a Host,
}

impl Run<'_> {
    /// All names in turn.
    fn all(&self, out: &mut Output) -> Outcome {
        let mut failures = Failures::default();
        let mut newer = false;
        for name in &self.args.names {
            let outcome = if self.args.check {
                self.check(name, out)
            } else if self.args.dry_run {
                self.plan(name, out).map(|()| false)
            } else if self.args.all_tags {
                self.repository(name, out).map(|()| false)
            } else {
                self.image(name, out).map(|()| false)
            };
            newer |= failures.keep(outcome)?.unwrap_or_default();
        }
        failures.end()?;
        if newer { Err(Failure::Silent(NEWER)) } else { Ok(()) }
    }

    /// One image.
    fn image(&self, name: &Reference, out: &mut Output) -> Outcome {
        if !self.args.quiet && is_untagged(name) {
            out.line("Using default tag: latest")?;
        }
        let pulled = self.fetch(name)?;
        if !self.args.quiet {
            out.line(&format!("Digest: {}", pulled.digest))?;
            out.line(&status(pulled.news, &pulled.reference.familiar()))?;
        }
        out.line(&pulled.reference.canonical())
    }

    /// All tags of a repository. One that fails does not stop the others.
    fn repository(&self, name: &Reference, out: &mut Output) -> Outcome {
        let mut failures = Failures::default();
        let mut news = None;
        for reference in self.tags(name)? {
            let Some(pulled) = failures.keep(self.fetch(&reference))? else {
                continue;
            };
            if !self.args.quiet {
                out.line(&format!("Digest: {}", pulled.digest))?;
            }
            let before = news.unwrap_or(News::UpToDate);
            news = Some(if before == News::Downloaded { before } else { pulled.news });
        }
        if let Some(news) = news {
            if !self.args.quiet {
                out.line(&status(news, &name.familiar_name()))?;
            }
            out.line(&name.canonical())?;
        }
        failures.end()
    }

    /// The tags of a repository that are tags.
    fn tags(&self, name: &Reference) -> Outcome<Vec<Reference>> {
        let tags = self.registries.tags(name)?;
        let tagged = tags.iter().filter_map(|tag| {
            let reference = tagged(name, tag);
            if reference.is_none() {
                let tag = printable::word(tag.as_bytes());
                self.host.warn(&format!("skipping {}: `{tag}` is not a valid tag", name.familiar_name()));
            }
            reference
        });
        Ok(tagged.collect())
    }

    /// What one NAME stands for.
    fn references(&self, name: &Reference) -> Outcome<Vec<Reference>> {
        if self.args.all_tags { self.tags(name) } else { Ok(vec![name.clone().with_default_tag()]) }
    }

    fn request(&self, name: &Reference) -> PullRequest {
        PullRequest {
            reference: name.clone().with_default_tag(),
            platform: self.platform.clone(),
            jobs: self.args.jobs,
            limits: limits(&self.args.limits),
            oddities: if self.args.strict { Oddities::Refuse } else { Oddities::Warn },
        }
    }

    fn fetch(&self, name: &Reference) -> Outcome<Pulled> {
        let pulled = self.engine.pull(&self.registries, self.request(name));
        self.host.settle();
        Ok(pulled.map_err(|error| self.named(error, name))?)
    }

    /// Where several images are pulled, an error has to say which one it is about.
    fn named(&self, error: Error, name: &Reference) -> Error {
        let several = self.args.all_tags || self.args.names.len() > 1;
        if several { error.context(format!("pull {}", name.familiar())) } else { error }
    }

    fn plan(&self, name: &Reference, out: &mut Output) -> Outcome {
        let mut failures = Failures::default();
        for reference in self.references(name)? {
            let plan = self.engine.plan_pull(&self.registries, &self.request(&reference));
            if let Some(plan) = failures.keep(plan.map_err(|error| self.named(error, &reference).into()))? {
                out.lines(plan::lines(&plan))?;
                if let Some(warning) = plan::shortage(&plan) {
                    self.host.warn(&warning);
                }
            }
        }
        failures.end()
    }

    /// Whether the registry has something newer for one of the references.
    fn check(&self, name: &Reference, out: &mut Output) -> Outcome<bool> {
        let mut failures = Failures::default();
        let mut newer = false;
        for reference in self.references(name)? {
            let found = self.engine.check_pull(&self.registries, &reference, self.platform.as_ref());
            if let Some(found) = failures.keep(found.map_err(|error| self.named(error, &reference).into()))? {
                newer |= check::is_newer(&found);
                if !self.args.quiet {
                    out.line(&check::line(&found))?;
                }
            }
        }
        failures.end()?;
        Ok(newer)
    }
}

/// The repository with a tag that a registry listed; `None` for what is no tag.
fn tagged(name: &Reference, tag: &str) -> Option<Reference> {
    let reference: Reference = format!("{}:{tag}", name.canonical()).parse().ok()?;
    (reference.tag() == Some(tag) && reference.digest().is_none()).then_some(reference)
}

fn status(news: News, name: &str) -> String {
    match news {
        News::Downloaded => format!("Status: Downloaded newer image for {name}"),
        News::UpToDate => format!("Status: Image is up to date for {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_a_listed_tag_may_be_none() {
        let name: Reference = "nigelpoulton/tu-demo".parse().unwrap();
        assert_eq!(tagged(&name, "v2").unwrap().canonical(), "docker.io/nigelpoulton/tu-demo:v2");
        let digest = format!("v1@sha256:{}", "a".repeat(64));
        for bad in ["", "a b", "../x", "-v", &"t".repeat(129), &digest, "5000/x"] {
            assert!(tagged(&name, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn s15_the_status_is_dockers() {
        assert_eq!(status(News::Downloaded, "busybox:latest"), "Status: Downloaded newer image for busybox:latest");
        assert_eq!(status(News::UpToDate, "busybox:latest"), "Status: Image is up to date for busybox:latest");
    }
}
