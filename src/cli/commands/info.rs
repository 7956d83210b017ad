//! `rootlay info`

use std::os::unix::ffi::OsStrExt as _;

use clap::Args;
use rootlay::ops::{Feature, Info};
use serde_json::{Value, json};

use super::super::failure::Outcome;
use super::super::host::Host;
use super::super::listing::print_object;
use super::super::output::Output;
use super::super::printable;

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Try everything that matters, and say what works, what does not, and what to change (exit code 4 where something
    /// that is needed is missing)
    #[arg(long)]
    check: bool,

    /// `table`, `json` or a Go template
    #[arg(short, long)]
    format: Option<String>,
}

impl InfoArgs {
    /// Whether everything is tried.
    pub fn is_check(&self) -> bool {
        self.check
    }
}

pub fn run(args: &InfoArgs, host: &Host, out: &mut Output) -> Outcome {
    let format = args.format.as_deref();
    if args.check {
        return super::doctor::run(format, host, out);
    }
    let info = host.open()?.info()?;
    print_object(&json(&info), format, || lines(&info), out)
}

fn lines(info: &Info) -> Vec<String> {
    let mut lines = vec![
        format!("Version: {}", info.version),
        format!("State root: {}", printable::word(info.root.as_os_str().as_bytes())),
        format!("File system: {}", info.file_system),
        format!("Images: {}", info.images),
        format!("Layers: {}", info.layers),
        format!("Views: {}", info.views),
        format!(" Mounted: {}", info.mounted),
    ];
    for (title, features) in [("Kernel:", &info.kernel), ("Storage:", &info.storage)] {
        lines.push(title.to_owned());
        lines.extend(features.iter().map(|feature| format!(" {}: {}", feature.name, answer(feature.available))));
    }
    lines
}

fn answer(available: Option<bool>) -> &'static str {
    match available {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

fn json(info: &Info) -> Value {
    let features = |features: &[Feature]| -> Value {
        features.iter().map(|feature| (feature.name.clone(), Value::from(feature.available))).collect()
    };
    json!({
        "Version": info.version,
        "Root": info.root.to_string_lossy(),
        "FileSystem": info.file_system,
        "Images": info.images,
        "Layers": info.layers,
        "Views": info.views,
        "Mounted": info.mounted,
        "Kernel": features(&info.kernel),
        "Storage": features(&info.storage),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_not_told_as_missing() {
        let feature = |name: &str, available| Feature { name: name.to_owned(), available };
        let info = Info {
            root: "/r".into(),
            version: "1.2.3",
            images: 2,
            layers: 5,
            views: 1,
            mounted: 0,
            file_system: "ext4".to_owned(),
            kernel: vec![feature("overlay", Some(true)), feature("new mount calls", None)],
            storage: vec![feature("whiteouts", Some(false))],
        };
        let lines = lines(&info);
        for line in ["State root: /r", " overlay: yes", " new mount calls: unknown", " whiteouts: no"] {
            assert!(lines.iter().any(|own| own == line), "{line} in {lines:?}");
        }
        assert_eq!(json(&info)["Kernel"].to_string(), r#"{"overlay":true,"new mount calls":null}"#);
    }
}
