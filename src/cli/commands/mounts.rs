//! `rootlay mounts`

use std::os::unix::ffi::OsStrExt as _;

use clap::Args;
use rootlay::ops::{Access, ViewInfo};
use serde_json::json;

use super::super::failure::Outcome;
use super::super::grammar::{Format, format};
use super::super::host::Host;
use super::super::output::Output;
use super::super::printable;
use super::super::table::Table;
use super::super::time::Moment;

#[derive(Debug, Args)]
pub struct MountsArgs {
    /// Print only the names of views
    #[arg(short, long)]
    quiet: bool,

    /// `table` or `json`
    #[arg(long, value_parser = format, default_value = "table")]
    format: Format,
}

pub fn run(args: &MountsArgs, host: &Host, out: &mut Output) -> Outcome {
    if args.quiet {
        let views = host.open()?.views()?;
        return out.lines(views.iter().map(|view| printable::word(view.name.as_bytes())));
    }
    list(args.format, host, out)
}

/// Prints the views.
pub fn list(format: Format, host: &Host, out: &mut Output) -> Outcome {
    let views = host.open()?.views()?;
    match format {
        Format::Table => out.lines(table(&views, Moment::now()).lines()),
        Format::Json => out.lines(views.iter().map(|view| json(view).to_string())),
    }
}

fn table(views: &[ViewInfo], now: Moment) -> Table {
    let mut table = Table::new(&["NAME", "IMAGE", "MODE", "TARGET", "CREATED", "STATUS"]);
    for view in views {
        table.row(vec![
            printable::word(view.name.as_bytes()),
            image(view),
            mode(view).to_owned(),
            printable::word(view.target.as_os_str().as_bytes()),
            Moment::from(view.created).ago(now),
            status(view),
        ]);
    }
    table
}

fn json(view: &ViewInfo) -> serde_json::Value {
    json!({
        "Name": view.name,
        "Image": view.image,
        "ImageID": view.image_id.as_ref().map(ToString::to_string),
        "Mode": mode(view),
        "Target": view.target.to_string_lossy(),
        "CreatedAt": Moment::from(view.created).go_string(),
        "Mounted": view.mounted,
        "Status": status(view),
    })
}

fn image(view: &ViewInfo) -> String {
    if view.image.is_empty() { "<none>".to_owned() } else { printable::word(view.image.as_bytes()) }
}

fn mode(view: &ViewInfo) -> &'static str {
    match view.access {
        Access::ReadOnly => "ro",
        Access::Writable => "rw",
    }
}

fn status(view: &ViewInfo) -> String {
    match &view.broken {
        Some(why) => format!("broken: {}", printable::word(why.as_bytes())),
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
        let lines: Vec<String> = table(&views, now).lines().collect();
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
