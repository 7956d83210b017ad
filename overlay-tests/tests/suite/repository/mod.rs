//! The local repository: the rows of Docker's behaviour by number (`s21_…`), and Docker itself beside the program.

mod account;
mod at_once;
mod docker;
mod filters;
mod history;
mod inspect;
mod listing;
mod naming;
mod pasted;
mod pruning;
mod removal;
mod save;
mod short_ids;
mod templates;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use overlay_tests::fixture::{DockerArchive, Image, file};
use overlay_tests::harness::{Case, Context, Output};
use serde_json::Value;

pub fn cases() -> Vec<Case> {
    [
        listing::cases(),
        filters::cases(),
        templates::cases(),
        inspect::cases(),
        history::cases(),
        short_ids::cases(),
        naming::cases(),
        removal::cases(),
        pruning::cases(),
        account::cases(),
        save::cases(),
        at_once::cases(),
        pasted::cases(),
        docker::cases(),
    ]
    .concat()
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// This many seconds before now, as a config says it.
fn ago(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    rfc3339(i64::try_from(now).unwrap() - seconds)
}

/// A moment after 1970 in RFC 3339.
fn rfc3339(seconds: i64) -> String {
    let (mut days, rest) = (seconds / DAY, seconds % DAY);
    let mut year = 1970;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (rest / HOUR, rest / MINUTE % 60, rest % 60);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, days + 1)
}

/// An image whose only file says this, created this many seconds ago.
fn aged(text: &str, seconds: i64) -> Image {
    let created = ago(seconds);
    Image::of([vec![file("says", text)]]).config(move |config| config["created"] = created.clone().into())
}

/// With these labels.
fn labelled(image: Image, labels: &[(&str, &str)]) -> Image {
    let labels: Vec<(String, String)> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    image.config(move |config| {
        for (key, value) in &labels {
            config["config"]["Labels"][key] = value.clone().into();
        }
    })
}

/// A `docker save` archive of these images under these names, and their IDs.
fn archive(context: &Context, images: &[(&Image, &[&str])]) -> (PathBuf, Vec<String>) {
    let mut archive = DockerArchive::default();
    let ids = images.iter().map(|(image, names)| archive.add_new(image, names)).collect();
    let path = context.fresh("archive");
    archive.write(&path);
    (path, ids)
}

/// Loads an image under these names; returns its ID.
#[track_caller]
fn store(context: &Context, image: &Image, names: &[&str]) -> String {
    let (path, ids) = archive(context, &[(image, names)]);
    context.rootlay(["load", "-i", path.to_str().unwrap()]).ok();
    ids.into_iter().next().unwrap()
}

/// The twelve digits of an ID that people see.
fn short(id: &str) -> &str {
    &id["sha256:".len()..][..12]
}

/// What this line of arguments prints, word by word as the shell would split it, when all is well.
#[track_caller]
fn prints(context: &Context, line: &str) -> String {
    run(context, line).ok()
}

/// Runs the program with arguments that spaces part.
fn run(context: &Context, line: &str) -> Output {
    context.rootlay(line.split_whitespace())
}

/// The lines that `images` prints with this template, for these further arguments.
#[track_caller]
fn rows(context: &Context, arguments: &[&str], template: &str) -> Vec<String> {
    let all = [&["images", "--format", template][..], arguments].concat();
    context.rootlay(all).ok().lines().map(str::to_owned).collect()
}

/// All `REPOSITORY:TAG` that `images` shows for these arguments.
#[track_caller]
fn named(context: &Context, arguments: &[&str]) -> Vec<String> {
    rows(context, arguments, "{{.Repository}}:{{.Tag}}")
}

/// What `inspect` says of one thing.
#[track_caller]
fn inspected(context: &Context, name: &str) -> Value {
    let document: Value = serde_json::from_str(&context.rootlay(["inspect", name]).ok()).unwrap();
    document[0].clone()
}

/// A run that fails with this code and one line that says all of this.
#[track_caller]
fn fails(context: &Context, arguments: &[&str], code: i32, says: &[&str]) {
    let output = context.rootlay(arguments).exits(code);
    let line = output.one_line();
    for text in says {
        assert!(line.contains(text), "{}\n`{text}` is not in: {line}", output.command);
    }
}

#[track_caller]
fn layers_here(context: &Context) -> usize {
    overlay_tests::harness::StoreListing::read(&context.root()).layers().len()
}
