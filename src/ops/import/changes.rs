//! `--change`: the instructions of a Dockerfile that say something about the configuration.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::health::healthcheck;
use super::words;
use crate::error::{Error, ErrorKind, Result};

/// The `config` object of an image that these instructions describe.
///
/// # Errors
/// `Usage`, with the instruction.
pub(super) fn apply(changes: &[String]) -> Result<Map<String, Value>> {
    let mut config = Config::default();
    for change in changes {
        config
            .instruction(change.trim())
            .map_err(|why| Error::new(ErrorKind::Usage, format!("bad change `{}`: {why}", change.escape_debug())))?;
    }
    Ok(config.object)
}

#[derive(Default)]
struct Config {
    object: Map<String, Value>,
    /// The variables that `ENV` has set so far, in their order.
    environment: Vec<(String, String)>,
}

impl Config {
    fn instruction(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let name = word.to_ascii_uppercase();
        if rest.is_empty() && name != "CMD" && name != "ENTRYPOINT" {
            return Err(if line.is_empty() { "empty".to_owned() } else { format!("{name} needs an argument") });
        }
        match name.as_str() {
            "CMD" => self.set("Cmd", json!(command(rest))),
            "ENTRYPOINT" => self.set("Entrypoint", json!(command(rest))),
            "ENV" => {
                for (key, value) in self.pairs(rest)? {
                    match self.environment.iter_mut().find(|(known, _)| *known == key) {
                        Some(known) => known.1 = value,
                        None => self.environment.push((key, value)),
                    }
                }
                let list: Vec<String> = self.environment.iter().map(|(key, value)| format!("{key}={value}")).collect();
                self.set("Env", json!(list));
            }
            "LABEL" => {
                for (key, value) in self.pairs(rest)? {
                    self.insert("Labels", &key, &json!(value));
                }
            }
            "EXPOSE" => {
                for port in self.words(rest)?.iter().map(|word| ports(word)).collect::<Result<Vec<_>, _>>()?.concat() {
                    self.insert("ExposedPorts", &port, &json!({}));
                }
            }
            "VOLUME" => {
                let volumes = match json_words(rest) {
                    Some(volumes) => volumes,
                    None => self.words(rest)?,
                };
                for volume in volumes {
                    match volume.trim() {
                        "" => return Err("a volume needs a path".to_owned()),
                        path => self.insert("Volumes", path, &json!({})),
                    }
                }
            }
            "USER" => self.set_word("User", rest)?,
            "STOPSIGNAL" => self.set_word("StopSignal", rest)?,
            "WORKDIR" => {
                let path = words::expand(rest, &self.variables())?;
                let before = self.object.get("WorkingDir").and_then(Value::as_str).unwrap_or("/");
                self.set("WorkingDir", json!(join(before, &path)));
            }
            "ONBUILD" => {
                let trigger = rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
                if matches!(trigger.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
                    return Err(format!("{trigger} is not allowed in ONBUILD"));
                }
                let triggers = self.object.entry("OnBuild").or_insert_with(|| json!([]));
                triggers.as_array_mut().into_iter().for_each(|triggers| triggers.push(json!(rest)));
            }
            "HEALTHCHECK" => self.set("Healthcheck", healthcheck(rest, json_words)?),
            _ => return Err(format!("{name} is not a valid change command")),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value) {
        self.object.insert(key.to_owned(), value);
    }

    fn insert(&mut self, object: &str, key: &str, value: &Value) {
        let object = self.object.entry(object).or_insert_with(|| json!({}));
        object.as_object_mut().into_iter().for_each(|object| drop(object.insert(key.to_owned(), value.clone())));
    }

    fn set_word(&mut self, key: &str, text: &str) -> Result<(), String> {
        let words = self.words(text)?;
        let [word] = words.as_slice() else { return Err("expected one argument".to_owned()) };
        self.set(key, json!(word));
        Ok(())
    }

    fn variables(&self) -> BTreeMap<String, String> {
        self.environment.iter().cloned().collect()
    }

    fn words(&self, text: &str) -> Result<Vec<String>, String> {
        words::split(text, &self.variables())
    }

    /// `key=value …`, or the old form `key value with blanks`.
    fn pairs(&self, text: &str) -> Result<Vec<(String, String)>, String> {
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if !first.contains('=') {
            if rest.is_empty() {
                return Err("expected key=value".to_owned());
            }
            return Ok(vec![(first.to_owned(), words::expand(rest, &self.variables())?)]);
        }
        let pair = |word: String| match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!("expected key=value, got `{word}`")),
        };
        self.words(text)?.into_iter().map(pair).collect()
    }
}

