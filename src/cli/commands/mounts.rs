//! `rootlay mounts`

use std::os::unix::ffi::OsStrExt as _;

use clap::Args;
use rootlay::ops::{Access, ViewInfo};
use serde_json::{Value, json};

use super::super::failure::Outcome;
use super::super::host::Host;
use super::super::listing::{Listing, NONE, RowType};
use super::super::output::Output;
use super::super::printable;
use super::super::time::Moment;

#[derive(Debug, Args)]
pub struct MountsArgs {
    /// Print only the names of views
    #[arg(short, long)]
    quiet: bool,

    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long)]
    format: Option<String>,
}

const FIELDS: RowType = RowType {
    type_name: "*formatter.viewContext",
    fields: &[
        ("Name", "NAME"),
        ("Image", "IMAGE"),
        ("ImageID", "IMAGE ID"),
        ("Mode", "MODE"),
        ("Target", "TARGET"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Mounted", "MOUNTED"),
        ("Status", "STATUS"),
    ],
};
const COLUMNS: &[&str] = &["Name", "Image", "Mode", "Target", "CreatedSince", "Status"];

pub fn run(args: &MountsArgs, host: &Host, out: &mut Output) -> Outcome {
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    if args.quiet && format.is_none_or(|format| format == "table") {
        let views = host.open()?.views()?;
        return out.lines(views.iter().map(|view| printable::word(view.name.as_bytes())));
    }
    list(format, host, out)
}

/// Prints the views.
pub fn list(format: Option<&str>, host: &Host, out: &mut Output) -> Outcome {
    let views = host.open()?.views()?;
    listing(&views, Moment::now()).print(format, COLUMNS, out)
}

fn listing(views: &[ViewInfo], now: Moment) -> Listing {
    Listing::new(FIELDS, views.iter().map(|view| row(view, now)))
}

fn row(view: &ViewInfo, now: Moment) -> Vec<Value> {
    let created = Moment::from(view.created);
    vec![
        json!(view.name),
        json!(image(view)),
        json!(view.image_id.as_ref().map(ToString::to_string)),
        json!(mode(view)),
        json!(target(view)),
        json!(created.ago(now)),
        json!(created.go_string()),
        json!(view.mounted),
        json!(status(view)),
    ]
}

/// The directory; what is no text of it is escaped.
fn target(view: &ViewInfo) -> String {
    view.target.to_str().map_or_else(|| printable::word(view.target.as_os_str().as_bytes()), str::to_owned)
}

fn image(view: &ViewInfo) -> String {
    if view.image.is_empty() { NONE.to_owned() } else { view.image.clone() }
}

fn mode(view: &ViewInfo) -> &'static str {
    match view.access {
        Access::ReadOnly => "ro",
        Access::Writable => "rw",
    }
}

fn status(view: &ViewInfo) -> String {
    match &view.broken {
        Some(why) => format!("broken: {why}"),
        None if view.mounted => "mounted".to_owned(),
        None => "saved".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn names_are_printed_escaped_and_broken_views_say_why() {
        let view = |name: &str, mounted, broken: Option<&str>| ViewInfo {
            name: name.to_owned(),
            image: if broken.is_some() { String::new() } else { "busybox:latest".to_owned() },
            image_id: None,
            access: Access::ReadOnly,
            target: "/m\u{1b}".into(),
            mounted,
            created: UNIX_EPOCH,
            broken: broken.map(str::to_owned),
        };
        let now = Moment::from(UNIX_EPOCH + Duration::from_secs(5));
        let views = [view("a", true, None), view("b", false, None), view("c", false, Some("cut\noff"))];
        let lines: Vec<String> = listing(&views, now).table(COLUMNS).lines().collect();
        assert_eq!(
            lines,
            [
                "NAME      IMAGE            MODE      TARGET     CREATED         STATUS",
                "a         busybox:latest   ro        /m\\u{1b}   5 seconds ago   mounted",
                "b         busybox:latest   ro        /m\\u{1b}   5 seconds ago   saved",
                "c         <none>           ro        /m\\u{1b}   5 seconds ago   broken: cut\\noff",
            ]
        );
    }
}