/// The exec form if it is a JSON array of strings, otherwise the shell form. An empty command is none.
fn command(text: &str) -> Vec<String> {
    match json_words(text) {
        Some(words) => words,
        None if text.is_empty() => Vec::new(),
        None => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()],
    }
}

fn json_words(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// `80`, `80/udp`, `8000-8002`: each port with its protocol.
fn ports(word: &str) -> Result<Vec<String>, String> {
    let bad = || format!("bad port `{word}`");
    let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad());
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().map_err(|_| bad());
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(bad());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// The working directory after `WORKDIR path`: absolute, without `.` and `..`.
fn join(before: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{before}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(changes: &[&str]) -> Value {
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        Value::Object(apply(&changes).unwrap())
    }

    #[test]
    fn every_instruction_that_docker_takes() {
        for (changes, expected) in [
            (&[r#"CMD ["/bin/ls", "-l"]"#][..], json!({ "Cmd": ["/bin/ls", "-l"] })),
            (&["cmd ls -l"], json!({ "Cmd": ["/bin/sh", "-c", "ls -l"] })),
            (&[r#"ENTRYPOINT ["/init"]"#], json!({ "Entrypoint": ["/init"] })),
            (&["ENTRYPOINT []"], json!({ "Entrypoint": [] })),
            (&["ENV A=1 B=\"2 3\"", "ENV A=$B", "ENV C 4 5"], json!({ "Env": ["A=2 3", "B=2 3", "C=4 5"] })),
            (&["LABEL a=b \"c d\"='e f'", "LABEL x y z"], json!({ "Labels": { "a": "b", "c d": "e f", "x": "y z" } })),
            (
                &["EXPOSE 80 53/UDP", "EXPOSE 90-91/tcp"],
                json!({ "ExposedPorts": { "80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {} } }),
            ),
            (&["VOLUME /a /b", r#"VOLUME ["/c d"]"#], json!({ "Volumes": { "/a": {}, "/b": {}, "/c d": {} } })),
            (&["USER 1000:1000"], json!({ "User": "1000:1000" })),
            (&["STOPSIGNAL SIGKILL"], json!({ "StopSignal": "SIGKILL" })),
            (&["ENV D=/srv", "WORKDIR $D", "WORKDIR a/../b"], json!({ "Env": ["D=/srv"], "WorkingDir": "/srv/b" })),
            (&["ONBUILD RUN make", "ONBUILD COPY . ."], json!({ "OnBuild": ["RUN make", "COPY . ."] })),
            (&["HEALTHCHECK CMD true"], json!({ "Healthcheck": { "Test": ["CMD-SHELL", "true"] } })),
            (&[], json!({})),
        ] {
            assert_eq!(config(changes), expected, "{changes:?}");
        }
    }

    #[test]
    fn others_are_refused_with_the_instruction() {
        for bad in [
            "",
            "FROM x",
            "RUN x",
            "COPY a b",
            "ENV",
            "ENV A",
            "ENV =x",
            "ENV A=1 B",
            "EXPOSE x",
            "EXPOSE 9-8",
            "EXPOSE 1/icmp",
            "USER a b",
            "ONBUILD FROM x",
            "ONBUILD ONBUILD RUN x",
            "LABEL a='b",
            "HEALTHCHECK x",
            "VOLUME [\"\"]",
        ] {
            let error = apply(&[bad.to_owned()]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
        }
        let error = apply(&["RUN make".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "bad change `RUN make`: RUN is not a valid change command");
    }
}
